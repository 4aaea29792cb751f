"""Jobs for the whole node on a timer: repair, collection, node checks. Each is a child process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from genie_core.edges.log import JSONLog
from genie_core.errors import EXIT_DENIED, GenieError
from genie_core.settings import Settings
from genie_core.survey.cluster import json_object
from genie_core.survey.collection import in_thread
from genie_core.tasks.agent import node_condition
from genie_core.tasks.agent.children import Children, Ended
from genie_core.tasks.agent.metrics import REPAIR_KINDS, Metrics
from genie_core.tasks.agent.options import AgentOptions
from genie_core.tasks.repair.report import MENDED

REPAIR_SECONDS, COLLECT_SECONDS, CHECK_SECONDS = 300.0, 600.0, 120.0
# After the agent's start the node has other things to do.
FIRST_COLLECTION_SECONDS = 60.0
AGAIN_SECONDS = 1.0
NO_OBJECTS = b'{"apiVersion": "v1", "kind": "List", "items": []}'


class Posts(Protocol):
    """The agent's loop: what it is given from other threads, it calls."""

    def __call__(self, call: Callable[[], None], /) -> None: ...


class Jobs:
    """The timers. A job that still runs is not started again; `failed`: a fault that is to be mended is left."""

    def __init__(
        self, options: AgentOptions, children: Children, post: Posts, metrics: Metrics, log: JSONLog
    ) -> None:
        self.failed = False
        self._options = options
        self._children = children
        self._post = post
        self._metrics = metrics
        self._log = log
        self._running: set[str] = set()
        now = time.monotonic()
        self._repair_at, self._collect_at = now, now + FIRST_COLLECTION_SECONDS

    @property
    def is_idle(self) -> bool:
        """Whether none runs."""
        return not self._running

    def next_due(self) -> float:
        """When the next one is due, in monotonic seconds."""
        return min(self._repair_at, self._collect_at)

    def start_due(self, settings: Settings) -> None:
        """Start what is due."""
        now = time.monotonic()
        if now >= self._repair_at:
            self._repair_at = now + settings.repair_interval
            self.repair(settings)
        if now >= self._collect_at:
            self._collect_at = now + settings.collect_interval
            self.collect()
            self.check(settings)

    # --- repair ------------------------------------------------------------------------------------------

    def mode(self, settings: Settings) -> str:
        """off, report or fix."""
        return self._options.repair or settings.repair

    def repair(self, settings: Settings, container: str = "") -> None:
        """Look at the attachments of running pods, or of one, and mend them where the mode says so."""
        mode = self.mode(settings)
        if mode == "off":
            return
        if "repair" in self._running:  # what has gone meanwhile may be where it has looked already
            self._repair_at = min(self._repair_at, time.monotonic() + AGAIN_SECONDS)
            return
        words = self._options.repair_words(mode, container)
        self._start("repair", "genie_core.tasks.repair", words, self._repaired, REPAIR_SECONDS)

    def _repaired(self, ended: Ended) -> None:
        lines = list(_lines(ended.out))
        for said in _lines(ended.err):  # its log
            fields = {name: value for name, value in said.items() if name not in ("time", "level", "event")}
            self._log.warning(str(said.get("event")), **fields)
        self.failed = self.failed or ended.code != 0
        for item in lines:
            if not item.get("news", True):
                continue
            kind, result = str(item.get("kind")), str(item.get("result"))
            if kind in REPAIR_KINDS:
                self._metrics.repairs.labels(kind, result).inc()
            write = self._log.info if result == MENDED else self._log.warning
            write("repair", pod=_pod(item), interface=item.get("interface"), kind=kind, result=result,
                  message=item.get("message"))  # fmt: skip
        if ended.code not in (0, 1) or (ended.code and not lines):
            self._complain("repair", ended)

    # --- collection --------------------------------------------------------------------------------------

    def collect(self) -> None:
        """Remove what no pod owns any more, seen twice."""
        self._start("gc", "genie_cli", self._options.gc_words(), self._collected, COLLECT_SECONDS)

    def _collected(self, ended: Ended) -> None:
        report = json_object(ended.out)
        removed = Counter(str(item["kind"]) for item in report.get("leftovers") or () if item.get("removed"))
        for kind, count in removed.items():
            self._metrics.collected.labels(kind).inc(count)
        failed = [str(item.get("problem")) for item in report.get("leftovers") or () if item.get("problem")]
        if removed:
            self._log.info("collected", **removed)
        if failed:
            self._log.warning("not collected", problems=failed[:5])
        if not report.get("observations"):
            self._complain("gc", ended)

    # --- node checks -------------------------------------------------------------------------------------

    def check(self, settings: Settings) -> None:
        """Check the node, and write the result to its Node object."""
        words, then = self._options.debug_words(), partial(self._checked, settings)
        self._start("node checks", "genie_cli", words, then, CHECK_SECONDS, NO_OBJECTS)

    def _checked(self, settings: Settings, ended: Ended) -> None:
        report = json_object(ended.out)
        findings = report.get("findings")
        is_partial = report.get("timedOut") or ended.code == EXIT_DENIED
        if findings is None or (is_partial and node_condition.is_good(findings)):
            self._complain("node checks", ended)  # what was not looked at is not called good
            return
        counts = Counter((str(item.get("code")), str(item.get("severity"))) for item in findings)
        self._metrics.set_findings({key: float(count) for key, count in counts.items()})
        self._begin("node condition")
        written = in_thread(lambda: self._write_condition(findings, settings))
        written.add_done_callback(self._condition_written)

    def _write_condition(self, findings: list[dict[str, Any]], settings: Settings) -> None:
        condition, report = (
            node_condition.condition_of(findings),
            node_condition.report_of(findings, settings),
        )
        try:
            with self._options.connect() as api:
                if node_condition.write(api, self._options.node, condition, report):
                    self._log.info("node condition", status=condition["status"], message=condition["message"])
        except GenieError as error:
            self._log.warning("node condition not written", problem=error.msg)

    def _condition_written(self, written: Future[None]) -> None:
        """The attempt has ended; called from its thread."""
        if error := written.exception():
            problem = f"{type(error).__name__}: {error}"
            self._log.warning("node condition not written", problem=problem)
        self._post(lambda: self._running.discard("node condition"))

    # --- all of them -------------------------------------------------------------------------------------

    def _begin(self, name: str) -> None:
        self._running.add(name)

    def _start(
        self,
        name: str,
        module: str,
        words: list[str],
        then: Callable[[Ended], None],
        seconds: float,
        stdin: bytes = b"",
    ) -> None:
        if name in self._running:
            return
        self._begin(name)

        def ended(what: Ended) -> None:
            self._running.discard(name)
            then(what)

        try:
            self._children.start(module, words, ended, seconds=seconds, stdin=stdin)
        except GenieError as error:
            self._running.discard(name)
            self._log.warning("not started", what=name, problem=error.msg)

    def _complain(self, name: str, ended: Ended) -> None:
        last = "".join(ended.err.strip().splitlines()[-1:])
        self._log.warning("it did not succeed", what=name, code=ended.code, problem=last[:500])


def _pod(item: Mapping[str, Any]) -> str:
    return f"{item.get('namespace')}/{item.get('name')}"


def _lines(text: str) -> Iterator[dict[str, Any]]:
    return (found for line in text.splitlines() if (found := json_object(line)))
