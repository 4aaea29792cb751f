"""One call, in a process that the server has forked for it."""

import posix
from _socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SO_PEERCRED, SOL_SOCKET, socket
from fcntl import F_SETFL, F_SETOWN, fcntl
from select import POLLHUP, poll

from genie_core.edges.cancel import Cancel
from genie_core.plugin import environment_of, run
from genie_core.server import GO, NO_DESCRIPTORS, OTHER_BUILD, OTHER_NAMESPACE, OTHER_RIGHTS, READY, REFUSED
from genie_core.server.caller import Caller, Home

_F_SETSIG = 10  # asm-generic/fcntl.h
_O_ASYNC = 0o20000
_SIGKILL = 9
_WORD = 4
_MOST_BYTES = 256
_PASSED = 4  # descriptors that come with a call: 0, 1, 2 and the pipe that ends with the launcher
_SECONDS = 10  # for a launcher that has connected and is silent; the real one takes a millisecond


def answer(connection: socket, home: Home) -> None:
    """Serve the launcher at the other end of the connection, unless it has ended. Raises OSError, ValueError."""
    try:
        _answer(connection, home)
    except (OSError, ValueError):  # of a process that has ended /proc still shows some lines
        if not _has_ended(connection.fileno()):
            raise


def _answer(connection: socket, home: Home) -> None:
    connection.settimeout(_SECONDS)
    build = connection.recv(_MOST_BYTES)
    pid, user, _ = words(connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 3 * _WORD))
    if user != posix.geteuid():
        return
    if not pid:  # it has none in this PID namespace
        connection.send(REFUSED + OTHER_NAMESPACE)
        return
    caller = Caller(pid)
    if problem := _refusal(build, caller, home):
        connection.send(REFUSED + problem)
        return
    caller.take_place()
    cancel = Cancel()
    cancel.listen()  # before the launcher can pass a signal on
    document = posix.memfd_create("stdout", posix.MFD_CLOEXEC)
    if _has_ended(connection.fileno()):  # then what was read may be another process's
        return
    connection.send(READY + posix.getpid().to_bytes(_WORD, "little"))
    env = environment_of(caller.environment())  # while the launcher gets ready
    word, rights, _, _ = connection.recvmsg(len(GO) + 1, CMSG_SPACE(_PASSED * _WORD), MSG_CMSG_CLOEXEC)
    descriptors = _descriptors(rights)
    if word != GO or len(descriptors) != _PASSED:  # the kernel drops those for which the limit leaves no room
        connection.send(REFUSED + NO_DESCRIPTORS)
        return
    *standard, lifeline = descriptors
    for number, descriptor in enumerate(standard):
        posix.dup2(descriptor, number)
        posix.close(descriptor)
    _end_with_caller(lifeline)
    status = run(env, 0, home.own, stdout=document, listening=cancel, reaps=False)
    posix.close(lifeline)
    _hand_back(connection, status, document)


def _refusal(build: bytes, caller: Caller, home: Home) -> bytes:
    """The reason why this would not be the call that the caller makes; empty for none."""
    if build != home.build.encode():
        return OTHER_BUILD
    if caller.namespaces() != home.namespaces:
        return OTHER_NAMESPACE
    return b"" if caller.rights == home.rights else OTHER_RIGHTS


def _hand_back(connection: socket, status: int, document: int) -> None:
    """Hand the launcher the call's status and what it is to print, and wait for its end.

    What is printed goes through the launcher: it prints one document, also where this process is killed.
    """
    rights = [(SOL_SOCKET, SCM_RIGHTS, document.to_bytes(_WORD, "little"))]
    connection.sendmsg([bytes([status])], rights if posix.fstat(document).st_size else [])
    for number in range(3):  # its reader waits until every process has closed it
        posix.close(number)
    # The launcher needs the processor, and the end of this process takes 0.6 ms.
    _has_ended(connection.fileno(), _SECONDS)
    _reap()


def _reap() -> None:
    """Wait for the plugins that have ended, after the answer: this can take the kernel some milliseconds."""
    try:
        while posix.waitpid(-1, posix.WNOHANG) != (0, 0):
            continue
    except ChildProcessError:
        return


def _end_with_caller(lifeline: int) -> None:
    """Have the kernel kill this process when the launcher ends, at any moment, also while it waits for a delegate.

    `lifeline` is a pipe to which nothing is written. On the connection the signal could come of G itself: the kernel
    wakes the reader of a message after it has queued it, and the reader may have taken it already.
    """
    fcntl(lifeline, F_SETOWN, posix.getpid())
    fcntl(lifeline, _F_SETSIG, _SIGKILL)
    fcntl(lifeline, F_SETFL, _O_ASYNC)
    if _has_ended(lifeline):  # before it was set
        posix.kill(posix.getpid(), _SIGKILL)


def _has_ended(fd: int, within: float = 0) -> bool:
    """Whether the other end of a connection or a pipe has gone, after up to so many seconds."""
    poller = poll()
    poller.register(fd, 0)
    return any(events & POLLHUP for _, events in poller.poll(within * 1000))


def _descriptors(rights: "list[tuple[int, int, bytes]]") -> list[int]:
    passed = [data for level, kind, data in rights if (level, kind) == (SOL_SOCKET, SCM_RIGHTS)]
    return words(b"".join(passed))


def words(data: bytes) -> list[int]:
    """The numbers, of four bytes each."""
    return [int.from_bytes(data[at : at + _WORD], "little") for at in range(0, len(data) - _WORD + 1, _WORD)]
