"""A pod's change up to its report, as `genie sync pod --yes` and the agent make it."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import replace

from genie_core.errors import EXIT_TIMEOUT, GenieError
from genie_core.tasks.sync import sync
from genie_core.tasks.sync.publish import publish, publish_begin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import NoReturn

    from genie_core.tasks.sync import Announce, SyncOptions
    from genie_core.tasks.sync.report import SyncReport
    from genie_core.tasks.sync.target import LivePod
    from genie_core.verbs.context import Context


class TimedOut(BaseException):
    """Raised at the timeout. The change stays as after a kill: DEL, gc or the next run completes it."""


def apply(
    pod: LivePod,
    context: Context,
    options: SyncOptions,
    seen: SyncReport,
    announce: Announce = lambda _: None,
) -> SyncReport:
    """The change that was seen. The pod's status is written before it and after it."""
    if seen.moves:
        publish_begin(pod)
    report = sync(pod, context, options, announce=announce)
    return replace(report, warnings=(*report.warnings, *publish(pod, report, context)))


def timed_out(pod: str, seconds: float) -> GenieError:
    """The error of a change that took too long."""
    return GenieError(
        f"the change of pod {pod} was not done after {seconds:g} seconds",
        hint="its journal has all that is attached: run it again, or see which plugin hangs",
        exit_code=EXIT_TIMEOUT,
    )


@contextmanager
def limit(deadline: float) -> Iterator[None]:
    """Raise TimedOut in this thread at that time (time.monotonic())."""

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TimedOut

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, max(deadline - time.monotonic(), 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
