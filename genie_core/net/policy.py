"""NetworkPolicies (networking.k8s.io/v1) evaluated: pure rules over API objects, independent of the implementation.

Answers are True, False, or None where an object that decides is not known: doubt is no denial.
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from genie_core.published import JSON
from genie_core.survey import cluster

INGRESS, EGRESS = "Ingress", "Egress"
Answer = bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a connection: its address, and its Pod where it is one; `known` where that has been looked up."""

    ip: str
    pod: JSON | None = None
    known: bool = True

    @property
    def labels(self) -> dict[str, str]:
        """The pod's labels."""
        return _labels(self.pod or {})

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return _namespace(self.pod or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A connection to judge: `port` 0 stands for any port of the protocol (tcp, udp, sctp)."""

    source: End
    target: End
    protocol: str
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The policies of one direction: those that isolate the pod, and whether any of them allows the connection."""

    direction: str
    policies: tuple[str, ...] = ()
    allowed: Answer = True


def _labels(item: JSON) -> dict[str, str]:
    return (item.get("metadata") or {}).get("labels") or {}


def _namespace(item: JSON) -> str:
    return (item.get("metadata") or {}).get("namespace") or "default"


def any_of(answers: Iterable[Answer]) -> Answer:
    """True where one is, else None where one is in doubt."""
    seen = list(answers)
    return True if True in seen else None if None in seen else False


def all_of(answers: Iterable[Answer]) -> Answer:
    """False where one is, else None where one is in doubt."""
    seen = list(answers)
    return False if False in seen else None if None in seen else True


def selected(selector: JSON | None, labels: dict[str, str]) -> bool:
    """Whether a LabelSelector selects: an empty one selects everything."""
    wanted = (selector or {}).get("matchLabels") or {}
    expressions = (selector or {}).get("matchExpressions") or ()
    return all(labels.get(k) == v for k, v in wanted.items()) and all(_holds(e, labels) for e in expressions)


def _holds(expression: JSON, labels: dict[str, str]) -> bool:
    key, values = expression.get("key", ""), expression.get("values") or ()
    tests: dict[str, Callable[[], bool]] = {
        "In": lambda: key in labels and labels[key] in values,
        "NotIn": lambda: labels.get(key) not in values,
        "Exists": lambda: key in labels,
        "DoesNotExist": lambda: key not in labels,
    }
    return tests[str(expression.get("operator"))]()


def types(policy: JSON) -> list[str]:
    """policyTypes, or what is meant without them: Ingress, and Egress where there are egress rules."""
    spec = policy.get("spec") or {}
    return list(spec.get("policyTypes") or [INGRESS, *([EGRESS] if spec.get("egress") else [])])


def isolates(policy: JSON, direction: str, pod: JSON) -> bool:
    """Whether a policy selects the pod and covers this direction."""
    selector = (policy.get("spec") or {}).get("podSelector")
    here = _namespace(policy) == _namespace(pod) and direction in types(policy)
    return here and selected(selector, _labels(pod))


class Policies:
    """All policies of a cluster, as far as its objects are known."""

    def __init__(self, objects: Sequence[JSON]) -> None:
        self._objects = objects
        self.policies = list(cluster.of_kind(objects, "NetworkPolicy"))
        self.namespaces = {
            str((n.get("metadata") or {}).get("name")): _labels(n)
            for n in cluster.of_kind(objects, "Namespace")
        }

    @cached_property
    def pod_at(self) -> dict[str, JSON]:
        """Address -> the Pod object that has it, without Pods in their node's namespace."""
        found: dict[str, JSON] = {}
        for item in cluster.of_kind(self._objects, "Pod"):
            pod = cluster.pod(item)
            for ip in () if pod.host_network else pod.ips:
                found.setdefault(ip, item)
        return found

    def rule(self, direction: str, wanted: Attempt) -> Ruling:
        """The ruling at one end: Egress at the source, Ingress at the target."""
        mine, other = (
            (wanted.source, wanted.target) if direction == EGRESS else (wanted.target, wanted.source)
        )
        pod = mine.pod
        if pod is None or mine.ip == other.ip or (pod.get("spec") or {}).get("hostNetwork"):
            return Ruling(direction=direction)  # no policy applies between a pod and itself
        found = [p for p in self.policies if isolates(p, direction, pod)]
        allowed = any_of(self._allows(p, direction, other, wanted) for p in found) if found else True
        return Ruling(direction=direction, policies=tuple(cluster.key(p) for p in found), allowed=allowed)

    def _allows(self, policy: JSON, direction: str, other: End, wanted: Attempt) -> Answer:
        side = "to" if direction == EGRESS else "from"
        rules = (policy.get("spec") or {}).get(direction.lower()) or ()
        return any_of(
            all_of((self._peers(rule.get(side), policy, other), _ports(rule.get("ports"), wanted)))
            for rule in rules
        )

    def _peers(self, peers: Sequence[JSON] | None, policy: JSON, other: End) -> Answer:
        return any_of(self._peer(peer, policy, other) for peer in peers) if peers else True

    def _peer(self, peer: JSON, policy: JSON, other: End) -> Answer:
        if "ipBlock" in peer:
            block = peer["ipBlock"] or {}
            return _within(other.ip, block.get("cidr")) and not any(
                _within(other.ip, c) for c in block.get("except") or ()
            )
        if other.pod is None:
            return False if other.known else None
        if (other.pod.get("spec") or {}).get("hostNetwork"):
            return None  # implementations differ
        pods = "podSelector" not in peer or selected(peer["podSelector"], other.labels)
        if "namespaceSelector" not in peer:
            return pods and other.namespace == _namespace(policy)
        return all_of((pods, self._in_namespace(peer["namespaceSelector"], other.namespace)))

    def _in_namespace(self, selector: JSON | None, name: str) -> Answer:
        """Every namespace has its name as a label; its others are known only where its object is."""
        known = {cluster.NAME_LABEL: name} | self.namespaces.get(name, {})
        parts = [*((selector or {}).get("matchLabels") or {})]
        parts += [str(e.get("key")) for e in (selector or {}).get("matchExpressions") or ()]
        if name not in self.namespaces and any(part != cluster.NAME_LABEL for part in parts):
            return None
        return selected(selector, known)


def _within(ip: str, cidr: object) -> bool:
    try:
        return ipaddress.ip_address(ip) in ipaddress.ip_network(str(cidr), strict=False)
    except ValueError:
        return False


def _ports(ports: Sequence[JSON] | None, wanted: Attempt) -> Answer:
    return any_of(_port(port, wanted) for port in ports) if ports else True


def _port(entry: JSON, wanted: Attempt) -> Answer:
    if str(entry.get("protocol") or "TCP").lower() != wanted.protocol:
        return False
    port = entry.get("port")
    if port is None or not wanted.port:
        return True
    if isinstance(port, int):
        return port <= wanted.port <= int(entry.get("endPort") or port)
    if wanted.target.pod is None:  # a named port is the target pod's
        return False if wanted.target.known else None
    return (str(port), wanted.protocol, wanted.port) in _named(wanted.target.pod)


def _named(pod: JSON) -> set[tuple[str, str, int]]:
    return {
        (
            str(port.get("name")),
            str(port.get("protocol") or "TCP").lower(),
            int(port.get("containerPort") or 0),
        )
        for container in (pod.get("spec") or {}).get("containers") or ()
        for port in container.get("ports") or ()
    }
