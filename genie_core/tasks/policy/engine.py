"""The policy engine: follows policies, pods, namespaces and definitions, and keeps this node's rules up to date.

`genie agent --policy` runs it as a process of its own in the node's namespaces. It may be killed at any instant: the
rules stay in the kernel, and its successor replaces them as a whole.
"""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from genie_core.edges import policy_dir
from genie_core.edges.files import make_private_directory, open_private, write_all
from genie_core.edges.kube_errors import ObjectNotFound
from genie_core.edges.kube_resources import Resource
from genie_core.edges.log import JSONLog
from genie_core.errors import GenieError
from genie_core.policy.rules import NOT_ENFORCED, Finding
from genie_core.policy.ruleset import TABLE
from genie_core.published import JSON
from genie_core.survey.collection import start_thread
from genie_core.survey.contact import Contact
from genie_core.survey.watch import Watch, key_of
from genie_core.survey.watching import WatchingAPI
from genie_core.tasks.policy.counts import Counts
from genie_core.tasks.policy.enforce import Applied, Enforcer
from genie_core.tasks.policy.events import Reporter
from genie_core.tasks.policy.lean import lean
from genie_core.tasks.policy.netfilter import changes_of
from genie_core.tasks.policy.sources import KINDS
from genie_core.tasks.written_journals import written_at

TICK_SECONDS = 0.2
# Changes that come together are applied together. After an application there is a rest of twice its time: in a large
# cluster there is always some pod that changes.
SETTLE_SECONDS, LONGEST_REST_SECONDS = 0.05, 0.5
STAMP_SECONDS, MEND_SECONDS, COUNT_SECONDS, RETRY_SECONDS = 60.0, 5.0, 10.0, 5.0


class Objects:
    """The objects that the watches have received, by kind and name. `changed` is set when one changes."""

    def __init__(self, log: JSONLog) -> None:
        self.changed = threading.Event()
        self.away: dict[str, str] = {}
        self._log = log
        self._lock = threading.Lock()
        self._known: dict[str, dict[tuple[str, str], JSON]] = {}

    def is_whole(self) -> bool:
        """Whether every kind has been listed once."""
        return len(self._known) == len(KINDS)

    def all(self) -> list[JSON]:
        """All objects."""
        with self._lock:
            return [item for found in self._known.values() for item in found.values()]

    def listed(self, kind: str, items: Sequence[JSON]) -> None:
        """All objects of a kind."""
        found = {key_of(item): item for item in items}
        with self._lock:
            if self._known.get(kind) != found:
                self.changed.set()
            self._known[kind] = found

    def seen(self, kind: str, event: str, item: JSON) -> None:
        """An event of a watch."""
        with self._lock:
            found = self._known.setdefault(kind, {})
            before = found.pop(key_of(item), None)
            if event != "DELETED":
                found[key_of(item)] = item
            if before != found.get(key_of(item)):
                self.changed.set()

    def contact(self, kind: str, problem: str) -> None:
        """Whether the server answers."""
        if problem and kind not in self.away:
            self._log.warning("the API server cannot be followed", watch=kind, problem=problem)
        if problem:
            self.away[kind] = problem
        else:
            self.away.pop(kind, None)


class _Sink:
    """The receiver of one watch."""

    def __init__(self, kind: str, objects: Objects) -> None:
        self._kind = kind
        self._objects = objects

    def listed(self, views: Sequence[JSON]) -> None:
        """The whole list."""
        self._objects.listed(self._kind, views)

    def changed(self, kind: str, view: JSON) -> None:
        """ADDED, MODIFIED or DELETED."""
        self._objects.seen(self._kind, kind, view)

    def contact(self, problem: str) -> None:
        """The server has answered, or why it has not."""
        self._objects.contact(self._kind, problem)

    def restarted(self) -> None:
        """A watch starts again."""


class Engine:
    """One node's engine; `connect` gives the API with the credentials as they are now, and reports to `contact`."""

    def __init__(
        self, enforcer: Enforcer, connect: Callable[[], WatchingAPI], state_dir: str, log: JSONLog,
        contact: Contact | None = None,
    ) -> None:  # fmt: skip
        self.stop = threading.Event()
        self.counts = Counts()
        self._enforcer = enforcer
        self._connect = connect
        self._contact = contact or Contact()
        self._folder = f"{state_dir}/containers"
        self._log = log
        self._objects = Objects(log)
        self._stamps: tuple[int, ...] = ()
        self._events = Reporter(connect, log)
        self._found: frozenset[Finding] = frozenset()
        self._rested_at = 0.0
        self._mended_at = float("-inf")
        self._due: dict[str, float] = {}
        self._problems: tuple[str, ...] = ()

    def run(self, is_orphan: Callable[[], bool] = lambda: False) -> None:
        """Watch and apply until `stop`, or until the process that started this is gone."""
        make_private_directory(policy_dir.DIRECTORY)
        self._follow()
        with suppress(OSError):  # without the thread, changes of other programs are found by the timer
            start_thread(self._watch_rules, "rules")
        while not self.stop.is_set() and not is_orphan():
            self._objects.changed.wait(TICK_SECONDS)
            if self._objects.is_whole():
                self._turn()
                continue
            self.stop.wait(TICK_SECONDS)
            if self._objects.away and self._is_due("waiting", COUNT_SECONDS):
                self._write_status()

    def once(self) -> Applied:
        """One pass. Raises GenieError."""
        make_private_directory(policy_dir.DIRECTORY)
        with self._connect() as api:
            for kind in KINDS:
                items: list[JSON] = []
                try:
                    found = api.items(kind.everywhere, {})
                    items = [_view(kind, one) for one in found if not isinstance(one, str)]
                except ObjectNotFound:  # a kind that is not installed: nothing of it is there
                    api.require_server()
                self._objects.listed(kind.plural, items)
        applied = self._apply()
        self._events.write_now(self._found, self._objects.all())
        return applied

    def _follow(self) -> None:
        for kind in KINDS:
            sink = _Sink(kind.plural, self._objects)
            Watch(
                kind.everywhere, {}, self._connect, partial(_view, kind), sink, contact=self._contact
            ).start()

    def _watch_rules(self) -> None:
        """Look at the rules soon where a message of the kernel is about them: they may not be there any more.

        With a program that changes them again and again it is no race: after a repair the next one has its time.
        """
        with suppress(OSError):
            for _ in changes_of(TABLE, self.stop.is_set):
                soon = max(time.monotonic() + TICK_SECONDS, self._mended_at + MEND_SECONDS)
                self._due.setdefault("changed", soon)

    def _turn(self) -> None:
        stamps = tuple(written_at(path) for path in (self._folder, f"{policy_dir.DIRECTORY}/fresh"))
        if stamps != self._stamps or self._is_due("retry"):
            self._stamps = stamps
            self._objects.changed.set()
        if self._objects.changed.is_set():
            self.stop.wait(max(SETTLE_SECONDS, self._rested_at - time.monotonic()))
            self._objects.changed.clear()
            self._try(self._apply)
        self._events.write(self._found, self._objects.all)
        if self._is_due("changed") or self._is_due("mend", MEND_SECONDS):
            self._try(self._mend)
        if self._is_due("count", COUNT_SECONDS):
            self._try(self._count)
        may_stamp = self.counts.has_applied and policy_dir.age() is not None  # see policy_dir.withdraw
        if self._is_due("stamp", STAMP_SECONDS) and may_stamp:
            self._try(policy_dir.touch)

    def _is_due(self, name: str, again: float = 0.0) -> bool:
        """Whether a timer has expired; it expires again after so many seconds, or when it is set."""
        now = time.monotonic()
        if name not in self._due and again:
            self._due[name] = now + again
        if self._due.get(name, float("inf")) > now:
            return False
        self._due.pop(name)
        if again:
            self._due[name] = now + again
        return True

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except GenieError as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 (one object must not end the engine of all pods; it is reported)
            self._failed(f"a defect of Genie: {error!r}", traceback=traceback.format_exc()[-4000:])

    def _failed(self, problem: str, **more: str) -> None:
        self._problems = (problem,)
        self._log.error("policies are not applied", problem=problem, **more)
        self._due["retry"] = time.monotonic() + RETRY_SECONDS
        self._write_status()

    def _apply(self) -> Applied:
        applied = self._enforcer.apply(self._objects.all(), self.counts.keep)
        self._problems = applied.problems
        self.counts.applied(applied)
        self._rested_at = time.monotonic() + min(2 * applied.seconds, LONGEST_REST_SECONDS)
        if applied.problems:
            self._due["retry"] = time.monotonic() + RETRY_SECONDS
        if applied.changed or applied.problems:
            self._log.info(
                "policies applied",
                ms=round(applied.seconds * 1000),
                namespaces=len(applied.changed),
                cut=applied.cut,
                problems=list(applied.problems),
            )
        self._found = self._findings(applied)
        self._write_status()
        self._enforcer.kernel.remember(applied.changed)
        return applied

    def _findings(self, applied: Applied) -> frozenset[Finding]:
        """What Events are written about."""
        here = f"node {self._enforcer.node}: not enforced: "
        policies = applied.ruleset.selecting if applied.problems else ()
        unable = {Finding(name, NOT_ENFORCED, here + text) for name in policies for text in applied.problems}
        return frozenset({*applied.ruleset.findings, *unable})

    def _mend(self) -> None:
        """Where another program changed rules, compile and load all: there may be new pods since the last load."""
        foreign = self._enforcer.foreign()
        if foreign:
            self._log.info("another program changed the rules; they are loaded again", changed=foreign)
            self._mended_at = time.monotonic()
            self._apply()

    def _count(self) -> None:
        self.counts.keep()
        self._write_status()

    def _waits_for(self) -> list[str]:
        """The kinds that could not be listed yet, where nothing is applied before they are."""
        if self._objects.is_whole():
            return []
        return [
            f"the API server does not list {kind}: {why}" for kind, why in dict(self._objects.away).items()
        ]

    def _write_status(self) -> None:
        """What the agent reads: readiness and metrics."""
        document = {
            "pid": os.getpid(),
            "problems": [*self._problems, *self._waits_for()],
            "away": dict(self._objects.away),
            **self.counts.as_json(),
        }
        temporary = f"{policy_dir.STATUS}.new"
        try:
            fd = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                write_all(fd, json.dumps(document))
            finally:
                os.close(fd)
            os.replace(temporary, policy_dir.STATUS)
        except (OSError, GenieError) as error:
            self._log.error("the status is not written", problem=str(error))
            with suppress(OSError):
                os.unlink(policy_dir.STATUS)  # an old one would say that all is well


def _view(kind: Resource, item: Mapping[str, Any]) -> JSON:
    document = {**item, "kind": kind.kind}  # the items of a list do not have it
    return {**lean(document), "kind": kind.kind}
