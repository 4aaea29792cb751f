"""The packets that a pod's network has to carry: the standard set, or the one target that was asked about."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from genie_core.net.addresses import some_address, within
from genie_core.net.firewall.rules import Chain, FirewallRule
from genie_core.net.model import Attachment, Model
from genie_core.spec.addresses import host_prefix, version
from genie_core.survey.cluster import Node
from genie_core.survey.kernel import Link, Tenant

Kinds = list[tuple[str, int]]  # (protocol, port)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
OUTSIDE = {4: "1.1.1.1", 6: "2606:4700:4700::1111"}  # stands for the internet; no packet is sent there
ANY: Kinds = [("tcp", 0), ("udp", 0)]
MAX_PORTS = 8
MAX_TARGETS = 4
MAX_SERVICES = 8
MAX_REFUSED = 16
REFUSING = ("blackhole", "unreachable", "prohibit", "throw")
# kube-proxy's chains with rules that refuse: services without endpoints, and loadBalancerSourceRanges.
REFUSING_CHAINS = (
    "KUBE-SERVICES",
    "KUBE-EXTERNAL-SERVICES",
    "KUBE-NODEPORTS",
    "KUBE-PROXY-FIREWALL",
    "KUBE-FW-",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One conversation of the pod. `role` node, peer, remote, service or outside; `inbound` if the other end begins it.

    `expected` is the node's interface that traffic with the other end should use, None where any will do.
    `icmp` makes it a single message about another conversation: the words for its type and code.
    `hinted`: a refusing route or rule, or a filter that has dropped packets, names the target's prefix; nothing else
    is known to need it. `iface` is the secondary interface of the pod that the conversation is by, "" for the primary.
    """

    role: str
    target: str
    protocol: str
    port: int = 0
    name: str = ""
    inbound: bool = False
    family: int = 4
    expected: Link | None = None
    peer: tuple[Link, Tenant] | None = None
    icmp: tuple[str, ...] = ()
    hinted: bool = False
    iface: str = ""

    @property
    def general(self) -> bool:
        """Whether it stands for any traffic, not for one port."""
        return not self.port

    def __str__(self) -> str:
        way = "from" if self.inbound else "to"
        port = f" {self.protocol}/{self.port}" if self.port else f" ({self.protocol})"
        return f"{way} {self.name or self.target}{port}"


def needed_ports(model: Model) -> list[tuple[str, int]]:
    """(protocol, port) that pods are known to serve, by service endpoints and container ports."""
    ports = [(f.protocol, port) for f in model.frontends for _, port in f.endpoints]
    ports += [port for pod in model.pods for port in pod.ports]
    return list(dict.fromkeys(ports))[:MAX_PORTS]


def served_ports(model: Model) -> list[tuple[str, int]]:
    """(protocol, port) that this pod serves."""
    mine = list(model.pod_object.ports)
    ips = set(model.pod_object.ips) | {model.address(4), model.address(6)}
    mine += [(f.protocol, port) for f in model.frontends for ip, port in f.endpoints if ip in ips]
    return list(dict.fromkeys(mine))


def _kinds(ports: Kinds, family: int) -> Kinds:
    """Any TCP and UDP, then the given ports, then an echo."""
    return [*ANY, *ports, ("icmp" if family == 4 else "ipv6-icmp", 0)]


def tunnel_of(model: Model, cidr: str) -> Link | None:
    """The tunnel that a remote prefix belongs to: one that has a neighbour in it, or leads to its node.

    A tunnel of IPv4 prefixes need not carry the IPv6 ones, which many clusters route without one.
    """
    family = version(cidr)
    owner = next((n for n in model.other_nodes if cidr in n.cidrs), None)
    able = [tunnel for tunnel in model.tunnels if _carries_family(model, tunnel, family)]
    for tunnel in able:
        known = [n.ip for n in model.facts.node.neighbours if n.index == tunnel.index]
        if any(within(ip, cidr) for ip in known):
            return tunnel
        ends = [f.dst for f in model.facts.node.forwarding if f.index == tunnel.index and f.dst]
        if owner and set(ends) & {*owner.addresses, *owner.ends}:
            return tunnel
    routed = [r for r in model.node.facts.routes for h in r.hops if h.index in {t.index for t in able}]
    siblings = [r for r in routed if r.dst in model.pod_cidrs and version(r.dst) == family]
    indexes = {hop.index for route in siblings for hop in route.hops}
    alone = len(indexes) == 1 and not (owner and _leads_there(model, cidr, owner))
    return model.node.link(indexes.pop()) if alone else None


def _leads_there(model: Model, cidr: str, owner: Node) -> bool:
    """Whether a route past the tunnels leads to the prefix's node, as between nodes of one subnet (DirectRouting)."""
    way = model.node.fib.lookup(some_address(cidr))
    is_tunnel = way.hop.index in {tunnel.index for tunnel in model.tunnels}
    return way.hop.gateway in owner.addresses and not (way.refused or is_tunnel)


def _carries_family(model: Model, tunnel: Link, family: int) -> bool:
    """Whether anything on the tunnel (address, neighbour, route) is of the family, or nothing is of either."""
    facts, index = model.facts.node, tunnel.index
    inside = [a.ip for a in model.node.addresses(tunnel) if a.scope == "global"]
    inside += [n.ip for n in facts.neighbours if n.index == index]
    inside += [r.dst.split("/")[0] for r in facts.routes if any(h.index == index for h in r.hops)]
    families = {version(ip) for ip in inside if not ip.startswith(("fe80:", "ff"))}
    return family in families or not families


def remote_targets(model: Model, family: int) -> Iterator[tuple[str, str, str]]:
    """(address, name, prefix): one pod of each other node, a stand-in where no pod of it is known."""
    for node in model.other_nodes:
        for cidr in node.cidrs:
            if version(cidr) != family:
                continue
            pod = next((p for p in model.pods if any(within(ip, cidr) for ip in p.ips)), None)
            if pod is not None:
                yield next(ip for ip in pod.ips if within(ip, cidr)), pod.name, cidr
            else:
                yield some_address(cidr), f"a pod of {node.name}", cidr
        if not any(version(cidr) == family for cidr in node.cidrs):
            yield from islice(_pods_of(model, node, family), 1)


def _pods_of(model: Model, node: Node, family: int) -> Iterator[tuple[str, str, str]]:
    """(address, name, the address as a prefix) of the pods of a node."""
    for pod in model.pods:
        for ip in pod.ips if pod.node == node.name else ():
            if version(ip) == family:
                yield ip, pod.name, host_prefix(ip)


def local_peers(model: Model, attachment: Attachment, family: int) -> Iterator[tuple[str, Link, Tenant]]:
    """(address, port, namespace) of other pods on the same bridge and in the same subnet."""
    if attachment.bridge is None:
        return
    mine = [a.cidr for a in model.addresses(attachment, family)]
    for port, tenant in model.neighbours_on(attachment.bridge):
        for address in tenant.addresses:
            if (
                address.scope == "global"
                and version(address.ip) == family
                and any(within(address.ip, p) for p in mine)
            ):
                yield address.ip, port, tenant
                break


def outside_targets(model: Model, family: int) -> Iterator[tuple[str, str]]:
    """(address, name): the internet where there is a default route, and a host on each uplink's own subnet."""
    if family == 4 or model.node.defaults(family):
        yield OUTSIDE[family], "the internet"
    for link in model.uplinks:
        for own in model.node.addresses(link, family):
            network = ipaddress.ip_network(own.cidr, strict=False)
            host = next(
                (h for h in _some(network) if str(h) != own.ip and not model.in_cluster(str(h))), None
            )
            if host is not None:
                yield str(host), f"a host on {link.name}"


def refusing_targets(model: Model, family: int) -> Iterator[tuple[str, str]]:
    """(address, prefix): an address of each prefix that a route or rule of the node or the pod refuses.

    Without prefixes of the cluster: their unused addresses are refused on purpose, and the used ones are traced anyway.
    """
    prefixes = [
        r.dst for stack in (model.node, model.pod) if stack for r in stack.facts.routes if r.type in REFUSING
    ]
    prefixes += [
        r.dst for stack in (model.node, model.pod) if stack for r in stack.facts.rules if r.action in REFUSING
    ]
    wanted = dict.fromkeys(p for p in prefixes if p and version(p) == family)
    networks = ((ipaddress.ip_network(prefix, strict=False), prefix) for prefix in wanted)
    is_beyond = _beyond(model)
    yield from ((_host(network), prefix) for network, prefix in networks if is_beyond(network))


def filtered_targets(model: Model, family: int) -> Iterator[tuple[str, str, str, int]]:
    """(address, prefix, protocol, port) of the traffic with one prefix of which a rule has dropped packets.

    A rule without hits may be a precaution, and a chain of many such rules is a block list. Without prefixes of the
    cluster, as `refusing_targets`.
    """
    is_beyond = _beyond(model)
    for chain in _chains(model):
        named = [(rule, network) for rule in _hit(chain) for network in _named(chain, rule)]
        for rule, network in named if len(named) <= MAX_TARGETS else ():
            if network.version == family and is_beyond(network):
                prefix = str(network) if network.num_addresses > 1 else str(network.network_address)
                yield from ((_host(network), prefix, *kind) for kind in _kinds_of(rule, family))


def _chains(model: Model) -> list[Chain]:
    """Those of the node, then those of the pod."""
    return [chain for stack in (model.node, model.pod) if stack for chain in stack.rules.chains]


def is_kube_proxys(chain: Chain) -> bool:
    """Whether kube-proxy made the chain and refuses packets in it: it restores what is deleted there."""
    return chain.table == "kube-proxy" or chain.name.startswith(REFUSING_CHAINS)


def _hit(chain: Chain) -> list[FirewallRule]:
    """The rules that have dropped packets, without kube-proxy's own."""
    rules = () if is_kube_proxys(chain) else chain.rules
    return [rule for rule in rules if rule.packets and rule.action.kind in ("drop", "reject")]


def _named(chain: Chain, rule: FirewallRule) -> Iterator[Network]:
    """The prefixes of a rule that is for one source or target; the first prefix of a range."""
    six = chain.family == "ip6" or any(m.name == "family" and "6" in m.values for m in rule.matches)
    for match in rule.matches:
        span = match.values[0] if match.name in ("source", "target") and len(match.values) == 1 else ""
        if not isinstance(span, str) and not match.invert:
            if six or span[1] >> 32:
                first, last = ipaddress.IPv6Address(span[0]), ipaddress.IPv6Address(span[1])
                yield next(ipaddress.summarize_address_range(first, last))
            else:
                low, high = ipaddress.IPv4Address(span[0]), ipaddress.IPv4Address(span[1])
                yield next(ipaddress.summarize_address_range(low, high))


def _beyond(model: Model) -> Callable[[Network], bool]:
    """A test whether a prefix is for hosts outside the cluster, and not for all of them."""
    pods = [ipaddress.ip_network(cidr, strict=False) for cidr in model.pod_cidrs]
    services = [ipaddress.ip_address(f.ip) for f in model.frontends]

    def is_beyond(network: Network) -> bool:
        base = network.network_address
        special = base.is_loopback or base.is_multicast or base.is_link_local or base.is_reserved
        if special or not network.prefixlen or any(ip in network for ip in services):
            return False
        return not any(p.version == network.version and p.overlaps(network) for p in pods)

    return is_beyond


def _host(network: Network) -> str:
    return str(network.network_address + (network.num_addresses > 2))


def _some(network: Network) -> Iterator[object]:
    for number, host in enumerate(network.hosts()):
        if number == MAX_TARGETS:
            return
        yield host


def _both_ways(out: Kinds, into: Kinds, **members: Any) -> Iterator[Flow]:
    """The conversations that the pod begins, then those that the other end begins."""
    for kinds, inbound in ((out, False), (into, True)):
        for protocol, port in kinds:
            yield Flow(protocol=protocol, port=port, inbound=inbound, **members)


def standard(model: Model, ports: Kinds) -> list[Flow]:
    """The standard set of conversations, for each family of the primary interface; `ports` adds rules' own."""
    found: list[Flow] = []
    primary = model.primary
    if primary is None:
        return found
    wanted, served = needed_ports(model), served_ports(model)[:MAX_PORTS]
    for family in model.families:
        out = _kinds(list(dict.fromkeys([*wanted, *ports])), family)
        into = _kinds(list(dict.fromkeys([*served, *ports])), family)
        found += _with_node(model, family, into)
        for address, port, tenant in list(local_peers(model, primary, family))[:MAX_TARGETS]:
            title = model.title_of(tenant)
            found += _both_ways(
                out, into, role="peer", target=address, name=title, family=family, peer=(port, tenant)
            )
        for address, title, cidr in list(remote_targets(model, family))[:MAX_TARGETS]:
            tunnel = tunnel_of(model, cidr)
            found += _both_ways(
                out, into, role="remote", target=address, name=title, family=family, expected=tunnel
            )
        found += [
            Flow(role="service", target=f.ip, protocol=f.protocol, port=f.port, name=f.service, family=family)
            for f in model.frontends[:MAX_SERVICES]
            if version(f.ip) == family
        ]
        for address, title in list(outside_targets(model, family))[:MAX_TARGETS]:
            found += [
                Flow(role="outside", target=address, protocol=p, port=n, name=title, family=family)
                for p, n in _kinds([("tcp", 443)], family)
            ]
        found += [
            Flow(role="outside", target=address, protocol="tcp", name=prefix, family=family, hinted=True)
            for address, prefix in islice(refusing_targets(model, family), MAX_REFUSED)
        ]
        found += [
            Flow(role="outside", target=address, protocol=p, port=n, name=prefix, family=family, hinted=True)
            for address, prefix, p, n in islice(filtered_targets(model, family), MAX_REFUSED)
        ]
    return found


def _with_node(model: Model, family: int, into: Kinds) -> list[Flow]:
    """The pod to its node, also to ports of which a rule has dropped packets, and kubelet's probes to the pod."""
    primary = model.primary
    own = [a.ip for link in model.uplinks for a in model.node.addresses(link, family)]
    entry = primary.entry if primary else None
    gateway = [a.ip for a in model.node.addresses(entry, family)] if entry else []
    icmp = "icmp" if family == 4 else "ipv6-icmp"
    refused = [kind for chain in _chains(model) for rule in _hit(chain) for kind in _ports_of(rule)]
    found = [
        Flow(role="node", target=ip, protocol=p, port=n, name="the node", family=family)
        for ip in dict.fromkeys([*gateway[:1], *own[:1]])
        for p, n in (("tcp", 0), *list(dict.fromkeys(refused))[:MAX_PORTS], (icmp, 0))
    ]
    source = (gateway or own or [""])[0]
    if source:
        found += [
            Flow(role="node", target=source, protocol=p, port=n, name="the node", inbound=True, family=family)
            for p, n in into
        ]
    return found


def mentioned_ports(model: Model) -> list[tuple[str, int]]:
    """Ports that dropping rules and policy rules name: flows to them are walked too, so that such a rule is met."""
    found: list[tuple[str, int]] = []
    for stack in (model.node, model.pod):
        for chain in stack.rules.chains if stack else ():
            for rule in chain.rules:
                if rule.action.kind in ("drop", "reject", "jump", "goto"):
                    found += _ports_of(rule)
        for way in stack.facts.rules if stack else ():
            protocols = (way.protocol,) if way.protocol else ("tcp", "udp")
            found += [(protocol, way.dport[0]) for protocol in protocols if way.dport[0]]
    return list(dict.fromkeys(found))[:12]


def _ports_of(rule: FirewallRule) -> list[tuple[str, int]]:
    protocols = [p for p in _protocols(rule) if p in ("tcp", "udp")] or ["tcp", "udp"]
    spans = [v for m in rule.matches if m.name in ("dport", "ports") and not m.invert for v in m.values]
    return [(p, s[0]) for p in protocols for s in spans if not isinstance(s, str)]


def _kinds_of(rule: FirewallRule, family: int) -> Kinds:
    """The traffic that a rule is for."""
    named = _protocols(rule)
    return _ports_of(rule) or [kind for kind in _kinds([], family) if not named or kind[0] in named]


def _protocols(rule: FirewallRule) -> list[str]:
    return [str(v) for m in rule.matches if m.name == "protocol" and not m.invert for v in m.values]
