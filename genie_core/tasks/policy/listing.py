"""`genie policy list`: the policies, and what they select on this node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from genie_core.policy.cluster import Cluster
from genie_core.policy.compile import Isolated, Policies, compile_node
from genie_core.policy.places import BRIDGE, POD, VETH
from genie_core.policy.rules import DIRECTIONS, Finding, PolicyName

WHERE = {BRIDGE: "host", VETH: "host", POD: "pod"}
ELSEWHERE, NOT = "elsewhere", "no"
ALL_BUT_PRIMARY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """One policy; `networks` is ("*",) for every network but the primary."""

    name: PolicyName
    networks: tuple[str, ...]
    directions: tuple[str, ...]
    isolated: tuple[Isolated, ...]
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """The policy, its pods here, and what is wrong with it."""
        return {
            **self.name.as_json(),
            "networks": list(self.networks),
            "directions": list(self.directions),
            "pods": [_pod(one) for one in self.isolated],
            "findings": [{"reason": one.reason, "message": one.message} for one in self.findings],
        }


def _pod(one: Isolated) -> dict[str, str]:
    document = one.as_json()
    reason = document.pop("reason")
    return {**document, "enforced": where_of(one), **({"reason": reason} if reason else {})}


def where_of(one: Isolated) -> str:
    """Where it is enforced: host, pod or no."""
    return WHERE.get(one.place.kind, NOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyList:
    """The policies of a namespace, "" for all, by name."""

    kind: ClassVar[str] = "PolicyList"
    node: str
    rows: Sequence[PolicyRow]
    namespace: str = ""

    @property
    def exit_code(self) -> int:
        """1 where something is wrong with a policy."""
        return 1 if any(row.findings for row in self.rows) else 0

    def as_json(self) -> dict[str, Any]:
        """node, policies."""
        return {"node": self.node, "policies": [row.as_json() for row in self.rows]}


def list_policies(cluster: Cluster, node: str, namespace: str = "") -> PolicyList:
    """The policies of a namespace, "" for all."""
    policies = Policies(cluster)
    ruleset = compile_node(cluster, node, policies)
    about = {
        policy.name: (
            policy.networks if policy.networks is not None else (ALL_BUT_PRIMARY,),
            policy.directions,
        )
        for policy in policies.multi
    }
    for name in policies.forms:
        selected = {entry.network for entry in policies.pairing.entries if entry.policy == name}
        about[name] = (tuple(sorted(selected)), DIRECTIONS)
    selected_by: dict[PolicyName, list[Isolated]] = {}
    for one in ruleset.isolated:
        for name in one.policies:
            selected_by.setdefault(name, []).append(one)
    rows = [
        PolicyRow(
            name=name,
            networks=networks,
            directions=directions,
            isolated=tuple(selected_by.get(name, ())),
            findings=tuple(one for one in ruleset.findings if one.policy == name),
        )
        for name, (networks, directions) in sorted(about.items())
        if namespace in ("", name.namespace)
    ]
    return PolicyList(node=node, rows=rows, namespace=namespace)
