"""`python -m genie_core.tasks.agent.child [--nice N] [--host-pid PID] MODULE ARGS...`: a module run as the node's own.

What the agent starts for each change. It has a low priority, so that the runtime's calls go first. Where the agent
itself is in a container (`--host-pid 1`), it runs in the namespaces and control groups of the node's first process: the
plugins that it runs are the node's, and neither the container's memory limit nor its end touches a change under way.

The modules stay where they are, in the container: its root directory is kept open, and is looked into through the
descriptor. Shared libraries would not be found that way, so what needs some is imported before.
"""

from __future__ import annotations

import os
import runpy
import sys

from genie_core.edges.cgroups import group_files, join

# Of jobs on a timer, and of what is to be done within a second: beside that the runtime's calls get three quarters.
NICE, NICE_IN_TIME = 19, 5
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


def main(argv: list[str]) -> None:
    """Run the module as the program that this process is."""
    nice = NICE
    if argv[0] == "--nice":
        nice, argv = int(argv[1]), argv[2:]
    os.setpriority(os.PRIO_PROCESS, 0, max(nice, os.getpriority(os.PRIO_PROCESS, 0)))
    if argv[0] == "--host-pid":
        enter(int(argv[1]))
        join(group_files(int(argv[1])))  # now: seen from here, their paths are those of the node
        argv = argv[2:]
    sys.argv = argv
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)


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


if __name__ == "__main__":
    main(sys.argv[1:])
