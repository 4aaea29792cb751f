"""Working inside another network namespace: a thread of its own enters it, and ends there.

/proc/sys/net and sockets follow the namespace of the thread (setns(2)); child processes inherit it.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

from genie_core.errors import Denied, InvalidNetns

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def enter(path: str) -> None:
    """Move the calling thread into the namespace at `path`. Raises InvalidNetns, Denied."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        raise Denied(f"network namespace {path} may not be opened", hint="run as root") from None
    except OSError as error:
        raise InvalidNetns(f"network namespace {path}: {error.strerror}") from None
    try:
        if _libc.setns(descriptor, CLONE_NEWNET):
            code = ctypes.get_errno()
            if code == 1:
                raise Denied(
                    f"network namespace {path} may not be entered", hint="run as root (CAP_SYS_ADMIN)"
                )
            raise InvalidNetns(f"{path} is not a network namespace: {os.strerror(code)}")
    finally:
        os.close(descriptor)


def inside(path: str, work: Callable[[], T], timeout: float | None = None) -> T:
    """`work()` carried out inside the namespace ("" is the caller's own); its exceptions are raised here.

    Raises InvalidNetns, Denied, and TimeoutError when `work` takes longer than `timeout` seconds.
    """
    values: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            if path:
                enter(path)
            values.append(work())
        except BaseException as error:  # noqa: BLE001 (raised again in the caller's thread)
            errors.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(timeout)
    if errors:
        raise errors[0]
    if not values:
        raise TimeoutError(f"no answer within {timeout} s")
    return values[0]


def inode(path: str) -> int:
    """The namespace's identity, 0 where it cannot be read."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def plain(path: str) -> str:
    """One spelling of a namespace's path: /var/run is /run on every distribution that has both."""
    if path.startswith("/var/run/") and os.path.realpath("/var/run") == "/run":
        return path.removeprefix("/var")
    return path
