"""Findings as Events on their policies. The name is a hash of the content, so several nodes write one Event."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import Conflict
from genie_core.edges.kube_resources import EVENT, MULTI_POLICY, NETWORK_POLICY
from genie_core.policy.rules import Finding

_KINDS = {one.kind: one for one in (MULTI_POLICY, NETWORK_POLICY)}


def write_findings(api: KubeAPI, findings: Iterable[Finding], objects: Sequence[Mapping[str, Any]]) -> None:
    """Write an Event for each. Raises GenieError."""
    uids = {
        (item.get("kind"), item["metadata"].get("namespace"), item["metadata"].get("name")): item[
            "metadata"
        ].get("uid")
        for item in objects
    }
    for one in findings:
        name = one.policy
        digest = sha256(f"{one.reason} {one.message}".encode()).hexdigest()[:16]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        document = {
            **EVENT.type_meta,
            "metadata": {"name": f"{name.name[:200]}.{digest}", "namespace": name.namespace},
            "involvedObject": {
                **_KINDS[name.kind].type_meta,
                "namespace": name.namespace,
                "name": name.name,
                "uid": uids.get((name.kind, name.namespace, name.name)) or "",
            },
            "reason": one.reason,
            "message": one.message[:1024],
            "type": "Warning",
            "source": {"component": "genie"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            api.create(EVENT.collection(name.namespace), document)
        except Conflict:  # another node has written it
            continue
