"""One call, in a process that the server has forked for it."""

import posix
from _socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SO_PEERCRED, SOL_SOCKET, socket
from fcntl import F_GETFL, F_SETFL, F_SETOWN, fcntl
from select import POLLHUP, poll

from genie_core.edges.cancel import Cancel
from genie_core.plugin import environment_of, run
from genie_core.server import GO, OTHER_BUILD, OTHER_NAMESPACE, OTHER_RIGHTS, READY, REFUSED
from genie_core.server.caller import Caller, Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_F_SETSIG = 10  # asm-generic/fcntl.h
_O_ASYNC = 0o20000
_SIGKILL = 9
_WORD = 4
_MOST_BYTES = 256
_SECONDS = 10  # for a launcher that has connected and is silent; the real one takes a millisecond


def answer(connection: socket, home: Home) -> None:
    """Serve the launcher at the other end of the connection, unless it has ended. Raises OSError, GenieError."""
    try:
        _answer(connection, home)
    except OSError:
        if not _has_ended(connection):
            raise


def _answer(connection: socket, home: Home) -> None:
    connection.settimeout(_SECONDS)
    build = connection.recv(_MOST_BYTES)
    pid, user, _ = words(connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 3 * _WORD))
    if user != posix.geteuid():
        return
    caller = Caller(pid)
    if problem := _refusal(build, caller, home):
        connection.send(REFUSED + problem)
        return
    caller.take_place()
    cancel = Cancel()
    cancel.listen()  # before the launcher can pass a signal on
    if _has_ended(connection):  # then what was read may be another process's
        return
    connection.send(READY + posix.getpid().to_bytes(_WORD, "little"))
    env = environment_of(caller.environment())  # while the launcher gets ready
    word, rights, _, _ = connection.recvmsg(len(GO) + 1, CMSG_SPACE(3 * _WORD), MSG_CMSG_CLOEXEC)
    descriptors = _descriptors(rights)
    if word == GO and len(descriptors) == 3:
        for number, descriptor in enumerate(descriptors):
            posix.dup2(descriptor, number)
            posix.close(descriptor)
        _run(connection, env, home.own, cancel)


def _refusal(build: bytes, caller: Caller, home: Home) -> bytes:
    """The reason why this would not be the call that the caller makes; empty for none."""
    if build != home.build.encode():
        return OTHER_BUILD
    if caller.namespaces() != home.namespaces:
        return OTHER_NAMESPACE
    return b"" if caller.rights == home.rights else OTHER_RIGHTS


def _run(connection: socket, env: "Mapping[str, str]", own: str, cancel: Cancel) -> None:
    """Run the call, and hand the launcher its status and what it is to print.

    What is printed goes through the launcher: it prints one document, also where this process is killed.
    """
    _end_with_caller(connection)
    document = posix.memfd_create("stdout", posix.MFD_CLOEXEC)
    status = run(env, 0, own, stdout=document, listening=cancel, reaps=False)
    fcntl(connection.fileno(), F_SETFL, fcntl(connection.fileno(), F_GETFL) & ~_O_ASYNC)
    rights = [(SOL_SOCKET, SCM_RIGHTS, document.to_bytes(_WORD, "little"))]
    connection.sendmsg([bytes([status])], rights if posix.fstat(document).st_size else [])
    for number in range(3):  # its reader waits until every process has closed it
        posix.close(number)
    # The launcher needs the processor, and the end of this process takes 0.6 ms.
    _has_ended(connection, _SECONDS)
    _reap()


def _reap() -> None:
    """Wait for the plugins that have ended, after the answer: this can take the kernel some milliseconds."""
    try:
        while posix.waitpid(-1, posix.WNOHANG) != (0, 0):
            continue
    except ChildProcessError:
        return


def _end_with_caller(connection: socket) -> None:
    """Have the kernel kill this process when the launcher ends, at any moment, also while it waits for a delegate."""
    fd = connection.fileno()
    fcntl(fd, F_SETOWN, posix.getpid())
    fcntl(fd, _F_SETSIG, _SIGKILL)
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | _O_ASYNC)
    if _has_ended(connection):  # before it was set
        posix.kill(posix.getpid(), _SIGKILL)


def _has_ended(connection: socket, within: float = 0) -> bool:
    """Whether the other end has gone, after up to so many seconds."""
    poller = poll()
    poller.register(connection.fileno(), 0)
    return any(events & POLLHUP for _, events in poller.poll(within * 1000))


def _descriptors(rights: "list[tuple[int, int, bytes]]") -> list[int]:
    passed = [data for level, kind, data in rights if (level, kind) == (SOL_SOCKET, SCM_RIGHTS)]
    return words(b"".join(passed))


def words(data: bytes) -> list[int]:
    """The numbers, of four bytes each."""
    return [int.from_bytes(data[at : at + _WORD], "little") for at in range(0, len(data) - _WORD + 1, _WORD)]
