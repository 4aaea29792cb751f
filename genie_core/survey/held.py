"""Locks that one process keeps: what /proc/locks says of files (proc_locks(5)). None is taken."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from genie_core.survey.obstacles import HeldLock
from genie_core.survey.rootfs import Root

SECONDS = 1.0  # a plugin keeps the lock for as long as it writes a few small files
_EVERY = 0.1
XTABLES = "/run/xtables.lock"  # iptables-legacy's, which plugins and kube-proxy call; iptables-nft takes none


def held_locks(paths: Iterable[str], root: Root, seconds: float = SECONDS) -> tuple[HeldLock, ...]:
    """Those of the files that one process keeps locked for so many seconds."""
    keys = {key: path for path in dict.fromkeys(paths) if (key := _key(root.real(path)))}
    look = partial(_holders, keys, root)
    held = look() if keys else {}
    until = time.monotonic() + seconds
    while held and time.monotonic() < until:
        time.sleep(_EVERY)
        now = look()
        held = {path: one for path, one in now.items() if path in held and held[path].pid == one.pid}
    return tuple(held.values())


def _key(path: str) -> str:
    """How /proc/locks names a file: its device's numbers and its inode."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # no path can have that name
        return ""
    return f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"


def _holders(keys: dict[str, str], root: Root) -> dict[str, HeldLock]:
    """Path -> its lock; one that is not taken is left out."""
    try:
        lines = root.text("/proc/locks", 1 << 24).splitlines()
    except OSError:
        return {}
    found: dict[str, HeldLock] = {}
    waiting: dict[str, int] = {}
    for words in (line.split() for line in lines):
        waits = words[1:2] == ["->"]
        kind, _, _, pid, key = [*words[2 if waits else 1 :], "", "", "", "", ""][:5]
        if key not in keys or kind != "FLOCK":
            continue
        if waits:
            waiting[keys[key]] = waiting.get(keys[key], 0) + 1
        elif pid.isdigit():
            text = partial(_text, root, pid)
            found[keys[key]] = HeldLock(
                path=keys[key], pid=int(pid), program=text("comm"), state=_state(text)
            )
    return {path: replace(one, waiting=waiting.get(path, 0)) for path, one in found.items()}


def _text(root: Root, pid: str, name: str) -> str:
    try:
        return root.text(f"/proc/{pid}/{name}").strip()
    except OSError:
        return ""


def _state(text: Callable[[str], str]) -> str:
    """S, R, D, ...: the letter behind the name, which may have spaces (proc_pid_stat(5))."""
    return text("stat").rpartition(") ")[2][:1]
