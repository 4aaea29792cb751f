"""Plugins that run side by side: starting them, and waiting until one has ended. Imported for these pods alone.

No threads: each plugin is a process, and one poll waits for all of them. A plugin that does not answer in time, or
prints too much, is killed, and the others go on. Where this process is asked to stop, or cannot go on, all are killed.
While the binary of one that is started is busy (`BUSY_SECONDS`), the others are not looked at: one that hangs is killed
so much later.
"""

from select import POLLIN, poll
from time import monotonic, sleep

from genie_core.edges.delegates import PAUSE_SECONDS, SLICE_SECONDS, Run
from genie_core.errors import DelegateFailed, GenieError, InvalidConfig
from genie_core.steps import PluginMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from genie_core.edges.delegates import Delegates
    from genie_core.steps import Invoke


def first_ended(delegates: "Delegates", calls: "Sequence[Invoke]", *, start: bool = True) -> int:
    """The place of one of the calls that has ended, the first of several; -1 where none of them runs.

    `start` says whether those that do not run yet are started before, in order, up to one that cannot be: that one has
    ended. The outcome is what `Delegates.invoke` gives for the call next. Raises Cancelled, IOFailure and OSError,
    after all were killed.
    """
    begun = delegates.begun
    try:
        for place, call in enumerate(calls if start else ()):
            if call not in begun:
                begun[call] = _begin(delegates, call)
                if isinstance(begun[call], GenieError):
                    return place
        while any(call in begun for call in calls):
            for place, call in enumerate(calls):
                if call in begun and _has_ended(delegates, call):
                    return place
            _pause([run for run in begun.values() if isinstance(run, Run)])
            delegates.cancel.check()
    except BaseException:
        end_begun(delegates)
        raise
    return -1


def end_begun(delegates: "Delegates") -> None:
    """Kill the plugins that still run side by side, with what they have started."""
    for run in delegates.begun.values():
        if isinstance(run, Run):
            run.kill()
            delegates.note_end(run, succeeded=False)
    delegates.begun.clear()


def _begin(delegates: "Delegates", call: "Invoke") -> "Run | GenieError":
    """Start it; an error is its own outcome where it is about this plugin, and the whole call's otherwise."""
    delegates.log.debug("side by side", plugin=call.type, network=call.network, interface=call.ifname)
    try:
        return delegates.begin(call)
    except (DelegateFailed, InvalidConfig, PluginMissing) as error:
        return error


def _has_ended(delegates: "Delegates", call: "Invoke") -> bool:
    """Whether it has, or had to be ended."""
    run = delegates.begun[call]
    if not isinstance(run, Run) or run.ends_within(0):
        return True
    try:
        delegates.refuse_excess(run)
    except DelegateFailed as error:
        run.kill()
        delegates.note_end(run, succeeded=False)
        delegates.begun[call] = error
        return True
    return False


def _pause(runs: "Sequence[Run]") -> None:
    """Wait until one of them has ended, or it is time to look at deadlines and signals again."""
    if any(run.pidfd < 0 for run in runs):
        sleep(PAUSE_SECONDS)
        return
    poller = poll()
    for run in runs:
        poller.register(run.pidfd, POLLIN)
    nearest = min(run.deadline for run in runs) - monotonic()
    poller.poll(max(min(SLICE_SECONDS, nearest), 0) * 1000)
