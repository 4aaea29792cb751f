"""The addresses that peers stand for, as sets: one for each (networks, selectors), shared by all rules that use it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

from genie_core.policy.cluster import Cluster, Pod
from genie_core.policy.genie_form import Pairing
from genie_core.policy.networks import is_logical
from genie_core.policy.rules import Block, Permission, PodPeer, PolicyName, Port, ranges, subtract
from genie_core.policy.ruleset import NftRule, Set, within
from genie_core.spec.addresses import version as version_of

Networks = tuple[str, ...] | None
Denied = tuple[tuple[tuple[PolicyName, ...], dict[int, str]], ...]  # policies, and IP version -> set
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}


@lru_cache(maxsize=1 << 16)
def _order(text: str) -> tuple[int, int]:
    address = ipaddress.ip_address(text)
    return address.version, int(address)


def in_order(addresses: Iterable[str]) -> tuple[str, ...]:
    """Addresses, each once, by number."""
    return tuple(sorted(set(addresses), key=_order))


def _name(letter: str, version: int, key: object) -> str:
    return f"{letter}{version}_{sha256(repr(key).encode()).hexdigest()[:12]}"


class Peers:
    """The sets of one cluster, made when first asked for. `sets` has all of them by name."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.sets: dict[str, Set] = {}
        self._pods: dict[tuple[Networks, tuple[PodPeer, ...]], dict[int, str]] = {}
        self._blocks: dict[tuple[Block, ...], dict[int, str]] = {}
        self.chains: dict[object, tuple[NftRule, ...]] = {}  # the rules that chains.rules_of has made
        self._denied: dict[str, Denied] = {}
        self._addresses_on: dict[str, tuple[str, ...]] = {}

    def pods(self, networks: Networks, peers: tuple[PodPeer, ...]) -> dict[int, str]:
        """IP version -> the set of the peers' addresses on the networks."""
        key = networks, peers
        if key not in self._pods:
            found = [address for pod in self._selected(peers) for address in addresses_on(pod, networks)]
            self._pods[key] = self.add("p", key, found)
        return self._pods[key]

    def blocks(self, blocks: tuple[Block, ...]) -> dict[int, str]:
        """IP version -> the set of the blocks without their exceptions; versions without any block are left out."""
        if blocks not in self._blocks:
            names = self._blocks[blocks] = {}
            for version, prefixes in subtract(blocks).items():
                if prefixes:
                    names[version] = name = _name("b", version, blocks)
                    self.sets[name] = Set(name, _TYPES[version], tuple(prefixes), interval=True)
        return self._blocks[blocks]

    def named(self, networks: Networks, rule: Permission, ports: tuple[Port, ...]) -> dict[int, str]:
        """IP version -> the set of (address, protocol, port) of the containers' ports of these names."""
        key = networks, rule.pods, rule.blocks, rule.any_peer, ports
        found: dict[int, set[str]] = {4: set(), 6: set()}
        for pod, address in self._targets(networks, rule):
            for name, protocol, number in pod.ports:
                if Port(protocol, name=name) in ports:
                    found[version_of(address)].add(f"{address} . {protocol.lower()} . {number}")
        names = {}
        for version, elements in found.items():
            names[version] = name = _name("n", version, key)
            kind = f"{_TYPES[version]} . inet_proto . inet_service"
            self.sets[name] = Set(name, kind, tuple(sorted(elements)))
        return names

    def denied(self, network: str, pairing: Pairing) -> Denied:
        """The addresses that CNI-Genie's form keeps a logical network from, by the policies that do."""
        if network not in self._denied:
            self._denied[network] = self._apart(network, pairing)
        return self._denied[network]

    def _apart(self, network: str, pairing: Pairing) -> Denied:
        apart: dict[tuple[PolicyName, ...], list[str]] = {}
        for other in self._logical():
            if not pairing.allows(network, other):
                deniers = tuple(pairing.deniers(network, other))
                apart.setdefault(deniers, []).extend(self._addresses_on[other])
        return tuple(
            (deniers, self.add("g", (network, deniers), found)) for deniers, found in sorted(apart.items())
        )

    def add(self, letter: str, key: object, addresses: Iterable[str]) -> dict[int, str]:
        """IP version -> a set with these addresses."""
        parts: dict[int, list[str]] = {4: [], 6: []}
        for address in addresses:
            parts[version_of(address)].append(address)
        names = {}
        for version, found in parts.items():
            names[version] = name = _name(letter, version, key)
            self.sets[name] = Set(name, _TYPES[version], in_order(found))
        return names

    def _logical(self) -> list[str]:
        if not self._addresses_on:
            found: dict[str, list[str]] = {}
            for pod in self.cluster.pods.values():
                for member in pod.members:
                    if is_logical(member.network) and not pod.ended:
                        found.setdefault(member.network, []).extend(member.addresses)
            self._addresses_on = {network: tuple(found[network]) for network in sorted(found)}
        return list(self._addresses_on)

    def _selected(self, peers: tuple[PodPeer, ...]) -> list[Pod]:
        found: dict[tuple[str, str], Pod] = {}
        for peer in peers:
            spaces = [peer.namespace] if peer.namespace else sorted(self.cluster.spaces(peer.spaces))
            for pod in (pod for space in spaces for pod in self.cluster.select(space, peer.pods)):
                found[pod.key] = pod
        return list(found.values())

    def _targets(self, networks: Networks, rule: Permission) -> list[tuple[Pod, str]]:
        """The pods that an egress rule means, with their addresses: any pod's where it names none or a block."""
        if rule.pods:
            chosen = [(pod, one) for pod in self._selected(rule.pods) for one in addresses_on(pod, networks)]
        else:
            chosen = []
        if not rule.any_peer and not rule.blocks:
            return chosen
        pods = [pod for pod in self.cluster.pods.values() if not pod.ended]
        every = [(pod, one) for pod in pods for member in pod.members for one in member.addresses]
        if rule.any_peer:
            return every
        spans = ranges(rule.blocks)
        return chosen + [(pod, one) for pod, one in every if within(spans[version_of(one)], _order(one)[1])]


def addresses_on(pod: Pod, networks: Networks) -> list[str]:
    """The pod's addresses on these networks, None meaning all but its primary."""
    return [
        address
        for member in pod.members
        if (not member.primary if networks is None else member.network in networks)
        for address in member.addresses
    ]
