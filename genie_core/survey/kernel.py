"""The kernel's state of a network namespace, as plain values: interfaces, addresses, routes, rules, ...

Addresses are text ("10.244.1.10"), prefixes CIDR text ("10.244.1.0/24"), MACs lower case. Indexes are the kernel's
interface indexes within their namespace.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_interface

from genie_core.published import JSON
from genie_core.routes import MAIN_TABLE
from genie_core.spec.addresses import host_prefix

EVERYTHING = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An interface's side of being a bridge port (IFLA_BRPORT_*); `state` as in linux/if_bridge.h, 3 forwards."""

    state: int = 3
    hairpin: bool = False
    isolated: bool = False
    learning: bool = True
    flood: bool = True
    broadcast: bool = True
    multicast: bool = True
    guard: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One interface. `peer` is the index that IFLA_LINK names, in namespace `peer_nsid` (None: this one).

    `xdp` is the number of its XDP program, 0 without one.
    """

    index: int
    name: str
    kind: str = ""
    up: bool = False
    carrier: bool = False
    mac: str = ""
    mtu: int = 0
    arp: bool = True
    master: int = 0
    peer: int = 0
    peer_nsid: int | None = None
    data: JSON = field(default_factory=dict, hash=False)
    port: Port | None = None
    xdp: int = 0
    rx: int = 0
    tx: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address; `flags` of linux/if_addr.h in lower case: tentative, dadfailed, deprecated, ...

    `valid` is the number of seconds for which it is, 0 for ever; `advertised`: made from a router's advertisement.
    """

    index: int
    ip: str
    prefix: int
    scope: str = "global"
    flags: tuple[str, ...] = ()
    valid: int = 0
    advertised: bool = False

    @property
    def cidr(self) -> str:
        """`10.244.1.10/24`."""
        return f"{self.ip}/{self.prefix}"

    @property
    def is_single(self) -> bool:
        """Whether it is one host's address, without a subnet on its link."""
        return self.cidr == host_prefix(self.ip)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One next hop of a route."""

    index: int = 0
    gateway: str = ""
    onlink: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route: `type` unicast, local, broadcast, blackhole, unreachable, prohibit or throw.

    `advertised`: by a router (RTPROT_RA). `preference` is that of RFC 4191, -1 low, 0 medium, 1 high.
    """

    dst: str
    table: int = MAIN_TABLE
    type: str = "unicast"
    hops: tuple[Hop, ...] = ()
    source: str = ""
    scope: str = "global"
    metric: int = 0
    mtu: int = 0
    advertised: bool = False
    preference: int = 0


def _ports(span: tuple[int, int]) -> str:
    return "" if not span[0] else str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRule:
    """One policy routing rule (`ip rule`); `action` lookup, goto, blackhole, unreachable or prohibit.

    `protocol` is tcp, udp, ... or a number as text, `sport` and `dport` (first, last) port. `goto` is the priority of
    the rule that follows. `narrow` rules have a condition that is not evaluated: the sender's user, a class of service.
    """

    family: int
    priority: int
    table: int = 0
    action: str = "lookup"
    src: str = ""
    dst: str = ""
    iif: str = ""
    oif: str = ""
    mark: int = 0
    mask: int = 0
    invert: bool = False
    suppress: int = -1
    narrow: bool = False
    goto: int = 0
    protocol: str = ""
    sport: tuple[int, int] = (0, 0)
    dport: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        """Its selector and action, as `ip rule` prints them."""
        mask = f"/{self.mask:#x}" if self.mask not in (0, 0xFFFFFFFF) else ""
        parts = (
            ("not", self.invert and " "),
            ("from", self.src or "all"),
            ("to", self.dst),
            ("fwmark", self.mark and f"{self.mark:#x}{mask}"),
            ("iif", self.iif),
            ("oif", self.oif),
            ("ipproto", self.protocol),
            ("sport", _ports(self.sport)),
            ("dport", _ports(self.dport)),
            (self.action, {"lookup": self.table, "goto": self.goto}.get(self.action, " ")),
            ("suppress_prefixlength", str(self.suppress) if self.suppress >= 0 else ""),
        )
        return " ".join(f"{word} {value}".strip() for word, value in parts if value)

    @property
    def named(self) -> list[str]:
        """The words that name it to `ip rule del`: several rules may have one priority."""
        return ["priority", str(self.priority), *str(self).split()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """One neighbour entry; `state` lower case: reachable, stale, permanent, failed, ..."""

    index: int
    ip: str
    mac: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """One FDB entry: on a bridge port, or of a tunnel with its remote end `dst`."""

    index: int
    mac: str
    dst: str = ""
    permanent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Qdisc:
    """One queueing discipline; `options` as far as the kernel's netlink text gives them."""

    index: int
    kind: str
    dropped: int = 0
    options: JSON = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What sees an interface's packets ahead of netfilter: `hook` xdp, ingress, egress, tcx ingress or tcx egress.

    `kind` is that of the tc filter: bpf, flower, u32, matchall, ...
    """

    index: int
    hook: str
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """Rules as their tools print them.

    `nft` is what `nft -j list ruleset` gives, `iptables` the iptables-save text by "ip", "ip6", "ip-legacy",
    "ip6-legacy", `ipsets` the text of `ipset save` where a rule names a set. `queues` are the queues of NFQUEUE that a
    program reads, None where that is not known. `reason` says why something is missing.
    """

    nft: tuple[JSON, ...] | None = None
    iptables: dict[str, str] = field(default_factory=dict)
    ipsets: str = ""
    queues: tuple[int, ...] | None = None
    reason: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all rules were read: nft lists those of every tool, but only the names of iptables' extensions."""
        if self.nft is None or "legacy" in self.reason or "ipset" in self.reason:
            return not self.reason
        rules = (item["rule"].get("expr") or () for item in self.nft if "rule" in item)
        return not self.reason or not any("xt" in expression for rule in rules for expression in rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """One entry of connection tracking: a flow as it comes, and the ends that its replies have."""

    protocol: str
    source: str
    target: str
    reply_source: str
    reply_target: str
    port: int = 0
    reply_port: int = 0
    source_port: int = 0
    assured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The source ports that translations to `source` take for one `target` (`10.0.0.1:80`): how many, and the first."""

    protocol: str
    target: str
    source: str
    count: int
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Netns:
    """One network namespace. `nsids` maps this namespace's ids of others to their paths.

    `hung` are the listeners that accept nothing, `used_ports` counts a pod's connections by their target (`sockets`).
    """

    path: str = ""
    links: tuple[Link, ...] = ()
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[RoutingRule, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    forwarding: tuple[Forwarding, ...] = ()
    qdiscs: tuple[Qdisc, ...] = ()
    programs: tuple[Program, ...] = ()
    sysctls: dict[str, str] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    listeners: tuple[str, ...] = ()
    hung: tuple[str, ...] = ()
    used_ports: tuple[tuple[str, int], ...] = ()
    firewall: Firewall = field(default_factory=Firewall)
    nsids: dict[str, str] = field(default_factory=dict)
    ipvs: str = ""
    tracked: tuple[Tracked, ...] = ()
    taken: tuple[Taken, ...] = ()

    def link(self, name: str) -> Link | None:
        """The interface of that name."""
        return next((link for link in self.links if link.name == name), None)

    def name_of(self, index: int) -> str:
        """The name of an interface, "" where there is none."""
        return next((link.name for link in self.links if link.index == index), "")

    def prefixes_of(self, link: Link) -> list[str]:
        """An interface's addresses with their prefix lengths: 10.0.0.1/24."""
        return [one.cidr for one in self.addresses if one.index == link.index]

    @property
    def main_routes(self) -> list[Route]:
        """The routes of the main table."""
        return [route for route in self.routes if route.table == MAIN_TABLE]

    @property
    def default_link(self) -> Link | None:
        """The interface of the default route of least metric, IPv4 before IPv6 (conformance X35)."""
        found = [route for route in self.main_routes if route.dst in EVERYTHING and route.hops]
        best = min(found, key=lambda route: (":" in route.dst, route.metric), default=None)
        return next((link for link in self.links if best and link.index == best.hops[0].index), None)

    @property
    def subnets(self) -> dict[str, str]:
        """Every subnet in use, with what uses it: a route of the main table or an interface's address."""
        used = {}
        for route in self.main_routes:
            if route.dst not in EVERYTHING and not route.dst.lower().startswith(("fe80:", "ff")):
                device = self.name_of(route.hops[0].index) if route.hops else ""
                used[route.dst] = f"route via {device or 'nothing'}"
        for link in self.links:
            for address in self.prefixes_of(link):
                network = ip_interface(address).network
                if not network.is_link_local and not network.is_loopback:
                    used[str(network)] = f"address {address} of {link.name}"
        return used


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Another namespace that has a link to this node: what duplicates and leftovers are looked for in."""

    path: str
    nsid: int = -1
    links: tuple[Link, ...] = ()
    addresses: tuple[Address, ...] = ()
    listeners: tuple[str, ...] = ()
    hung: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A named network namespace; `processes` is None where this user may not see them. `age` in seconds."""

    path: str
    processes: int | None = None
    age: float = 0
