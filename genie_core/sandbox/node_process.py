"""The client of a process that stands for a node and serves requests (`requests`).

The process runs in a session of its own: ^C interrupts the client alone, which then ends the process.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from genie_core.errors import GenieError, IOFailure
from genie_core.settings import BIN_DIR, STATE_DIR

START_TIMEOUT = 30.0  # seconds; it takes about 0.1
CALL_TIMEOUT = 90.0  # seconds; a call may write and compile all of the plugin

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = """\
import sys
sys.path.insert(0, sys.argv[1])
from importlib import import_module
import_module(sys.argv[2]).main(int(sys.argv[3]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The outcome of a program: `expired` when it was killed at its timeout; `ms` of wall time."""

    returncode: int
    stdout: str
    stderr: str
    ms: float
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The directories of a dry run: plugin, configurations, state; `conf_dir` "" means the node's own.

    `records` is for the records of the dry run itself.
    """

    bin_dir: str = BIN_DIR
    conf_dir: str = ""
    state_dir: str = STATE_DIR
    records: str = "/run/genie-records"


class NodeProcess:
    """The requests as methods. Subclasses start the process in `__enter__` and end it in `__exit__`."""

    def start(self, module: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Start the module's `main` and send it the first request; its answer.

        Raises OSError as it reports it, TimeoutError, IOFailure where it ends.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, ROOT, module, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
        except OSError:
            ours.close()
            raise
        self._socket, self._channel = ours, ours.makefile("rw", encoding="utf-8", newline="\n")
        try:
            return self.ask(wanted)
        except BaseException:
            self.end()
            raise

    def hang_up(self) -> bool:
        """Close the connection; False where it was closed already."""
        if self._socket.fileno() < 0:
            return False
        with suppress(OSError):  # a request that was not sent completely
            self._channel.close()
        self._socket.close()
        return True

    def end(self) -> str:
        """End the process, if it has not ended yet; its output on stderr."""
        if not self.hang_up():
            return ""
        self._process.kill()
        return self._process.communicate()[1].decode(errors="replace").strip()

    def ask(self, message: Mapping[str, Any], seconds: float = START_TIMEOUT) -> dict[str, Any]:
        """Send one request. Raises the process's OSError, TimeoutError, IOFailure where the process does not answer."""
        if self._socket.fileno() < 0:
            raise IOFailure(f"{self.what} has ended")
        self._socket.settimeout(seconds)
        try:
            self._channel.write(json.dumps(message) + "\n")
            self._channel.flush()
            line = self._channel.readline()
        except ConnectionError:
            line = ""
        if not line:
            raise IOFailure(f"{self.what} ended unexpectedly", details=self.end())
        answer: dict[str, Any] = json.loads(line)
        if error := answer.get("error"):
            raise OSError(error["errno"], error["text"], error["path"] or None)
        return answer

    @property
    def what(self) -> str:
        """What it is to a person."""
        return "the private node"

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 60,
        netns: str = "",
    ) -> Ran:
        """Run a program in the node, or in its network namespace at path `netns`, for at most `timeout` s.

        Raises OSError where it cannot be started. `env` is its whole environment; default: PATH of this process.
        """
        request = {
            "request": "run",
            "argv": list(argv),
            "env": dict(env if env is not None else {"PATH": os.environ.get("PATH", os.defpath)}),
            "stdin": stdin,
            "timeout": timeout,
            "netns": netns,
        }
        return Ran(**self.ask(request, timeout + START_TIMEOUT))

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a module's function in the node, in a process of its own. Arguments and result are JSON values.

        Raises the GenieError that it raised.
        """
        request = {
            "request": "call",
            "path": sys.path,
            "module": function.__module__,
            "name": function.__qualname__,
            "arguments": arguments,
        }
        answer = self.ask(request, CALL_TIMEOUT)
        if "raised" in answer:
            raise GenieError(**answer["raised"])
        if "value" not in answer:
            details = answer.get("failed", "")[-2000:].strip()
            raise IOFailure(f"{function.__qualname__} failed in {self.what}", details=details)
        return answer["value"]

    def add_namespace(self, name: str) -> str:
        """Make a network namespace for a pod; its path."""
        path = f"/run/netns/{name}"
        self.ask({"request": "add_namespace", "path": path})
        return path

    def remove_namespace(self, path: str) -> None:
        """Remove a pod's network namespace, as a runtime does after DEL."""
        self.ask({"request": "remove_namespace", "path": path})

    def files(self, *directories: str) -> list[str]:
        """All files in and below directories of the node; a directory that does not exist has none."""
        found: list[str] = self.ask({"request": "files", "paths": directories})["files"]
        return found

    def read(self, path: str) -> str:
        """A file's text. Raises OSError."""
        text: str = self.ask({"request": "read", "path": path})["text"]
        return text

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, and the directories above it. Raises OSError: most of a private node is read-only."""
        self.ask({"request": "write", "path": path, "text": text, "mode": mode})
