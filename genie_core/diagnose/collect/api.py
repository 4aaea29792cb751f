"""The Pod and what surrounds it, from the API server: a handful of requests, each of which may be refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from genie_core.diagnose.facts import JSON
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import ObjectNotFound
from genie_core.edges.kubeconfig import load_cluster
from genie_core.edges.log import JSONLog
from genie_core.errors import GenieError, NotFound

SECONDS = 3.0
KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "Node": (("api", "v1", "nodes"), ""),
    "Pod": (("api", "v1", "pods"), "status.phase=Running"),
    "Service": (("api", "v1", "services"), ""),
    "EndpointSlice": (("apis", "discovery.k8s.io", "v1", "endpointslices"), ""),
    "NetworkPolicy": (("apis", "networking.k8s.io", "v1", "networkpolicies"), ""),
}


def kubeconfig_path(asked: str) -> str:
    """The kubeconfig: asked for, of $KUBECONFIG, or ~/.kube/config; "" where there is none."""
    listed = os.environ.get("KUBECONFIG", "").split(":")
    candidates = [asked, *listed, str(Path.home() / ".kube/config")]
    return next((path for path in candidates if path and (path == asked or Path(path).exists())), "")


def read(path: str, namespace: str, name: str) -> tuple[JSON, tuple[JSON, ...], dict[str, str]]:
    """The Pod, the other objects, and why any kind is missing. Raises NotFound where there is no such pod."""
    log = JSONLog("error", fd=-1)
    cluster = load_cluster({"kubeconfig": path}, {}, log)
    if cluster is None:
        return {}, (), {"objects": f"{path} names no API server"}
    missing: dict[str, str] = {}
    objects: list[JSON] = []
    with KubeAPI(cluster, SECONDS, log) as api:
        pod = _pod(api, namespace, name, missing) if name else {}
        for kind, (parts, selector) in KINDS.items():
            query = {"fieldSelector": selector} if selector else {}
            objects += _list(lambda parts=parts, query=query: api.get(parts, query), kind, missing)  # type: ignore[misc]  # bound per turn
            if missing.get("objects"):
                break
    return pod, tuple(objects), missing


def _pod(api: KubeAPI, namespace: str, name: str, missing: dict[str, str]) -> JSON:
    try:
        return api.get(("api", "v1", "namespaces", namespace, "pods", name))
    except ObjectNotFound:
        raise NotFound(
            f"pod {namespace}/{name} does not exist", hint="look at the namespace (-n) and the name"
        ) from None
    except GenieError as error:
        missing["pod object"] = error.msg
        return {}


def _list(ask: Callable[[], JSON], kind: str, missing: dict[str, str]) -> list[JSON]:
    try:
        items = ask().get("items") or []
    except GenieError as error:
        key = "objects" if kind == "Node" else f"objects: {kind}"
        missing[key] = error.msg
        return []
    return [item | {"kind": kind} for item in items if isinstance(item, dict)]
