"""One container in which something is missing: it is looked at again under its lock, and reported or repaired.

The runtime's calls go first. What is repaired is counted before it is begun (counts.py). An attachment that its plugins
have to make again goes through the journal, as every change of a running pod (live/restore.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from genie_core.edges.bridges import Held
from genie_core.edges.locks import Lock, is_awaited
from genie_core.errors import GenieError, IOFailure, NotFound, TryAgain
from genie_core.live.exchange import ChangeOutcome, addresses_of
from genie_core.live.repair import BRIDGE_PORT, INTERFACE, LINK, Fault, is_cut_off
from genie_core.live.restore import restore
from genie_core.model import Plan
from genie_core.tasks.giving_way import GiveWay, drive_giving_way
from genie_core.tasks.node_state import is_gone
from genie_core.tasks.repair.counts import WINDOW_SECONDS, Counts, note
from genie_core.tasks.repair.look import faults_of, lease_owners, look_here
from genie_core.tasks.repair.publish import Publisher, Ready, Server
from genie_core.tasks.repair.report import MENDED, Repair, Result
from genie_core.verbs.add import bridges_of
from genie_core.verbs.context import Context

Mode = Literal["report", "fix"]
LOCK_SECONDS = 5.0


class Case:
    """One container in which something is missing."""

    def __init__(self, plan: Plan, context: Context, mode: Mode, found: Sequence[Fault]) -> None:
        """`found` is what the look without a lock has found."""
        self.plan = plan
        self.context = context
        self.mode = mode
        self.found = found
        self._begun: set[str] = set()  # the interfaces whose repair is counted: one that gives way goes on
        self.is_full = False  # nothing can be noted: the disk is full, or read-only
        self.unknown = ""  # why it is not known whether the pod may be touched

    def run(self, server: Server, ready: Ready) -> list[Repair]:
        """The faults, each with its result; none for a pod that is never touched."""
        try:
            publisher = Publisher.of(self.plan, self.context, server, ready)
        except NotFound:
            return []
        self.unknown = publisher.unknown
        while True:
            try:
                done = self._under_lock()
            except GiveWay:
                continue
            except TryAgain:  # another call works on it; the next look finds what is missing then
                return []
            except IOFailure as error:
                done = self._without_lock(error)
            except GenieError as error:  # the pod has ended just now, for one; the others are looked at
                container = self.plan.container_id
                self.context.log.warning("not looked at again", container=container, problem=error.msg)
                return []
            if publisher.publish(done, self.plan, once=self.is_full) and done:  # else it is news later, too
                note(self.plan, self.context, partial(Counts.note_reported, done=done), LOCK_SECONDS)
            return done

    def _without_lock(self, error: IOFailure) -> list[Repair]:
        """What was found, where no lock can be had: on a disk that is read-only nothing can be repaired, nor noted."""
        self.is_full = True
        if self.mode == "report":
            return [self._repair(fault, "found", fault.message) for fault in self.found]
        return [self._repair(fault, "failed", f"{fault.message}; {error.msg}") for fault in self.found]

    def _under_lock(self) -> list[Repair]:
        store, until = self.context.store, time.monotonic() + LOCK_SECONDS
        with (
            store.lock_node(exclusive=False, deadline=until),
            store.lock(*self.plan.key, until, urgent=False) as lock,
        ):
            return self._look_again(lock)

    def _look_again(self, lock: Lock) -> list[Repair]:
        plan = self.context.store.load(*self.plan.key)
        if plan is None:
            self.context.store.drop_lock(*self.plan.key)
            return []
        if is_gone(plan) or is_cut_off(plan):
            return []
        self.plan = plan
        counts = Counts.load(self.context.store, plan)
        faults = faults_of(plan, look_here())
        if self.mode == "report":
            done = [self._repair(fault, "found", fault.message) for fault in faults]
        else:
            left = self._left(faults, counts)
            todo = [fault for fault in faults if not any(fault is one for one, _ in left)]
            done = [self._repair(fault, "left", f"{fault.message}; {why}") for fault, why in left]
            done += self._mend(todo, counts, lock)
        done = [replace(item, news=counts.is_news(item)) for item in done]
        self.is_full = any(item.news for item in done) and not counts.can_be_saved()
        return done

    def _repair(self, fault: Fault, result: Result, message: str) -> Repair:
        pod = self.plan.pod
        return Repair(
            container=self.plan.container_id,
            namespace=pod.namespace if pod else "",
            name=pod.name if pod else "",
            network=fault.label,
            interface=fault.ifname,
            kind=fault.kind,
            result=result,
            message=message,
        )

    def _left(self, faults: Sequence[Fault], counts: Counts) -> list[tuple[Fault, str]]:
        """The faults that are not to be repaired, with the reason."""
        reasons = [(fault, self._reason(fault, counts)) for fault in faults]
        stuck = {
            fault.ifname: reason
            for fault, reason in reasons
            if reason and fault.kind in (LINK, BRIDGE_PORT, INTERFACE)
        }  # what else is missing there cannot be put back without that
        return [
            (fault, reason or stuck[fault.ifname])
            for fault, reason in reasons
            if reason or fault.ifname in stuck
        ]

    def _reason(self, fault: Fault, counts: Counts) -> str:
        if self.unknown:
            return f"whether the pod may be changed is not known: {self.unknown}"
        if fault.ifname not in self._begun and counts.is_used_up(fault.ifname, fault.kind):
            return f"left alone: it was repaired twice within {WINDOW_SECONDS / 60:g} minutes"
        return fault.obstacle

    # --- repairing ---------------------------------------------------------------------------------------

    def _mend(self, faults: Sequence[Fault], counts: Counts, lock: Lock) -> list[Repair]:
        """Repair these: what its plugins have to make again last, since it may need the bridge of another one."""
        problems: dict[str, str] = {}
        names = list(dict.fromkeys(fault.ifname for fault in faults))
        again = {fault.ifname for fault in faults if fault.again}
        if again and is_awaited(lock):
            raise GiveWay
        for ifname in names:
            own = [fault for fault in faults if fault.ifname == ifname]
            try:
                if ifname not in self._begun:
                    counts.note_try(ifname, [fault.kind for fault in own])
            except IOFailure as error:  # a full disk; the other pods are looked at
                problems[ifname] = error.msg
                again.discard(ifname)
                continue
            self._begun.add(ifname)
            if ifname not in again:
                problems |= self._put_back(ifname, own)
        had = {item.ifname: addresses_of(item) for item in self.plan.attachments}
        if again:
            problems |= self._attach_again([fault for fault in faults if fault.ifname in again], lock)
        remaining = {(one.ifname, one.kind): one for one in self._look()}
        now = {item.ifname: addresses_of(item) for item in self.plan.attachments}
        return [self._outcome(fault, problems.get(fault.ifname, ""), remaining, had, now) for fault in faults]

    def _put_back(self, ifname: str, faults: Sequence[Fault]) -> dict[str, str]:
        from genie_core.tasks.repair.mend import put_back

        try:
            put_back(self.plan.netns, [put for fault in faults for put in fault.puts])
        except GenieError as error:
            return {ifname: error.msg}
        return {}

    def _attach_again(self, faults: Sequence[Fault], lock: Lock) -> dict[str, str]:
        from genie_core.tasks.sync.report import Change
        from genie_core.tasks.sync.unreported import REPAIR, noted

        taken = {address for _, address in lease_owners(self.plan)}
        ifnames = {fault.ifname for fault in faults}
        changes = [
            Change(action=REPAIR, network=fault.label, interface=fault.ifname, reason=fault.message)
            for fault in faults
        ]
        steps = restore(self.plan, ifnames, taken, noted(self.plan, changes))
        names = bridges_of([item for item in self.plan.attachments if item.ifname in ifnames])
        try:
            with Held(self.context.store.lock_file, names):
                outcome: ChangeOutcome = drive_giving_way(steps, self.context, lock)
        except IOFailure as error:  # nothing is changed that cannot be recorded
            self.plan = self.context.store.load(*self.plan.key) or self.plan
            return dict.fromkeys(ifnames, error.msg)
        self.plan = outcome.plan
        problems = {item.ifname: error.msg for item, error in outcome.left}
        if outcome.error and not problems:
            problems = dict.fromkeys(ifnames, outcome.error.msg)
        return problems

    def _look(self) -> list[Fault]:
        try:
            return faults_of(self.plan, look_here())
        except GenieError:
            return []

    def _outcome(
        self,
        fault: Fault,
        problem: str,
        remaining: dict[tuple[str, str], Fault],
        had: dict[str, list[str]],
        now: dict[str, list[str]],
    ) -> Repair:
        still = remaining.get((fault.ifname, fault.kind))
        if problem or still:
            return self._repair(fault, "failed", f"{fault.message}; {problem or 'it did not stay put back'}")
        if not fault.again:
            return self._repair(fault, MENDED, f"{fault.message}; put back")
        other = had.get(fault.ifname) or now[fault.ifname]
        changed = f", not {', '.join(other)}" if other != now[fault.ifname] else ""
        addresses = ", ".join(now[fault.ifname]) or "no address"
        return self._repair(fault, MENDED, f"{fault.message}; attached again with {addresses}{changed}")
