"""Killing at an exact place: strace counts the system calls of one process and sends SIGKILL before the N-th.

    points(trace)   every place of a recorded run: ("openat", 12) is just before the twelfth openat
    strace_kill(p)  the words before the command that kill it there

The plugin alone is traced, not the delegates: an orphaned delegate goes on, as it would on a node.
"""

import re
from collections import Counter

_CALL = re.compile(r"^(\w+)\(")
# The last call of a process; there is nothing after it.
_END = "exit_group"
# What changes something outside the process, or waits for another one.
TELLING = {
    "clone3",
    "clone",
    "vfork",
    "flock",
    "fsync",
    "link",
    "mkdir",
    "openat",
    "pwrite64",
    "rename",
    "unlink",
    "wait4",
    "write",
    "ftruncate",
    "kill",
}


def strace_record(file):
    """Words before a command that record its system calls in a file."""
    return ["strace", "-q", "-o", str(file), "-e", "signal=none"]


def strace_kill(point):
    """Words before a command that kill it at the point."""
    name, number = point
    inject = f"--inject={name}:signal=KILL:when={number}"
    return ["strace", "-q", "-o", "/dev/null", "-e", f"trace={name}", inject]


def points(trace, *, begin=""):
    """All places, from the first system call whose line has `begin` in it."""
    seen: Counter[str] = Counter()
    found = []
    begun = not begin
    for line in trace.read_text().splitlines():
        match = _CALL.match(line)
        if not match or match[1] == _END:
            continue
        seen[match[1]] += 1
        begun = begun or begin in line
        if begun:
            found.append((match[1], seen[match[1]]))
    return found


def spread(places, count):
    """About so many of them, evenly: those before a telling system call first."""
    telling = [place for place in places if place[0] in TELLING]
    step = max(1, -(-len(telling) // count))
    return telling[::step]
