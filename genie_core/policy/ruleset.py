"""A ruleset of nftables as values, and its text for `nft -f`: one transaction that replaces our tables and no other."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

TABLE = "genie_policy"
# A rule's comment has at most 127 bytes (libnftables, NFTNL_UDATA_COMMENT_MAXLEN).
_MAX_COMMENT = 120
DROP, RETURN, ACCEPT = "drop", "return", "accept"


@dataclass(frozen=True, slots=True)
class Match:
    """One condition of a rule: its kind, the field of the packet, and what that has to be.

    in    an address (`saddr`, `daddr`) of a set; `value` is (IP version, set)
    is    an address that is one of `value`: (IP version, addresses...)
    pair  source and destination together in a set: (IP version, set)
    back  the interfaces that it comes from and leaves by together in a set: (set,)
    own   an interface and an address together in a set: (IP version, set). `saddr`: the one that it comes from and
          its source; `daddr`: the one that it leaves by and its destination
    port  a port (`sport`, `dport`) in ranges: (protocol, (low, high)...)
    named destination address, protocol and port together in a set: (IP version, set), `field` of the port
    l4    the protocol: (name,)
    icmp6 the ICMPv6 type: (numbers...)
    hops  the hop limit of IPv6: (number,)
    group an IPv6 group as the destination: ()
    mid   a TCP segment that begins no connection: ()
    ct    the state of the connection: (words...)
    l3    the ethertype: (words...)
    name  an interface (`iifname`, `oifname`) of a set: (set,)
    local a source that is an address of this namespace: ()
    """

    kind: str
    field: str = ""
    value: tuple[object, ...] = ()

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Of `port`: the ranges."""
        return [(int(pair[0]), int(pair[1])) for pair in self.value[1:] if isinstance(pair, tuple)]

    def text(self) -> str:
        """As nft writes it."""
        return _TEXTS[self.kind](self)


def _ip(version: object) -> str:
    return "ip" if version == 4 else "ip6"


def _braced(items: Iterable[object]) -> str:
    return "{ " + ", ".join(str(item) for item in items) + " }"


def _ports(match: Match) -> str:
    several = port_set(match)
    word = f"@{several.name}" if several else _range(*match.ranges[0])
    return f"{str(match.value[0]).lower()} {match.field} {word}"


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low}-{high}"


def port_set(match: Match) -> Set | None:
    """The set of the ports of a `port`; None where that is one range.

    It has a name: with each set without one the kernel walks over the whole transaction (__nft_set_trans_bind).
    """
    words = tuple(_range(*one) for one in match.ranges)
    name = f"ports_{sha256(repr(words).encode()).hexdigest()[:12]}"
    return Set(name, "inet_service", words, interval=True) if len(words) > 1 else None


def _own(match: Match) -> str:
    return f"{_side(match.field)} . {_ip(match.value[0])} {match.field} @{match.value[1]}"


def _side(address: str) -> str:
    """The interface on the side of an address."""
    return "iifname" if address == "saddr" else "oifname"


def _named(match: Match) -> str:
    address = "daddr" if match.field == "dport" else "saddr"
    return f"{_ip(match.value[0])} {address} . meta l4proto . th {match.field} @{match.value[1]}"


_TEXTS: dict[str, Callable[[Match], str]] = {
    "in": lambda m: f"{_ip(m.value[0])} {m.field} @{m.value[1]}",
    "is": lambda m: f"{_ip(m.value[0])} {m.field} {_braced(m.value[1:])}",
    "pair": lambda m: f"{_ip(m.value[0])} saddr . {_ip(m.value[0])} daddr @{m.value[1]}",
    "back": lambda m: f"iifname . oifname @{m.value[0]}",
    "own": _own,
    "port": _ports,
    "named": _named,
    "l4": lambda m: f"meta l4proto {str(m.value[0]).lower()}",
    "icmp6": lambda m: f"icmpv6 type {_braced(m.value)}",
    "hops": lambda m: f"ip6 hoplimit {m.value[0]}",
    "group": lambda _: "ip6 daddr ff00::/8",
    "mid": lambda _: "tcp flags & (fin | syn | rst | ack) != syn",
    "ct": lambda m: f"ct state {','.join(str(word) for word in m.value)}",
    "local": lambda _: "fib saddr type local",
    "l3": lambda m: f"ether type {_braced(m.value)}",
    "name": lambda m: f"{m.field} @{m.value[0]}",
}


@dataclass(frozen=True, slots=True)
class NftRule:
    """Conditions and a verdict. Rules with a comment count what they match."""

    matches: tuple[Match, ...]
    verdict: str
    comment: str = ""

    def text(self) -> str:
        """As nft writes it."""
        parts = [match.text() for match in self.matches]
        parts += ["counter"] if self.comment else []
        return " ".join([*parts, self.verdict, *([f'comment "{self.comment}"'] if self.comment else [])])


@dataclass(frozen=True, slots=True)
class Lookup:
    """A rule that looks its verdict up in a map: by interface, or by interface and address (`version` 4 or 6).

    `interface` is iifname, oifname, or meta sdifname: the one in a VRF by which the packet came. `matches` are
    conditions.
    """

    interface: str
    map: str
    version: int = 0
    matches: tuple[Match, ...] = ()

    def text(self) -> str:
        """As nft writes it."""
        side = "daddr" if self.interface == "oifname" else "saddr"
        key = f"{self.interface} . {_ip(self.version)} {side}" if self.version else self.interface
        return " ".join([*(match.text() for match in self.matches), key, f"vmap @{self.map}"])


def within(spans: Sequence[tuple[int, int]], number: int) -> bool:
    """Whether a number is in one of the ranges, which are in order."""
    index = bisect_right(spans, (number, 1 << 128)) - 1
    return index >= 0 and spans[index][0] <= number <= spans[index][1]


def _span(text: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    if dash:
        return int(ipaddress.ip_address(low)), int(ipaddress.ip_address(high))
    block = ipaddress.ip_network(text)
    return int(block.network_address), int(block.broadcast_address)


@dataclass(frozen=True)
class Set:
    """A named set; `type` as nft writes it. `interval` sets hold prefixes and ranges of one IP version, in order."""

    name: str
    type: str
    elements: tuple[str, ...]
    interval: bool = False

    @cached_property
    def _members(self) -> frozenset[str]:
        return frozenset(self.elements)

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        return [_span(text) for text in self.elements]

    def __contains__(self, element: str) -> bool:
        """Whether it is in the set: an address, or parts as nft writes them together."""
        if self.interval:
            return within(self._spans, int(ipaddress.ip_address(element)))
        return element in self._members

    def lines(self) -> list[str]:
        """As nft writes it."""
        lines = [
            f"set {self.name} {{",
            f"  type {self.type}",
            *(["  flags interval"] if self.interval else []),
        ]
        if self.elements:
            lines.append(f"  elements = {_braced(self.elements)}")
        return [*lines, "}"]


@dataclass(frozen=True, slots=True)
class Map:
    """A named map from keys to verdicts."""

    name: str
    type: str
    elements: tuple[tuple[str, str], ...]

    def lines(self) -> list[str]:
        """As nft writes it."""
        lines = [f"map {self.name} {{", f"  type {self.type} : verdict"]
        if self.elements:
            lines.append(f"  elements = {_braced(f'{key} : {verdict}' for key, verdict in self.elements)}")
        return [*lines, "}"]


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain; `hook` is its whole base declaration, "" for one that others jump to."""

    name: str
    rules: tuple[NftRule | Lookup, ...]
    hook: str = ""

    def lines(self) -> list[str]:
        """As nft writes it."""
        inner = [*([f"  {self.hook}"] if self.hook else []), *(f"  {rule.text()}" for rule in self.rules)]
        return [f"chain {self.name} {{", *inner, "}"]


@dataclass(frozen=True, slots=True)
class Table:
    """One of our tables."""

    family: str
    sets: tuple[Set, ...] = ()
    chains: tuple[Chain, ...] = ()
    maps: tuple[Map, ...] = field(default=())

    def body(self) -> list[str]:
        """Sets, then chains that are jumped to, maps, and chains with a hook, each by name."""
        parts: list[Set | Map | Chain] = [*sorted(self.sets, key=lambda one: one.name)]
        chains = sorted(self.chains, key=lambda one: one.name)
        parts += [one for one in chains if not one.hook]
        parts += sorted(self.maps, key=lambda one: one.name)
        parts += [one for one in chains if one.hook]
        return [f"  {line}" for part in parts for line in part.lines()]

    @property
    def digest(self) -> str:
        """The digest of its content, which the table's comment has from when it was declared first."""
        return sha256("\n".join([self.family, *self.body()]).encode()).hexdigest()[:32]

    def declaration(self, digest: str) -> list[str]:
        """The lines that declare it; where there is such a table, it gets this too."""
        return [f"table {self.family} {TABLE} {{", f'  comment "genie {digest}"', *self.body(), "}"]

    def text(self) -> str:
        """The table alone, declared again."""
        return "\n".join([*self.declaration(self.digest), ""])


def text_of(tables: Sequence[Table]) -> str:
    """The text that replaces our tables of these families; "" for none."""
    ordered = sorted(tables, key=lambda one: one.family != "inet")
    return "".join(
        f"table {one.family} {TABLE}\ndelete table {one.family} {TABLE}\n{one.text()}" for one in ordered
    )


def comment(text: str) -> str:
    """A comment that nft takes: shortened where it is longer than it may be.

    A name from a file may have any character, and nft's strings end at the next quotation mark.
    """
    if not (text.isascii() and text.isprintable()) or '"' in text or "\\" in text:
        text = "".join(
            one if one.isascii() and one.isprintable() and one not in '"\\' else "?" for one in text
        )
    if len(text) <= _MAX_COMMENT:
        return text
    return f"{text[: _MAX_COMMENT - 11]}~{sha256(text.encode()).hexdigest()[:10]}"
