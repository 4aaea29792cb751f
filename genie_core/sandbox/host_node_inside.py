"""The process between a dry run and the real node: it serves the requests, and undoes them when they end.

Started by `host_node.HostNode` only, in a session of its own, so that neither ^C nor the death of its parent ends it.
It holds a lock in the dry run's folder while it runs: a folder whose lock is free was left by a process that was
killed, and the next dry run undoes that.
"""

import fcntl
import json
import os
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

from genie_core.sandbox.requests import REQUESTS, Requests, add_namespace, run, send, serve

PREFIX = "genie-dry-run-"
LOCK = "lock"
NAMESPACES = "namespaces"  # the paths of the namespaces, one a line, each written before it is made

Undo = Callable[[str], list[str]]  # folder -> the failures, in sentences


def main(fd: int) -> None:
    """Make the folder, send its path, and serve requests until the dry run is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which plugins would inherit
    connection = socket.socket(fileno=fd)
    channel = connection.makefile("rw", encoding="utf-8", newline="\n")
    wanted = channel.readline()
    if not wanted:
        return
    module, name = json.loads(wanted)["undo"]
    undo: Undo = getattr(import_module(module), name)
    folder = tempfile.mkdtemp(prefix=PREFIX)
    problems: list[str] = []
    with hold(folder):
        try:
            _serve(connection, channel, folder)
        finally:
            problems += undo(folder)
    sys.stderr.write("\n".join(problems))
    sys.exit(bool(problems))


def _serve(connection: socket.socket, channel: Any, folder: str) -> None:
    requests: Requests = {
        **REQUESTS,
        "run": partial(run, is_alone=lambda: _is_closed(connection)),
        "add_namespace": partial(_add_noted, folder),
    }
    with suppress(OSError):  # the dry run ended before the answer
        send(channel, {"folder": folder})
        for line in channel:
            send(channel, serve(line, requests))


def _add_noted(folder: str, path: str) -> dict[str, Any]:
    with open(f"{folder}/{NAMESPACES}", "a", encoding="utf-8") as file:
        file.write(f"{path}\n")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return add_namespace(path)


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side is gone; while it waits for an answer it sends nothing."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class hold:  # noqa: N801 (reads as a verb)
    """Hold a folder's lock. Raises BlockingIOError where another process does, OSError where it cannot be locked."""

    def __init__(self, folder: str) -> None:
        self._path = f"{folder}/{LOCK}"

    def __enter__(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def is_held(folder: str) -> bool:
    """Whether the dry run is running, or another process undoes it."""
    try:
        with hold(folder):
            return False
    except OSError:
        return True


def abandoned() -> Iterator[str]:
    """This user's folders that dry runs may have left."""
    try:
        directory = tempfile.gettempdir()
        names = sorted(os.listdir(directory))
    except OSError:  # no directory is writable: then no dry run has left anything
        return
    for name in names:
        path = f"{directory}/{name}"
        with suppress(OSError):
            status = os.lstat(path)
            is_own = status.st_uid == os.geteuid() and not status.st_mode & 0o022  # its content would be run
            if name.startswith(PREFIX) and is_own and stat.S_ISDIR(status.st_mode):
                yield path


def undo_abandoned(undo: Undo) -> list[str]:
    """Undo what killed dry runs have left; returns the failures."""
    problems = []
    for folder in abandoned():
        with suppress(BlockingIOError), hold(folder):
            problems += undo(folder)
    return problems
