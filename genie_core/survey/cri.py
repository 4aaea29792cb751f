"""The container runtime's list of its sandboxes: ListPodSandbox and PodSandboxStatus of the CRI (k8s.io/cri-api v1).

Needs the package `container-runtime-interface-api` (the extra `cri`), which brings gRPC; so it is imported late.
`crictl`, where the node has it, gives the same answers without it (crictl.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from genie_core.errors import Denied, IOFailure
from genie_core.survey.facts import Sandbox


def every(_sandbox: Sandbox) -> bool:
    """All of them are asked about in detail."""
    return True


def none(_sandbox: Sandbox) -> bool:
    """The list is enough: IDs, pods and states."""
    return False


class PackageMissing(IOFailure):
    """gRPC is not installed."""


def list_sandboxes(socket: str, timeout: float, detailed: Callable[[Sandbox], bool] = every) -> list[Sandbox]:
    """All pod sandboxes of the runtime at `socket`; each question has `timeout` seconds.

    Raises IOFailure where it does not answer or the package is missing, Denied where this user may not ask.
    """
    try:
        import grpc
        from cri_api.v1 import api_pb2, api_pb2_grpc
    except ImportError:
        raise PackageMissing(
            f"{socket} cannot be asked: the package container-runtime-interface-api is not installed",
            hint="pip install 'cni-genie[cri]'",
        ) from None
    path = socket.removeprefix("unix://")
    if not os.path.exists(path):
        raise IOFailure(f"{path}: there is no such socket", hint="--cri-socket names the runtime's")
    try:
        with grpc.insecure_channel(f"unix://{path}") as channel:
            runtime: Any = api_pb2_grpc.RuntimeServiceStub(channel)  # type: ignore[no-untyped-call]  # generated code
            listed = runtime.ListPodSandbox(api_pb2.ListPodSandboxRequest(), timeout=timeout).items
            found = [_sandbox(item, api_pb2) for item in listed]
            return [_described(one, runtime, api_pb2, timeout) if detailed(one) else one for one in found]
    except grpc.RpcError as error:
        reason = f"{path}: {error.details() if isinstance(error, grpc.Call) else error}"
        if "permission denied" in reason.lower():
            raise Denied(reason, hint="run it as root") from None
        raise IOFailure(reason) from None


def _sandbox(item: Any, messages: Any) -> Sandbox:
    return Sandbox(
        id=item.id,
        pod=f"{item.metadata.namespace}/{item.metadata.name}",
        ready=item.state == messages.SANDBOX_READY,
        attempt=item.metadata.attempt,
        created=item.created_at / 1e9,
    )


def _described(sandbox: Sandbox, runtime: Any, messages: Any, timeout: float) -> Sandbox:
    import grpc

    question = messages.PodSandboxStatusRequest(pod_sandbox_id=sandbox.id, verbose=True)
    try:
        answer = runtime.PodSandboxStatus(question, timeout=timeout)
    except grpc.RpcError as error:
        if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.NOT_FOUND:
            return sandbox  # removed since it was listed
        raise
    network = answer.status.network
    ips = (network.ip, *(more.ip for more in network.additional_ips))
    return replace(
        sandbox, netns=netns_of(dict(answer.info).get("info", "")), ips=tuple(ip for ip in ips if ip)
    )


def netns_of(info: str) -> str:
    """The namespace's path in the runtime's own description of a sandbox, "" where there is none.

    containerd and CRI-O put the OCI specification there; other runtimes the process that holds the namespace.
    """
    try:
        described = json.loads(info)
        spaces = described.get("runtimeSpec", {}).get("linux", {}).get("namespaces", ())
        named = next((str(space.get("path", "")) for space in spaces if space["type"] == "network"), "")
        process = described.get("pid")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return named or (f"/proc/{process}/ns/net" if isinstance(process, int) and process > 0 else "")
