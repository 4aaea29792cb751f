"""`genie debug pod`: what is wrong with this pod's network. Facts, probes, checks, ranking; nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from genie_core.checks import kubernetes_reports, probe_plan, registry
from genie_core.checks.check import Check
from genie_core.errors import Denied, InvalidNetns, NotFound
from genie_core.net.case import Case
from genie_core.net.target import aim, parse_target
from genie_core.survey import api, cluster, netlink, probe
from genie_core.survey.collection import SECONDS, TIME_IS_UP, Collection
from genie_core.survey.facts import Facts, Probe
from genie_core.survey.kernel import JSON, Link
from genie_core.survey.namespaces import canonical, locate
from genie_core.survey.rootfs import Root
from genie_core.survey.survey import DEBUG, NETWORK, Part, Survey
from genie_core.tasks.debug.checks import choose, diagnose, judge, since, target_of
from genie_core.tasks.debug.question import DebugOptions, objects_reader, take_objects
from genie_core.tasks.debug.report import DiagnosisReport
from genie_core.tasks.pods import did_you_mean
from genie_core.tasks.this_node import are_alike, name_of

ENDED = {"Succeeded": "has completed", "Failed": "has failed or was evicted"}
PROBE_SECONDS = 15.0
# The sources that know where a pod's namespace is: keys of `missing`.
RECORDS = ("runtime", "state", "cache")


def debug_pod(question: DebugOptions, announce: Callable[[str], None]) -> DiagnosisReport:
    """The diagnosis. `announce` gets each step and each probe before it is made.

    Raises NotFound where the pod does not exist, Denied where this user may not look for it, InvalidConfig for an
    unusable file or flag.
    """
    if question.to:
        parse_target(question.to, question.namespace)
    work = Work(question, registry.NETWORK)
    announce("reading the node and the pod")
    work.begin()
    answers = work.answers()
    state, reason = elsewhere(question, answers, work.node_name(answers.objects))
    if state:
        return work.elsewhere(state, reason, answers)
    netns = find_netns(work, answers.pod)
    if not netns and not cluster.pod(answers.pod).host_network:
        if not work.todo.late:
            return _without_sandbox(work, answers)
        work.todo.missing["pod"] = TIME_IS_UP
    try:
        facts = work.facts(netns, answers)
    except InvalidNetns as error:
        raise NotFound(error.msg, hint="look at --netns" if question.netns else error.hint) from None
    case = target_of(Case(facts), question)
    probes, problem = _probe(case, question, announce, work.todo)
    missing = facts.missing | ({"probes": problem} if problem else {})
    case = case.probed(replace(facts, probes=probes, missing=missing))
    return work.complete(diagnose(case, work.chosen, work.until))


class Work:
    """One diagnosis under way: the chosen checks, what was begun, and until when.

    `parts` are read of the node, None for those that the chosen checks need.
    """

    def __init__(self, question: DebugOptions, checks: Sequence[Check], parts: Part | None = None) -> None:
        self.question, self.parts = question, parts
        self.chosen = choose(question, checks)
        self.source = ""
        self.started = time.perf_counter()
        self.until = time.monotonic() + question.timeout
        # The checks need time for what was read by then.
        self.todo = Collection({}, self.until - min(1.0, question.timeout / 4))

    def begin(self) -> None:
        """Begin to read all that needs no other answer. Raises InvalidConfig, NotFound for unusable files."""
        question = self.question
        read = objects_reader(question, self.todo)
        self.todo.missing["api"] = "`genie discover` asks the API server of Genie's configuration"
        wanted = self.parts or (DEBUG if self.chosen.of(registry.FILES) else NETWORK)
        patience = max(SECONDS, question.timeout / 3)  # a disk that hangs leaves time for probes and checks
        self.survey = Survey(question, wanted, self.todo, pod=question.pod, patience=patience)
        self.objects = self.todo.start("objects", lambda: read(self.node_name))

    def answers(self) -> api.Answers:
        """The objects of the API server or of files. Raises NotFound for a pod that does not exist."""
        return take_objects(self.question, self.objects, self.todo)

    def node_name(self, objects: Sequence[JSON]) -> str:
        """This node's name: as named, else of the Node that has an address of this node."""
        question = self.question
        own = {address.ip for address in self.survey.node.addresses}
        return name_of(question.node, objects, own, is_explicit=question.node_explicit)

    def facts(self, netns: str, answers: api.Answers) -> Facts:
        """All facts but the probes; `netns` "" means the node alone."""
        found = self.survey.facts(netns)
        return replace(
            self._target(found, answers),
            files=replace(found.files, confs=(*found.files.confs, *answers.networks)),
        )

    def _target(self, facts: Facts, answers: api.Answers) -> Facts:
        """The facts with the pod, its objects and the time."""
        question = self.question
        return replace(
            facts,
            node_name=self.node_name(answers.objects),
            namespace=question.namespace,
            pod_name=question.name,
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


def elsewhere(
    question: DebugOptions, answers: api.Answers, here: str, command: str = "debug pod"
) -> tuple[str, str]:
    """(state, reason) for a pod that has no network namespace on this node, else ("", "").

    `command` is the one that is to be run on the pod's node.
    """
    pod, about, title = answers.pod, cluster.pod(answers.pod), question.pod
    if about.phase in ENDED:
        return "no-sandbox", f"pod {title} {ENDED[about.phase]} ({_why(pod)}): it has no network any more"
    known = {cluster.node(n).name for n in cluster.of_kind(answers.objects, "Node")}
    is_sure = question.node_explicit or known
    strange = about.node and about.node != here and (is_sure or not are_alike(about.node, here))
    if strange and (question.node_explicit or about.node in known or not question.netns):
        return "not-here", f"pod {title} is on node {about.node}, this is {here}: run genie {command} there"
    return "", ""


def _why(pod: JSON) -> str:
    status = pod.get("status") or {}
    waiting = [
        c.get("state", {}).get("waiting", {}).get("reason", "") for c in status.get("containerStatuses") or ()
    ]
    conditions = [c.get("message", "") for c in status.get("conditions") or () if c.get("status") == "False"]
    said = [str(x) for x in (status.get("reason"), status.get("message"), *waiting, *conditions) if x]
    return said[0] if said else status.get("phase", "?")


def find_netns(work: Work, pod: JSON) -> str:
    """The path of the pod's namespace, "" where no source of this node has it, or the pod has none of its own.

    By --netns, else by the runtime, by Genie's state, by libcni's cache. The records of a Pending pod are of an earlier
    attempt: only the runtime counts.
    """
    about = cluster.pod(pod)
    if work.question.netns:
        return canonical(work.question.netns)
    if about.host_network:
        return ""
    known = work.survey.recorded
    records = () if about.phase == "Pending" else known.files.cached
    netns, work.source = locate(work.question.pod, known.sandboxes or (), records, work.survey.root)
    return netns


def _without_sandbox(work: Work, answers: api.Answers) -> DiagnosisReport:
    """The report for a pod without a sandbox.

    Raises NotFound where Kubernetes does not explain it, Denied where this user may not read the sources of namespaces.
    """
    pod = work.question.pod
    if cluster.pod(answers.pod).phase == "Pending":
        reason = f"pod {pod} is Pending ({_why(answers.pod)}): it has no sandbox on this node yet"
    else:
        reason = f"pod {pod} has no sandbox on this node: {_not_found(work)}"
    if kubernetes_reports.refused(answers.events):
        return work.unmade(reason, answers)
    require_records(work, f"debug pod {pod}")
    if cluster.pod(answers.pod).phase == "Pending":
        return work.elsewhere("no-sandbox", reason, answers)
    raise not_known(work, reason)


def not_known(work: Work, reason: str) -> NotFound:
    """The error for a pod whose namespace no source of this node has, with those that could not be asked."""
    missing = work.todo.missing
    sources = {"the API server": missing.get("pod object"), "the container runtime": missing.get("runtime")}
    unasked = {name: why for name, why in sources.items() if why}
    hint = "run it on the pod's node, or name the namespace with --netns"
    if "objects" in missing:
        hint += "; with --kubeconfig it finds the node and runs there"
    near = _near(work) if "pod object" in missing else ""
    return NotFound(
        reason + (f" ({' and '.join(unasked)} could not be asked)" if unasked else ""),
        details="\n".join(f"{name}: {why}" for name, why in unasked.items()),
        hint=f"{near} Else {hint}" if near else hint,
    )


def _near(work: Work) -> str:
    """A question about this node's pods whose names are like the one that was asked for."""
    known = work.survey.recorded
    pods = [*(one.pod for one in known.sandboxes or ()), *(one.pod for one in known.files.cached)]
    return did_you_mean(work.question.pod, pods)


def require_records(work: Work, command: str) -> None:
    """Raise Denied where no source has the pod's namespace and this user may not read all; `command` is to be run."""
    unread = [work.todo.missing[name] for name in RECORDS if name in work.todo.denied]
    if unread and "runtime" in work.todo.missing:
        raise Denied(
            f"whether pod {work.question.pod} has a sandbox on this node could not be read: {'; '.join(unread)}",
            hint=f"run it as root: sudo genie {command}",
        )


def _not_found(work: Work) -> str:
    if any(sandbox.pod == work.question.pod for sandbox in work.survey.recorded.sandboxes or ()):
        return "the runtime has only ended ones of it"
    return "neither the runtime nor Genie's state nor the CNI cache knows it"


def _probe(
    case: Case, question: DebugOptions, announce: Callable[[str], None], todo: Collection
) -> tuple[tuple[Probe, ...], str]:
    """The probes' outcomes, with how far each tunnel's counters moved meanwhile, and why some are missing."""
    if not question.probes:
        return (), "--no-probes"
    if case.facts.pod is None:
        return (), ""
    planned = (
        aim(case, question.to).probes(case.facts.netns_path) if question.to else probe_plan.standard(case)
    )
    root = Root(question.root)
    wanted = [replace(ask, netns=root.real(ask.netns)) if ask.netns else ask for ask in planned]
    if not wanted:
        return (), ""
    tunnels = {link.name for link in case.tunnels}
    before = _links() if tunnels else {}
    outcomes = probe.run(wanted, announce, min(todo.until, time.monotonic() + PROBE_SECONDS))
    problem = ""
    if len(outcomes) < len(wanted):
        todo.late |= not todo.left
        problem = f"{len(wanted) - len(outcomes)} of {len(wanted)} had not ended in time"
    after = _links() if tunnels else {}
    moved = [
        Probe(
            kind="count", target=name, role=f"tunnel {name}", result="ok",
            sent=after[name].tx - before[name].tx, received=after[name].rx - before[name].rx,
        )
        for name in sorted(tunnels)
        if name in before and name in after
    ]  # fmt: skip
    return (*outcomes, *moved), problem


def _links() -> dict[str, Link]:
    with netlink.open_netlink() as kernel:
        return {link.name: link for link in netlink.links(kernel)}
