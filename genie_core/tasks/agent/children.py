"""The processes that do the work: each change is one, and survives the agent.

A child has a session of its own, and files in memory for what it prints: no pipe breaks, and no signal for the agent's
group reaches it. Its end is reported to the agent's loop.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from genie_core.errors import IOFailure
from genie_core.survey.collection import start_thread
from genie_core.tasks.agent.child import NICE

_PROGRAM = """
import json, sys
sys.path += [path for path in json.loads(sys.argv.pop(1)) if path not in sys.path]
from genie_core.tasks.agent.child import main
main(sys.argv[1:])
"""
_LARGEST_OUTPUT = 8 << 20

Post = Callable[[Callable[[], None]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`code` is the exit code, negative for a signal. `seconds` is how long it took."""

    code: int
    out: str
    err: str
    seconds: float


class Children:
    """Starts them. `host_pid` is the process in whose namespaces they run, 0 for the agent's own.

    `post` gives a function to the agent's loop, from any thread.
    """

    def __init__(self, host_pid: int, post: Post) -> None:
        self._place = ["--host-pid", str(host_pid)] if host_pid else []
        self._post = post

    def start(
        self,
        module: str,
        words: Sequence[str],
        then: Callable[[Ended], None],
        *,
        seconds: float,
        stdin: bytes = b"",
        nice: int = NICE,
        stays: bool = False,
    ) -> Callable[[], None]:
        """Run `python -m module words`; `then` is called in the loop with the result. The answer ends the child.

        A child that does not end within so many seconds is killed: what it did is in the journal. One that `stays`
        writes its log to the agent's: in memory it would grow without end. Raises IOFailure.
        """
        isolated = ["-I"] if sys.flags.isolated else []
        path = json.dumps(sys.path)  # the image's is set by its own entry
        argv = [
            *(sys.executable, *isolated, "-c", _PROGRAM, path),
            *("--nice", str(nice), *self._place, module, *words),
        ]
        files: list[int] = []
        try:
            files += (_memory(content) for content in (stdin, b"", b""))
            process = subprocess.Popen(
                argv,
                stdin=files[0],
                stdout=files[1],
                stderr=None if stays else files[2],
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            _close(files)
            raise IOFailure(f"{argv[0]} cannot be started: {error.strerror}") from None
        began = time.monotonic()

        def wait() -> None:
            code = _wait(process, seconds)
            ended = Ended(
                code=code, out=_text(files[1]), err=_text(files[2]), seconds=time.monotonic() - began
            )
            _close(files)
            self._post(lambda: then(ended))

        try:
            start_thread(wait, f"wait {process.pid}")
        except OSError as error:  # its end would not be seen
            _wait(process, 0)
            _close(files)
            raise IOFailure(f"{argv[0]} cannot be waited for: {error.strerror}") from None
        return process.terminate


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int:
    """The exit code of a process, which is killed after so many seconds, of `inf` never."""
    if not _ends(process, seconds):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _ends(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it ends in time. `Popen.wait` with a time would look twenty times a second."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:  # no descriptor is free
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return process.poll() is not None
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        return bool(poller.poll(None if seconds == math.inf else seconds * 1000))
    finally:
        os.close(handle)


def _memory(content: bytes) -> int:
    fd = os.memfd_create("genie", os.MFD_CLOEXEC)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _text(fd: int) -> str:
    return os.pread(fd, _LARGEST_OUTPUT, 0).decode("utf-8", "replace")


def _close(files: Sequence[int]) -> None:
    for fd in files:
        os.close(fd)
