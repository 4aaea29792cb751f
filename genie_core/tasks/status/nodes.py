"""Each node's state as Genie's pods on it report it: readiness of the installer, and what the agent writes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from genie_core.published import Published
from genie_core.survey.cluster import json_object
from genie_core.survey.whole_cluster import NodeRow, PodRow, WholeCluster

Verdict = Literal["good", "bad", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus(Published):
    """One node. `findings` counts `genie debug node`'s by severity.

    `token_seconds` is how long the plugin's token is still accepted. `verdict` is unknown where nothing on the node
    reports; `reason` says what is wrong or missing.
    """

    name: str
    verdict: Verdict
    reason: str = ""
    version: str = ""
    findings: Mapping[str, int] = field(default_factory=dict)
    token_seconds: int | None = None
    default_network: str = ""
    pods: int = 0


def nodes_of(cluster: WholeCluster, now: float) -> list[NodeStatus]:
    """All nodes by name; `now` is seconds since 1970."""
    own: dict[str, list[PodRow]] = {}
    for pod in cluster.own:
        own.setdefault(pod.node, []).append(pod)
    counts = Counter(pod.node for pod in cluster.pods if not (pod.ended or pod.host_network))
    nodes = sorted(cluster.nodes, key=lambda node: node.name)
    return [
        _node(node, own.get(node.name, []) if cluster.knows_own else None, counts[node.name], now)
        for node in nodes
    ]


def _node(node: NodeRow, own: list[PodRow] | None, pods: int, now: float) -> NodeStatus:
    """Its state; `own` are Genie's pods on it, None where they were not read."""
    report = json_object(node.report)
    findings = report.get("findings")
    expires = report.get("tokenExpires")
    verdict, reason = _verdict(node, own)
    return NodeStatus(
        name=node.name,
        verdict=verdict,
        reason=reason,
        version=str(report.get("version") or _tag(own or [])),
        findings={str(key): value for key, value in findings.items() if isinstance(value, int)}
        if isinstance(findings, dict)
        else {},
        token_seconds=int(expires - now) if isinstance(expires, int | float) and expires else None,
        default_network=str(report.get("defaultNetwork") or ""),
        pods=pods,
    )


def _verdict(node: NodeRow, own: list[PodRow] | None) -> tuple[Verdict, str]:
    status, _, message = node.network
    if status == "False":
        return "bad", message or "the agent reports that pods' networks do not work"
    unready = sorted(pod.label for pod in own or () if not pod.ready)
    if unready:
        return "bad", f"pod {', '.join(unready)} is not ready"
    if own is None:
        return "unknown", "Genie's pods could not be read"
    if status == "True":
        return "good", ""
    if own:
        return "good", "the plugin is installed; no agent reports findings"
    return "unknown", "no pod of Genie is on it"


def _tag(own: list[PodRow]) -> str:
    """The version that the image's tag names, "" where it has none."""
    for pod in own:
        name, _, tag = pod.image.rpartition(":")
        if name and "/" not in tag and "@" not in name:
            return tag
    return ""
