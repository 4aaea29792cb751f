"""Programs whose output is read: each has a deadline, and is killed together with the processes that it started.

A thread that waits for a program may be given up; programs that still run when this process ends are killed then.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

_running: set[subprocess.Popen[str]] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program that was started, or the reason why it was not."""

    name: str
    process: subprocess.Popen[str] | None = None
    reason: str = ""

    def finish(self, until: float) -> tuple[str, str]:
        """Its output, or "" and the reason; at `until` (monotonic seconds) it is killed."""
        if self.process is None:
            return "", self.reason
        try:
            out, err = self.process.communicate(timeout=max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill(self.process)
            self.process.communicate()
            return "", f"{self.name} gave no answer in time"
        finally:
            _running.discard(self.process)
        if self.process.returncode:
            words = err.strip().splitlines()
            return "", f"{self.name}: {words[-1] if words else f'exit status {self.process.returncode}'}"
        return out, ""


def start(*argv: str, env: Mapping[str, str]) -> Command:
    """Start a program, found by `env`'s PATH. Raises nothing."""
    name = os.path.basename(argv[0])
    path = shutil.which(argv[0], path=env.get("PATH", ""))
    if path is None:
        return Command(name=name, reason=f"{name} is not installed")
    try:
        process = subprocess.Popen(
            [path, *argv[1:]],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Command(name=name, reason=f"{name}: {error.strerror}")
    _running.add(process)
    return Command(name=name, process=process)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill it and the processes that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@atexit.register
def end_all() -> None:
    """Kill all that still run."""
    for process in tuple(_running):
        _kill(process)
