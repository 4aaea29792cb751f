"""The real node, for a dry run of plugins that need their daemon: the same requests as to a private node.

The files of the dry run itself (the plugin, configurations, state) are in a directory of its own, which is removed at
its end, and so are the network namespaces. The plugins change the node, and their DEL undoes that: at the end, also if
the dry run is killed, by a process of its own (`host_node_inside`).
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from genie_core.errors import Denied, IOFailure
from genie_core.sandbox import syscalls
from genie_core.sandbox.host_node_inside import Undo, undo_abandoned
from genie_core.sandbox.node_process import NodeProcess, Places
from genie_core.sandbox.requests import LAST_WORDS_SECONDS


class HostNode(NodeProcess):
    """This node, for the length of a `with` block. Raises Denied for an ordinary user.

    `undo` releases what is recorded in a dry run's folder, and removes it; it is a module's function.
    """

    is_private = False

    def __init__(self, undo: Undo) -> None:
        self._undo = undo

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise Denied("--on-host makes network namespaces on the node itself", hint="run it as root")
        _refuse(undo_abandoned(self._undo), "an earlier dry run that was killed")
        syscalls.adopt_orphans()
        wanted = {"undo": [self._undo.__module__, self._undo.__qualname__]}
        folder = self.start("genie_core.sandbox.host_node_inside", wanted)["folder"]
        self.places = Places(
            bin_dir=f"{folder}/bin",
            conf_dir=f"{folder}/net.d",
            state_dir=f"{folder}/state",
            records=f"{folder}/records",
        )
        try:
            os.mkdir(self.places.conf_dir)
            os.mkdir(self.places.records)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.hang_up()
        said = self._process.communicate()[1].decode(errors="replace").strip()
        if self._process.returncode < 0:  # it was killed
            _await_orphans()
            said = "\n".join(undo_abandoned(self._undo))
        if self._process.returncode:
            _refuse([said] if said else [], "the dry run")

    def end(self) -> str:
        """The process ends by itself, when it has undone everything."""
        self.hang_up()
        return ""

    @property
    def what(self) -> str:
        """Its name in messages."""
        return "the process that carries out the dry run"

    def entering(self, netns: str) -> list[str]:
        """The prefix of a command that runs it in the pod's network namespace."""
        return ["nsenter", f"--net={netns}", "--"]


def _await_orphans() -> None:
    """Wait for the children of the killed process, which got SIGTERM (`requests.run`) and undo their work first."""
    deadline = time.monotonic() + LAST_WORDS_SECONDS
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)


def _refuse(problems: list[str], whose: str) -> None:
    if problems:
        raise IOFailure(
            f"not everything that {whose} did could be undone",
            details="\n".join(problems),
            hint="see what is left with: genie gc --dry-run",
        )
