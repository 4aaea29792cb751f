"""Locks between the processes of one node: flock, released by the kernel whatever is killed.

The container lock is inherited by the delegates on purpose: a delegate that outlives a killed Genie keeps it
until it ends, so that a DEL never runs beside the ADD that it undoes. The lock file notes who took it and the
process groups of the delegates that run at the moment. A waiter judges the holder by it:

  a live Genie           it is at work: wait, up to the deadline
  an orphaned delegate   wait a grace period for its end, then kill it
  neither                a daemon that a delegate left behind has the descriptor: break the lock
  no process is visible, or one of another PID namespace   wait, up to the deadline

A Genie that ends regularly unlocks the file, whatever process has inherited the descriptor.
On the kubelet path; everything behind a contended lock is cold.
"""

import posix
from errno import EINTR, EWOULDBLOCK
from fcntl import F_RDLCK, F_UNLCK, F_WRLCK, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, fcntl, flock
from time import monotonic, sleep

from genie_core.edges.files import failure, open_private, read_all, remove
from genie_core.errors import IOFailure, TryAgain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Check = Callable[[], None]

ORPHAN_GRACE_SECONDS = 5.0
DAEMON_GRACE_SECONDS = 1.0
# A shorter wait than this never ends an orphan that hangs.
SHORTEST_WAIT_SECONDS = 2 * ORPHAN_GRACE_SECONDS
# For how long shared lockers are kept out for an exclusive one; shorter than any deadline.
TURN_SECONDS = 5.0
# In place of a process group: a delegate is being started, so any holder may be it.
STARTING = -1
_LONGEST_NOTE = 4096
_SIGKILL = 9
_F_OFD_GETLK, _F_OFD_SETLK = 36, 37  # linux/fcntl.h


def _go_on() -> None:
    """The wait is never cut short."""


class Lock:
    """A held lock. Leaving the context releases it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            flock(self.fd, LOCK_UN)  # for all who inherited it, too
        except OSError:  # ENOLCK: then it ends with its last holder
            pass
        posix.close(self.fd)

    def name_delegates(self, first: int = 0, *others: int) -> None:
        """Note in the file which process groups work under this lock now: their numbers, STARTING; 0 for none.

        Where the disk is full there is no note, and the holder is not judged; the call goes on.
        """
        numbers = (posix.getpid(), first, _pid_namespace(), *others)
        try:
            posix.pwrite(self.fd, b" ".join([b"%-10d" % number for number in numbers]) + b"\n", 0)
        except OSError:
            return


def lock_node(path: str, *, exclusive: bool, deadline: float, check: "Check" = _go_on) -> Lock:
    """Shared by everything that works on one container, exclusive for GC (conformance A82). Raises TryAgain.

    On a busy node shared holders overlap without end. So they come through a turnstile, a lock on the directory,
    which the exclusive one shuts, for TURN_SECONDS at a time: the calls at work end meanwhile, and where one of
    them hangs, the others do not wait with it.
    """
    fd = open_private(path, posix.O_RDWR | posix.O_CREAT)
    try:
        turnstile = _open_folder_of(path)
        try:
            enter = _enter_alone if exclusive else _enter
            waiting_since = monotonic()
            for pause in _pauses(check):
                if enter(fd, turnstile, path, monotonic() - waiting_since):
                    return Lock(fd)
                if monotonic() >= deadline:
                    raise TryAgain(
                        f"the node's lock {path} is held by {'other calls' if exclusive else 'a garbage collection'}",
                        hint="the runtime repeats the call",
                    )
                sleep(pause)
        finally:
            posix.close(turnstile)
    except BaseException:
        posix.close(fd)
        raise
    raise AssertionError


def _enter(fd: int, turnstile: int, path: str, _: float) -> bool:
    entered = _try(turnstile, LOCK_SH, path) and _try(fd, LOCK_SH, path)
    flock(turnstile, LOCK_UN)
    return entered


def _enter_alone(fd: int, turnstile: int, path: str, waited: float) -> bool:
    shut = waited % (2 * TURN_SECONDS) < TURN_SECONDS
    _try(turnstile, LOCK_EX if shut else LOCK_UN, path)
    return _try(fd, LOCK_EX, path)


def lock_slot(directory: str, count: int, deadline: float, check: "Check" = _go_on) -> Lock:
    """Hold one of `count` files, whichever is free first. Raises TryAgain at the deadline."""
    first = posix.getpid() % count  # so that not all begin with the same one
    for pause in _pauses(check):
        for number in range(count):
            path = f"{directory}/{(first + number) % count}"
            fd = open_private(path, posix.O_RDWR | posix.O_CREAT)
            if _try(fd, LOCK_EX, path):
                return Lock(fd)
            posix.close(fd)
        if monotonic() >= deadline:
            raise TryAgain(
                f"{count} pods are being added on this node already, and none was done in time",
                hint="raise max_parallel_adds, or see which plugin hangs in the log",
            )
        sleep(pause)
    raise AssertionError


def lock_container(path: str, deadline: float, check: "Check" = _go_on, *, urgent: bool = True) -> Lock:
    """Hold the container's lock file, made if need be. Raises TryAgain at the deadline (time.monotonic()).

    A call that is not `urgent` takes it only while no urgent one waits for it.
    """
    waiting_since = monotonic()
    folder = _open_folder_of(path)
    queue = -1
    try:
        for pause in _pauses(check):
            lock = _take(path, folder, monotonic() - waiting_since)
            if lock and (urgent or not is_awaited(lock)):
                return lock
            if lock:
                lock.__exit__()
            if urgent and queue < 0:
                queue = _queue_up(path)
            if monotonic() >= deadline:
                raise TryAgain(
                    f"another call for this container is still at work (lock {path})",
                    hint="the runtime repeats the call",
                )
            sleep(pause)
    finally:
        posix.close(folder)
        if queue >= 0:
            posix.close(queue)
    raise AssertionError


def _queue_up(path: str) -> int:
    """Mark that a call waits: a shared lock on the file's first byte, of the kind that is independent of flock.

    It goes with the descriptor, whatever is killed (fcntl(2), open file description locks).
    """
    fd = open_private(path, posix.O_RDWR | posix.O_CREAT)
    try:
        fcntl(fd, _F_OFD_SETLK, _first_byte(F_RDLCK))
    except OSError:  # the holder does not give way then, and the call waits its turn
        posix.close(fd)
        return -1
    return fd


def is_awaited(lock: Lock) -> bool:
    """Whether an urgent call waits for the lock."""
    try:
        found = fcntl(lock.fd, _F_OFD_GETLK, _first_byte(F_WRLCK))
    except OSError:
        return False
    return int.from_bytes(found[:2], "little") != F_UNLCK


def _first_byte(kind: int) -> bytes:
    """A `struct flock` for the file's first byte (bits/fcntl.h on 64-bit Linux): type, whence, start, length, PID."""
    return kind.to_bytes(8, "little") + (0).to_bytes(8, "little") + (1).to_bytes(8, "little") + bytes(8)


def _take(path: str, folder: int, waited: float) -> Lock | None:
    """One try. `folder` is locked from taking the lock until the note is written: no holder is judged in between."""
    fd = open_private(path, posix.O_RDWR | posix.O_CREAT)
    try:
        # a DEL that ended just now removes the file: then what we hold is not the lock any more
        held = _try(folder, LOCK_SH, path) and _try(fd, LOCK_EX, path) and _is_at(fd, path)
        lock = Lock(fd) if held else None
        if lock:
            posix.set_inheritable(fd, True)
            lock.name_delegates()
        flock(folder, LOCK_UN)
        if lock:
            return lock
        _consider_holder(fd, folder, path, waited)
    except BaseException:
        posix.close(fd)
        raise
    posix.close(fd)
    return None


def is_at_work(path: str) -> bool:
    """Whether a call holds the container's lock now, not only a delegate whose Genie has ended."""
    try:
        fd = open_private(path, posix.O_RDWR)
    except IOFailure:  # there is none
        return False
    try:
        if _try(fd, LOCK_EX, path):
            return False
        genie, namespace, _ = _note(fd)
        return namespace != _pid_namespace() or genie in _holders(posix.fstat(fd))
    finally:
        posix.close(fd)


def _pauses(check: "Check") -> "Iterator[float]":
    """Seconds to wait before the next try; `check` raises where this process was asked to stop."""
    pause = 0.001
    while True:
        check()
        yield pause
        pause = min(pause * 2, 0.1)


def _try(fd: int, how: int, path: str) -> bool:
    try:
        flock(fd, how | LOCK_NB)
    except OSError as error:
        if error.errno in (EWOULDBLOCK, EINTR):
            return False
        raise IOFailure(
            f"cannot lock {path}: {posix.strerror(error.errno or 0)}",
            hint="put state_dir on a disk of this node, whose file system has locks (flock(2))",
        ) from None
    return True


def _is_at(fd: int, path: str) -> bool:
    try:
        there = posix.lstat(path)
    except OSError:
        return False
    here = posix.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _consider_holder(fd: int, folder: int, path: str, waited: float) -> None:
    """End a holder that will not release the lock by itself (see the head of this file).

    It is judged again while the lock can be neither taken nor broken: a waiter may have got it meanwhile.
    """
    if waited < DAEMON_GRACE_SECONDS or _leftovers(fd) is None or not _try(folder, LOCK_EX, path):
        return
    try:
        left = _leftovers(fd) if _is_at(fd, path) else None
        if left is None:
            return
        if not left:
            remove(path)
        elif waited >= ORPHAN_GRACE_SECONDS:
            for pid in left:
                _kill(pid)
    finally:
        flock(folder, LOCK_UN)


def _leftovers(fd: int) -> list[int] | None:
    """The orphaned delegates that hold the lock, [] where daemons alone do; None where it is to be waited for."""
    genie, namespace, groups = _note(fd)
    holders = _holders(posix.fstat(fd))
    if genie in holders or not holders or namespace != _pid_namespace():
        return None
    return [pid for pid in holders if STARTING in groups or _group_of(pid) in groups]


def _note(fd: int) -> tuple[int, int, list[int]]:
    """(who took the lock, its PID namespace, the process groups at work); 0, 0 and [] where the file says nothing.

    The first line counts: a shorter note leaves the end of a longer one behind it.
    """
    try:
        genie, first, namespace, *others = (
            int(word) for word in posix.pread(fd, _LONGEST_NOTE, 0).partition(b"\n")[0].split()
        )
    except ValueError:
        return 0, 0, []
    return genie, namespace, [first, *others]


def _open_folder_of(path: str) -> int:
    folder = path.rpartition("/")[0]
    try:
        return posix.open(folder, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except OSError as error:
        raise failure("open the directory", folder, error) from None


def _kill(pid: int) -> None:
    try:
        posix.kill(pid, _SIGKILL)
    except OSError:
        return


def _pid_namespace() -> int:
    """The identity of this process's PID namespace (namespaces(7)); 0 without /proc."""
    try:
        return posix.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _group_of(pid: int) -> int:
    try:
        return posix.getpgid(pid)
    except OSError:
        return 0


def _holders(file: "posix.stat_result") -> set[int]:
    """The processes that hold the file's lock, inherited or taken; not those that wait for it (proc(5))."""
    return {
        int(name)
        for name in posix.listdir("/proc")
        if name.isdecimal() and int(name) != posix.getpid() and _holds(name, file)
    }


def _holds(pid: str, file: "posix.stat_result") -> bool:
    try:
        numbers = posix.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    return any(_is_locked(f"/proc/{pid}", number, file) for number in numbers)


def _is_locked(process: str, number: str, file: "posix.stat_result") -> bool:
    """Whether the process's descriptor is of the file, and of the open file description that has the lock."""
    try:
        status = posix.stat(f"{process}/fd/{number}")
        if (status.st_dev, status.st_ino) != (file.st_dev, file.st_ino):
            return False
        info = posix.open(f"{process}/fdinfo/{number}", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return False
    try:
        return b"lock:" in read_all(info)
    except OSError:
        return False
    finally:
        posix.close(info)
