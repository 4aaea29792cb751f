"""Which probes to send for a pod: a few, chosen from the model."""

from __future__ import annotations

from genie_core.checks.overlay import next_hop, port_of, remotes
from genie_core.checks.resolv_conf import address_of, nameservers
from genie_core.checks.routes import real_defaults
from genie_core.net.addresses import some_address, within
from genie_core.net.case import Case
from genie_core.net.flows import local_peers, remote_targets, tunnel_of
from genie_core.net.model import Attachment
from genie_core.spec.addresses import version
from genie_core.survey.probe import Ask

MAX_SERVICES, MAX_SERVERS = 3, 2
MAX_HOPS = 3
REFUSED_PORT = 7  # echo: nothing serves it, so that a reachable host refuses


def standard(case: Case) -> list[Ask]:
    """The standard set: gateway, node, a pod here, a pod elsewhere, services, the pod's name servers."""
    primary = case.primary
    if primary is None or case.pod is None or not primary.link.up:
        return []
    netns = case.facts.netns_path
    asks = _knocks(case)
    asks += [ask for attachment in case.attachments for ask in _own(case, attachment, netns)]
    asks += [ask for attachment in case.attachments for ask in _hops(case, attachment, netns)]
    routers = _routers(case)
    asked = {ask.target for ask in routers}
    asks += [*routers, *(ask for ask in _other_nodes(case) if ask.target not in asked)]
    for family in case.families:
        asks += _gateway(case, primary, family, netns)
        asks += [Ask(kind="ping", target=ip, role="node", netns=netns) for ip in _node_address(case, family)]
        asks += [
            Ask(kind="ping", target=ip, role="peer", netns=netns)
            for ip, _, _ in list(local_peers(case, primary, family))[:1]
        ]
        for ip, _, cidr in list(remote_targets(case, family))[:2]:
            known = any(ip in pod.ips for pod in case.pods)
            if known:
                asks.append(Ask(kind="ping", target=ip, role="remote", count=3, netns=netns))
                asks.append(Ask(kind="tcp", target=ip, port=_port_of(case, ip), role="remote", netns=netns))
                asks += _large(case, ip, netns)
            asks += _tunnel(case, ip if known else "", cidr)
            asks += [
                Ask(kind="ping", target=x, role=f"underlay {cidr}")
                for n in case.other_nodes
                if cidr in n.cidrs
                for x in n.addresses[:1]
            ]
    asks += _services(case, netns)
    return [ask for ask in asks if ask.target]


def _own(case: Case, attachment: Attachment, netns: str) -> list[Ask]:
    link = attachment.link
    if not link.up or not link.arp or not link.mac or link.kind == "ipvlan":
        return []
    return [
        Ask(kind="arp", target=a.ip, role="own", interface=link.name, mac=link.mac, netns=netns)
        for a in case.addresses(attachment, 4)[:1]
    ]


def _hops(case: Case, attachment: Attachment, netns: str) -> list[Ask]:
    """ARP for the next hops of a secondary interface, and for the pinned neighbours of any interface."""
    link, pod = attachment.link, case.pod
    if pod is None or not link.up or not link.arp or not link.mac or link.kind == "ipvlan":
        return []
    wanted = [n.ip for n in pod.facts.neighbours if n.index == link.index and n.state == "permanent"]
    if attachment is not case.primary:
        wanted += [h.gateway for r in pod.facts.routes for h in r.hops if h.index == link.index and h.gateway]
    own = case.address(4) if attachment is case.primary else next(iter(_first(case, attachment)), "")
    return [
        Ask(
            kind="arp", target=ip, role="next hop", interface=link.name, mac=link.mac, source=own, netns=netns
        )
        for ip in list(dict.fromkeys(ip for ip in wanted if version(ip) == 4))[:MAX_HOPS]
    ]


def _first(case: Case, attachment: Attachment) -> list[str]:
    return [a.ip for a in case.addresses(attachment, 4)[:1]]


def _other_nodes(case: Case) -> list[Ask]:
    """ARP for other nodes, and for the next hops to their pods, on this node's links."""
    asks = []
    own = [ip for node in case.other_nodes for ip in node.addresses if version(ip) == 4]
    hops = [
        case.node.fib.lookup(some_address(c)).hop.gateway
        for node in case.other_nodes
        for c in node.cidrs
        if version(c) == 4 and tunnel_of(case, c) is None
    ]
    for ip in dict.fromkeys(ip for ip in (*hops, *own) if ip):
        way = case.node.fib.lookup(ip)
        link = case.node.link(way.hop.index)
        if way.refused or way.hop.gateway or link is None or not (link.up and link.arp and link.mac):
            continue
        source = next(iter(a.ip for a in case.node.addresses(link, 4)), "")
        asks.append(
            Ask(kind="arp", target=ip, role="other node", interface=link.name, mac=link.mac, source=source)
        )
    return asks[:MAX_HOPS]


def _routers(case: Case) -> list[Ask]:
    """ARP, or NDP, for each next hop of the node's best default routes."""
    asks = []
    for family in (4, 6):
        for hop in [h for r in case.node.defaults(family)[:1] for h in r.hops if h.gateway][:MAX_HOPS]:
            link = case.node.link(hop.index)
            if link is None or not (link.up and link.carrier and link.arp and link.mac):
                continue
            source = next((a.ip for a in case.node.addresses(link, family)), "")
            asks.append(
                Ask(
                    kind="arp" if family == 4 else "ndp", target=hop.gateway, role="default route",
                    interface=link.name, mac=link.mac, source=source,
                )
            )  # fmt: skip
    return asks


def _gateway(case: Case, primary: Attachment, family: int, netns: str) -> list[Ask]:
    gateway = next((g for attachment, g in real_defaults(case, family) if attachment is primary and g), "")
    if not gateway or family == 6:
        return []
    # Proxy ARP answers only a sender with an address.
    source = case.address(4) if primary.kind == "routed" else ""
    return [
        Ask(
            kind="arp",
            target=gateway,
            role="gateway",
            interface=primary.link.name,
            mac=primary.link.mac,
            source=source,
            netns=netns,
        )
    ]


def _node_address(case: Case, family: int) -> list[str]:
    return [a.ip for link in case.uplinks for a in case.node.addresses(link, family)][:1]


def _large(case: Case, ip: str, netns: str) -> list[Ask]:
    assert case.primary is not None
    header = 48 if version(ip) == 6 else 28
    mtu = min([case.primary.link.mtu, *(t.mtu for t in case.tunnels if t.up)])
    return [Ask(kind="ping", target=ip, role="large", size=mtu - header, count=2, netns=netns)]


def _tunnel(case: Case, pod: str, cidr: str) -> list[Ask]:
    """From the node through the tunnel, to its remote end and to a pod there."""
    remote = next((r for r in remotes(case) if r.cidr == cidr), None)
    if remote is None or not remote.tunnel.up:
        return []
    hop = next_hop(case, remote)
    role = f"through {remote.tunnel.name} {cidr}"
    asks = [
        Ask(kind="ping", target=ip, role=role, count=2)
        for ip in dict.fromkeys((hop, pod))
        if ip and within(ip, cidr)
    ]
    # Where echoes are dropped, a connection or its refusal shows that packets return.
    return [*asks, Ask(kind="tcp", target=pod, port=_port_of(case, pod), role=role)] if pod else asks


def _knocks(case: Case) -> list[Ask]:
    """At the other ends of the tunnels, where a port that refuses has no listener; before other packets are refused."""
    asks = []
    for remote in remotes(case)[:MAX_HOPS]:
        port, end = port_of(remote.tunnel), remote.end
        if port and end and remote.tunnel.up:
            asks.append(Ask(kind="knock", target=end, port=port, role=f"port {remote.cidr}", count=3))
    return asks


def _port_of(case: Case, ip: str) -> int:
    """A TCP port on which a pod is known to listen, else one that a reachable host refuses."""
    served = [n for pod in case.pods if ip in pod.ips for protocol, n in pod.ports if protocol == "tcp"]
    served += [
        n for f in case.frontends if f.protocol == "tcp" for address, n in f.endpoints if address == ip
    ]
    return served[0] if served else REFUSED_PORT


def _services(case: Case, netns: str) -> list[Ask]:
    fronts = [f for f in case.frontends if f.endpoints and version(f.ip) in case.families]
    asks = [
        Ask(kind="tcp", target=f.ip, port=f.port, role="service", netns=netns)
        for f in fronts
        if f.protocol == "tcp"
    ]
    asks = asks[:MAX_SERVICES]
    asks += [
        Ask(kind="udp", target=f.ip, port=53, role="dns", netns=netns)
        for f in fronts
        if f.protocol == "udp" and f.port == 53
    ][:1]
    known = {ask.target for ask in asks if ask.role == "dns"}
    asks += [
        Ask(kind="udp", target=server, port=53, role="dns", netns=netns)
        for server in nameservers(case.facts.resolv_conf or "")[:MAX_SERVERS]
        if server not in known
        and address_of(server)
        and version(server) in case.families
        and not server.startswith("127.")
    ]
    return asks
