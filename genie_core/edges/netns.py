"""Something done inside another network namespace, while this process stays in its own (setns(2)).

A namespace belongs to a thread: one is made that enters it, does the work and ends there. So there is no way back to
fail at, and no signal or exception can leave the caller where the next delegate would start in the wrong namespace.

This module is on the kubelet path, which only makes a socket there (`socket_in`): the calling thread does that in
0.02 ms, where one of its own takes 0.1 to 0.4. Python 3.11 has no `os.setns` and gets it from the extension module
under `ctypes`, 0.5 ms (`ctypes` would cost 3).
"""

import posix
from _thread import allocate_lock, start_new_thread
from errno import EACCES, EPERM

from genie_core.edges.cancel import may_raise_anywhere
from genie_core.errors import Denied, GenieError, InvalidNetns, KernelRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    T = TypeVar("T")

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_SIGKILL = 9


def inside(netns: str, work: "Callable[[], T]") -> "T":
    """What `work` returns or raises in the network namespace that the file `netns` stands for.

    Sockets made and paths below /proc/sys/net opened there belong to it. Raises InvalidNetns where there is no
    namespace, Denied where it may not be entered, KernelRefused where no thread can be started.
    """
    values: list[T] = []
    errors: list[BaseException] = []
    ended = allocate_lock()
    ended.acquire()

    def body() -> None:
        try:
            enter(netns)
            values.append(work())
        except BaseException as error:  # noqa: BLE001 (raised again by the caller's thread)
            errors.append(error)
        finally:
            ended.release()

    try:
        start_new_thread(body, ())
    except RuntimeError as error:
        raise KernelRefused(
            f"{netns}: {error}", hint="the node is out of processes or memory (ulimit -u, cgroup pids.max)"
        ) from None
    ended.acquire()
    if errors:
        raise errors[0]
    return values[0]


def socket_in(netns: str, make: "Callable[[], T]") -> "T":
    """What `make` returns, which does no more than make a socket, in that network namespace; by the calling thread.

    By one of its own where a signal, such as Ctrl+C, may raise an error before the calling thread has come back. The
    process is killed where the kernel does not let it back, since its next plugin would start there. Raises
    InvalidNetns, Denied, OSError.
    """
    if may_raise_anywhere():
        return inside(netns, make)
    here = posix.open("/proc/thread-self/ns/net", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        enter(netns)
        try:
            return make()
        finally:
            _return(here)
    finally:
        posix.close(here)


def _return(descriptor: int) -> None:
    try:
        _setns(descriptor)
    except BaseException:  # noqa: BLE001 (there is no going on)
        posix.kill(posix.getpid(), _SIGKILL)


def inside_each(paths: "Iterable[str]", work: "Callable[[str], T]") -> "dict[str, T | GenieError]":
    """What `work`, called with its path, returns in each of these namespaces, or why it failed; from one thread.

    To begin a thread for each takes several times as long as the work of reading a counter there. Raises KernelRefused
    where none can be started.
    """
    found: dict[str, T | GenieError] = {}

    def walk() -> None:
        for path in paths:
            try:
                enter(path)
                found[path] = work(path)
            except GenieError as error:
                found[path] = error
            except OSError as error:  # no descriptor is free, for one
                found[path] = KernelRefused(f"{path}: {error.strerror or error}")

    paths = list(paths)
    if paths:
        inside("/proc/self/ns/net", walk)
    return found


def enter(netns: str) -> None:
    """Move the calling thread there, for good. Raises InvalidNetns and Denied."""
    try:
        descriptor = posix.open(netns, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
        try:
            _setns(descriptor)
        finally:
            posix.close(descriptor)
    except OSError as error:
        reason = posix.strerror(error.errno or 0)
        if error.errno in {EPERM, EACCES}:
            raise Denied(
                f"network namespace {netns} may not be entered: {reason}", hint="run as root (CAP_SYS_ADMIN)"
            ) from None
        raise InvalidNetns(
            f"{netns} is not a network namespace: {reason}", hint="the container may have ended"
        ) from None


def _setns(descriptor: int) -> None:
    """setns(2), moving this thread alone. Raises OSError."""
    setns = getattr(posix, "setns", None) or _setns_of_libc()
    setns(descriptor, _CLONE_NEWNET)


def _setns_of_libc() -> "Callable[[int, int], None]":
    """`os.setns` for Python 3.11: the C library's function, its -1 turned into OSError."""
    import _ctypes

    class Function(_ctypes.CFuncPtr):
        """int (*)(int, int): what a function of no declared type takes and returns."""

        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO

    program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # dlopen(3): NULL is the program with its libraries
    function = Function(_ctypes.dlsym(program, "setns"))

    def setns(descriptor: int, kind: int) -> None:
        if function(descriptor, kind):
            raise OSError(_ctypes.get_errno(), "setns")

    return setns
