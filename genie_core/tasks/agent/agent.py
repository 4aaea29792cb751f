"""The loop: watches, ends of children and timers come together here, in one thread.

Its state can be rebuilt from the API server, the journals and the kernel, so it may be killed at any instant. A change
is a process of its own, which continues without the agent; the next agent finds its result in the journal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue

from genie_core.edges.kube_resources import NAMESPACE, POD
from genie_core.edges.log import JSONLog
from genie_core.edges.store import Store
from genie_core.errors import GenieError, InvalidConfig
from genie_core.settings import Settings
from genie_core.tasks.agent import outcome
from genie_core.tasks.agent.child import NICE_IN_TIME
from genie_core.tasks.agent.children import Children, Ended
from genie_core.tasks.agent.faults import listen
from genie_core.tasks.agent.following import NAMESPACES, PODS, Following, opt_out_of
from genie_core.tasks.agent.jobs import Jobs
from genie_core.tasks.agent.journals import Journals
from genie_core.tasks.agent.metrics import Metrics
from genie_core.tasks.agent.options import SYNC_SECONDS, AgentOptions
from genie_core.tasks.agent.pods import Key, view_of
from genie_core.tasks.agent.policies import PolicyEngine
from genie_core.tasks.agent.queue import Queue, RunOutcome
from genie_core.tasks.agent.work import Work
from genie_core.tasks.written_journals import written_at

RESYNC_SECONDS = 300.0
# How often files are looked at: what is there is stat(2), nothing is read without need.
LOOK_SECONDS = 1.0
COUNT_SECONDS = 10.0  # attachments and leases
_STUCK_SECONDS = 60.0
# A change does not wait for another pod's, unless more than so many wait.
FEW_CHANGES, AT_ONCE_IF_FEW = 8, 2
# When the server is back, the pods that waited for it are spread over this time.
_SPREAD_SECONDS = 2.0
Stamps = dict[str, int]  # path -> nanoseconds, 0 for what cannot be looked at
_GRACE_SECONDS = 30.0  # for the end of a sync whose own time is up


class Agent:
    """One agent. `run` goes on until `stop` is called, from a signal's handler too; `once` makes one pass."""

    def __init__(self, options: AgentOptions, log: JSONLog) -> None:
        self.options = options
        self.log = log
        self.metrics = Metrics()
        self._settings = Settings({})
        self._unread = ""  # why the settings could not be read at the last try
        self._is_configured = False  # whether Genie's configuration was there at the last reading
        self._read_settings()
        self._inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._children = Children(options.host_pid, self._inbox.put)
        self._journals = Journals(Store(self._state_dir()))
        self._queue: Queue[Key] = Queue()
        self._work = Work(
            self._journals,
            self._queue,
            time.monotonic,
            lambda: self._settings.live,
            lambda: self._settings.policy_engine,
        )
        self._following = Following(
            options.node,
            options.connect,
            self._inbox.put,
            self._work,
            self.metrics,
            log,
            self._server_is_back,
            options.contact,
        )
        self.jobs = Jobs(options, self._children, self._inbox.put, self.metrics, log)
        self.policies = PolicyEngine(options, self._children, log)
        self._not_in_line: set[Key] = set()
        self._forbidden = ""  # why the pods' status may not be written
        self._is_once = self._is_listening = False
        self._stamps: Stamps = {}
        self._resync_at = time.monotonic() + RESYNC_SECONDS
        self._looked_at = self._count_at = time.monotonic()

    def stop(self) -> None:
        """End `run`; children continue."""
        self._inbox.put(None)

    # --- the loop ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Watch and process until `stop`."""
        self._journals.refresh()
        self._follow_settings()
        self._following.start()
        while self._turn():
            self._listen()
            self._look()
            self.jobs.start_due(self._settings)
            self.policies.keep(self._settings)
            self._start_syncs()
            self._show()

    def _turn(self) -> bool:
        """Wait for something to do, and do it; whether to go on."""
        try:
            call = self._inbox.get(timeout=self._patience())
            while call is not None:
                call()
                call = self._inbox.get_nowait()
        except Empty:
            return True
        return False

    def _patience(self) -> float:
        """Seconds until there is something to do by itself."""
        due = [self._looked_at + LOOK_SECONDS, self.jobs.next_due()]
        next_sync = self._queue.next_due()
        if next_sync is not None and self._has_room() and self._may_sync():
            due.append(next_sync)
        return max(0.0, min(due) - time.monotonic())

    def _look(self) -> None:
        """Check the node's files once a second; at each resync, everything."""
        now = time.monotonic()
        if now < self._looked_at + LOOK_SECONDS:
            return
        self._looked_at = now
        self._work.journals_changed()
        if now >= self._count_at:
            self._count_at = now + COUNT_SECONDS
            self.metrics.set_attachments(self._journals.attachments(), self._journals.addresses())
        if self._follow_settings():
            self._journals.follow(Store(self._state_dir()))
            self._work.configuration_changed()
        if now >= self._resync_at:
            self._resync_at = now + RESYNC_SECONDS
            self._read_settings()
            self._work.resync()
            self._following.end_idle()
        self._following.follow_definitions()

    def _listen(self) -> None:
        """Hear of faults as they come, from when they are first to be found."""
        if not self._is_listening and self.jobs.mode(self._settings) != "off":
            with suppress(OSError):  # no thread can be had now: it is tried again at the next turn
                listen(
                    lambda: self.options.configuration()[0],
                    self._state_dir,
                    self._something_went,
                    self.log,
                )
                self._is_listening = True

    def _something_went(self, container: str) -> None:
        self._inbox.put(lambda: self.jobs.repair(self._settings, container))

    def _server_is_back(self) -> None:
        self._queue.hasten(time.monotonic(), _SPREAD_SECONDS)

    def _has_room(self) -> bool:
        """Whether another change may run: a few may take two cores, many leave room to the runtime's calls."""
        few = self._queue.depth() <= FEW_CHANGES
        most = max(self.options.parallel, AT_ONCE_IF_FEW) if few else self.options.parallel
        return len(self._queue.running()) < most

    def _may_sync(self) -> bool:
        return self._is_once or self._following.is_ready

    # --- syncs -------------------------------------------------------------------------------------------

    def _start_syncs(self) -> None:
        while self._has_room() and self._may_sync():
            key = self._queue.take(time.monotonic())
            if key is None:
                return
            words = self.options.sync_words(*key, self._settings)
            try:
                self._children.start(
                    "genie_core.tasks.sync",
                    words,
                    partial(self._synchronised, key),
                    seconds=SYNC_SECONDS + _GRACE_SECONDS,
                    nice=NICE_IN_TIME,
                )
            except GenieError as error:
                self.log.warning("not started", pod="/".join(key), problem=error.msg)
                self._not_in_line.add(key)
                self._work.ended(key, RunOutcome.RETRY)

    def _synchronised(self, key: Key, ended: Ended) -> None:
        found = outcome.read(ended)
        for labels, count in found.counts.items():
            self.metrics.sync.labels(*labels).inc(count)
        again = RunOutcome.PARK if self._is_once and found.outcome is RunOutcome.RETRY else found.outcome
        pause = self._work.ended(key, again, is_waiting=found.is_waiting, is_forbidden=found.is_forbidden)
        if found.status not in ("changed", "unchanged", "absent"):
            self._not_in_line.add(key)
        if not self._is_once:
            self._following.follow_definitions()
        problem = found.problem
        if found.is_forbidden:  # it is the same for every pod of the node: logged once
            problem, self._forbidden = ("" if self._forbidden else problem), problem
        elif found.outcome is RunOutcome.DONE:
            self._forbidden = ""
        write = self.log.warning if problem else self.log.info
        said = {"changes": list(found.moves), "problem": problem, "again": round(pause, 1)}
        write("sync", pod="/".join(key), status=found.status, ms=round(ended.seconds * 1000),
              **{name: value for name, value in said.items() if value})  # fmt: skip

    # --- one pass ----------------------------------------------------------------------------------------

    def once(self) -> bool:
        """One pass over this node's pods, then repair, collection and node checks; whether every pod is in line.

        Raises GenieError where the pods cannot be listed.
        """
        self._is_once = True
        self._journals.refresh()
        with self.options.connect() as api:
            query = {"fieldSelector": f"spec.nodeName={self.options.node}"}
            views = [view_of(item) for item in api.items(POD.everywhere, query) if not isinstance(item, str)]
        self._work.opt_outs(self._opted_out())
        self._work.listed(views)
        for key in self._work.candidates():
            self._queue.add(key, time.monotonic())
        self._start_syncs()
        while self._queue.running():
            self._inbox_call()
            self._start_syncs()
        for job in (
            partial(self.jobs.repair, self._settings),
            self.jobs.collect,
            partial(self.jobs.check, self._settings),
        ):
            job()
            while not self.jobs.is_idle:
                self._inbox_call()
        self.policies.keep(self._settings, once=True)
        while not self.policies.is_idle:
            self._inbox_call()
        return not self._not_in_line and not self.jobs.failed and not self.policies.failed

    def _inbox_call(self) -> None:
        call = self._inbox.get()
        if call is None:
            raise KeyboardInterrupt
        call()

    def _opted_out(self) -> set[str]:
        """The namespaces that opt out; none where they may not be listed: each sync looks at its own."""
        try:
            with self.options.connect(metadata_only=True) as api:
                items = [item for item in api.items(NAMESPACE.everywhere, {}) if not isinstance(item, str)]
        except GenieError as error:
            self.log.warning("namespaces cannot be listed", problem=error.msg)
            return set()
        return {name for name, out in map(opt_out_of, items) if out}

    # --- health and metrics --------------------------------------------------------------------------

    def readiness(self) -> tuple[list[str], Mapping[str, object]]:
        """Ready while the loop runs; the facts have whether the API server answers."""
        away = dict(self._following.away)
        facts: dict[str, object] = {"node": self.options.node, "pods": len(self._work.pods)}
        if not self._following.has_listed and not away:
            facts["apiServer"] = "not asked yet"
        else:
            facts["apiServer"] = away.get(PODS) or away.get(NAMESPACES) or "answers"
        if self._forbidden:
            facts["podStatus"] = self._forbidden
        problems, more = self.policies.readiness(self._settings)
        return problems, {**facts, **more}

    def liveness(self) -> tuple[list[str], Mapping[str, object]]:
        """Whether the loop still runs."""
        seconds = time.monotonic() - self._looked_at
        return (["the loop is stuck"] if seconds > _STUCK_SECONDS else []), {"secondsAgo": int(seconds)}

    def page(self) -> bytes:
        """The metrics."""
        return self.metrics.page(self.options.place(self._settings.metrics_file)) + self.policies.page(
            self._settings
        )

    def _show(self) -> None:
        self.metrics.depth.set(self._queue.depth())
        self.metrics.oldest.set(self._queue.oldest(time.monotonic()))

    # --- the node's configuration ------------------------------------------------------------------------

    def _follow_settings(self) -> bool:
        """Read the settings where a file was written since they were read last; whether that was done."""
        stamps = self._conf_stamps()
        if stamps == self._stamps or not self._read_settings():
            return False
        self._stamps = stamps
        return True

    def _read_settings(self) -> bool:
        """Take the settings up as they are now; false where they cannot be read: those of before stay.

        A value with an error, or a file that is gone while pods are attached, switches nothing off that was on.
        """
        try:
            own, config = self.options.read()
            settings = Settings(config, forgiving=True)
            if self._is_configured and settings.problems:
                raise InvalidConfig(settings.problems[0])
            if self._is_configured and not own and self._journals.attachments():
                raise InvalidConfig(f"{self.options.conf_dir} has no configuration of Genie's any more")
            for problem in settings.problems:
                self.log.warning("a default is used", problem=problem)
            self._settings, self._is_configured = settings, bool(own)
        except GenieError as error:
            if error.msg != self._unread:
                self.log.warning("configuration not read", problem=error.msg)
            self._unread = error.msg
            return False
        self._unread = ""
        return True

    def _state_dir(self) -> str:
        return self.options.place(self._settings.state_dir)

    def _conf_stamps(self) -> Stamps:
        """When the files of the directories of configurations were written."""
        folders = (self.options.conf_dir, *map(self.options.place, self._settings.conf_dirs))
        return {path: written_at(path) for folder in folders for path in _files(folder)}


def _files(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder)]
    except OSError:
        return []
