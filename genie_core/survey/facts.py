"""Everything that was seen, as plain values: what `--save` writes and `--from` reads.

Addresses are text ("10.244.1.10"), prefixes CIDR text ("10.244.1.0/24"), MACs lower case. Indexes are the
kernel's interface indexes within their namespace. No secret is ever put into these values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]


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
    """One address; `flags` of linux/if_addr.h in lower case: tentative, dadfailed, deprecated, ..."""

    index: int
    ip: str
    prefix: int
    scope: str = "global"
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One next hop of a route."""

    index: int = 0
    gateway: str = ""
    onlink: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route: `type` unicast, local, broadcast, blackhole, unreachable, prohibit or throw."""

    dst: str
    table: int = 254
    type: str = "unicast"
    hops: tuple[Hop, ...] = ()
    source: str = ""
    scope: str = "global"
    metric: int = 0
    mtu: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One policy routing rule (`ip rule`); `action` lookup, goto, blackhole, unreachable or prohibit."""

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
    "ip6-legacy", `ipsets` the text of `ipset save` where a rule names a set. `reason` says why something is missing.
    """

    nft: tuple[JSON, ...] | None = None
    iptables: dict[str, str] = field(default_factory=dict)
    ipsets: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Netns:
    """One network namespace. `nsids` maps this namespace's ids of others to their paths."""

    path: str = ""
    links: tuple[Link, ...] = ()
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    forwarding: tuple[Forwarding, ...] = ()
    qdiscs: tuple[Qdisc, ...] = ()
    programs: tuple[Program, ...] = ()
    sysctls: dict[str, str] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    listeners: tuple[str, ...] = ()
    firewall: Firewall = field(default_factory=Firewall)
    nsids: dict[str, str] = field(default_factory=dict)
    ipvs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Another namespace that has a link to this node: what duplicates and leftovers are looked for in."""

    path: str
    nsid: int = -1
    links: tuple[Link, ...] = ()
    addresses: tuple[Address, ...] = ()
    listeners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """One cached CNI result (libcni's cache, or Genie's own state: `planned`): no configuration, no arguments."""

    file: str
    container: str = ""
    network: str = ""
    ifname: str = ""
    netns: str = ""
    pod: str = ""
    result: JSON = field(default_factory=dict)
    planned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One host-local lease file."""

    network: str
    ip: str
    container: str
    ifname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfFile:
    """One file of the configuration directory: its size and mode, and its network without secrets."""

    path: str
    name: str = ""
    version: str = ""
    plugins: tuple[JSON, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What the node's CNI files say. A directory that cannot be read has its reason in `missing`."""

    conf_dir: str = ""
    bin_dir: str = ""
    state_dir: str = ""
    confs: tuple[ConfFile, ...] = ()
    cached: tuple[Cached, ...] = ()
    leases: tuple[Lease, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One sandbox of the container runtime; `netns` and `ips` are known of the pod's own. `created`: since 1970."""

    id: str
    pod: str
    ready: bool = True
    netns: str = ""
    ips: tuple[str, ...] = ()
    created: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the API server about the pod or its node. `message` is one line, without secrets.

    `kind` is Pod or Node, `type` Normal or Warning; `first` and `last` are the API server's times (RFC 3339).
    """

    kind: str
    name: str
    reason: str
    message: str = ""
    type: str = "Normal"
    count: int = 1
    first: str = ""
    last: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe's outcome: `kind` arp, ping, tcp, udp, mtu; `result` ok, timeout, refused, unreachable, ..."""

    kind: str
    target: str
    role: str
    result: str
    port: int = 0
    size: int = 0
    sent: int = 1
    received: int = 0
    detail: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it. `missing` maps a source's name to why it could not be read and what it would need."""

    node_name: str = ""
    namespace: str = ""
    pod_name: str = ""
    netns_path: str = ""
    time: float = 0
    node: Netns = field(default_factory=Netns)
    pod: Netns | None = None
    tenants: tuple[Tenant, ...] = ()
    pod_object: JSON = field(default_factory=dict)
    objects: tuple[JSON, ...] = ()
    files: Files = field(default_factory=Files)
    events: tuple[Event, ...] = ()
    sandboxes: tuple[Sandbox, ...] | None = None
    resolv_conf: str | None = None
    probes: tuple[Probe, ...] = ()
    kernel_counters: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
