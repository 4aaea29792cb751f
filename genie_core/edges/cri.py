"""What the container runtime itself says it runs: ListPodSandbox and PodSandboxStatus of the CRI (k8s.io/cri-api v1).

Needs the package `container-runtime-interface-api` (the extra `cri`), which brings gRPC; so it is imported late,
and whoever asks has to do without where it is missing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..errors import Denied, IOFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A pod sandbox, ready or not. `netns` is the path of its network namespace, "" where the runtime hides it."""

    id: str
    namespace: str
    name: str
    netns: str


def list_sandboxes(socket: str, timeout: float) -> list[Sandbox]:
    """All pod sandboxes of the runtime at `socket`, asked for at most `timeout` seconds each time.

    Raises IOFailure where it does not answer or the package is missing, Denied where this user may not ask.
    """
    try:
        import grpc
        from cri_api.v1 import api_pb2, api_pb2_grpc
    except ImportError:
        raise IOFailure(
            f"{socket} cannot be asked: the package container-runtime-interface-api is not installed",
            hint="pip install 'cni-genie[cri]'",
        ) from None
    path = socket.removeprefix("unix://")
    try:
        with grpc.insecure_channel(f"unix://{path}") as channel:
            runtime: Any = api_pb2_grpc.RuntimeServiceStub(channel)  # type: ignore[no-untyped-call]  # generated code
            listed = runtime.ListPodSandbox(api_pb2.ListPodSandboxRequest(), timeout=timeout).items
            return [_described(item, runtime, api_pb2, timeout) for item in listed]
    except grpc.RpcError as error:
        reason = f"{path}: {error.details() if isinstance(error, grpc.Call) else error}"
        if "permission denied" in reason.lower():
            raise Denied(reason, hint="run it as root") from None
        raise IOFailure(reason) from None


def _described(item: Any, runtime: Any, messages: Any, timeout: float) -> Sandbox:
    question = messages.PodSandboxStatusRequest(pod_sandbox_id=item.id, verbose=True)
    info = dict(runtime.PodSandboxStatus(question, timeout=timeout).info)
    return Sandbox(
        id=item.id,
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        netns=_netns(info.get("info", "")),
    )


def _netns(info: str) -> str:
    """The path in the runtime's own description; containerd and CRI-O both put the OCI specification there."""
    try:
        spaces = json.loads(info)["runtimeSpec"]["linux"]["namespaces"]
        return next((str(space.get("path", "")) for space in spaces if space["type"] == "network"), "")
    except (ValueError, KeyError, TypeError):
        return ""
