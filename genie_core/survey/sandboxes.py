"""The pod sandboxes of the node, and the containers that its records know.

The container runtime lists them over gRPC (cri.py), else through crictl. Where it does not answer, the runtimes'
directories, which have one entry for each sandbox, give the container IDs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from genie_core.errors import Denied, GenieError, IOFailure
from genie_core.survey import cri, crictl
from genie_core.survey.cri import every
from genie_core.survey.facts import Facts, Recorded, Sandbox
from genie_core.survey.kernel import Namespace
from genie_core.survey.layouts import SANDBOX_DIRS, SHARED_DIRS
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import runtime_socket

SECONDS = 2.0
YOUNG_SECONDS = 60


class NoSocket(IOFailure):
    """No runtime's socket was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandboxes:
    """`found` are all sandboxes, those that run and the newest first; None where they could not be read.

    `source` says where they are from. `answered`: the runtime itself answered. Where it did not, `problem` is why, and
    `found` has no more than the IDs that its directories name.
    """

    source: str = ""
    found: tuple[Sandbox, ...] | None = None
    answered: bool = False
    problem: GenieError | None = None


def find_sandboxes(
    root: Root,
    socket: str = "",
    *,
    timeout: float = SECONDS,
    detailed: Callable[[Sandbox], bool] = every,
    directories: Sequence[str] = SANDBOX_DIRS,
) -> Sandboxes:
    """The node's sandboxes. `socket` "" means: find it; each question to the runtime has `timeout` seconds."""
    try:
        path, listed = _ask(root, socket, timeout, detailed)
    except (IOFailure, Denied) as error:
        return _of_directories(root, directories, error)
    newest = sorted(listed, key=lambda one: (one.ready, one.created, one.attempt), reverse=True)
    return Sandboxes(source=f"the runtime at {path}", found=tuple(newest), answered=True)


def _ask(
    root: Root, socket: str, timeout: float, detailed: Callable[[Sandbox], bool]
) -> tuple[str, list[Sandbox]]:
    """The runtime's socket, and its answer. Raises IOFailure, Denied."""
    path = runtime_socket(root, socket, os.environ)
    if not path:
        raise NoSocket("no container runtime's socket was found", hint="name it with --cri-socket")
    try:
        return path, cri.list_sandboxes(root.real(path), timeout, detailed)
    except cri.PackageMissing as error:
        program = crictl.find_crictl()
        if not program:
            raise IOFailure(f"{error.msg}, and there is no crictl", hint=error.hint) from None
        return path, crictl.list_sandboxes(program, root.real(path), timeout, detailed)


def _of_directories(root: Root, directories: Sequence[str], problem: GenieError) -> Sandboxes:
    ids: set[str] = set()
    seen = []
    for directory in directories:
        if not root.exists(SHARED_DIRS.get(directory, "/")):
            continue
        try:
            ids.update(root.names(directory))
        except PermissionError:
            problem = Denied(f"{directory} may not be read", hint="run it as root")
        except OSError:
            continue
        else:
            seen.append(directory)
    if not seen:
        return Sandboxes(problem=problem)
    found = tuple(Sandbox(id=id_, pod="") for id_ in sorted(ids))
    return Sandboxes(source=f"the runtime's directories {', '.join(seen)}", found=found, problem=problem)


def known_containers(facts: Facts) -> dict[str, str] | None:
    """Container ID -> the record that has it; None where there is no record to compare with.

    A container of Genie's state counts unless it is `abandoned`.
    """
    known: dict[str, str] = {}
    sandboxes = facts.sandbox_ids
    asked = sandboxes is not None
    alive = by_name(facts)
    for entry in facts.cache:
        if entry.container and (entry.netns.rpartition("/")[2] in alive or entry.netns.startswith("/proc/")):
            known[entry.container] = "libcni's cache"
    asked = asked or bool(known)
    gone = abandoned(facts)
    recorded = [record.container for record in facts.genie.records if record not in gone]
    known |= dict.fromkeys(recorded, "Genie's state")
    known |= dict.fromkeys(sandboxes or (), "the runtime")
    return known if asked or facts.genie.records else None


def abandoned(facts: Facts) -> set[Recorded]:
    """The records whose container is gone: no runtime has it, and its namespace is gone or has no process.

    As `genie gc` judges it. Where no runtime answered, a namespace without a process may still be a pod's.
    """
    listed, named = facts.sandbox_ids, by_name(facts)

    def is_abandoned(record: Recorded) -> bool:
        if record.age < YOUNG_SECONDS or record.container in (listed or ()):
            return False
        state = namespace_state(named, record.netns, exists=record.exists)
        return record.earlier or state == "gone" or (state == "empty" and listed is not None)

    return {record for record in facts.genie.records if is_abandoned(record)}


def by_name(facts: Facts) -> dict[str, Namespace]:
    """The named network namespaces by their names."""
    return {space.path.rpartition("/")[2]: space for space in facts.namespaces}


def namespace_state(
    named: Mapping[str, Namespace], netns: str, *, exists: bool
) -> Literal["gone", "empty", "in use"]:
    """Whether a recorded network namespace is still used; `exists`: its path does. `named` is from `by_name`.

    A named one is empty without a process; one of a process (/proc/PID/ns/net) is in use while it exists.
    """
    space = None if netns.startswith("/proc/") else named.get(netns.rpartition("/")[2])
    if space is None:
        return "in use" if exists else "gone"
    return "empty" if space.processes == 0 else "in use"
