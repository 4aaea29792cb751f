"""Check the recorded attachments of this node's running pods: report what is missing, or restore it.

A cheap look comes first, without a lock. Where something is missing, it is looked at again under the container's lock,
where the runtime's calls go first. What is repaired is counted before it is begun (counts.py). An attachment that its
plugins have to make again goes through the journal, as every change of a running pod (live/restore.py).

Not repaired: pods whose sandbox, boot or namespace differs from the journal's; pods that opt out; attachments that an
interrupted change or call of the runtime left: the next change, or the runtime, completes those.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal

from genie_core.edges.bridges import Held
from genie_core.edges.locks import Lock, is_awaited
from genie_core.errors import GenieError, IOFailure, NotFound, TryAgain
from genie_core.live.exchange import Outcome, addresses_of
from genie_core.live.leases import faults_with_leases
from genie_core.live.repair import BRIDGE_PORT, INTERFACE, LINK, Fault
from genie_core.live.restore import finish_restoring, is_cut_off, restore
from genie_core.live.seen import Seen
from genie_core.model import Plan
from genie_core.tasks.giving_way import GiveWay, drive_giving_way
from genie_core.tasks.node_state import is_gone, plans
from genie_core.tasks.repair.counts import WINDOW_SECONDS, Counts, sweep
from genie_core.tasks.repair.look import lease_owners, look_here, look_in
from genie_core.tasks.repair.publish import Publisher, Ready, Server
from genie_core.tasks.repair.report import MENDED, Repair, Result
from genie_core.verbs.add import bridges_of
from genie_core.verbs.context import Context

Mode = Literal["report", "fix"]
LOCK_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairOptions:
    """`container` is the only one to look at, "" for all."""

    mode: Mode = "report"
    container: str = ""
    cri_socket: str = ""


def repair(context: Context, server: Server, options: RepairOptions) -> Iterator[Repair]:
    """Look at every recorded attachment, and repair where the mode says so. Raises KernelRefused, Denied.

    `server` gives the API server, None where none is known; it is asked for where something is missing.
    """
    if not context.settings.live:
        return
    if not options.container:
        sweep(context.store)
    ready = cache(lambda: _running(options.cri_socket))
    around = look_here()
    for plan in plans(context):
        if options.container in ("", plan.container_id) and is_ill(plan, around, context):
            yield from _Case(plan, context, options).run(server, ready)
            around = look_here()


def _running(cri_socket: str) -> set[str] | None:
    """The IDs of the sandboxes that the runtime says run; None where it does not answer."""
    from genie_core.survey.cri import none
    from genie_core.survey.rootfs import Root
    from genie_core.survey.sandboxes import find_sandboxes

    sandboxes = find_sandboxes(Root(), cri_socket, detailed=none)
    return {one.id for one in sandboxes.found or () if one.ready} if sandboxes.answered else None


def is_ill(plan: Plan, around: Seen, context: Context) -> bool:
    """Whether something seems to be missing; false for a pod that has just ended, or is being changed."""
    if is_gone(plan) or is_cut_off(plan):
        return False
    try:
        ill = bool(_faults(plan, around))
    except GenieError as error:
        context.log.warning("attachments not looked at", container=plan.container_id, problem=error.msg)
        return False
    if not ill and Counts.load(context.store, plan).reported:
        _note(plan, context, Counts.forget_reports, 0.0)
    return ill


def _note(plan: Plan, context: Context, change: Callable[[Counts], None], seconds: float) -> None:
    """Change the container's counts under its lock, for which it waits so long. Otherwise the next look does it."""
    store, until = context.store, time.monotonic() + seconds
    try:
        with (
            store.lock_node(exclusive=False, deadline=until),
            store.lock(*plan.key, until, urgent=False),
        ):
            if store.load(*plan.key) is None:  # a DEL has removed it; taking the lock has made its file again
                store.drop_lock(*plan.key)
            else:
                change(Counts.load(store, plan))
    except TryAgain:
        return
    except GenieError as error:
        context.log.warning("reports not noted", container=plan.container_id, problem=error.msg)


def _faults(plan: Plan, around: Seen) -> list[Fault]:
    return faults_with_leases(plan, look_in(plan.netns), around, lease_owners(plan))


class _Case:
    """One container in which something is missing."""

    def __init__(self, plan: Plan, context: Context, options: RepairOptions) -> None:
        self.plan = plan
        self.context = context
        self.options = options
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
            if publisher.publish(done, self.plan) and done:  # else it is news at the next look, too
                _note(self.plan, self.context, partial(Counts.note_reported, done=done), LOCK_SECONDS)
            return done

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
        faults = _faults(plan, look_here())
        if self.options.mode == "report":
            done = [self._repair(fault, "found", fault.message) for fault in faults]
        else:
            left = self._left(faults, counts)
            todo = [fault for fault in faults if not any(fault is one for one, _ in left)]
            done = [self._repair(fault, "left", f"{fault.message}; {why}") for fault, why in left]
            done += self._mend(todo, counts, lock)
        return [replace(item, news=counts.is_news(item)) for item in done]

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
        if counts.is_used_up(fault.ifname, fault.kind):
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
                counts.note_try(ifname, [fault.kind for fault in own])
            except IOFailure as error:  # a full disk; the other pods are looked at
                problems[ifname] = error.msg
                again.discard(ifname)
                continue
            if ifname not in again:
                problems |= self._put_back(ifname, own)
        had = {item.ifname: addresses_of(item) for item in self.plan.attachments}
        if again:
            problems |= self._attach_again(again, lock)
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

    def _attach_again(self, ifnames: set[str], lock: Lock) -> dict[str, str]:
        marked = any(item.restoring for item in self.plan.attachments)
        taken = {address for _, address in lease_owners(self.plan)}
        steps = finish_restoring(self.plan, taken) if marked else restore(self.plan, ifnames, taken)
        names = bridges_of([item for item in self.plan.attachments if item.ifname in ifnames])
        try:
            with Held(self.context.store.lock_file, names):
                outcome: Outcome = drive_giving_way(steps, self.context, lock)
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
            return _faults(self.plan, look_here())
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
