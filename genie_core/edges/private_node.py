"""A private copy of this node, to run CNI plugins in without a trace: see `private_node_inside` for what it is.

    with PrivateNode() as node:
        netns = node.add_namespace("pod")
        ran = node.run(["/usr/lib/cni/bridge"], env={...}, stdin="{...}")

Works as root and as an ordinary user. Whatever ends this process ends the node, and everything in it.
"""

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from genie_core.edges.private_node_links import UPLINK, Link
from genie_core.errors import Denied, GenieError, IOFailure, TryAgain
from genie_core.settings import STATE_DIR

# Where CNI plugins keep what they know: empty in a private node. /run: sockets of daemons, locks, namespaces.
HIDDEN = ("/run", "/var/run", "/var/lib/cni")
# What the real node has, open to change in the private one.
COPIED = ("/etc/cni", "/opt/cni/bin")
START_TIMEOUT = 30.0  # seconds; it takes about 0.1

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_PROGRAM = """\
import sys
sys.path.insert(0, sys.argv[1])
from genie_core.edges.private_node_inside import main
main(int(sys.argv[2]))
"""
_CALL = """\
import importlib, json, sys
path, module, name, arguments = json.load(sys.stdin)
sys.path[:] = path
from genie_core.errors import GenieError
try:
    answer = {"value": getattr(importlib.import_module(module), name)(*arguments)}
except GenieError as error:
    answer = {"error": {key: getattr(error, key) for key in ("msg", "details", "hint", "code", "exit_code")}}
json.dump(answer, sys.stdout)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What became of a program: `expired` when it took longer than allowed and was killed; `ms` of wall time."""

    returncode: int
    stdout: str
    stderr: str
    ms: float
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a dry run puts the plugin, configurations and state; `conf_dir` "": where the node has its own."""

    bin_dir: str = "/opt/cni/bin"
    conf_dir: str = ""
    state_dir: str = STATE_DIR


class PrivateNode:
    """A node of its own, from `with` to the end of its block.

    `copied` directories show what the real node has and may be written to, in addition to COPIED; `visible`
    paths stay where they are although the node hides the directory above them; `links` are its interfaces. It
    lives as long as the thread that made it. Raises Denied where this kernel or this container does not let this
    user make namespaces.
    """

    is_private = True
    places = Places()

    def __init__(
        self, *, copied: Sequence[str] = (), visible: Sequence[str] = (), links: Sequence[Link] = (UPLINK,)
    ) -> None:
        self._wanted = {
            "hidden": [path for path in HIDDEN if not os.path.islink(path)],
            "copied": [*COPIED, *copied],
            "links": [asdict(link) for link in links],
            "visible": [os.path.realpath(path) for path in (*visible, _ROOT, sys.prefix, sys.base_prefix)],
        }

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._channel = ours.makefile("rw", encoding="utf-8", newline="\n")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-c", _PROGRAM, _ROOT, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # ^C is for this process alone; it ends the node in order
            )
        try:
            ours.settimeout(START_TIMEOUT)
            self._ask(self._wanted)
        except BaseException as error:
            self._end()
            if isinstance(error, OSError):
                raise _explained(error) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> str:
        """End it, if it has not ended yet; what it had to say on stderr."""
        if self._socket.fileno() < 0:
            return ""
        with suppress(OSError):  # what it was not told any more
            self._channel.close()
        self._socket.close()
        self._process.kill()  # its child, the node's first process, dies with it
        return self._process.communicate()[1].decode(errors="replace").strip()

    def _ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        try:
            self._channel.write(json.dumps(message) + "\n")
            self._channel.flush()
            line = self._channel.readline()
        except ConnectionError:
            line = ""
        if not line:
            raise IOFailure("the private node ended unexpectedly", details=self._end())
        answer: dict[str, Any] = json.loads(line)
        if error := answer.get("error"):
            raise OSError(error["errno"], error["text"], error["path"] or None)
        return answer

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 60,
        netns: str = "",
    ) -> Ran:
        """Run a program in the node, or in the network namespace at path `netns` of it, for at most `timeout` s.

        Raises OSError where it cannot be started. `env` is its whole environment; default: PATH of this process.
        """
        self._socket.settimeout(timeout + START_TIMEOUT)
        order = {
            "order": "run",
            "argv": list(argv),
            "env": dict(env if env is not None else {"PATH": os.environ.get("PATH", os.defpath)}),
            "stdin": stdin,
            "timeout": timeout,
            "netns": netns,
        }
        return Ran(**self._ask(order))

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a module's function in the node, in a process of its own. Arguments and result are JSON values.

        Raises the GenieError that it raised.
        """
        task = [sys.path, function.__module__, function.__qualname__, arguments]
        ran = self.run([sys.executable, "-I", "-S", "-B", "-c", _CALL], stdin=json.dumps(task))
        if ran.returncode != 0:
            raise IOFailure(
                f"{function.__qualname__} failed in the private node", details=ran.stderr.strip()[-2000:]
            )
        answer = json.loads(ran.stdout)
        if "error" in answer:
            raise GenieError(**answer["error"])
        return answer["value"]

    def entering(self, netns: str) -> list[str]:
        """The words to put before a command that is to run in the node, from outside: in the pod's namespace too."""
        parent = self._process.pid
        with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
            first = file.read().split()[0]
        return [
            "nsenter",
            *([] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]),
            f"--target={first}",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            f"--net=/proc/{first}/root{netns}",
        ]

    def add_namespace(self, name: str) -> str:
        """Make a network namespace for a pod; its path."""
        path = f"/run/netns/{name}"
        self._ask({"order": "add_namespace", "path": path})
        return path

    def remove_namespace(self, path: str) -> None:
        """Remove a pod's network namespace, as a runtime does after DEL."""
        self._ask({"order": "remove_namespace", "path": path})

    def files(self, *directories: str) -> list[str]:
        """All files in and below directories of the node; a directory that does not exist has none."""
        found: list[str] = self._ask({"order": "files", "paths": directories})["files"]
        return found

    def read(self, path: str) -> str:
        """A file's text. Raises OSError."""
        text: str = self._ask({"order": "read", "path": path})["text"]
        return text

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, and the directories above it. Raises OSError: most of the node is read-only."""
        self._ask({"order": "write", "path": path, "text": text, "mode": mode})


def _explained(error: OSError) -> GenieError:
    """What a private node that could not be made tells the person who wanted it."""
    if isinstance(error, TimeoutError):
        return TryAgain(f"the private node was not ready within {START_TIMEOUT:g} seconds")
    place = f" ({error.filename})" if error.filename else ""
    reason = f"a private node cannot be made here: {error.strerror or error}{place}"
    if isinstance(error, FileNotFoundError) and error.filename == "ip":
        return GenieError(reason, hint="install iproute2 (apt-get install iproute2)")
    if error.errno in _FORBIDDEN:
        return Denied(reason, hint=_PERMISSION_HINT)
    return GenieError(reason)


_FORBIDDEN = (errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EUSERS)  # the last two: user.max_user_namespaces
_PERMISSION_HINT = (
    "user namespaces are closed to this user; run it as root, or allow them: "
    "sysctl kernel.unprivileged_userns_clone=1 (Debian), "
    "sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), user.max_user_namespaces > 0"
)
