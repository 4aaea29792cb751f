"""The requests to a process that stands for a node: each is one JSON line, and so is its answer (`node_process`).

Served by `private_node_inside` and `host_node_inside`, which are started with `python -I -S`: standard library only.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, NoReturn

from genie_core.sandbox import syscalls

_SLICE_SECONDS = 0.1  # seconds until it is noticed that the client is gone
_DESCRIPTORS = 1 << 16  # more than it has
LAST_WORDS_SECONDS = 60  # a plugin undoes its work after SIGTERM, before it ends

Requests = Mapping[str, Callable[..., dict[str, Any]]]


def send(channel: Any, message: dict[str, Any]) -> None:
    """Write one line."""
    channel.write(json.dumps(message) + "\n")
    channel.flush()


def failed(error: OSError) -> dict[str, Any]:
    """The answer that is an error."""
    return {
        "error": {
            "errno": error.errno or 0,
            "text": error.strerror or str(error),
            "path": error.filename or "",
        }
    }


def serve(line: str, requests: Requests) -> dict[str, Any]:
    """Serve one request; its answer."""
    request = json.loads(line)
    try:
        return requests[request.pop("request")](**request)
    except OSError as error:
        return failed(error)


@contextmanager
def inside(netns: str) -> Iterator[None]:
    """Enter the network namespace at `netns`, a new one for "", and return at the end of the block."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if netns:
            fd = os.open(netns, os.O_RDONLY)
            syscalls.setns(fd, syscalls.CLONE_NEWNET)
            os.close(fd)
        else:
            syscalls.unshare(syscalls.CLONE_NEWNET)
        yield
    finally:
        syscalls.setns(home, syscalls.CLONE_NEWNET)
        os.close(home)


def add_namespace(path: str) -> dict[str, Any]:
    """Make a network namespace that is mounted at `path`, as a container runtime does."""
    with open(path, "x", encoding="ascii"), inside(""):
        syscalls.mount("/proc/self/ns/net", path, flags=syscalls.MS_BIND)
    return {}


def remove_namespace(path: str) -> dict[str, Any]:
    """Remove it, as a container runtime does."""
    syscalls.unmount(path)
    os.unlink(path)
    return {}


def run(
    argv: Sequence[str],
    env: dict[str, str] | None = None,
    stdin: str = "",
    timeout: float = 60,
    netns: str = "",
    *,
    is_alone: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Run a program to its end, or kill it with all its descendants in its process group.

    When the client is gone (`is_alone`), it gets SIGTERM, and its end is waited for.
    """
    began = time.monotonic()
    with inside(netns or "/proc/self/ns/net"):
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            start_new_session=True,
            # SIGTERM if this process is killed. It has one thread, so this is safe.
            preexec_fn=lambda: syscalls.die_with_parent(signal.SIGTERM),  # noqa: PLW1509
        )
    stdout, stderr, expired = _outcome(process, stdin.encode(), began + timeout, is_alone)
    return {
        "returncode": process.returncode,
        "stdout": stdout.decode(errors="replace"),
        "stderr": stderr.decode(errors="replace"),
        "ms": (time.monotonic() - began) * 1000,
        "expired": expired,
    }


def _outcome(
    process: "subprocess.Popen[bytes]", stdin: bytes, deadline: float, is_alone: Callable[[], bool]
) -> tuple[bytes, bytes, bool]:
    """Its output, and whether it was killed at the timeout."""
    data: bytes | None = stdin
    number = signal.SIGKILL
    while True:
        try:
            seconds = min(_SLICE_SECONDS, max(deadline - time.monotonic(), 0))
            return *process.communicate(data, seconds), False
        except subprocess.TimeoutExpired:
            data = None  # communicate() continues
        if is_alone() and number != signal.SIGTERM:
            number, deadline = signal.SIGTERM, time.monotonic() + LAST_WORDS_SECONDS
            os.killpg(process.pid, number)
        elif time.monotonic() >= deadline:
            os.killpg(process.pid, signal.SIGKILL)
            return *_printed(process), True


def _printed(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """The output of a killed program; a descendant in a session of its own may keep the pipes open for ever."""
    try:
        return process.communicate(timeout=_SLICE_SECONDS)
    except subprocess.TimeoutExpired as late:
        process.wait()
        return late.stdout or b"", late.stderr or b""


def call(path: Sequence[str], module: str, name: str, arguments: Sequence[Any]) -> dict[str, Any]:
    """Call a module's function in a child process; {"value"}, {"raised": a GenieError's parts} or {"failed": text}.

    The module is imported here, from `path`: the next call finds it, and what it imports, in memory.
    """
    sys.path[:] = path
    with suppress(Exception):  # the child meets it again, and reports it
        import_module(module)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        _be_called(writer, module, name, arguments)
    os.close(writer)
    with open(reader, encoding="utf-8") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:  # it was killed
        return {}
    return found


def _be_called(answer: int, module: str, name: str, arguments: Sequence[Any]) -> NoReturn:
    """Call it, answer on what becomes the standard output, and end.

    A process that the function leaves behind has no other file of this process open.
    """
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        syscalls.die_with_parent(signal.SIGTERM)
        os.setsid()
        os.dup2(answer, 1)
        os.closerange(3, _DESCRIPTORS)
        with open(1, "w", encoding="utf-8", closefd=False) as file:
            file.write(_outcome_of(module, name, arguments))
    finally:
        os._exit(0)


def _outcome_of(module: str, name: str, arguments: Sequence[Any]) -> str:
    from genie_core.errors import GenieError

    try:
        return json.dumps({"value": getattr(import_module(module), name)(*arguments)})
    except GenieError as error:
        parts = ("msg", "details", "hint", "code", "exit_code")
        return json.dumps({"raised": {part: getattr(error, part) for part in parts}})
    except BaseException:  # noqa: BLE001 (reported, whatever it is)
        return json.dumps({"failed": traceback.format_exc()})


def files(paths: Sequence[str]) -> dict[str, Any]:
    """All files in and below directories."""
    return {"files": sorted(found for path in paths for found in _walk(path))}


def _walk(path: str) -> Iterator[str]:
    for directory, _, names in os.walk(path):
        yield from (os.path.join(directory, name) for name in names)


def read(path: str) -> dict[str, Any]:
    """A file's text."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return {"text": file.read()}


def write(path: str, text: str, mode: int) -> dict[str, Any]:
    """Write a file, and the directories above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    return {}


REQUESTS: Requests = {
    "run": run,
    "call": call,
    "files": files,
    "read": read,
    "write": write,
    "add_namespace": add_namespace,
    "remove_namespace": remove_namespace,
}
