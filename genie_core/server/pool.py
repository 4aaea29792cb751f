"""The server's main process: it keeps some processes waiting for a call, and starts another one for each that has one.

The waiting processes accept connections themselves, so no call waits for a fork. They end when this process does:
each holds one end of a pipe whose other end only this process has. Processes that run a call go on.
"""

import _signal
import gc
import os
import posix
import sys
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET, socket
from fcntl import LOCK_EX, LOCK_NB, lockf
from select import EPOLLEXCLUSIVE, EPOLLIN, POLLIN, epoll, poll
from time import sleep

from genie_core.edges.cgroups import group_files, join
from genie_core.edges.files import make_parents, open_private, refuse_foreign_directory, refuse_open_way
from genie_core.edges.kube_ahead import AHEAD
from genie_core.edges.kube_line import Line
from genie_core.edges.log import JSONLog
from genie_core.errors import GenieError, IOFailure
from genie_core.plugin import occupy_standard_descriptors
from genie_core.server import COUNTERS, LOCK, SOCKET, counters
from genie_core.server.call import answer, words
from genie_core.server.caller import Home
from genie_core.server.immortal import make_all_immortal
from genie_core.server.rehearsal import Rehearsal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_BACKLOG = 1024  # connections that wait for a process; the launcher takes the next as a refusal
_LOOK_MS = 5000  # how often the installed build is looked at
_LOCK_TRIES = 50
_CRASHED = 70
_ONLY_INSTALL = "packing.py"
_REHEARSALS = 5  # from the second on the interpreter specializes code, on CPython 3.11 from the eighth
_RETRY_MS = 1000  # how soon a process is started after that has failed, where none waits for a call
_BUSY_SECONDS = 0.05  # a process that has waited so long for a call has the time to rehearse


def main(own: str, build: str, folder: str, program: str) -> "NoReturn":
    """The process. `program` is the file that started it, with a PID whose control groups calls get, or none.

    It is run again when an installation has replaced the file, and ends when the file is gone.
    """
    occupy_standard_descriptors()
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # as in the plugin's main()
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())  # or calls, which inherit it, could not be stopped
    log = JSONLog("info", fd=posix.dup(2))  # in a child that answers, 2 is the caller's
    log.context = {"pid": posix.getpid()}
    try:
        groups = group_files(int(sys.argv[1])) if sys.argv[1:] else []
        lock, listener = _prepare(folder)
        rehearsal = load_everything(os.path.dirname(os.path.dirname(os.path.dirname(__file__))), folder)
        pool = Pool(Home(own, build), listener, groups, rehearsal, log)
        log.info("serving", socket=f"{folder}/{SOCKET}", build=build)
        pool.serve(program)
    except (GenieError, OSError, ValueError) as error:
        log.error("not serving", problem=str(error))
        posix._exit(1)  # noqa: SLF001 (the name of exit(2))
    posix.close(lock)
    posix.execv(program, [program, *sys.argv[1:]])


def _prepare(folder: str) -> tuple[int, socket]:
    """The lock of the one server on this node, and the socket. Raises IOFailure, OSError."""
    make_parents(f"{folder}/{SOCKET}")
    refuse_open_way(f"{folder}/{SOCKET}")
    refuse_foreign_directory(folder)
    lock = open_private(f"{folder}/{LOCK}", posix.O_RDWR | posix.O_CREAT)
    for _ in range(_LOCK_TRIES):
        try:
            lockf(lock, LOCK_EX | LOCK_NB)  # of this process alone: its children do not have it
            break
        except OSError:
            sleep(0.1)
    else:
        raise IOFailure(f"another genie serve runs already (lock {folder}/{LOCK})")
    counters.prepare(f"{folder}/{COUNTERS}")
    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK)
    new = f"{folder}/{SOCKET}.new"
    if os.path.lexists(new):
        posix.unlink(new)
    posix.umask(0o077)
    listener.bind(new)
    listener.listen(_BACKLOG)
    posix.rename(new, f"{folder}/{SOCKET}")  # the earlier one's place, without a moment in between
    return lock, listener


def load_everything(code: str, folder: str) -> Rehearsal:
    """Import what any call may import, so that no child does. One that is not there is imported by the call.

    Only `genie install` packs the archive, with a module that takes a megabyte.
    """
    for directory, _, files in os.walk(f"{code}/genie_core"):
        package = os.path.relpath(directory, code).replace("/", ".")
        for file in files:
            if file.endswith(".py") and file != _ONLY_INSTALL:
                __import__(f"{package}.{file[:-3]}".removesuffix(".__init__"))
    for name in ("_ssl", "yaml"):
        try:
            __import__(name)
        except ImportError:
            continue
    rehearsal = Rehearsal(folder)
    rehearsal.make(_REHEARSALS)
    gc.collect()
    make_all_immortal()
    gc.freeze()
    return rehearsal


class Pool:
    """Processes that wait for a call, and those that run one."""

    def __init__(
        self, home: Home, listener: socket, groups: list[str], rehearsal: Rehearsal, log: JSONLog
    ) -> None:
        self._home = home
        self._rehearsal = rehearsal
        self._listener = listener
        self._groups = groups
        self._log = log
        self._spare = min(max(posix.cpu_count() or 2, 2), 8)
        self._idle: set[int] = set()
        # A descriptor of each process, which is readable once it has ended.
        self._handles: dict[int, int] = {}
        # Children hold the first, this process the second.
        self._alive, self._lifeline = posix.pipe2(posix.O_CLOEXEC)
        self._taken, self._take = posix.pipe2(posix.O_CLOEXEC)  # the PIDs of children that have got a call
        self._poller = poll()
        self._poller.register(self._taken, POLLIN)

    def serve(self, program: str) -> None:
        """Serve until `program` is replaced. Raises IOFailure once it is gone."""
        version = _version_of(program)
        quiet = True
        while _version_of(program) == version:
            self._fill(quiet)
            events = self._poller.poll(_LOOK_MS if self._idle else _RETRY_MS)
            for fd, _ in events:
                if fd == self._taken:
                    self._note_taken()
                else:
                    self._reap(fd)
            self._reap_inherited()
            quiet = not events or len(self._handles) == len(self._idle)
        self._log.info("another build is installed")

    def _fill(self, quiet: bool) -> None:
        """Start processes that wait. While calls run, which need the processors more, only where none is left."""
        while len(self._idle) < (self._spare if quiet else 1) and self._fork(quiet):
            pass

    def _note_taken(self) -> None:
        self._idle.difference_update(words(posix.read(self._taken, 4096)))

    def _reap(self, handle: int) -> None:
        pid = self._handles.pop(handle)
        self._poller.unregister(handle)
        posix.close(handle)
        status = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
        if status:
            self._log.warning("a call ended without an answer", call=pid, status=status)
        if pid in self._idle:  # killed, or it cannot start
            self._idle.discard(pid)
            sleep(0.05)

    def _reap_inherited(self) -> None:
        """Wait for ended children without a handle: the build that ran in this process before has started them."""
        try:
            while (ended := _first_ended()) and ended.si_pid not in self._handles.values():
                posix.waitpid(ended.si_pid, 0)
        except ChildProcessError:
            return

    def _fork(self, quiet: bool) -> bool:
        """Start a process that waits for a call; False where the kernel cannot start one at the moment."""
        room = -1
        try:
            room = posix.dup(self._alive)  # for the descriptor below: the process may have got a call by then
            pid = posix.fork()
        except OSError as error:
            self._log.warning("no process started", problem=posix.strerror(error.errno or 0))
            return False
        finally:
            if room >= 0:
                posix.close(room)
        if not pid:
            self._wait_for_call(quiet)
        self._idle.add(pid)
        handle = posix.pidfd_open(pid)
        self._handles[handle] = pid
        self._poller.register(handle, POLLIN)
        return True

    def _wait_for_call(self, quiet: bool) -> "NoReturn":
        """The life of a forked process."""
        status = _CRASHED
        try:
            for descriptor in (self._lifeline, *self._handles):
                posix.close(descriptor)
            posix.setpgid(0, 0)  # signals from a terminal are for the server
            join(self._groups)
            if quiet:
                self._rehearsal.make()
            if connection := self._accept(rehearsed=quiet):
                # if it stayed open, launchers could connect after the server has ended, and nothing would answer
                self._listener.close()
                posix.write(self._take, posix.getpid().to_bytes(4, "little"))
                answer(connection, self._home)
            status = 0
        except Exception as error:  # noqa: BLE001 (the last resort: nothing else would say it)
            self._log.error("not answered", call=posix.getpid(), problem=f"{type(error).__name__}: {error}")
        finally:
            posix._exit(status)  # noqa: SLF001

    def _accept(self, *, rehearsed: bool) -> "socket | None":
        """Wait for a call, and get ready for one while none comes; None once the server has ended."""
        poller = epoll()
        poller.register(self._alive, EPOLLIN)
        poller.register(self._listener.fileno(), EPOLLIN | EPOLLEXCLUSIVE)  # a call wakes one process
        if rehearsed:
            AHEAD.connect(poller, Line)
        while True:
            ready = {fd for fd, _ in poller.poll(None if rehearsed else _BUSY_SECONDS)}
            if not ready:
                self._rehearsal.make()
                AHEAD.connect(poller, Line)
                rehearsed = True
            if self._alive in ready:
                return None
            if self._listener.fileno() in ready and (connection := self._taken_call()):
                poller.close()
                return connection
            if AHEAD.fileno() in ready:
                AHEAD.proceed(poller)

    def _taken_call(self) -> "socket | None":
        """The connection of a call; None where another process was faster."""
        try:
            fd, _ = self._listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001 (accept(2) of the C class)
        except (BlockingIOError, ConnectionAbortedError):
            return None
        return socket(fileno=fd)


def _first_ended() -> "posix.waitid_result | None":
    """A child that has ended, still to be waited for; None for none. Raises ChildProcessError without children."""
    return posix.waitid(posix.P_ALL, 0, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT)


def _version_of(program: str) -> tuple[int, ...]:
    """A value that changes when the file is replaced. Raises IOFailure where it is gone."""
    try:
        found = posix.stat(program)
    except OSError as error:
        raise IOFailure(f"{program} is gone: {posix.strerror(error.errno or 0)}") from None
    return found.st_dev, found.st_ino, found.st_mtime_ns
