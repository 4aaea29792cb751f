"""The beginning of a command that another machine has started in a container: it becomes a process of the node.

It ends when its stdin is closed, which the runtime does when the connection of the other machine ends, and when its
time is up: nothing stays behind on the node.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time

from genie_core.tasks.host_namespaces import enter

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_GRACE_SECONDS = 10.0
_INTERRUPTED = 130


def words(environment: dict[str, str], host_pid: int, seconds: float) -> str:
    """The one word that `begin` reads: what to set, whose namespaces to enter, and when to end."""
    return json.dumps({"environment": environment, "hostPid": host_pid, "seconds": seconds})


def begin(word: str) -> None:
    """Enter the node's namespaces. Call it before there is a second thread. Raises OSError, ValueError."""
    asked = json.loads(word)
    os.environ.setdefault("PATH", PATH)
    os.environ.update(asked["environment"])
    if asked["hostPid"]:
        enter(asked["hostPid"])
    threading.Thread(target=_watch, args=(float(asked["seconds"]),), daemon=True).start()


def _watch(seconds: float) -> None:
    """Interrupt this process when the other end of stdin is closed, or the time is up."""
    poll = select.poll()
    poll.register(sys.stdin.fileno(), 0)  # POLLHUP and POLLERR are always reported
    poll.poll(seconds * 1000)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_GRACE_SECONDS)
    os._exit(_INTERRUPTED)
