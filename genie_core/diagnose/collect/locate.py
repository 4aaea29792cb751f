"""Where a pod's network namespace is: of the runtime, of Genie's state, of libcni's cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from genie_core.diagnose.collect import files
from genie_core.errors import GenieError

SOCKETS = (
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
)


def locate(pod: str, socket: str, state_dir: str, cache_dir: str) -> str:
    """The path of the namespace of pod NS/NAME, "" where nothing knows it."""
    return _of_runtime(pod, socket) or _of_files(pod, state_dir, cache_dir)


def _of_files(pod: str, state_dir: str, cache_dir: str) -> str:
    for directory, read in ((state_dir, files.state), (cache_dir, files.cached)):
        try:
            found = [c.netns for c in read(Path(directory)) if c.pod == pod and c.netns] if directory else []
        except (OSError, GenieError):
            continue
        alive = [path for path in found if os.path.exists(path)]
        if alive:
            return alive[-1]
    return ""


def _of_runtime(pod: str, socket: str) -> str:
    """crictl's answer; without crictl or a socket there is none."""
    endpoint = (
        socket
        or os.environ.get("CONTAINER_RUNTIME_ENDPOINT", "")
        or next((s for s in SOCKETS if os.path.exists(s)), "")
    )
    crictl = shutil.which("crictl")
    if not crictl or not endpoint:
        return ""
    base = [
        crictl,
        "--runtime-endpoint",
        endpoint if "://" in endpoint else f"unix://{endpoint}",
        "--timeout",
        "2s",
    ]
    namespace, _, name = pod.partition("/")
    try:
        listed = _json(
            [
                *base,
                "pods",
                "--namespace",
                f"^{namespace}$",
                "--name",
                f"^{name}$",
                "--state",
                "ready",
                "-o",
                "json",
            ]
        )
        identities = [str(item["id"]) for item in listed.get("items") or ()]
        if not identities:
            return ""
        info = _json([*base, "inspectp", "-o", "json", identities[0]])
        spaces = info["info"]["runtimeSpec"]["linux"]["namespaces"]
        return next((str(n.get("path", "")) for n in spaces if n.get("type") == "network"), "")
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError):
        return ""


def _json(argv: list[str]) -> Any:
    return json.loads(subprocess.run(argv, capture_output=True, text=True, timeout=3, check=True).stdout)
