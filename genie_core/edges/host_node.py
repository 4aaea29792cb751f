"""The real node, for a dry run of plugins that need their daemon: the same orders as a private node, carried out here.

What the dry run itself writes (the plugin, configurations, state) is in a directory of its own, which goes with it;
so do the network namespaces. What the plugins do, they do to the node, and their DEL undoes it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from genie_core.errors import Denied, IOFailure

from .private_node import Places, Ran

NETNS_DIR = "/run/netns"


class HostNode:
    """This node, from `with` to the end of its block. Raises Denied for an ordinary user."""

    is_private = False

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise Denied("--on-host makes network namespaces on the node itself", hint="run it as root")
        self._folder = tempfile.TemporaryDirectory(prefix="genie-dry-run-")
        self._made: list[str] = []
        folder = self._folder.name
        self.places = Places(bin_dir=f"{folder}/bin", conf_dir=f"{folder}/net.d", state_dir=f"{folder}/state")
        os.mkdir(self.places.conf_dir)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for path in self._made[:]:
            self.remove_namespace(path)
        self._folder.cleanup()

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 60,
        netns: str = "",
    ) -> Ran:
        """Run a program here, or in the network namespace at `netns`; as `PrivateNode.run`."""
        began = time.monotonic()
        words = ["nsenter", f"--net={netns}", "--", *argv] if netns else list(argv)
        process = subprocess.Popen(
            words,
            env=dict(env) if env is not None else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        expired = False
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            expired = True
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
        except BaseException:  # ^C: genie undoes what it has begun, and is waited for
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate()
            raise
        ms = (time.monotonic() - began) * 1000
        return Ran(returncode=process.returncode, stdout=out, stderr=err, ms=ms, expired=expired)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function; it is here already."""
        return function(*arguments)

    def add_namespace(self, name: str) -> str:
        """Make a network namespace for a pod; its path."""
        self._ip("add", name)
        self._made.append(path := f"{NETNS_DIR}/{name}")
        return path

    def remove_namespace(self, path: str) -> None:
        """Remove a pod's network namespace, as a runtime does after DEL."""
        self._ip("delete", os.path.basename(path))
        self._made.remove(path)

    def _ip(self, verb: str, name: str) -> None:
        done = subprocess.run(["ip", "netns", verb, name], capture_output=True, text=True, check=False)
        if done.returncode:
            raise IOFailure(f"ip netns {verb} {name}: {done.stderr.strip()}")

    def entering(self, netns: str) -> list[str]:
        """The words to put before a command that is to run in the pod's network namespace."""
        return ["nsenter", f"--net={netns}", "--"]

    def files(self, *directories: str) -> list[str]:
        """All files in and below directories."""
        return sorted(
            os.path.join(folder, name)
            for directory in directories
            for folder, _, names in os.walk(directory)
            for name in names
        )

    def read(self, path: str) -> str:
        """A file's text. Raises OSError."""
        return Path(path).read_text(encoding="utf-8", errors="replace")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the dry run's own. Raises OSError."""
        Path(path).write_text(text, encoding="utf-8")
        os.chmod(path, mode)
