"""Which pod sandboxes the node has: the one answer for discover, gc and debug.

The container runtime is asked over gRPC (cri.py), else through crictl. Where it does not answer, the directories that
runtimes keep, one entry a sandbox, still tell the container IDs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from genie_core.errors import Denied, GenieError, IOFailure
from genie_core.survey import cri, crictl, facts
from genie_core.survey.cri import Sandbox, every
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import SANDBOX_DIRS, runtime_socket

SECONDS = 2.0


class NoSocket(IOFailure):
    """No runtime listens where runtimes do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandboxes:
    """`ids` are the container IDs of all sandboxes, None where nothing told them; `source` is what did.

    `listed` is the runtime's own answer, the newest that runs first; None where it gave none, for the reason `problem`.
    """

    source: str = ""
    ids: frozenset[str] | None = None
    listed: tuple[Sandbox, ...] | None = None
    problem: GenieError | None = None

    @property
    def is_denied(self) -> bool:
        """Whether this user lacks the right to know."""
        return self.ids is None and isinstance(self.problem, Denied)


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
    ids = frozenset(one.id for one in newest)
    return Sandboxes(source=f"the runtime at {path}", ids=ids, listed=tuple(newest))


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
    return Sandboxes(
        source=f"the runtime's directories {', '.join(seen)}", ids=frozenset(ids), problem=problem
    )


def of_pod(pod: str, socket: str, root: Root) -> Sandboxes:
    """The node's sandboxes, those of pod NS/NAME with namespace and addresses."""
    return find_sandboxes(root, socket, detailed=lambda one: f"{one.namespace}/{one.name}" == pod)


def facts_of(found: Sandboxes) -> tuple[facts.Sandbox, ...] | None:
    """The facts; where only directories told them, without the pods' names. None where nothing did."""
    if found.listed is None:
        return (
            None if found.ids is None else tuple(facts.Sandbox(id=id_, pod="") for id_ in sorted(found.ids))
        )
    return tuple(
        facts.Sandbox(
            id=one.id,
            pod=f"{one.namespace}/{one.name}",
            ready=one.ready,
            netns=one.netns,
            ips=one.ips,
            created=one.created,
        )
        for one in found.listed
    )
