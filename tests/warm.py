"""The real command without an interpreter's start each time.

One process of each test process has imported everything; for each job (a line of JSON on stdin) it forks, and the
child takes the job's directory, environment and network namespace, and runs the command's own `main`. The answer (a
line on stdout) is what a finished process says: exit code, stdout, stderr. It ends when its stdin does.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from genie_core.edges.netns import enter

if TYPE_CHECKING:
    from collections.abc import Mapping

_PIPE = 60_000  # bytes that a pipe holds: more than any test has on its standard input
_lock = threading.Lock()
_server: list[subprocess.Popen[str]] = []


def run(
    *argv: object,
    netns: str = "",
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    cwd: object = ".",
) -> subprocess.CompletedProcess[str]:
    """`genie ARGV`, in a network namespace, with text on a pipe as its standard input."""
    words = [str(word) for word in argv]
    job = {
        "argv": words,
        "netns": netns,
        "stdin": stdin,
        "env": dict(os.environ if env is None else env),
        "cwd": os.path.abspath(str(cwd)),
    }
    with _lock:
        server = _server[0] if _server else _start()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(job) + "\n")
        server.stdin.flush()
        answer = json.loads(server.stdout.readline())
    return subprocess.CompletedProcess(words, answer["code"], answer["stdout"], answer["stderr"])


def _start() -> subprocess.Popen[str]:
    root = Path(__file__).parent.parent
    server = subprocess.Popen(
        [sys.executable, "-m", __name__], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    _server.append(server)
    atexit.register(_stop, server)
    return server


def _stop(server: subprocess.Popen[str]) -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.close()
    server.wait()
    server.stdout.close()


def serve() -> None:
    """Answer jobs until stdin ends."""
    import pyroute2  # noqa: F401 (what the command imports late is here before it forks)

    import genie_cli.app
    import genie_cli.commands.debug_pod
    import genie_cli.commands.discover
    import genie_cli.commands.dry_run
    import genie_cli.commands.generate_config

    answers = sys.stdout
    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if not pid:
                _child(json.loads(line), out, err, genie_cli.app.main)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            answer = {"code": code, "stdout": _text(out), "stderr": _text(err)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _child(job: dict[str, Any], out: IO[bytes], err: IO[bytes], main: Any) -> NoReturn:
    code = 70
    try:
        os.dup2(_filled(job["stdin"].encode()), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (until the process ends)
        os.chdir(job["cwd"])
        os.environ.clear()
        os.environ.update(job["env"])
        if job["netns"]:
            enter(job["netns"])
        sys.argv = ["genie", *job["argv"]]
        code = main(job["argv"])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 (nothing may return into the parent's loop)
        traceback.print_exc()
    finally:
        os._exit(code)


def _filled(data: bytes) -> int:
    """A pipe that has all of the data, and ends then."""
    assert len(data) < _PIPE
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return reader


if __name__ == "__main__":
    serve()
