"""Policies, pods and a node's attachments -> the rules that the node has to enforce, independent of objects' order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from genie_core.policy.chains import Isolation, rules_of
from genie_core.policy.cluster import Attached, Cluster, Pod
from genie_core.policy.covering import Covering
from genie_core.policy.documents import PolicyDocuments
from genie_core.policy.evaluate import Packet, run_hook
from genie_core.policy.networks import CNI, is_logical
from genie_core.policy.peers import Peers
from genie_core.policy.places import BRIDGE, NOWHERE, POD, VETH, Place, place_of
from genie_core.policy.rules import (
    DIRECTIONS,
    MULTI,
    NETWORK,
    NOT_ENFORCED,
    NOTHING,
    UNDO,
    UNKNOWN,
    Finding,
    Policy,
    PolicyName,
)
from genie_core.policy.ruleset import Chain, Set, Table, text_of
from genie_core.policy.tables import Builder, Guarded

_ON_HOST = (BRIDGE, VETH)
BRIDGE_SYSCTLS = {"net.bridge.bridge-nf-call-ip6tables": "1", "net.bridge.bridge-nf-call-iptables": "1"}
# Without it br_netfilter passes over packets with a tag: those to and from the bridge's trunk (br_netfilter_hooks.c).
VLAN_SYSCTLS = {"net.bridge.bridge-nf-filter-vlan-tagged": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolated:
    """An attachment of this node that policies select, and where their rules are."""

    attached: Attached
    place: Place
    isolations: tuple[Isolation, ...]

    @property
    def policies(self) -> list[PolicyName]:
        """Those that select it."""
        first, *others = (one.names for one in self.isolations)
        return sorted({*first, *(name for names in others for name in names)}) if others else first

    def as_json(self) -> dict[str, str]:
        """Where it is not enforced, and why."""
        return {
            "namespace": self.attached.namespace,
            "name": self.attached.name,
            "network": self.attached.network,
            "interface": self.attached.interface,
            "reason": self.place.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRules:
    """The tables of one pod's own namespace."""

    attached: Attached
    tables: tuple[Table, ...]

    def as_json(self) -> dict[str, str]:
        """namespace, name, containerID, netns, text."""
        return {
            "namespace": self.attached.namespace,
            "name": self.attached.name,
            "containerID": self.attached.container,
            "netns": self.attached.netns,
            "text": text_of(self.tables),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The rules of one attachment in one direction, apart from any hook, for connections that are open already."""

    attached: Attached
    isolation: Isolation
    guarded: Guarded
    sets: dict[str, Set]

    def denies(self, packet: Packet) -> bool:
        """Whether a connection that begins with this packet would be dropped."""
        table = Table("inet", (), (Chain("gate", self.guarded.rules),))
        return run_hook(table, "gate", packet, self.sets).dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRuleset:
    """The rules of one node: `host` are the tables of the node's own namespace.

    `namespaces` are those of pods that may hold rules or a guard of ours, whether or not `pods` has rules for them.
    `names` are all policies of the cluster. `node_addresses` are those of the Node object, whose connections the rules
    in pods let in. `covered` are the interfaces that the rules are about, selected or not, by namespace: those of pods,
    and the node's ("").
    """

    kind: ClassVar[str] = "PolicyRuleset"
    node: str
    host: tuple[Table, ...] = ()
    pods: tuple[PodRules, ...] = ()
    sysctls: dict[str, str] = field(default_factory=dict)
    isolated: tuple[Isolated, ...] = ()
    findings: tuple[Finding, ...] = ()
    gates: tuple[Gate, ...] = ()
    names: frozenset[PolicyName] = frozenset()
    namespaces: frozenset[str] = frozenset()
    node_addresses: tuple[str, ...] = ()
    covered: Mapping[str, Collection[str]] = field(default_factory=dict)

    @property
    def not_enforced(self) -> list[Isolated]:
        """The selected attachments without a place for rules."""
        return [one for one in self.isolated if one.place.kind == NOWHERE]

    @property
    def selecting(self) -> set[PolicyName]:
        """The policies that select something here."""
        different = {id(isolation): isolation for one in self.isolated for isolation in one.isolations}
        return {name for isolation in different.values() for name in isolation.names}

    @property
    def host_text(self) -> str:
        """The node's text for `nft -f`."""
        return text_of(self.host)

    @property
    def exit_code(self) -> int:
        """1 with findings."""
        return 1 if self.findings else 0

    def as_json(self) -> dict[str, Any]:
        """The published form."""
        return {
            "node": self.node,
            "host": self.host_text,
            "pods": [one.as_json() for one in self.pods],
            "sysctls": self.sysctls,
            "notEnforced": [one.as_json() for one in self.not_enforced],
            "findings": [one.as_json() for one in self.findings],
        }


class Policies:
    """All policies of a cluster, and what is wrong with them whatever the node. `read` are its documents, if known."""

    def __init__(self, cluster: Cluster, read: PolicyDocuments | None = None) -> None:
        self.cluster = cluster
        read = read or PolicyDocuments(
            document for kind in (MULTI, NETWORK) for document in cluster.objects.get(kind, ())
        )
        self.findings = list(read.findings)
        self.multi, self.forms, self.pairing = read.multi, read.forms, read.pairing
        self._covering = Covering(self.multi)
        self._isolations: dict[object, tuple[Isolation, ...]] = {}
        self._judge()

    def _judge(self) -> None:
        known = self.cluster.known_networks()
        broken = {one.policy for one in self.findings}
        for policy in self.multi:
            # a network of the nodes' own files is in no object: it may exist
            named = {one for one in policy.networks or () if not one.startswith(f"{CNI}/")}
            for network in sorted(named - known):
                self._note(policy.name, UNKNOWN, f"network {network} does not exist")
            if not named - known and policy.name not in broken and not any(self.selected(policy)):
                self._note(policy.name, NOTHING, "it selects no network of any pod")
        for entry in self.pairing.entries:
            for network in sorted({entry.network, *entry.peers} - known):
                self._note(entry.policy, UNKNOWN, f"{entry.where}: network {network} does not exist")
        self._judge_forms()

    def _judge_forms(self) -> None:
        used = {member.network for pod in self.cluster.pods.values() for member in pod.members}
        used |= {one.network for one in self.cluster.attached}
        useful = {
            name for network, names in self.pairing.selected.items() if network in used for name in names
        }
        for name in sorted(set(self.forms) - useful - {one.policy for one in self.findings}):
            self._note(name, NOTHING, "it selects no network of any pod")

    def _note(self, policy: PolicyName, reason: str, message: str) -> None:
        self.findings.append(Finding(policy, reason, message))

    def selected(self, policy: Policy) -> Iterator[tuple[Pod, str]]:
        """The pods and networks that a policy selects."""
        return (
            (pod, member.network)
            for pod in self.cluster.select(policy.name.namespace, policy.pods)
            for member in pod.members
            if policy.covers(member.network, primary=member.primary)
        )

    def isolations(
        self, attached: Attached, pod: Pod | None, peers: Peers, place: Place
    ) -> tuple[Isolation, ...]:
        """The isolation of an attachment, for each direction that has one."""
        covering = self._covering.of(attached, pod)
        is_denied = is_logical(attached.network)
        key = id(covering), attached.network if is_denied else "", pod is None, place.dhcp
        if key not in self._isolations:  # attachments of the same policies share theirs
            denied = peers.denied(attached.network, self.pairing) if is_denied else ()
            found = (
                Isolation(
                    direction=direction,
                    policies=tuple(one for one in covering if pod is None or direction in one.directions),
                    denied=denied,
                    unknown=pod is None,
                    dhcp=place.dhcp,
                )
                for direction in DIRECTIONS
            )
            self._isolations[key] = tuple(one for one in found if one)
        return self._isolations[key]


def compile_node(cluster: Cluster, node: str, policies: Policies | None = None) -> PolicyRuleset:
    """The rulesets of a node."""
    policies = policies or Policies(cluster)
    peers = Peers(cluster)
    host = Builder(peers, in_pod=False)
    inside: dict[tuple[str, str], tuple[Attached, Builder]] = {}
    isolated: list[Isolated] = []
    gates: list[Gate] = []
    node_addresses = cluster.node_addresses(node)
    places = [(one, place_of(one)) for one in cluster.attached if one.node in (node, "")]
    for attached, place in places:
        pod = _pod_of(cluster, attached)
        isolations = policies.isolations(attached, pod, peers, place)
        if not isolations:
            continue
        isolated.append(Isolated(attached=attached, place=place, isolations=isolations))
        if place.kind == NOWHERE:
            continue
        builder = host
        if place.kind == POD:
            key = attached.container, attached.netns
            made = Builder(peers, in_pod=True, node_addresses=node_addresses)
            builder = inside.setdefault(key, (attached, made))[1]
        for isolation in isolations:
            guarded = _guarded(isolation, attached, pod, place, peers)
            builder.add(guarded)
            gates.append(Gate(attached=attached, isolation=isolation, guarded=guarded, sets=peers.sets))
    if any(one.place.kind in _ON_HOST for one in isolated):
        _add_ports(host, places)
    findings = {*policies.findings, *(finding for one in isolated for finding in _findings(one, cluster))}
    return PolicyRuleset(
        node=node,
        host=tuple(host.tables()),
        pods=tuple(
            PodRules(attached=one, tables=tuple(builder.tables())) for one, builder in inside.values()
        ),
        sysctls=_sysctls([one.place for one in isolated]),
        isolated=tuple(isolated),
        findings=tuple(sorted(findings)),
        gates=tuple(gates),
        names=frozenset([*(policy.name for policy in policies.multi), *policies.forms]),
        namespaces=frozenset(
            one.netns for one, place in places if not (one.primary and place.kind in _ON_HOST)
        ),
        node_addresses=node_addresses,
        covered=_covered(cluster, node),
    )


def _covered(cluster: Cluster, node: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for attached in cluster.attached:
        if attached.node in (node, ""):
            found.setdefault(attached.netns, set()).add(attached.interface)
            found.setdefault("", set()).update(attached.host_ends)
    return found


def _sysctls(places: Sequence[Place]) -> dict[str, str]:
    """What `inet forward` needs to see the packets of these places."""
    on_bridge = BRIDGE_SYSCTLS if any(place.kind == BRIDGE for place in places) else {}
    return {**on_bridge, **(VLAN_SYSCTLS if any(place.tagged for place in places) else {})}


def _add_ports(host: Builder, places: Sequence[tuple[Attached, Place]]) -> None:
    """Every host end, each with all addresses of its pod: with one network's an answer may leave by another."""
    own: dict[tuple[str, str], list[str]] = {}
    for attached, _ in places:
        own.setdefault((attached.container, attached.netns), []).extend(attached.addresses)
    for attached, place in places:
        if place.kind in _ON_HOST:
            host.add_port(place, tuple(own[attached.container, attached.netns]))


def _pod_of(cluster: Cluster, attached: Attached) -> Pod | None:
    """The attachment's pod; None where it is not known, or another one of the same name is."""
    pod = cluster.pods.get(attached.key)
    return pod if pod and pod.has(attached) else None


def _guarded(
    isolation: Isolation, attached: Attached, pod: Pod | None, place: Place, peers: Peers
) -> Guarded:
    return Guarded(
        place=place,
        direction=isolation.direction,
        addresses=attached.addresses,
        rules=rules_of(isolation, pod, peers),
        swapped=rules_of(isolation, pod, peers, swapped=True),
        open=isolation.is_open,
        note=isolation.note_of_addresses,
    )


def _findings(one: Isolated, cluster: Cluster) -> list[Finding]:
    pod = cluster.pods.get(one.attached.key)
    attached = one.attached
    where = f"pod {attached.namespace}/{attached.name}, network {attached.network} ({attached.interface})"
    if one.place.kind == NOWHERE:
        reason, text = NOT_ENFORCED, f"{where}: not enforced: {one.place.reason}"
    elif one.place.kind == POD and pod is not None and pod.can_undo:
        reason, text = (
            UNDO,
            f"{where}: its rules are in the pod's own namespace, and a container with NET_ADMIN can remove them",
        )
    else:
        return []
    return [Finding(name, reason, text) for name in one.policies]
