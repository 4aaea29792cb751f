"""Locks between the processes of one node: flock, released by the kernel whatever is killed.

The container lock is inherited by the delegates on purpose: a delegate that outlives a killed Genie keeps it
until it ends, so that a DEL never runs beside the ADD that it undoes. The lock file names the holder and the
process group of the delegate that runs at the moment; from that a waiter tells

  a live Genie        it is at work: wait, up to the deadline
  an orphaned delegate  wait a grace period for its end, then kill its process group
  neither             a daemon that a delegate left behind has the descriptor: the lock is broken

On the kubelet path; everything behind a contended lock is cold.
"""

import posix
from errno import EINTR, EWOULDBLOCK
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from time import monotonic, sleep

from ..errors import TryAgain
from .files import failure, open_private, remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ORPHAN_GRACE_SECONDS = 5.0
DAEMON_GRACE_SECONDS = 1.0
_SIGKILL = 9


class Lock:
    """A held lock. Leaving the context releases it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        posix.close(self.fd)

    def name_delegate(self, group: int) -> None:
        """Note in the file which process group works under this lock now."""
        posix.pwrite(self.fd, b"%-10d %-10d\n" % (posix.getpid(), group), 0)


def lock_node(path: str, *, exclusive: bool, deadline: float) -> Lock:
    """Shared by everything that works on one container, exclusive for GC (conformance A82). Raises TryAgain."""
    fd = open_private(path, posix.O_RDWR | posix.O_CREAT)
    how = LOCK_EX if exclusive else LOCK_SH
    try:
        for pause in _pauses():
            if _try(fd, how, path):
                return Lock(fd)
            if monotonic() >= deadline:
                raise TryAgain(
                    f"the node's lock {path} is held by {'other calls' if exclusive else 'a garbage collection'}",
                    hint="the runtime repeats the call",
                )
            sleep(pause)
    except BaseException:
        posix.close(fd)
        raise
    raise AssertionError


def lock_container(path: str, deadline: float) -> Lock:
    """Hold the container's lock file, made if need be. Raises TryAgain at the deadline (time.monotonic())."""
    waiting_since = monotonic()
    for pause in _pauses():
        fd = open_private(path, posix.O_RDWR | posix.O_CREAT)
        try:
            # a DEL that ended just now removes the file: then what we hold is not the lock any more
            if _try(fd, LOCK_EX, path) and _is_at(fd, path):
                lock = Lock(fd)
                posix.set_inheritable(fd, True)
                lock.name_delegate(0)
                return lock
            _consider_holder(fd, path, monotonic() - waiting_since)
        except BaseException:
            posix.close(fd)
            raise
        posix.close(fd)
        if monotonic() >= deadline:
            raise TryAgain(
                f"another call for this container is still at work (lock {path})",
                hint="the runtime repeats the call",
            )
        sleep(pause)
    raise AssertionError


def _pauses() -> "Iterator[float]":
    pause = 0.001
    while True:
        yield pause
        pause = min(pause * 2, 0.1)


def _try(fd: int, how: int, path: str) -> bool:
    try:
        flock(fd, how | LOCK_NB)
    except OSError as error:
        if error.errno in (EWOULDBLOCK, EINTR):
            return False
        raise failure("lock", path, error) from None
    return True


def _is_at(fd: int, path: str) -> bool:
    try:
        there = posix.lstat(path)
    except OSError:
        return False
    here = posix.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _consider_holder(fd: int, path: str, waited: float) -> None:
    """Get rid of a holder that will not let go by itself (see the head of this file)."""
    if waited < DAEMON_GRACE_SECONDS:
        return
    words = posix.pread(fd, 64, 0).split()
    genie, group = (int(word) for word in words) if len(words) == 2 else (0, 0)
    holders = _holders(posix.fstat(fd))
    if genie in holders:
        return
    orphans = [pid for pid in holders if group and _group_of(pid) == group]
    if not orphans:
        remove(path)
    elif waited >= ORPHAN_GRACE_SECONDS:
        posix.killpg(group, _SIGKILL)


def _group_of(pid: int) -> int:
    try:
        return posix.getpgid(pid)
    except OSError:
        return 0


def _holders(file: "posix.stat_result") -> set[int]:
    """The processes that have the file open (proc(5), /proc/PID/fd)."""
    return {
        int(name)
        for name in posix.listdir("/proc")
        if name.isdecimal() and int(name) != posix.getpid() and _has_open(name, file)
    }


def _has_open(pid: str, file: "posix.stat_result") -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        numbers = posix.listdir(folder)
    except OSError:
        return False
    for number in numbers:
        try:
            status = posix.stat(f"{folder}/{number}")
        except OSError:
            continue
        if (status.st_dev, status.st_ino) == (file.st_dev, file.st_ino):
            return True
    return False
