"""Drive the steps of a task that changes a running pod: the runtime's own calls go first.

Where one of them waits for the container's lock, the task stops between two steps, as after a kill, and starts again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genie_core.attach import drive
from genie_core.edges.locks import Lock, is_awaited
from genie_core.steps import Attaching, Event, Releasing, Step
from genie_core.verbs.context import Context
from genie_core.verbs.policy import guard_ahead

if TYPE_CHECKING:
    from genie_core.steps import Steps, T


class GiveWay(BaseException):
    """A call of the runtime waits for the container. Not an error: nothing is undone for it."""


def drive_giving_way(steps: Steps[T], context: Context, lock: Lock) -> T:
    """Perform the steps; `lock` is the container's. Raises GiveWay where a call waits for it."""
    holding = context.holding(lock)

    def perform(step: Step) -> str:
        # what has happened is recorded before anything else happens
        has_happened = isinstance(step, Event) and not isinstance(step, Releasing)
        if not has_happened and is_awaited(lock):
            raise GiveWay
        if context.settings.policy_engine and isinstance(step, Attaching):
            guard_ahead(step, context.settings.policy_fail, context.log)
        return holding.perform(step)

    return drive(steps, perform)
