"""The condition GenieNetworkReady of the Node object: whether this node can give pods their networks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from genie_core.edges.kube import KubeAPI
from genie_core.findings import Severity

TYPE = "GenieNetworkReady"
_BAD = (Severity.FATAL, Severity.ERROR)
_MOST = 10


def condition_of(findings: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """type, status, reason and message for findings of `genie debug node -o json`. Pure."""
    bad = [item for item in findings if item.get("severity") in _BAD]
    if not bad:
        return {
            "type": TYPE,
            "status": "True",
            "reason": "NodeChecked",
            "message": "genie debug node finds no error",
        }
    codes = sorted({str(item.get("code")) for item in bad})
    words = ", ".join(codes[:_MOST]) + (", ..." if len(codes) > _MOST else "")
    message = f"genie debug node finds {words}; genie explain {codes[0]} says what to do"
    return {"type": TYPE, "status": "False", "reason": "FindingsOnNode", "message": message}


def tell(api: KubeAPI, node: str, condition: Mapping[str, str]) -> bool:
    """Write it where the Node object says something else; whether it did. Raises GenieError."""
    parts = ("api", "v1", "nodes", node)
    held = (api.get(parts).get("status") or {}).get("conditions") or ()
    before = next((one for one in held if isinstance(one, dict) and one.get("type") == TYPE), {})
    if all(before.get(key) == value for key, value in condition.items()):
        return False
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    is_same = before.get("status") == condition["status"]
    since = before.get("lastTransitionTime") if is_same else None
    entry = {**condition, "lastHeartbeatTime": now, "lastTransitionTime": since or now}
    api.patch((*parts, "status"), {"status": {"conditions": [entry]}}, strategic=True)
    return True
