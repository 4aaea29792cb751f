"""The real programs without an interpreter's start each time.

One process of each test process, the server, has imported everything. For each job (a message on a Unix socket, with
the job's files) it forks; the child takes the job's directory, environment and network namespace, and does what
`python -m MODULE` does. It is a process of its own, which a test waits for, signals and kills. The server ends when the
test process does.

A script of a test finds `genie` on the PATH that `on_path` makes: a client, which has the server do the job in the
script's own directory, and in its namespaces of network, mounts, PIDs and host name.
"""

from __future__ import annotations

import atexit
import importlib
import marshal
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from genie_core.edges.netns import enter
from genie_core.sandbox import syscalls
from tests.netns import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent
_PIPE = 60_000  # bytes that a pipe holds: more than any test has on its standard input
_MESSAGE = 1 << 17  # bytes of the largest job
_NUMBER = 8  # bytes of a number that the server says
_FILES = 9  # of a job: stdin, stdout, stderr, where to say how it ends; four namespaces and the directory of a client
# What programs import late is here before they are forked.
_READY = (
    "genie_cli.start",
    "genie_cli.app",
    "genie_cli.commands.agent",
    "genie_cli.commands.debug_node",
    "genie_cli.commands.debug_pod",
    "genie_cli.commands.discover",
    "genie_cli.commands.gc",
    "genie_cli.commands.dry_run",
    "genie_cli.commands.explain",
    "genie_cli.commands.generate_config",
    "genie_cli.commands.sync_pod",
    "genie_cli.commands.version",
    "genie_core.survey.user_cluster",
    "genie_core.survey.user_credentials",
    "genie_core.survey.user_http",
    "genie_core.tasks.policy.engine",
    "genie_core.tasks.repair.case",
    "kubernetes.config",
    "pyroute2",
    "rich.console",
    "rich.table",
    "typer._adapters",
    "typer._click.decorators",
)
# Without the modules `json` and `socket`, which take as long as all else.
_CLIENT = """\
#!{python} -IS
import _socket, marshal, os, sys
job = {{"module": "genie_cli", "argv": sys.argv[1:], "netns": "", "env": dict(os.environ), "cwd": ""}}
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
server.connect({path!r})
places = (*(f"/proc/self/ns/{{kind}}" for kind in ("net", "uts", "pid", "mnt")), ".")
reader, writer = os.pipe()
files = [0, 1, 2, writer, *(os.open(place, os.O_RDONLY) for place in places)]
sent = b"".join(file.to_bytes(4, sys.byteorder) for file in files)
server.sendmsg([marshal.dumps(job)], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, sent)])
os.close(writer)
os.read(reader, {number})
sys.exit(int.from_bytes(os.read(reader, {number}), "big", signed=True))
"""
_lock = threading.Lock()
_server: list[socket.socket] = []


def run(
    *argv: object, module: str = "genie_cli", timeout: float = 240, **where: Any
) -> subprocess.CompletedProcess[str]:
    """`genie ARGV` from start to end; `where` are options of `start`."""
    program = start(module, *argv, **where)
    out, err = program.communicate(timeout)
    return subprocess.CompletedProcess(program.args, program.wait(), out, err)


def start(
    module: str,
    *argv: object,
    netns: object = "",
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    cwd: object = ".",
    stderr: IO[Any] | None = None,
) -> Program:
    """`python -m MODULE ARGV` in a network namespace, with text on a pipe as its standard input.

    What it prints is kept for `communicate`, unless `stderr` is a file for its messages.
    """
    words = [str(word) for word in argv]
    job = {
        "module": module,
        "argv": words,
        "netns": str(netns),
        "env": dict(os.environ if env is None else env),
        "cwd": os.path.abspath(str(cwd)),
    }
    given, (reader, writer) = _filled(stdin.encode()), os.pipe()
    out, err = os.memfd_create("stdout"), os.memfd_create("stderr")
    files = [given, out, stderr.fileno() if stderr else err, writer]
    try:
        with _lock:
            socket.send_fds(_server[0] if _server else _begin(), [marshal.dumps(job)], files)
    finally:
        os.close(given)
        os.close(writer)
    return Program([module, *words], reader, out, err)


def client(folder: Path) -> Path:
    """The program `genie` in a new folder: a client of the server."""
    with _lock:
        if not _server:
            _begin()
    folder.mkdir()
    program = folder / "genie"
    python = os.path.realpath(sys.executable)
    program.write_text(_CLIENT.format(python=python, path=_address(), number=_NUMBER))
    program.chmod(0o755)
    return program


def on_path(folder: Path) -> str:
    """A value of PATH with that program in a new folder before all others."""
    return f"{client(folder).parent}:{os.environ['PATH']}"


class Program:
    """A running program, with those methods of subprocess.Popen that tests need."""

    def __init__(self, args: list[str], reader: int, out: int, err: int) -> None:
        self.args = args
        self.returncode: int | None = None
        self._results, self._out, self._err = reader, out, err
        self.pid = _number(reader)

    def __del__(self) -> None:
        for file in (self._results, self._out, self._err):
            os.close(file)

    def poll(self) -> int | None:
        """The exit code of a program that has ended, negative for a signal."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float = 240) -> int:
        """Wait for its end: its exit code. Raises TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._results], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = _number(self._results)
        return self.returncode

    def communicate(self, timeout: float = 240) -> tuple[str, str]:
        """Wait for its end; its stdout and stderr."""
        self.wait(timeout)
        return _text(self._out), _text(self._err)

    def messages(self) -> str:
        """What it has written to stderr so far."""
        return _text(self._err)

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """As kill(1) does."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """As kill -9 does."""
        self.send_signal(signal.SIGKILL)


def _number(reader: int) -> int:
    """A number from the server: first the program's PID, then its exit code."""
    return int.from_bytes(os.read(reader, _NUMBER), signed=True)


def _send(writer: int, number: int) -> None:
    os.write(writer, number.to_bytes(_NUMBER, signed=True))


def _begin() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * _MESSAGE)
    with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as clients:
        clients.bind(_address())
        clients.listen(16)
        argv, kept = [sys.executable, "-m", __name__, str(clients.fileno())], [clients.fileno()]
        server = subprocess.Popen(argv, cwd=ROOT, stdin=theirs.fileno(), pass_fds=kept)
    _server.append(ours)
    atexit.register(_stop, server)
    return ours


def _stop(server: subprocess.Popen[bytes]) -> None:
    _server.pop().close()
    server.wait()
    os.unlink(_address())


def _address() -> str:
    return f"/tmp/{PREFIX}-warm"


def serve(clients: socket.socket) -> None:
    """Do jobs, of the test process and of clients, until the socket that is the standard input is closed."""
    from gc import freeze  # in the test process it may be the folder of that name that is found

    for name in _READY:
        importlib.import_module(name)
    if path := os.environ.get("GENIE_EXAMPLES"):
        importlib.import_module("tests.examples").watch(path)
    freeze()
    jobs = socket.socket(fileno=os.dup(0))
    running: dict[int, int] = {}
    ends, ended = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(ended)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready = select.select([jobs.fileno(), clients.fileno(), ends], [], [])[0]
        if ends in ready:
            os.read(ends, 4096)
            _reap(running)
        for source in (jobs, clients):
            if source.fileno() in ready and not _take(source, running):
                return


def _take(source: socket.socket, running: dict[int, int]) -> bool:
    """Start the next job of the test process, or of a client; whether there was one."""
    with source.dup() if source.getsockname() == "" else source.accept()[0] as connection:
        message, files, _, _ = socket.recv_fds(connection, _MESSAGE, _FILES)
    if not message:
        return False
    pid = os.fork()
    if not pid:
        _become(marshal.loads(message), files)
    for file in (*files[:3], *files[4:]):
        os.close(file)
    running[pid] = files[3]
    _send(files[3], pid)
    return True


def _reap(running: dict[int, int]) -> None:
    """Send the exit codes of all children that have ended."""
    for pid, writer in list(running.items()):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            try:
                _send(writer, os.waitstatus_to_exitcode(status))
            except BrokenPipeError:
                pass  # the test has not waited for it
            os.close(writer)
            del running[pid]


def _become(job: dict[str, Any], files: list[int]) -> NoReturn:
    """Become the program: it ends with this process."""
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, file in enumerate(files[:3]):
            os.dup2(file, number)
        _go_to(*files[4:])
        os.closerange(3, 1 << 16)
        if files[4:]:
            _be_a_child()
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (until the process ends)
        os.chdir(job["cwd"] or ".")
        os.environ.clear()
        os.environ.update(job["env"])
        if job["netns"]:
            enter(job["netns"])
        sys.argv = [job["module"], *job["argv"]]
        code = _exit_code(job["module"])
        threading._shutdown()  # type: ignore[attr-defined]  # as an interpreter ends, but that it keeps its modules
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 (nothing may return into the server's loop)
        traceback.print_exc()
    finally:
        os._exit(code)


def _go_to(*files: int) -> None:
    """Enter a client's namespaces, and go to its directory."""
    for namespace in files[:-1]:
        syscalls.setns(namespace, 0)
    if files:
        os.fchdir(files[-1])


def _be_a_child() -> None:
    """Go on in a child process: only children are in the PID namespace that was entered (setns(2))."""
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _exit_code(module: str) -> int:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ended.code is not None
    return 0


def _text(file: int) -> str:
    return os.pread(file, os.fstat(file).st_size, 0).decode()


def _filled(data: bytes) -> int:
    """A pipe that has all of the data, and ends then."""
    assert len(data) < _PIPE
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return reader


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
