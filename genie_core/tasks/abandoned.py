"""Undo a dry run on the node itself that was killed: its folder has the record of what it left.

Standard library only: it runs in the process that outlives the dry run (`sandbox/host_node_inside.py`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress

from genie_core.errors import GenieError
from genie_core.sandbox.host_node_inside import NAMESPACES
from genie_core.sandbox.syscalls import unmount
from genie_core.tasks.node_state import open_context, release

STATE = "state"  # the folder's own state directory


def undo(folder: str) -> list[str]:
    """DEL the attachments in its state, remove its namespaces and its folder; returns the failures, in sentences."""
    problems = [*_release(folder), *_remove_namespaces(folder)]
    shutil.rmtree(folder, ignore_errors=True)
    return problems


def _release(folder: str) -> Iterator[str]:
    state = f"{folder}/{STATE}"
    if not os.path.isdir(state):
        return
    context = open_context({"state_dir": state})
    for plan in context.store.plans():
        if isinstance(plan, GenieError):
            yield plan.msg
            continue
        try:
            failures = release(plan, context)
        except GenieError as error:
            failures = [error]
        yield from (f"container {plan.container_id}: {failure.msg}" for failure in failures)


def _remove_namespaces(folder: str) -> Iterator[str]:
    try:
        with open(f"{folder}/{NAMESPACES}", encoding="utf-8") as file:
            paths = file.read().splitlines()
    except FileNotFoundError:
        return
    for path in paths:
        with suppress(OSError):  # it was never mounted, or is unmounted already
            unmount(path)
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield f"{path}: {error.strerror}"
