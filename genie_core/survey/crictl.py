"""The container runtime's sandboxes by way of `crictl`, for a Python without gRPC. The same values as cri.py gives."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from genie_core.errors import Denied, IOFailure
from genie_core.survey.commands import start
from genie_core.survey.cri import every, netns_of
from genie_core.survey.facts import Sandbox

# Kubernetes' installers put it where root's PATH may not lead.
_USUAL = "/usr/local/bin:/usr/bin:/opt/bin:/usr/sbin"


def find_crictl() -> str:
    """The program's path, "" where there is none."""
    return shutil.which("crictl", path=f"{os.environ.get('PATH', '')}:{_USUAL}") or ""


def list_sandboxes(
    program: str, socket: str, timeout: float, detailed: Callable[[Sandbox], bool] = every
) -> list[Sandbox]:
    """All pod sandboxes of the runtime at `socket`; each call has `timeout` seconds.

    Raises IOFailure where there is no answer, or one that cannot be understood, Denied where this user may not ask.
    """
    endpoint = socket if "://" in socket else f"unix://{socket}"
    base = [program, "--runtime-endpoint", endpoint, "--timeout", f"{max(1, round(timeout))}s"]
    listed = _ask([*base, "pods", "--output", "json"], timeout)
    try:
        found = [_sandbox(item) for item in listed.get("items") or ()]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise IOFailure("crictl pods: an answer that crictl does not give") from None
    return [_described(one, base, timeout) if detailed(one) else one for one in found]


def _sandbox(item: Any) -> Sandbox:
    metadata = item["metadata"]
    return Sandbox(
        id=str(item["id"]),
        pod=f"{metadata['namespace']}/{metadata['name']}",
        ready=item.get("state") == "SANDBOX_READY",
        attempt=int(metadata.get("attempt") or 0),
        created=int(item.get("createdAt") or 0) / 1e9,
    )


def _described(sandbox: Sandbox, base: list[str], timeout: float) -> Sandbox:
    answer = _ask([*base, "inspectp", "--output", "json", sandbox.id], timeout)
    network = (answer.get("status") or {}).get("network") or {}
    ips = [network.get("ip"), *(more.get("ip") for more in network.get("additionalIps") or ())]
    return replace(
        sandbox,
        netns=netns_of(json.dumps(answer.get("info"))),
        ips=tuple(str(ip) for ip in ips if ip),
    )


def _ask(argv: list[str], timeout: float) -> dict[str, Any]:
    until = time.monotonic() + timeout + 1  # crictl keeps the deadline itself, with a better message
    out, reason = start(*argv, env=dict(os.environ)).finish(until)
    if reason:
        kind = Denied if "permission denied" in reason else IOFailure
        raise kind(reason, hint="run it as root" if kind is Denied else "")
    try:
        answer = json.loads(out)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise IOFailure("crictl: no JSON object")
    return answer
