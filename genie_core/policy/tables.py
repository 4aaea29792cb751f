"""The tables of one network namespace, from the chains of the attachments that are enforced in it.

In the node's namespace the pod is on the other side of an interface: what comes in by it is the pod's egress. In the
pod's own it is the other way round. Packets of a bridge pass `inet forward` because of br_netfilter, with the bridge
for an interface: there a pod is known by its address, and the bridge family keeps it from using another one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from genie_core.policy.chains import ADVERTISEMENT, neighbours
from genie_core.policy.peers import Peers, in_order
from genie_core.policy.places import BRIDGE, VETH, Place
from genie_core.policy.rules import EGRESS, INGRESS
from genie_core.policy.ruleset import ACCEPT, DROP, Chain, Lookup, Map, Match, NftRule, Set, Table, port_set
from genie_core.spec.addresses import version as version_of

# Before other engines' filters, which keep their say: nothing here accepts for them.
_PRIORITIES = {"inet": ("filter - 10", "filter - 9"), EGRESS: ("-290", "-289"), INGRESS: ("290", "291")}
# A base chain stands at two priorities, one after the other. While a table is replaced, the chain of the new table
# comes before that of the old one at the same priority (net/netfilter/core.c, nf_hook_entries_grow). A packet may pass
# the new chain before the kernel changes generations, when its rules do not count yet, and the old one after that, when
# its rules, or the elements of its sets, do not count any more. The change has then been made, and the second chain of
# the new table, which comes after both, has all of its rules.
_AGAIN = "_again"
# The maps from all host ends to the chains that keep them to their own addresses, and the chains.
_PORTS = {EGRESS: "port_if", INGRESS: "port_to"}
_CHAINS = {EGRESS: "borrowing", INGRESS: "receiving"}
_FORGED = {"saddr": "deny another pod's address", "daddr": "deny another pod's packet"}
# 802.1Q and 802.1ad (linux/if_ether.h); older versions of nft do not know the names
_VLAN, _VLANS = "0x8100", "0x88a8"
_KEYS = {"if": "ifname", "4": "ifname . ipv4_addr", "6": "ifname . ipv6_addr"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """One attachment in one direction. `swapped` are its rules for connections that the packet's receiver opened.

    `open` where a rule allows everything: then no address of it need be kept.
    """

    place: Place
    direction: str
    addresses: tuple[str, ...]
    rules: tuple[NftRule, ...]
    swapped: tuple[NftRule, ...]
    open: bool
    note: str

    @property
    def own(self) -> tuple[str, ...]:
        """The pod's addresses there, with the one that the interface gives itself."""
        return (*self.addresses, *([self.place.link_local] if self.place.link_local else []))


class Builder:
    """Collects chains and map entries, and makes tables of them."""

    def __init__(self, peers: Peers, *, in_pod: bool, node_addresses: Sequence[str] = ()) -> None:
        self.peers = peers
        self.in_pod = in_pod
        self.node_addresses = node_addresses
        self.chains: dict[str, Chain] = {}
        self.names: dict[tuple[str, int], str] = {}
        self.maps: dict[str, dict[str, str]] = {}
        self.kept: dict[str, dict[str, Guarded]] = {EGRESS: {}, INGRESS: {}}  # by their ports of a bridge
        self.own: set[str] = set()
        self.through: set[str] = set()  # the interfaces by which the host reaches them
        self.ports: list[tuple[Place, tuple[str, ...]]] = []

    def add(self, guarded: Guarded) -> None:
        """Take an attachment in."""
        self.own |= set(guarded.addresses)
        self.through.add(guarded.place.bridge or guarded.place.port)
        prefix = guarded.direction.lower()
        for mode, rules in ((prefix, guarded.rules), (f"mid_{prefix}", guarded.swapped)):
            chain = self._chain(mode, rules)
            for kind, key in self._keys(guarded):
                self._enter(f"{mode}_{kind}", key, chain)
        if guarded.place.kind == BRIDGE and not guarded.open:
            self.kept[guarded.direction][f'"{guarded.place.port}"'] = guarded

    def add_port(self, place: Place, addresses: tuple[str, ...]) -> None:
        """Take in a host end, whether or not its pod is isolated: it may not use other pods' addresses."""
        self.ports.append((place, addresses))

    def _keys(self, guarded: Guarded) -> Iterator[tuple[str, str]]:
        place = guarded.place
        if place.kind != BRIDGE:
            yield "if", f'"{place.port}"'
            return
        for address in guarded.own:
            yield str(version_of(address)), f'"{place.bridge}" . {address}'

    def _enter(self, name: str, key: str, chain: str) -> None:
        entries = self.maps.setdefault(name, {})
        verdict = f"jump {chain}"
        # Two containers with one address: one of them is on its way out, and none may have the other's rights.
        entries[key] = verdict if entries.get(key, verdict) == verdict else DROP

    def _chain(self, mode: str, rules: tuple[NftRule, ...]) -> str:
        key = mode, id(rules)  # attachments of the same policies have the same tuple (chains.rules_of)
        if key not in self.names:
            name = f"{mode}_{sha256(repr(rules).encode()).hexdigest()[:12]}"
            self.names[key] = name
            self.chains[name] = Chain(name, rules)
        return self.names[key]

    # --- tables ------------------------------------------------------------------------------------------

    def tables(self) -> list[Table]:
        """The tables; none where nothing was taken in."""
        if not self.maps:
            return []
        inet = self._inet()
        ports = [one for one in self.ports if one[0].kind == BRIDGE]
        borrowed = list(borrowing(ports, self._known(inet.sets), receiving=True))
        if borrowed or any(self.kept.values()):
            return [inet, self._bridge(borrowed)]
        return [inet]

    def _known(self, sets: Sequence[Set]) -> set[str]:
        """The addresses that may not be another pod's: those of isolated pods, and those that policies allow."""
        allowed = (one for found in sets if found.name.startswith(("p4_", "p6_")) for one in found.elements)
        return {*self.own, *allowed}

    def _inet(self) -> Table:
        matches = {
            match
            for chain in self.chains.values()
            for rule in chain.rules
            if isinstance(rule, NftRule)
            for match in rule.matches
        }
        used = {str(match.value[1]) for match in matches if match.kind in ("in", "named")}
        ports_of = {found for match in matches if match.kind == "port" and (found := port_set(match))}
        sets = [*(self.peers.sets[name] for name in used), *ports_of]
        pairs: dict[int, Set] = {}
        for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
            own = [one for one in in_order(self.own) if version_of(one) == version]
            if own and not self.in_pod:
                elements = tuple(f"{one} . {one}" for one in own)
                pairs[version] = Set(f"self{version}", f"{kind} . {kind}", elements)
        if pairs:
            back = tuple(f'"{one}" . "{one}"' for one in sorted(self.through))
            sets.append(Set("hairpin", "ifname . ifname", back))
        maps = [
            Map(name, _KEYS[name.rpartition("_")[2]], tuple(sorted(found.items())))
            for name, found in self.maps.items()
        ]
        chains = [*self.chains.values(), *self._base_chains(list(pairs))]
        ports = [one for one in self.ports if one[0].kind == VETH]
        borrowed = list(borrowing(ports, self._known(sets)))
        if borrowed:  # before a connection is looked up: a packet of another one's is no answer
            chains += _twice("prerouting", [Lookup("iifname", "port_if")], _PRIORITIES[EGRESS])
        chains += [one for one in borrowed if isinstance(one, Chain)]
        maps += [one for one in borrowed if isinstance(one, Map)]
        known = [one for one in borrowed if isinstance(one, Set)]
        return Table("inet", (*sets, *pairs.values(), *known), tuple(chains), tuple(maps))

    def _base_chains(self, versions: Sequence[int]) -> Iterator[Chain]:
        head: list[NftRule | Lookup] = [
            NftRule((Match("ct", "", ("established", "related")),), ACCEPT),
            *neighbours(),
        ]
        # a pod that has reached itself by a service; from elsewhere the address is forged
        own: list[NftRule | Lookup] = [
            NftRule((Match("pair", "", (version, f"self{version}")), Match("back", "", ("hairpin",))), ACCEPT)
            for version in versions
        ]
        entering, leaving = (INGRESS, EGRESS) if self.in_pod else (EGRESS, INGRESS)
        both = [("iifname", entering), ("oifname", leaving)]
        hooks = {"forward": both, "input": both[:1]}
        if self.in_pod or any(name.startswith("ingress_") for name in self.maps):
            hooks["output"] = both[1:]
        for hook, sides in hooks.items():
            rules = [*head, *(own if hook == "forward" else ())]
            if hook == "output" and not self.in_pod:
                rules += self._of_the_node(versions)
            if self.in_pod and hook == "input":
                rules += [NftRule((Match("is", "saddr", (v, *found)),), ACCEPT) for v, found in self._nodes()]
            if self.in_pod or hook == "forward":  # connections of the node itself are always allowed
                rules.append(NftRule((Match("mid"),), f"jump mid_{hook}"))
                yield Chain(f"mid_{hook}", tuple(self._lookups(sides, swapped=True)))
            rules += self._lookups(sides, swapped=False)
            yield from _twice(hook, rules, _PRIORITIES["inet"])

    @staticmethod
    def _of_the_node(versions: Sequence[int]) -> Iterator[NftRule]:
        """Accept what the node sends as its own. With another's address it is a client's, which IPVS passes on there.

        So is what a pod sends to itself by a service.
        """
        yield NftRule((Match("local"),), ACCEPT)
        for version in versions:
            yield NftRule((Match("pair", "", (version, f"self{version}")),), ACCEPT)

    def _nodes(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        for version in (4, 6):
            if found := tuple(one for one in in_order(self.node_addresses) if version_of(one) == version):
                yield version, found

    def _lookups(self, sides: Sequence[tuple[str, str]], *, swapped: bool) -> Iterator[Lookup]:
        for interface, direction in sides:
            word = direction
            if swapped:
                word = INGRESS if direction == EGRESS else EGRESS
            prefix = f"mid_{word.lower()}" if swapped else word.lower()
            for kind in _KEYS:
                if f"{prefix}_{kind}" in self.maps:
                    yield Lookup(interface, f"{prefix}_{kind}", 0 if kind == "if" else int(kind))
                    if self.in_pod and interface == "iifname":  # in a VRF, that is its device: plugin vrf
                        yield Lookup("meta sdifname", f"{prefix}_{kind}")

    def _bridge(self, borrowed: Sequence[Chain | Map | Set]) -> Table:
        parts = list(borrowed)
        for direction, interface, hook in (
            (EGRESS, "iifname", "prerouting"),
            (INGRESS, "oifname", "postrouting"),
        ):
            rules = []
            if kept := self.kept[direction]:
                parts += keeping(kept, direction, interface)
                rules.append(Lookup(interface, f"{direction.lower()}_if"))
            if borrowed:
                rules.append(Lookup(interface, _PORTS[direction]))
            if rules:
                parts += _twice(hook, rules, _PRIORITIES[direction])
        return Table(
            "bridge",
            tuple({one.name: one for one in parts if isinstance(one, Set)}.values()),
            tuple({one.name: one for one in parts if isinstance(one, Chain)}.values()),
            tuple(one for one in parts if isinstance(one, Map)),
        )


def _twice(hook: str, rules: Sequence[NftRule | Lookup], priorities: Sequence[str]) -> Iterator[Chain]:
    """The base chain of a hook at each of its priorities."""
    for name, priority in zip((hook, hook + _AGAIN), priorities, strict=True):
        yield Chain(name, tuple(rules), f"type filter hook {hook} priority {priority}; policy accept;")


def keeping(kept: Mapping[str, Guarded], direction: str, interface: str) -> Iterator[Chain | Map | Set]:
    """Rules for the ports of isolated pods: only address resolution, and packets with the pod's own addresses, pass.

    All ports share one chain. In what it denies it names the policies: by a map from the port to the last rule.
    """
    # not "from" and "to", which are words of nft's language before version 1.0
    word, side = ("sending", "saddr") if direction == EGRESS else ("taking", "daddr")
    denied = f"{word}_deny"
    notes = {port: f"deny_{sha256(one.note.encode()).hexdigest()[:12]}" for port, one in kept.items()}
    advertised = Lookup(interface, denied, matches=(Match("icmp6", "", (ADVERTISEMENT,)),))
    rules: list[NftRule | Lookup] = [
        Lookup(interface, denied, matches=(Match("l3", "", (_VLAN, _VLANS)),)),
        NftRule((Match("l3", "", ("arp",)),), ACCEPT),
        *([advertised] if direction == EGRESS else []),
        *neighbours(),
    ]
    for version in (4, 6):
        own = {f"{port} . {ip}" for port, one in kept.items() for ip in one.own if version_of(ip) == version}
        if own:
            yield Set(f"{word}_{version}", _KEYS[str(version)], tuple(sorted(own)))
            rules.append(NftRule((Match("own", side, (version, f"{word}_{version}")),), ACCEPT))
    if leased := tuple(sorted(port for port, one in kept.items() if one.place.dhcp)):
        yield Set(f"{word}_dhcp", "ifname", leased)
        ports = (("UDP", (68, 68)), ("UDP", (67, 67)))
        sport, dport = ports if direction == EGRESS else ports[::-1]
        named = Match("name", interface, (f"{word}_dhcp",))
        rules.append(NftRule((named, Match("port", "sport", sport), Match("port", "dport", dport)), ACCEPT))
    yield Chain(word, (*rules, Lookup(interface, denied)))
    yield Map(f"{direction.lower()}_if", _KEYS["if"], tuple((port, f"jump {word}") for port in sorted(kept)))
    yield Map(denied, _KEYS["if"], tuple((port, f"jump {chain}") for port, chain in sorted(notes.items())))
    for port, chain in notes.items():
        yield Chain(chain, (NftRule((), DROP, kept[port].note),))


def borrowing(
    ports: Sequence[tuple[Place, tuple[str, ...]]], known: Collection[str], *, receiving: bool = False
) -> Iterator[Chain | Map | Set]:
    """Rules that keep the pods behind these host ends from using the known addresses that are other pods'.

    With `receiving` they get no packets to these either: a bridge delivers by hardware address, and that can be forged.
    """
    rules: dict[str, list[NftRule | Lookup]] = {"saddr": [], "daddr": []} if receiving else {"saddr": []}
    for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")) if ports else ():
        addresses = in_order(one for one in known if version_of(one) == version)
        if not addresses:
            continue
        own = {f'"{place.port}" . {one}' for place, ips in ports for one in ips if version_of(one) == version}
        yield Set(f"peers_{version}", kind, addresses)
        # no map of verdicts: when the table is replaced, the kernel empties maps under a packet that is judged
        yield Set(f"own_{version}", _KEYS[str(version)], tuple(sorted(own)))
        for side, found in rules.items():
            found += [
                NftRule((Match("own", side, (version, f"own_{version}")),), ACCEPT),
                NftRule((Match("in", side, (version, f"peers_{version}")),), DROP, _FORGED[side]),
            ]
    names = sorted(place.port for place, _ in ports)
    for (direction, chain), found in zip(_CHAINS.items(), rules.values(), strict=False):
        if found:
            yield Chain(chain, tuple(found))
            yield Map(_PORTS[direction], _KEYS["if"], tuple((f'"{one}"', f"jump {chain}") for one in names))
