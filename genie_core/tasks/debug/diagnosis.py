"""One diagnosis under way: what it reads, all begun at once, and the reports that need no look into the pod."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from genie_core.checks import registry
from genie_core.checks.check import Check
from genie_core.net.case import Case
from genie_core.published import JSON
from genie_core.survey import api
from genie_core.survey.collection import SECONDS, Collection
from genie_core.survey.facts import Facts
from genie_core.survey.survey import DEBUG, NETWORK, Part, Survey
from genie_core.tasks.debug.checks import choose, judge, since
from genie_core.tasks.debug.objects import objects_reader, take_objects
from genie_core.tasks.debug.options import DebugOptions
from genie_core.tasks.debug.report import DiagnosisReport
from genie_core.tasks.this_node import name_of


class Diagnosis:
    """The chosen checks, what was begun, and until when.

    `parts` are read of the node, None for those that the chosen checks need.
    """

    def __init__(self, options: DebugOptions, checks: Sequence[Check], parts: Part | None = None) -> None:
        self.options, self.parts = options, parts
        self.chosen = choose(options, checks)
        self.source = ""
        self.started = time.perf_counter()
        self.until = time.monotonic() + options.timeout
        # The checks need time for what was read by then.
        self.todo = Collection({}, self.until - min(1.0, options.timeout / 4))

    def begin(self) -> None:
        """Begin to read all that needs no other answer. Raises InvalidConfig, NotFound for unusable files."""
        options = self.options
        read = objects_reader(options, self.todo)
        self.todo.missing["api"] = "`genie discover` asks the API server of Genie's configuration"
        wanted = self.parts or (DEBUG if self.chosen.of(registry.FILES) else NETWORK)
        patience = max(SECONDS, options.timeout / 3)  # a disk that hangs leaves time for probes and checks
        self.survey = Survey(options, wanted, self.todo, pod=options.pod, patience=patience)
        self.objects = self.todo.start("objects", lambda: read(self.node_name))

    def answers(self) -> api.Answers:
        """The objects of the API server or of files. Raises NotFound for a pod that does not exist."""
        return take_objects(self.options, self.objects, self.todo)

    def node_name(self, objects: Sequence[JSON]) -> str:
        """This node's name: as named, else of the Node that has an address of this node."""
        options = self.options
        own = {address.ip for address in self.survey.node.addresses}
        return name_of(options.node, objects, own, is_explicit=options.node_explicit)

    def facts(self, netns: str, answers: api.Answers) -> Facts:
        """All facts but the probes; `netns` "" means the node alone."""
        found = self.survey.facts(netns)
        return replace(
            self._target(found, answers),
            files=replace(found.files, confs=(*found.files.confs, *answers.networks)),
        )

    def _target(self, facts: Facts, answers: api.Answers) -> Facts:
        """The facts with the pod, its objects and the time."""
        options = self.options
        return replace(
            facts,
            node_name=self.node_name(answers.objects),
            namespace=options.namespace,
            pod_name=options.name,
            time=time.time(),
            pod_object=answers.pod,
            objects=tuple(answers.objects),
            events=answers.events,
            missing=dict(self.todo.missing),
        )

    def elsewhere(self, state: str, reason: str, answers: api.Answers) -> DiagnosisReport:
        """The report for a pod that has no network here."""
        facts = self._target(Facts(), replace(answers, objects=[]))
        return DiagnosisReport(facts=facts, state=state, reason=reason, milliseconds=since(self.started))

    def unmade(self, reason: str, answers: api.Answers) -> DiagnosisReport:
        """The report for a pod whose sandbox cannot be made here: the cause is on the node."""
        return replace(self.of_node(registry.OF_NODE, answers), state="no-sandbox", reason=reason)

    def of_node(self, checks: Sequence[Check], answers: api.Answers) -> DiagnosisReport:
        """The diagnosis by these checks and those of the node's files, without a look into any pod."""
        report = judge(Case(self.facts("", answers)), checks, self.chosen, self.until)
        return self.complete(replace(report, state="node"))

    def complete(self, report: DiagnosisReport) -> DiagnosisReport:
        """The report with what is known of the whole diagnosis."""
        return replace(
            report,
            milliseconds=since(self.started),
            late=self.todo.late or report.late,
            source=self.source,
        )
