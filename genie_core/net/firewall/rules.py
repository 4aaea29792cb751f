"""One form for iptables and nftables: chains of rules, a rule's matches, and the packet that they test.

Addresses are integers here, so that a prefix, a range and a set are all ranges (`low`, `high`).
"""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

Span = tuple[int, int]
Value = Span | str
PORTED = ("tcp", "udp", "sctp", "dccp", "udplite")  # the protocols that have ports
# How rules write a kind of ICMP message: the number, with its code, and the name, of both families.
ECHO = ("8", "8/0", "echo-request", "128", "128/0", "any")
TOO_BIG = {
    4: ("3", "3/4", "destination-unreachable", "fragmentation-needed", "frag-needed", "4", "any"),
    6: ("2", "2/0", "packet-too-big", "any"),
}


@lru_cache(maxsize=1 << 16)
def span(text: str) -> Span:
    """An address, a prefix or an address range as the range of integers that it covers."""
    if "-" in text:
        low, high = text.split("-", 1)
        return int(ipaddress.ip_address(low)), int(ipaddress.ip_address(high))
    network = ipaddress.ip_network(text, strict=False)
    return int(network.network_address), int(network.broadcast_address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """The fields of a packet that rules can test. Interfaces are names; None is "not known here".

    `state` is the conntrack state; `source_local`, `target_local` say whether an address is this stack's own.
    `bridged` packets reach IP hooks only through br_netfilter; `physical_in/out` are then the bridge ports.
    Protocol "arp" is an ARP packet, "new" a request; `smac` and `dmac` are a frame's addresses, "" not known here.
    `icmp` has the words for an ICMP packet's type and code; `ttl` is the time to live or hop limit.
    """

    family: int = 4
    source: str = ""
    target: str = ""
    protocol: str = "tcp"
    sport: int = 40000
    dport: int = 0
    iif: str | None = None
    oif: str | None = None
    physical_in: str = ""
    physical_out: str = ""
    state: str = "new"
    mark: int = 0
    source_local: bool = False
    target_local: bool = False
    length: int = 84
    translated: bool = False
    bridged: bool = False
    smac: str = ""
    dmac: str = ""
    zone: int = 0
    icmp: tuple[str, ...] = ECHO
    ttl: int | None = None

    def with_(self, **changes: Any) -> Packet:
        """A changed copy."""
        return replace(self, **changes)

    def __str__(self) -> str:
        port = f":{self.dport}" if self.protocol in ("tcp", "udp") else ""
        return f"{self.protocol} {self.source} -> {self.target}{port}"


@dataclass(frozen=True, slots=True)
class Match:
    """One condition. `values` of the field `name` that meet it; `invert` negates it.

    Field "ports" is that of either side, "chance" holds with probability `chance`, "rate" is a limit that only heavy
    traffic meets, "unknown" a condition that is not modelled. A set of tuples has the fields in `keys`, each row's
    values in `rows`.
    """

    name: str
    values: tuple[Value, ...] = ()
    invert: bool = False
    mask: int | None = None
    chance: float = 1.0
    keys: tuple[str, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule does: accept, drop, reject, return, jump, goto, dnat, snat, masquerade, redirect, continue, map, ...

    mark, notrack, zone and ttl change the packet.

    A parser also gives queue, for the queues from `value` to `mask`; `foreign` is one whose effect is not modelled.

    `target` is the chain of a jump, or the queue that no program reads; `address` and `port` those of a translation
    ("" and 0 leave them); `value` and `mask` set the mark, `value` the zone; ttl adds `value` to the packet's masked by
    `mask`, 0 or all bits; `entries` of a map are (key values, action), with `keys` the fields and `masks` over them.
    """

    kind: str
    target: str = ""
    address: str = ""
    port: int = 0
    value: int = 0
    mask: int = 0xFFFFFFFF
    keys: tuple[str, ...] = ()
    entries: tuple[tuple[tuple[Value, ...], Action], ...] = ()
    masks: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallRule:
    """One rule, with its text, number, handle and packet counter, by which a person finds it."""

    text: str
    matches: tuple[Match, ...]
    action: Action
    number: int = 0
    handle: int = 0
    packets: int | None = None
    comment: str = ""

    @property
    def hits(self) -> str:
        """` (packets 5)`: its counter, "" where it has none."""
        return "" if self.packets is None else f" (packets {self.packets})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain; a base chain has a `hook`, its `kind` (filter, nat, route) and a priority.

    `tool` is the command that shows and edits it: iptables, ip6tables, iptables-legacy, ip6tables-legacy, nft.
    """

    tool: str
    family: str
    table: str
    name: str
    hook: str = ""
    kind: str = "filter"
    priority: int = 0
    policy: str = "accept"
    devices: tuple[str, ...] = ()
    rules: tuple[FirewallRule, ...] = ()
    policy_packets: int | None = None

    @property
    def place(self) -> str:
        """`filter/FORWARD` or `inet firewalld filter_FORWARD`: how its own tool names it."""
        if self.tool == "nft":
            return f"{self.family} {self.table} {self.name}"
        return f"{self.tool} {self.table}/{self.name}"

    @property
    def listing(self) -> str:
        """The command that shows it."""
        if self.tool == "nft":
            return shlex.join(["nft", "-a", "list", "chain", self.family, self.table, self.name])
        return shlex.join([self.tool, "-t", self.table, "-S", self.name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """All chains of one network namespace; `bases` hang on hooks. `known` is false where they could not be read."""

    chains: tuple[Chain, ...] = ()
    known: bool = True
    index: dict[tuple[str, str, str, str], Chain] = field(default_factory=dict, compare=False)
    bases: tuple[Chain, ...] = ()

    def jump(self, source: Chain, name: str) -> Chain | None:
        """The chain of the same table that `source` jumps to."""
        return self.index.get((source.tool, source.family, source.table, name))


def ruleset(chains: list[Chain]) -> Ruleset:
    """A Ruleset over `chains`, base chains in the order in which the kernel runs them."""
    ordered = tuple(sorted(chains, key=lambda c: (c.hook, c.priority)))
    index = {(c.tool, c.family, c.table, c.name): c for c in ordered}
    return Ruleset(chains=ordered, index=index, bases=tuple(c for c in ordered if c.hook))
