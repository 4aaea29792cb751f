"""The machine's processes, as /proc shows them (proc(5))."""

import os
from pathlib import Path


def processes(is_wanted, file="cmdline"):
    """The PIDs of processes by the words (bytes) of their command line, or of their environment (`environ`)."""
    found = []
    for path in Path("/proc").glob(f"[0-9]*/{file}"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        if is_wanted(words):
            found.append(int(path.parent.name))
    return found


def are_starting(netns):
    """Whether a process in the network namespace with this path has left its program for another one.

    It has no command line yet.
    """
    place = os.stat(netns)
    return any(_is_between_programs(pid, place) for pid in processes(lambda words: words == [b""]))


def _is_between_programs(pid, place):
    """Kernel threads and ended processes have no command line either (linux/sched.h, PF_KTHREAD)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        is_here = os.path.samestat(os.stat(f"/proc/{pid}/ns/net"), place)
    except OSError:
        return False
    return is_here and fields[0] != "Z" and not int(fields[6]) & 0x00200000


def children(pid):
    """The PIDs of a process's children; a process that has ended has none."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def descendants(pid):
    """The PIDs of its children, of theirs, and so on."""
    found = children(pid)
    return [*found, *(one for child in found for one in descendants(child))]


def has_ended(pid):
    """Whether the process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True
