"""`genie dry-run --keep`: the pod stays attached until the person ends the command."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence

from genie_cli.render import note
from genie_core.sandbox.syscalls import die_with_parent
from genie_core.tasks.dry_run.configuration import AnyNode


def hold(node: AnyNode, netns: Sequence[str]) -> None:
    """Open a shell in the first pod where there is a terminal; else wait until standard input ends."""
    commands = [node.entering(path) for path in netns]
    if sys.stdin.isatty():
        note("a shell in the pod's network namespace; exit it to continue")
        _shell(commands[0])
        return
    for command in commands:
        note(
            f"the pod stays until standard input ends; look at it with: {shlex.join([*command, 'ip', 'address'])}"
        )
    sys.stderr.flush()
    sys.stdin.read()


def _with_genie() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent(signal.SIGHUP)


def _shell(command: Sequence[str]) -> None:
    """Run a shell. ^C interrupts the shell, not genie; the shell ends with genie."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    shell = [*command, os.environ.get("SHELL", "/bin/sh")]
    try:
        subprocess.run(shell, check=False, preexec_fn=_with_genie)
    finally:
        signal.signal(signal.SIGINT, before)
