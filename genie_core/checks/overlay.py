"""Tunnels to other nodes' pods: the devices, their routes, neighbour entries and forwarding (FDB) entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from genie_core.checks.check import check
from genie_core.checks.parts import fix, on_node, seen, some, subject, the_interface
from genie_core.findings import Code, Command, Confidence, Effect, Finding, Severity
from genie_core.net.addresses import some_address, within
from genie_core.net.case import Case
from genie_core.net.fib import DEFAULT, LOCAL, MAIN
from genie_core.net.flows import tunnel_of
from genie_core.spec.addresses import version
from genie_core.survey.cluster import Node
from genie_core.survey.kernel import Link, Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A prefix of pods on another node, and the tunnel that should carry their packets."""

    node: Node
    cidr: str
    tunnel: Link

    @property
    def title(self) -> str:
        return f"{self.node.name}'s pods {self.cidr}"

    @property
    def end(self) -> str:
        """The other node's address at which its end of the tunnel is, "" where it is not known."""
        outer = 6 if self.tunnel.data.get("vxlan_local6") else 4
        return next((ip for ip in (*self.node.ends, *self.node.addresses) if version(ip) == outer), "")

    @property
    def announced(self) -> str:
        """The MAC that flannel announces for that end, "" for none."""
        tunnel = self.node.tunnel6 if version(self.cidr) == 6 else self.node.tunnel
        return str(tunnel.get("VtepMAC", "")).lower()


def remotes(case: Case) -> list[Remote]:
    """Every remote prefix that a tunnel should carry.

    Where nodes are unknown or have none (a plugin with address management of its own), those of the tunnels' routes.
    """
    found = []
    for node in case.other_nodes:
        for cidr in node.cidrs:
            tunnel = tunnel_of(case, cidr)
            if tunnel is not None:
                found.append(Remote(node=node, cidr=cidr, tunnel=tunnel))
    if not any(node.cidrs for node in case.other_nodes):
        for route in case.facts.node.routes:
            tunnel = next((t for t in case.tunnels for h in route.hops if h.index == t.index), None)
            if tunnel is not None and route.table == MAIN and _is_pods(case, route):
                behind = _node_behind(case, tunnel, route.hops[0].gateway)
                behind = behind or Node(name="another node", cidrs=(route.dst,))
                found.append(Remote(node=behind, cidr=route.dst, tunnel=tunnel))
    return found


def _is_pods(case: Case, route: Route) -> bool:
    """Whether a route with a next hop is for pods, as far as their prefixes are known."""
    inside = any(within(route.dst.split("/")[0], cidr) for cidr in case.pod_cidrs)
    return bool(route.hops[0].gateway) and (inside or not case.other_nodes)


def _node_behind(case: Case, tunnel: Link, hop: str) -> Node | None:
    """The node to which a tunnel sends what has this next hop: by its forwarding entry, else the hop itself."""
    neighbour = case.node.neighbour(tunnel.index, hop)
    ends = {f.dst for f in case.facts.node.forwarding if neighbour and f.mac == neighbour.mac and f.dst} | {
        hop
    }
    return next((node for node in case.other_nodes if ends & {*node.addresses, *node.ends}), None)


def _route(case: Case, cidr: str) -> Route | None:
    return next((r for r in case.node.fib.table(version(cidr), MAIN) if r.dst == cidr), None)


def next_hop(case: Case, remote: Remote) -> str:
    """The tunnel's next hop for a remote prefix: its route's, else a neighbour in it, else its first address."""
    route = _route(case, remote.cidr)
    if route and route.hops and route.hops[0].gateway and route.hops[0].index == remote.tunnel.index:
        return route.hops[0].gateway
    inside = [
        n.ip
        for n in case.facts.node.neighbours
        if n.index == remote.tunnel.index and within(n.ip, remote.cidr)
    ]
    return inside[0] if inside else remote.cidr.split("/")[0]


def restore_route(case: Case, cidr: str, tunnel: str) -> tuple[Command, ...]:
    """The command that routes a remote prefix into its tunnel; () where it is no remote prefix."""
    for remote in remotes(case):
        if remote.cidr == cidr and remote.tunnel.name == tunnel:
            return (on_node(*_replace(case, remote)),)
    return ()


def _replace(case: Case, remote: Remote) -> list[str]:
    argv = ["ip", *(["-6"] if version(remote.cidr) == 6 else []), "route", "replace", remote.cidr]
    if remote.tunnel.kind in ("vxlan", "geneve", "ipip"):
        return [*argv, "via", next_hop(case, remote), "dev", remote.tunnel.name, "onlink"]
    return [*argv, "dev", remote.tunnel.name]


def vtep(case: Case, remote: Remote) -> tuple[str, str]:
    """(MAC, underlay address) of the remote tunnel end, "" for what is not known."""
    address = remote.end
    neighbour = case.node.neighbour(remote.tunnel.index, next_hop(case, remote))
    mac = remote.announced or (neighbour.mac if neighbour else "")
    if not mac:
        entries = [
            f for f in case.facts.node.forwarding if f.index == remote.tunnel.index and f.dst == address
        ]
        mac = entries[0].mac if entries else ""
    return mac, address


GN0706 = Code("GN0706", "the tunnel is down",
    cause="the kernel deleted its routes and neighbour entries",
    confirm="ip -d link show flannel.1", fix="set it up, restart the agent", breaks=(Effect.PACKETS,))  # fmt: skip


@check("tunnel-up", GN0706, title="tunnels to other nodes are up", needs=("node",))
def tunnel_up(case: Case) -> Iterator[Finding]:
    for tunnel in case.tunnels:
        if tunnel.up or not carries(case, tunnel):
            yield from _held_down(case, tunnel)
            continue
        mine = [r for r in remotes(case) if r.tunnel.index == tunnel.index]
        commands = [on_node("ip", "link", "set", tunnel.name, "up")]
        for remote in mine:
            commands += restore(case, remote)
        apart = not mine and _is_apart(case, tunnel)
        lost = ", ".join(r.title for r in mine) or ("what is behind it" if apart else "pods of other nodes")
        yield GN0706.found(
            Severity.WARNING if apart else Severity.ERROR,
            f"tunnel {tunnel.name} is DOWN, its routes and neighbours are flushed: {lost} cannot be reached",
            the_interface(tunnel.name),
            seen("netlink", f"{tunnel.name}: flags without UP", f"ip -d link show {tunnel.name}"),
            remedy=fix(
                f"set {tunnel.name} up and restart its agent (flanneld), which restores the rest", *commands
            ),
        )


def _held_down(case: Case, tunnel: Link) -> Iterator[Finding]:
    """GN0706: a VXLAN device is without carrier only where `protodown` is set, as FRR does (EVPN multihoming, VRRP)."""
    if tunnel.kind != "vxlan" or tunnel.carrier or not tunnel.up or not carries(case, tunnel):
        return
    lost = some(r.title for r in remotes(case) if r.tunnel.index == tunnel.index) or "what is behind it"
    yield GN0706.error(
        f"tunnel {tunnel.name} is UP but held down (protodown), so it has no carrier: {lost} cannot be reached",
        the_interface(tunnel.name),
        seen("netlink", f"{tunnel.name}: NO-CARRIER", f"ip -d link show {tunnel.name}"),
        remedy=fix(
            "release it, and find out what set it (FRR's zebra, ip link set ... protodown on)",
            on_node("ip", "link", "set", tunnel.name, "protodown", "off"),
        ),
    )


def _is_apart(case: Case, tunnel: Link) -> bool:
    """Whether it has a subnet of its own outside the pods' prefixes, as an administrator's tunnel to another site.

    That of a pods' network has an address among those of pods, without a subnet (Calico, flannel), or none.
    """
    own = [a for a in case.node.addresses(tunnel) if a.scope == "global"]
    shared = any(a.is_single or case.in_cluster(a.ip) for a in own)
    return bool(own and case.other_nodes and not shared)


def port_of(tunnel: Link) -> int:
    """The UDP port of a tunnel, 0 for a tunnel without one."""
    return int(tunnel.data.get("vxlan_port") or tunnel.data.get("geneve_port") or 0)


def outer_name(tunnel: Link) -> str:
    """`udp/8472`, or the kind of a tunnel without ports: what a filter has to let pass between the nodes."""
    port = port_of(tunnel)
    return f"udp/{port}" if port else tunnel.kind


def carries(case: Case, tunnel: Link) -> bool:
    """Whether it is used; a device such as tunl0 or sit0, which its kernel module makes, may not be."""
    used = any(h.index == tunnel.index for r in case.facts.node.routes for h in r.hops)
    peers = any(f.index == tunnel.index and f.dst for f in case.facts.node.forwarding)
    return used or peers or bool(case.node.addresses(tunnel))


def restore(case: Case, remote: Remote) -> list[Command]:
    """Route, neighbour and forwarding entry of a remote prefix, as far as they are known."""
    mac, address = vtep(case, remote)
    commands = [on_node(*_replace(case, remote))]
    if remote.tunnel.kind == "vxlan" and mac:
        name = remote.tunnel.name
        commands.append(resolve(next_hop(case, remote), mac, name))
        entries = [f for f in case.facts.node.forwarding if f.dst and f.index == remote.tunnel.index]
        if address and not any(f.mac == mac for f in entries):
            commands.append(forward(mac, name, address))
    return commands


def resolve(hop: str, mac: str, tunnel: str) -> Command:
    """A tunnel's neighbour entry: the MAC of a next hop."""
    return on_node("ip", "neigh", "replace", hop, "lladdr", mac, "dev", tunnel, "nud", "permanent")


def forward(mac: str, tunnel: str, end: str) -> Command:
    """A tunnel's forwarding entry: the node that a MAC is on."""
    return on_node("bridge", "fdb", "append", mac, "dev", tunnel, "dst", end)


GN0701 = Code("GN0701", "no route to another node's pods",
    cause="the overlay's agent has not added it, or it was deleted",
    confirm="ip route get REMOTE-POD", fix="restart the agent; add the route",
    explained_by=("GN0706", "GN0504"), breaks=(Effect.PACKETS,))  # fmt: skip
GN0702 = Code("GN0702", "the route to another node's pods bypasses the tunnel",
    cause="the network between the nodes does not route pod addresses",
    confirm="ip route show CIDR", fix="route into the tunnel", breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "remote-routes",
    GN0701,
    GN0702,
    title="other nodes' pods are routed into their tunnel",
    needs=("node", "objects: Node"),
)
def remote_routes(case: Case) -> Iterator[Finding]:
    for remote in remotes(case):
        if not remote.tunnel.up:
            continue
        address = some_address(remote.cidr)
        way = case.node.fib.lookup(address)
        if way.rule is not None and way.rule.table not in (MAIN, LOCAL, DEFAULT):
            continue
        if way.hop.index == remote.tunnel.index:
            yield from _shared(case, remote, way.route)
            continue
        specific = way.route is not None and within(way.route.dst.split("/")[0], remote.cidr)
        if specific and not way.refused:
            yield from _bypass(case, remote, way.route, case.node.name(way.hop.index))
        elif not way.refused or way.type == "none":
            falls = f"falls to {case.node.name(way.hop.index)}" if way.hop.index else "is unreachable"
            yield GN0701.error(
                f"no route for {remote.title} via {remote.tunnel.name}: it {falls}",
                subject("route", remote.cidr, remote.tunnel.name),
                seen("netlink", f"{address} {falls}", f"ip route get {address}"),
                seen("objects", f"{remote.node.name}: podCIDR {remote.cidr}"),
                remedy=fix("add the route again; restart the overlay's agent", *restore(case, remote)[:1]),
            )


def _shared(case: Case, remote: Remote, route: Route | None) -> Iterator[Finding]:
    """GN0702: another of the route's next hops leads past all tunnels; the kernel chooses one for each conversation."""
    tunnels = {tunnel.index for tunnel in case.tunnels}
    stray = [hop for hop in (route.hops if route else ()) if hop.index not in tunnels]
    if stray:
        yield from _bypass(case, remote, route, case.node.name(stray[0].index))


# What the node does with packets to an address whose route has this type.
_MISTAKEN = {"local": "takes them for its own", "broadcast": "takes them for a broadcast address's"}


def _bypass(case: Case, remote: Remote, route: Route | None, link: str) -> Iterator[Finding]:
    strict = case.node.rp_filter(remote.tunnel.name) == 1
    if strict or route is None:  # then the reverse path check reports it, with the drop
        return
    narrower, typed = route.dst != remote.cidr, route.type != "unicast"
    place = ("table", str(route.table)) if typed else ()
    drop = ["ip", "route", "del", *([route.type] if typed else ()), route.dst, "dev", link, *place]
    mend = drop if typed or narrower else _replace(case, remote)
    hops = case.node.ways(route)
    yield GN0702.error(
        f"the route for {remote.title} is of type {route.type} ({hops}), past the tunnel {remote.tunnel.name}: "
        f"the node {_MISTAKEN.get(route.type, 'does not forward them')}"
        if typed
        else f"the route for {remote.title} leaves by {link} ({hops}), past the tunnel "
        f"{remote.tunnel.name}: the network between the nodes does not route pod addresses",
        subject("route", route.dst, link),
        seen(
            "netlink",
            f"{f'{route.type} ' if typed else ''}{route.dst} {hops}",
            " ".join(["ip", "route", "show", *place, route.dst]),
        ),
        seen(
            "netlink",
            f"{remote.tunnel.name} has neighbours for {remote.cidr}",
            f"ip neigh show dev {remote.tunnel.name}",
        ),
        remedy=fix("route the prefix into the tunnel again", on_node(*mend)),
        explained_by=("GN0203",) if route.type == "local" else (),  # the address that the route is for
        confidence=Confidence.MEDIUM,
    )
