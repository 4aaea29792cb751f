"""Watch for changes of attached networks in the kernel, from a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from genie_core.edges.log import JSONLog
from genie_core.errors import GenieError
from genie_core.survey.collection import start_thread
from genie_core.tasks.node_state import open_context
from genie_core.tasks.repair.watch import Watcher

Configuration = Callable[[], dict[str, Any]]

_SECONDS = 5.0  # how often the journals are read again
_AGAIN_SECONDS = 5.0


def listen(
    read: Configuration, state_dir: Callable[[], str], report: Callable[[str], None], log: JSONLog
) -> None:
    """Call `report`, from that thread, with each container in which something is missing; with "" for any of them.

    `read` gives the configuration as it is now, `state_dir` says where the journals are by it.
    While the kernel refuses the socket, or to be read, only the timer finds faults; the log has a warning. Raises
    OSError where no thread can be started.
    """
    start_thread(lambda: _listen(read, state_dir, report, log), "faults")


def _listen(
    read: Configuration, state_dir: Callable[[], str], report: Callable[[str], None], log: JSONLog
) -> None:
    said = ""
    while True:
        try:
            here = state_dir()
            with Watcher(open_context({**read(), "state_dir": here})) as watcher:
                report("")  # what went before
                while state_dir() == here:
                    for container in sorted(watcher.wait(_SECONDS)):
                        report(container)
                    said = ""
        except Exception as error:  # noqa: BLE001 (no defect ends the thread: the agent would not know)
            problem = (
                str(error) if isinstance(error, GenieError | OSError) else f"a defect of Genie: {error!r}"
            )
            if problem != said:
                log.warning("faults are found by the timer only", problem=problem)
            said = problem
            time.sleep(_AGAIN_SECONDS)
