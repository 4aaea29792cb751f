"""`python -m genie_core.tasks.agent.child [--nice N] [--host-pid PID] MODULE ARGS...`: a module run as the node's own.

What the agent starts for each change. It has a low priority, so that the runtime's calls go first. Where the agent
itself is in a container (`--host-pid 1`), it runs in the namespaces and control groups of the node's first process: the
plugins that it runs are the node's, and neither the container's memory limit nor its end touches a change under way.
"""

from __future__ import annotations

import os
import runpy
import sys

from genie_core.edges.cgroups import group_files, join
from genie_core.tasks.host_namespaces import enter

# Of jobs on a timer, and of what is to be done within a second: beside that the runtime's calls get three quarters.
NICE, NICE_IN_TIME = 19, 5


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


if __name__ == "__main__":
    main(sys.argv[1:])
