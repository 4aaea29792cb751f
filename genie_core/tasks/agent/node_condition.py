"""The state of pods' networks on the Node object, for people and for `genie status`.

The condition GenieNetworkReady says whether this node can give pods their networks; the annotation `genie.cni.dev/node`
has the numbers: the version, the findings by severity, when the plugin's token ends, the default network.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from genie_core import __version__
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_resources import NODE
from genie_core.findings import Severity
from genie_core.published import timestamp
from genie_core.settings import Settings
from genie_core.survey.credentials import read_credential
from genie_core.survey.rootfs import Root
from genie_core.survey.whole_cluster import NODE_CONDITION as TYPE
from genie_core.survey.whole_cluster import NODE_REPORT as ANNOTATION

_BAD = (Severity.FATAL, Severity.ERROR)
_MOST = 10


def is_good(findings: Sequence[Mapping[str, Any]]) -> bool:
    """Whether none of the findings is an error."""
    return not any(item.get("severity") in _BAD for item in findings)


def condition_of(findings: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """type, status, reason and message for findings of `genie debug node -o json`. Pure."""
    if is_good(findings):
        return {
            "type": TYPE,
            "status": "True",
            "reason": "NodeChecked",
            "message": "genie debug node finds no error",
        }
    codes = sorted({str(item.get("code")) for item in findings if item.get("severity") in _BAD})
    words = ", ".join(codes[:_MOST]) + (", ..." if len(codes) > _MOST else "")
    message = f"genie debug node finds {words}; genie explain {codes[0]} says what to do"
    return {"type": TYPE, "status": "False", "reason": "FindingsOnNode", "message": message}


def report_of(findings: Sequence[Mapping[str, Any]], settings: Settings) -> str:
    """The annotation's text: version, findings, tokenExpires (seconds since 1970, 0 unknown), defaultNetwork."""
    counts = Counter(str(item.get("severity")) for item in findings)
    kubeconfig = str(settings.kubernetes.get("kubeconfig") or "")
    expires = read_credential(kubeconfig, "", Root(), {}).expires if kubeconfig else 0
    report = {
        "version": __version__,
        "findings": dict(sorted(counts.items())),
        "tokenExpires": int(expires),
        "defaultNetwork": settings.default_plugin,
    }
    return json.dumps(report)


def write(api: KubeAPI, node: str, condition: Mapping[str, str], report: str) -> bool:
    """Write both where the Node object says something else; whether it did. Raises GenieError."""
    parts = NODE.cluster_wide(node)
    document = api.get(parts)
    held = (document.get("status") or {}).get("conditions") or ()
    noted = ((document.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    before = next((one for one in held if isinstance(one, dict) and one.get("type") == TYPE), {})
    if noted == report and all(before.get(key) == value for key, value in condition.items()):
        return False
    now = timestamp(time.time())
    is_same = before.get("status") == condition["status"]
    since = before.get("lastTransitionTime") if is_same else None
    entry = {**condition, "lastHeartbeatTime": now, "lastTransitionTime": since or now}
    patch = {"metadata": {"annotations": {ANNOTATION: report}}, "status": {"conditions": [entry]}}
    api.patch((*parts, "status"), patch, strategic=True)
    return True
