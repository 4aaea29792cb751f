"""What stops the next ADD: values, as the node's files show them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A directory that ADD writes to and that takes nothing; `use` and `problem` are texts."""

    path: str
    use: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLock:
    """A file that one process keeps locked; `waiting` counts those that want it, `state` is the kernel's letter."""

    path: str
    pid: int
    program: str = ""
    state: str = ""
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A kernel module that a plugin needs and that cannot be loaded; `problem` says why."""

    module: str
    problem: str
