"""The underlay of a tunnel: its outer address and device, its MTU, the node's own firewall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from genie_core.checks.check import check
from genie_core.checks.links import answering
from genie_core.checks.overlay import Remote, carries, port_of, remotes
from genie_core.checks.parts import by_route, fix, no_carrier, on_node, seen, subject, the_interface
from genie_core.findings import Code, Command, Effect, Finding, Severity
from genie_core.net.addresses import subnet, within
from genie_core.net.arp import silence
from genie_core.net.case import Case
from genie_core.net.firewall.evaluate import at_hook
from genie_core.net.firewall.rules import Chain, Packet
from genie_core.net.model import TUNNELS
from genie_core.spec.addresses import version
from genie_core.survey.kernel import Link

GN0707 = Code("GN0707", "the tunnel's outer address or device is wrong",
    cause="its source address is not the node's, or its device is down",
    confirm="ip -d link show flannel.1", fix="restart the agent, which makes the tunnel again",
    explained_by=("GN0415",), breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip
GN0709 = Code("GN0709", "the tunnel's MTU is too large",
    cause="it exceeds the MTU of its device minus the tunnel's header",
    confirm="ip link", fix="lower the tunnel's MTU")  # fmt: skip


@check("underlay", GN0707, GN0709, title="the tunnel's outer address, device and MTU fit", needs=("node",))
def underlay(case: Case) -> Iterator[Finding]:
    for tunnel in case.tunnels:
        if not carries(case, tunnel):
            continue
        local = next((str(ip) for name in LOCAL if (ip := tunnel.data.get(name))), "")
        device = _device(case, tunnel)
        if local and local not in ("0.0.0.0", "::", *case.node.local):
            yield GN0707.error(
                f"tunnel {tunnel.name} sends from {local}, which is no address of this node",
                the_interface(tunnel.name),
                seen("netlink", f"{tunnel.name}: local {local}", f"ip -d link show {tunnel.name}"),
                remedy=fix(
                    "restart the overlay's agent, which makes the tunnel again with the node's address"
                ),
            )
        if device is not None and not device.up:
            yield GN0707.error(
                f"{device.name}, which tunnel {tunnel.name} sends by, is DOWN",
                the_interface(device.name),
                seen("netlink", f"{device.name}: flags without UP", f"ip link show {device.name}"),
                remedy=fix(f"set {device.name} up", on_node("ip", "link", "set", device.name, "up")),
            )
        if device is not None and device.up:
            yield from _outer_routes(case, tunnel, device)
        overhead = OVERHEAD.get(tunnel.kind, 0)
        overhead += IPV6_MORE if overhead and version(local) == 6 else 0
        if device is not None and overhead and tunnel.mtu + overhead > device.mtu:
            yield _tunnel_mtu(tunnel, device, overhead)


def _outer_routes(case: Case, tunnel: Link, device: Link) -> Iterator[Finding]:
    """GN0707: remote ends on the device's own subnet that are not routed by the device."""
    ends = sorted({f.dst for f in case.facts.node.forwarding if f.index == tunnel.index and f.dst})
    for end in ends:
        own = case.node.addresses(device, version(end))
        way = case.node.fib.lookup(end)
        near = any(within(end, subnet(x)) for x in own)
        if not near or way.hop.index == device.index or way.type == "none":
            continue
        dst = way.route.dst if way.route else end
        leads = f"is {way.type}" if way.refused else f"leaves by {case.node.name(way.hop.index)}"
        kind = [way.type] if way.refused and way.route else []
        narrow = way.route is not None and not any(dst == subnet(x) for x in own) and not dst.endswith("/0")
        yield GN0707.error(
            f"the node's route to {end}, the other end of tunnel {tunnel.name}, {leads} ({dst}), "
            f"not {device.name}: no packet arrives there",
            subject("route", dst, device.name),
            seen("netlink", f"{end} {leads}", f"ip route get {end}"),
            breaks=(by_route(dst),),
            remedy=fix(
                f"delete the route, so that {end} is on {device.name} again",
                *((on_node("ip", f"-{version(end)}", "route", "del", *kind, dst),) if narrow else ()),
            ),
        )


def _tunnel_mtu(tunnel: Link, device: Link, overhead: int) -> Finding:
    fits = device.mtu - overhead
    return GN0709.warning(
        f"tunnel {tunnel.name} has MTU {tunnel.mtu}, but {device.name} with {device.mtu} "
        f"leaves {fits}: outer packets are fragmented or lost",
        the_interface(tunnel.name),
        seen(
            "netlink",
            f"{tunnel.name} mtu {tunnel.mtu}, {device.name} mtu {device.mtu}",
            f"ip link show {tunnel.name}",
        ),
        remedy=fix("lower the tunnel's MTU", on_node("ip", "link", "set", tunnel.name, "mtu", fits)),
    )


GN0414 = Code("GN0414", "an uplink of the node has no carrier",
    cause="the cable, the switch port or the other end of the link is out",
    confirm="ip link show IFACE; ethtool IFACE", fix="look at the cable and the switch port",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("uplink-carrier", GN0414, title="the node's uplinks have carrier", needs=("node",))
def carriers(case: Case) -> Iterator[Finding]:
    for link in case.uplinks:
        if not link.up or link.carrier:
            continue
        default = case.is_way_out(link)
        tunnels = [t.name for t in case.tunnels if carries(case, t) and _device(case, t) == link]
        nodes = [
            n.name
            for n in case.other_nodes
            if any(case.node.fib.lookup(ip).hop.index == link.index for ip in n.addresses)
        ]
        mine = [a for a in case.attachments if a.kind == "parent" and a.peer == link]
        worst = tunnels or default or case.primary in mine
        used = [f"tunnel {name}" for name in tunnels] + ["the default route"] * default + nodes
        used += ["this pod's packets"] if mine else []
        yield GN0414.found(
            Severity.FATAL if worst else Severity.ERROR if nodes or mine else Severity.WARNING,
            f"{link.name} is up and has no carrier: nothing leaves by it"
            + (f", as {', '.join(dict.fromkeys(used))} should" if used else ""),
            the_interface(link.name),
            seen("netlink", f"{link.name}: NO-CARRIER", f"ip link show {link.name}"),
            breaks=(no_carrier(link),),
            remedy=fix(
                f"look at the cable and the switch port of {link.name}, or at the other end of a virtual link"
            ),
        )


def _device(case: Case, tunnel: Link) -> Link | None:
    """The interface by which a tunnel sends, where it names one."""
    return case.node.link(int(tunnel.data.get("vxlan_link") or tunnel.data.get("ipip_link") or 0))


GN0711 = Code("GN0711", "the node's firewall drops tunnel packets",
    cause="a rule in INPUT or OUTPUT drops the outer packets",
    confirm="the command in the evidence", fix="accept the tunnel's port", breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "tunnel-filter",
    GN0711,
    title="the node's firewall lets the tunnel's packets pass",
    needs=("node firewall", "objects: Node"),
)
def outer_filter(case: Case) -> Iterator[Finding]:
    for remote in remotes(case):
        address, sent = remote.end, _sent_by(remote.tunnel)
        if not address or sent is None:
            continue
        way = case.node.fib.lookup(address)
        link = case.node.name(way.hop.index)
        family, data = version(address), remote.tunnel.data
        own = str(data.get("vxlan_local6" if family == 6 else "vxlan_local") or "")
        own = own or (way.route.source if way.route else "") or ("::" if family == 6 else "0.0.0.0")
        out = sent.with_(family=family, source=own, target=address, oif=link, source_local=True)
        back = sent.with_(family=family, source=address, target=own, iif=link, target_local=True)
        for hooks, packet in (
            (("output", "postrouting", "egress"), out),
            (("ingress", "prerouting", "input"), back),
        ):
            for hook in hooks:
                yield from _outer(case, remote, hook, packet)


def _sent_by(tunnel: Link) -> Packet | None:
    """A tunnel's own packet; None where it is not known. Of a protocol without ports, packets back are established."""
    if port := port_of(tunnel):
        return Packet(protocol="udp", dport=port)
    protocol = PORTLESS.get(tunnel.kind)
    return Packet(protocol=protocol, state="established") if protocol else None


def _outer(case: Case, remote: Remote, hook: str, packet: Packet) -> Iterator[Finding]:
    by_device = hook in ("ingress", "egress")
    device = (packet.iif or packet.oif or "") if by_device else ""
    what = f"udp/{packet.dport}" if packet.dport else f"protocol {packet.protocol}"
    for outcome in at_hook(case.node.rules, hook, packet, "netdev" if by_device else "", device):
        if outcome.verdict == "accept" or outcome.chain is None:
            continue
        chain, rule = outcome.chain, outcome.rule
        text = rule.text if rule else f"policy {chain.policy}"
        yield GN0711.error(
            f"{chain.place} drops the tunnel's own packets ({what}, {packet.source} -> "
            f"{packet.target}): {remote.title} cannot be reached",
            subject("firewall", chain.place),
            seen(
                "firewall",
                f"{chain.place}: {text}{rule.hits if rule else ''}",
            ),
            explained_by=(chain.place,),
            remedy=fix(f"accept {what} between the nodes", _accept(chain, packet)),
        )


def _accept(chain: Chain, packet: Packet) -> Command:
    port = packet.dport
    protocol = NUMBERS.get(packet.protocol, packet.protocol)
    if chain.tool == "nft":
        kind = ("udp", "dport", port) if port else ("meta", "l4proto", protocol)
        return on_node("nft", "insert", "rule", chain.family, chain.table, chain.name, *kind, "accept")
    kind = ("-p", protocol, *(("--dport", port) if port else ()))
    return on_node(chain.tool, "-t", chain.table, "-I", chain.name, *kind, "-j", "ACCEPT")


# Protocols by Debian's names; the numbers are the same in every distribution's /etc/protocols.
PORTLESS = {"ipip": "ipencap", "sit": "ipv6", "gre": "gre", "gretap": "gre"}
NUMBERS = {"ipencap": 4, "ipv6": 41, "gre": 47}
LOCAL = ("vxlan_local", "vxlan_local6", "ipip_local", "sit_local", "gre_local")
IPV6_MORE = 20  # bytes that its header has more than IPv4's
OVERHEAD = {"vxlan": 50, "geneve": 50, "ipip": 20, "sit": 20, "gre": 24, "gretap": 38, "wireguard": 60}


GN0714 = Code("GN0714", "an interface of the node to the world is down or does no ARP",
    cause="an administrator, a driver or a network service has set the flag",
    confirm="ip link show IFACE", fix="set it up, set its ARP on; correct what changed it",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("uplinks", GN0714, title="the node's interfaces to the world are up and do ARP", needs=("node",))
def uplinks(case: Case) -> Iterator[Finding]:
    devices = {device.index for tunnel in case.tunnels if (device := _device(case, tunnel)) is not None}
    for link in case.uplinks:
        link_set = ("ip", "link", "set", link.name)
        if not link.up and link.index not in devices:  # GN0707 has a tunnel's device that is down
            yield _uplink(case, link, "is DOWN: its routes are gone", "flags without UP", *link_set, "up")
        elif not (link.up and link.mac) or link.kind in ("ipvlan", "dummy", *TUNNELS):
            continue
        elif not link.arp:
            what = "does no ARP (NOARP): it resolves no neighbour"
            yield _uplink(case, link, what, "flags with NOARP", *link_set, "arp", "on")
        elif state := _silence(case, link):
            what = f"answers no ARP ({state}): no host on the link finds it"
            yield _uplink(case, link, what, state, *answering(link.name, state), families=(4,))


def _silence(case: Case, link: Link) -> str:
    """The setting by which the node answers no ARP of another node for its address on a link."""
    for own in case.node.addresses(link, 4)[:1]:
        near = [ip for node in case.other_nodes for ip in node.addresses if within(ip, subnet(own))]
        return silence(case.node, link, own.ip, (near or [own.ip])[0])
    return ""


def _uplink(
    case: Case, link: Link, what: str, state: str, *mend: str, families: Sequence[int] = (4, 6)
) -> Finding:
    """An error where another node is on its subnets or a default route leaves by it, else a warning."""
    near = [subnet(own) for own in case.node.addresses(link) if version(own.ip) in families]
    nodes = [ip for node in case.other_nodes for ip in node.addresses]
    needed = case.is_way_out(link, families) or any(within(ip, net) for ip in nodes for net in near)
    return GN0714.found(
        Severity.ERROR if needed else Severity.WARNING,
        f"{link.name} {what}: {', '.join(near)} is not reached",
        the_interface(link.name),
        seen(
            "netlink",
            f"{link.name}: {state}",
            f"ip link show {link.name}; sysctl -a -r {link.name}.arp_ignore",
        ),
        remedy=fix("set it back, and find out what changed it", on_node(*mend)),
    )
