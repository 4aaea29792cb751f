"""The changes and repairs of a running pod whose Events are not written yet, so that a kill before that loses none.

The journal has them from before the change until they are written: "PID@START [[action, network, interface, reason],
...]", of the process that makes the change, in several attempts where it gives way. As long as that one runs it writes
the Events itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from genie_core.edges.store import start_of
from genie_core.errors import GenieError
from genie_core.jsontext import JSONError, decode, encode
from genie_core.live.compare import DETACH
from genie_core.model import Plan
from genie_core.steps import Reported
from genie_core.tasks.sync.report import Attached, Change
from genie_core.verbs.context import Context

REPAIR = "repair"  # the action of an attachment that was made again


def noted(plan: Plan, changes: Iterable[Change]) -> str:
    """The text for the journal, before this process makes these changes, with those that are left in the plan."""
    newest = {one.interface: one for one in (*left_in(plan), *changes)}.values()
    words = [[one.action, one.network, one.interface, one.reason] for one in newest]
    return f"{_this_process()} {encode(words)}"


def left_in(plan: Plan) -> tuple[Change, ...]:
    """The changes that no other process will report; none where the text cannot be read."""
    if not may_be_reported(plan):
        return ()
    text = plan.unreported.partition(" ")[2]
    try:
        return tuple(
            Change(action=str(action), network=str(network), interface=str(interface), reason=str(reason))
            for action, network, interface, reason in decode(text)
        )
    except (JSONError, TypeError, ValueError):
        return ()


def holds(change: Change, state: Sequence[Attached]) -> bool:
    """Whether the pod is as the change has left it."""
    has = [one.network for one in state if one.interface == change.interface]
    return not has if change.action == DETACH else has == [change.network]


def may_be_reported(plan: Plan) -> bool:
    """Whether there are changes of this process's, or of none that runs: another one reports its own."""
    maker = plan.changed_by
    return bool(maker) and (maker == _this_process() or not _runs(maker))


def note_reported(plan: Plan, context: Context) -> None:
    """Without the container's lock: whose changes they are is part of the note."""
    try:
        context.store.record(Reported(plan))
    except GenieError as error:  # a full disk: the next run that writes finds the events there
        context.log.warning("state not updated", problem=error.msg)


def note_repairs_reported(plan: Plan, context: Context) -> None:
    """The same by a repair, which writes the events of no change: one that has to waits for the next sync."""
    if may_be_reported(plan) and all(change.action == REPAIR for change in left_in(plan)):
        note_reported(plan, context)


def _this_process() -> str:
    return f"{os.getpid()}@{start_of('self')}"


def _runs(maker: str) -> bool:
    pid, _, start = maker.partition("@")
    try:
        return pid.isdecimal() and start_of(pid) == start
    except (OSError, IndexError):
        return False
