"""Enter the namespaces of the node's first process from a container, so that this process is the node's own.

The modules stay where they are, in the container: its root directory is kept open, and is looked into through the
descriptor. Shared libraries would not be found that way, so what needs some is imported before.
"""

from __future__ import annotations

import os
import sys

_NAMESPACES = ("cgroup", "ipc", "uts", "net", "mnt")
_WITH_LIBRARIES = (
    "ssl",
    "ctypes",
    "hashlib",
    "zlib",
    "bz2",
    "lzma",
    "subprocess",
    "socket",
    "_json",
    "_datetime",
)


def enter(pid: int) -> None:
    """Move this process, which has one thread, to the namespaces of that process. Raises OSError."""
    from genie_core.sandbox import syscalls
    from genie_core.survey.user_cluster import CONTAINER_ROOT

    for name in _WITH_LIBRARIES:
        __import__(name)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    handles = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in _others(pid)]
    for handle in handles:
        syscalls.setns(handle, 0)
        os.close(handle)
    os.environ[CONTAINER_ROOT] = f"/proc/self/fd/{root}"
    _see_modules_below(f"/proc/self/fd/{root}")


def _others(pid: int) -> list[str]:
    """The kinds of namespaces in which that process is not where this one is."""
    return [
        name
        for name in _NAMESPACES
        if not os.path.samestat(os.stat(f"/proc/{pid}/ns/{name}"), os.stat(f"/proc/self/ns/{name}"))
    ]


def _see_modules_below(root: str) -> None:
    sys.path[:] = [root + os.path.abspath(path) for path in sys.path]
    sys.path_importer_cache.clear()
    for module in list(sys.modules.values()):
        paths = getattr(module, "__path__", None)
        if isinstance(paths, list):
            paths[:] = [root + path for path in paths]
