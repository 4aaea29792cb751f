"""Working inside another network namespace, and telling namespaces apart."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from genie_core.edges import netns as edge
from genie_core.survey.threads import in_thread

T = TypeVar("T")


def inside(path: str, work: Callable[[], T], timeout: float | None = None) -> T:
    """`work()` carried out inside the namespace ("" is the caller's own); its exceptions are raised here.

    Raises InvalidNetns, Denied, and TimeoutError when `work` takes longer than `timeout` seconds.
    """

    def job() -> T:
        return edge.inside(path, work) if path else work()

    return job() if timeout is None else in_thread(job).result(timeout)


def inode(path: str) -> int:
    """The namespace's identity, 0 where it cannot be read."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def plain(path: str) -> str:
    """One spelling of a namespace's path: /var/run is /run on every distribution that has both."""
    if path.startswith("/var/run/") and os.path.realpath("/var/run") == "/run":
        return path.removeprefix("/var")
    return path
