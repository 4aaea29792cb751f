"""The real command without an interpreter's start each time.

One process has imported everything; for each job (a line of JSON on stdin: netns, argv, env) it forks, and the
child enters the namespace and runs the command's own `main`. The answer (a line on stdout) is what a finished
process says: code, stdout, stderr. It ends when its stdin does.
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
from typing import IO, Any, NoReturn

from genie_core.edges.netns import enter

_lock = threading.Lock()
_server: list[subprocess.Popen[str]] = []


def run(netns: str, argv: list[str], env: dict[str, str]) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of `genie ARGV` inside the namespace."""
    with _lock:
        server = _server[0] if _server else _start()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps({"netns": netns, "argv": argv, "env": env}) + "\n")
        server.stdin.flush()
        answer = json.loads(server.stdout.readline())
    return answer["code"], answer["stdout"], answer["stderr"]


def _start() -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
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

    answers = sys.stdout
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            pid = os.fork()
            if not pid:
                _child(json.loads(line), out, err, genie_cli.app.main)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            answer = {"code": code, "stdout": _text(out), "stderr": _text(err)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _child(job: dict[str, Any], out: IO[str], err: IO[str], main: Any) -> NoReturn:
    code = 70
    try:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        os.environ.update(job["env"])
        enter(job["netns"])
        code = main(job["argv"])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 (nothing may return into the parent's loop)
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
