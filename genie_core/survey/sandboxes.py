"""The container runtime's sandboxes: asked over gRPC, else through `crictl`."""

from __future__ import annotations

import os
from collections.abc import Callable

from genie_core.errors import IOFailure
from genie_core.survey import cri, crictl
from genie_core.survey.facts import Sandbox
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import runtime_socket

SECONDS = 2.0


def sandboxes(pod: str, asked: str, root: Root) -> tuple[Sandbox, ...]:
    """All sandboxes, those of pod NS/NAME with namespace and addresses. Raises IOFailure, Denied."""
    socket = runtime_socket(root, asked, os.environ)
    if not socket:
        raise IOFailure(
            "no socket of a container runtime is there", hint="name it with --cri-socket, as crictl does"
        )
    found = _list(root.real(socket), lambda one: f"{one.namespace}/{one.name}" == pod)
    newest = sorted(found, key=lambda one: (one.ready, one.created, one.attempt), reverse=True)
    return tuple(
        Sandbox(
            id=one.id,
            pod=f"{one.namespace}/{one.name}",
            ready=one.ready,
            netns=one.netns,
            ips=one.ips,
            created=one.created,
        )
        for one in newest
    )


def _list(socket: str, detailed: Callable[[cri.Sandbox], bool]) -> list[cri.Sandbox]:
    try:
        return cri.list_sandboxes(socket, SECONDS, detailed)
    except cri.PackageMissing as error:
        program = crictl.find_crictl()
        if not program:
            raise IOFailure(f"{error.msg}, and there is no crictl", hint=error.hint) from None
        return crictl.list_sandboxes(program, socket, SECONDS, detailed)
