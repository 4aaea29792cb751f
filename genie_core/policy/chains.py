"""The rules of the policies for one attachment in one direction.

An allowed packet returns to the calling chain, which checks its other end too; the last rule drops.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from genie_core.policy.cluster import Pod
from genie_core.policy.peers import Denied, Networks, Peers
from genie_core.policy.rules import EGRESS, INGRESS, Permission, Policy, PolicyName, Port, merged
from genie_core.policy.ruleset import ACCEPT, DROP, RETURN, Match, NftRule, comment

ADVERTISEMENT = 134  # of a router


def neighbours() -> list[NftRule]:
    """Accept address resolution, routers and multicast groups: without them there is no IPv6.

    Only on the link: with a hop limit that no router has decremented (RFC 4861), or to a group (RFC 3810). By its type
    alone such a packet could bring any payload to any host.
    """
    return [
        NftRule((Match("icmp6", "", (133, ADVERTISEMENT, 135, 136)), Match("hops", "", (255,))), ACCEPT),
        NftRule((Match("icmp6", "", (130, 131, 132, 143)), Match("hops", "", (1,)), Match("group")), ACCEPT),
    ]


@dataclass(frozen=True, slots=True)
class Note:
    """A rule's comment: its attachment, its action, and the rule of the policy that it comes from."""

    action: str
    policies: tuple[PolicyName, ...]
    place: str = ""

    @property
    def text(self) -> str:
        """The comment."""
        kinds = sorted({name.kind for name in self.policies})
        named = (
            f"{kind} {','.join(str(name) for name in self.policies if name.kind == kind)}" for kind in kinds
        )
        return comment(" ".join([self.action, *named, *([self.place] if self.place else [])]))


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """What isolates an attachment in one direction: policies, and sets of addresses that CNI-Genie's form denies.

    `unknown` where the pod is not known: then nothing is allowed, whatever the policies' rules say.
    """

    direction: str
    policies: tuple[Policy, ...] = ()
    denied: Denied = ()
    unknown: bool = False
    dhcp: bool = False

    def __bool__(self) -> bool:
        return bool(self.policies or self.denied)

    def notes(self) -> list[Note]:
        """The comments of its rules, in the order of the rules."""
        apart = [Note("deny", names) for names, _ in self.denied]
        allowed = [
            Note("allow", (policy.name,), rule.place)
            for policy in self.policies
            for rule in policy.rules.get(self.direction, ())
            if not self.unknown
        ]
        return [*apart, *allowed, *([self.last] if self.policies else [])]

    @property
    def last(self) -> Note:
        """The comment of its last rule: no rule has allowed the packet."""
        return Note("deny", tuple(sorted(policy.name for policy in self.policies)))

    @cached_property
    def names(self) -> list[PolicyName]:
        """All policies that it comes from."""
        return sorted(
            {*(one.name for one in self.policies), *(name for names, _ in self.denied for name in names)}
        )

    @cached_property
    def is_open(self) -> bool:
        """Whether a rule allows everything: then no address of the pod need be kept."""
        if self.denied and self.direction == EGRESS:
            return False
        policies = () if self.unknown else self.policies
        allowing = (rule for policy in policies for rule in policy.rules.get(self.direction, ()))
        return not self.policies or any(rule.any_peer and rule.any_port for rule in allowing)

    @cached_property
    def note_of_addresses(self) -> str:
        """The comment of the rule that drops packets with other addresses than the pod's."""
        return comment(f"deny address {','.join(map(str, self.names))}")

    @cached_property
    def key(self) -> object:
        """What its rules depend on."""
        policies = tuple(id(policy) for policy in self.policies)
        apart = tuple((names, tuple(sets.values())) for names, sets in self.denied)
        return self.direction, policies, apart, self.unknown, self.dhcp


def rules_of(
    isolation: Isolation, pod: Pod | None, peers: Peers, *, swapped: bool = False
) -> tuple[NftRule, ...]:
    """The rules of a chain.

    `swapped` reads a packet as one of the other direction, of a connection that its receiver has opened.
    """
    # pods of the same policies have the same rules, but for ports by name
    ports = pod.ports if pod else ()
    key = isolation.key, ports, swapped
    if key not in peers.chains:
        peers.chains[key] = tuple(_Writer(isolation, pod, peers, swapped).rules())
    return peers.chains[key]


class _Writer:
    def __init__(self, isolation: Isolation, pod: Pod | None, peers: Peers, swapped: bool) -> None:
        self.isolation = isolation
        self.pod = pod
        self.peers = peers
        inwards = (isolation.direction == INGRESS) != swapped
        self.peer_side = "saddr" if inwards else "daddr"
        self.port_side = "sport" if swapped else "dport"
        self.swapped = swapped

    def rules(self) -> Iterator[NftRule]:
        for names, sets in self.isolation.denied:
            note = Note("deny", names).text
            for version, name in sets.items():
                if self.peers.sets[name].elements:
                    yield NftRule((Match("in", self.peer_side, (version, name)),), DROP, note)
        if not self.isolation.policies:
            return
        if self.isolation.dhcp and not self.swapped:
            yield _dhcp(self.isolation.direction)
        if not self.isolation.unknown:
            for policy in self.isolation.policies:
                for rule in policy.rules.get(self.isolation.direction, ()):
                    note = Note("allow", (policy.name,), rule.place).text
                    for matches in self._matches(policy.networks, rule):
                        yield NftRule(matches, RETURN, note)
        yield NftRule((), DROP, self.isolation.last.text)

    def _matches(self, networks: Networks, rule: Permission) -> Iterator[tuple[Match, ...]]:
        for ports in self._ports(rule):
            for peer in self._sources(networks, rule):
                yield (*peer, *ports)
        named = tuple(port for port in rule.ports if port.name)
        if named and self.isolation.direction == EGRESS:
            for version, name in self.peers.named(networks, rule, named).items():
                if self.peers.sets[name].elements:
                    yield (Match("named", self.port_side, (version, name)),)

    def _sources(self, networks: Networks, rule: Permission) -> Iterator[tuple[Match, ...]]:
        if rule.any_peer:
            yield ()
        if rule.pods:
            for version, name in self.peers.pods(networks, rule.pods).items():
                yield (Match("in", self.peer_side, (version, name)),)
        if rule.blocks:
            for version, name in self.peers.blocks(rule.blocks).items():
                yield (Match("in", self.peer_side, (version, name)),)

    def _ports(self, rule: Permission) -> Iterator[tuple[Match, ...]]:
        if rule.any_port:
            yield ()
        for protocol, ranges in self._ranges(rule.ports).items():
            if self.swapped and protocol != "TCP":
                continue
            if (0, 0) in ranges:
                yield (Match("l4", "", (protocol,)),)
            else:
                yield (Match("port", self.port_side, (protocol, *merged(ranges))),)

    def _ranges(self, ports: Sequence[Port]) -> dict[str, list[tuple[int, int]]]:
        """Protocol -> ranges of numbers. A name is that of the destination's container: at ingress, this pod's."""
        found: dict[str, list[tuple[int, int]]] = {}
        for port in ports:
            if not port.name:
                found.setdefault(port.protocol, []).append((port.low, port.high))
            elif self.isolation.direction == INGRESS:
                for name, protocol, number in self.pod.ports if self.pod else ():
                    if (name, protocol) == (port.name, port.protocol):
                        found.setdefault(protocol, []).append((number, number))
        return dict(sorted(found.items()))


def _dhcp(direction: str) -> NftRule:
    """The pod's lease is renewed over its own interface."""
    mine, theirs = ((68, 68), (67, 67))
    sport, dport = (mine, theirs) if direction == EGRESS else (theirs, mine)
    return NftRule(
        (Match("port", "sport", ("UDP", sport)), Match("port", "dport", ("UDP", dport))),
        RETURN,
        "allow DHCP lease",
    )
