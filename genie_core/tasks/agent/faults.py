"""Watch for changes of attached networks in the kernel, from a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from genie_core.edges.log import JSONLog
from genie_core.errors import GenieError
from genie_core.tasks.node_state import open_context
from genie_core.tasks.repair.watch import Watcher

_SECONDS = 5.0  # how often the journals are read again


def listen(config: Mapping[str, Any], report: Callable[[str], None], log: JSONLog) -> None:
    """Call `report`, from that thread, with each container in which something is missing.

    Where the kernel refuses the socket, only the timer finds faults; the log has a warning.
    """
    threading.Thread(target=_listen, args=(config, report, log), name="faults", daemon=True).start()


def _listen(config: Mapping[str, Any], report: Callable[[str], None], log: JSONLog) -> None:
    try:
        with Watcher(open_context(dict(config))) as watcher:
            while True:
                for container in sorted(watcher.wait(_SECONDS)):
                    report(container)
    except GenieError as error:
        log.warning("faults are found by the timer only", problem=error.msg)
