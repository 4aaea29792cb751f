"""The plugin with its native launcher, a server beside it, and nodes whose calls go through both."""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from genie_core import native
from genie_core.server import COUNTERS, SOCKET, counters
from genie_core.tasks.install.run import InstallOptions, install
from tests import compiled
from tests.patience import wait_until
from tests.plugin.harness import Node
from tests.processes import children, has_ended

SECONDS = 100
wait = partial(wait_until, seconds=SECONDS)


def _leads_a_group(pid):
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


class Server:
    """`genie serve` of one installation."""

    def __init__(self, root):
        self.root = root
        self.run_dir = root / "run"
        compiled.add_to(root / "bin")
        self.report = self.install()
        self.launcher = self.report.launcher
        self.program = root / "bin/.genie/serve"
        self.process = None
        self._children = set()  # of the servers that were killed

    def install(self, **changes):
        fields = {
            "bin_dir": self.root / "bin",
            "conf_dir": self.root / "net.d",
            "state_dir": self.root / "state",
        }
        return install(InstallOptions(**{**fields, "serve": True, "run_dir": self.run_dir, **changes}))

    def start(self, *words):
        self.log = self.root / "serve.log"
        with self.log.open("ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(
                [self.program, *map(str, words)], env={}, stdin=subprocess.DEVNULL, stderr=log
            )
        wait(lambda: b'"serving"' in self.log.read_bytes()[before:], said=self.said)
        wait(lambda: sum(map(_leads_a_group, self.waiting())) >= 2, said=self.said)
        return self

    def said(self):
        return self.log.read_text()

    def waiting(self):
        """The PIDs of its children."""
        assert self.process is not None
        return children(self.process.pid)

    def replace_waiting(self):
        """Kill the processes that wait for a call, and wait for others."""
        before = self.waiting()
        for pid in before:
            with suppress(ProcessLookupError):  # one that has ended by itself
                os.kill(pid, signal.SIGKILL)
        wait(lambda: len(self.waiting()) >= 2 and not {*before} & {*self.waiting()}, said=self.said)

    def kill(self, number=signal.SIGKILL):
        if self.process:
            self._children.update(self.waiting())
            self.process.send_signal(number)
            self.process.wait(SECONDS)
            self.process = None

    def end(self):
        """Kill it, and wait for its children: one that rehearses still writes to the folder."""
        self.kill()
        wait(lambda: all(map(has_ended, self._children)), said=self.said)

    @property
    def socket(self):
        return self.run_dir / SOCKET

    def counted(self):
        """The counters that are not 0."""
        numbers = counters.read(str(self.run_dir / COUNTERS)) or {}
        return {name: number for name, number in numbers.items() if number}

    @contextmanager
    def adds(self, **expected):
        """The counters that the block adds to."""
        before = self.counted()
        yield
        after = self.counted()
        names = {*before, *after}
        added = {name: after.get(name, 0) - before.get(name, 0) for name in names}
        assert {name: number for name, number in added.items() if number} == expected


@contextmanager
def folder():
    if not native.program().exists():
        pytest.fail("the native launcher was not compiled: run `make setup`", pytrace=False)
    root = Path(tempfile.mkdtemp(prefix="genie-server-"))
    root.chmod(0o755)
    try:
        yield root
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def served():
    """A server that no test ends."""
    with folder() as root:
        server = Server(root)
        try:
            yield server.start()
        finally:
            server.end()


@pytest.fixture(scope="module")
def own_root():
    """Where a module's tests install their own servers: the code that one has compiled is there for the next."""
    with folder() as root:
        yield root


@pytest.fixture
def server(own_root):
    """A server of the test's own, which has not been started."""
    server = Server(own_root)
    try:
        yield server
    finally:
        server.end()
        for path in own_root.iterdir():
            if path.name != "bin":
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def node(served, tmp_path):
    """A node whose calls the server runs."""
    return Node(served.launcher, tmp_path)


@pytest.fixture
def own_node(server, tmp_path):
    """A node whose calls the test's own server runs, once it is started."""
    return Node(server.launcher, tmp_path)
