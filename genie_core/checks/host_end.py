"""The host end of the pod's link: veth, bridge port, bridge."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import ends, fix, in_pod, on_node, seen, the_interface, the_pod
from genie_core.checks.routes import real_defaults
from genie_core.checks.secondary_interfaces import GN0802
from genie_core.fields import counted
from genie_core.findings import Code, Command, Effect, Finding, Severity
from genie_core.net.addresses import within
from genie_core.net.case import Case
from genie_core.net.model import Attachment
from genie_core.net.stack import FORWARDING
from genie_core.spec.addresses import host_prefix
from genie_core.survey.kernel import Link, Port

STATES = {0: "disabled", 1: "listening", 2: "learning", 3: "forwarding", 4: "blocking"}


GN0401 = Code("GN0401", "the host end is down",
    cause="the host end of the veth is down: the pod has no carrier",
    confirm="ip link show vethX", fix="ip link set vethX up", breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check("host-end-up", GN0401, GN0802, title="the host end of the pod's link is up", needs=("pod", "node"))
def peer_up(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        peer = attachment.peer
        if peer is None or peer.up:
            continue
        parent = attachment.kind == "parent"
        yield (GN0802 if parent else GN0401).found(
            Severity.FATAL if attachment is case.primary else Severity.ERROR,
            f"{'parent' if parent else 'host end'} {ends(attachment) if not parent else peer.name} is DOWN",
            the_interface(peer.name),
            seen("netlink", f"{peer.name}: flags without UP", f"ip link show {peer.name}"),
            seen(
                "netlink",
                f"{attachment.link.name}: {'NO-CARRIER' if not attachment.link.carrier else 'up'}",
                "ip link",
            ),
            remedy=fix(
                f"set {peer.name} up; find out what set it down",
                on_node("ip", "link", "set", peer.name, "up"),
                *_host_route(case, attachment),
            ),
        )


def _host_route(case: Case, attachment: Attachment) -> tuple[Command, ...]:
    """The pod's routes again: the kernel deletes them when a routed pod's host end goes down."""
    if attachment.kind != "routed" or attachment.peer is None:
        return ()
    name, lookup = attachment.peer.name, case.node.fib.lookup
    lost = [x.ip for x in case.addresses(attachment) if lookup(x.ip).hop.index != attachment.peer.index]
    hosts = [host_prefix(ip) for ip in lost]
    return tuple(on_node("ip", "route", "replace", host, "dev", name) for host in hosts)


def expected_bridge(case: Case, attachment: Attachment) -> tuple[Link, str] | None:
    """(the bridge that the pod's link belongs to, the record that names it); None where no record names one."""
    own = case.addresses(attachment)
    if _routed_on_purpose(case, attachment):
        return None
    bridges = [link for link in case.facts.node.links if link.kind == "bridge"]
    for cached in case.results:
        names = {i.get("name") for i in cached.result.get("interfaces") or () if not i.get("sandbox")}
        found = next((b for b in bridges if b.name in names and cached.ifname == attachment.link.name), None)
        if found:
            return found, f"ADD's result ({cached.file})"
    networks = {c.network for c in case.results if c.ifname == attachment.link.name}
    for conf in case.facts.files.confs:
        named = {p.get("bridge", "cni0" if p.get("type") == "bridge" else "") for p in conf.plugins}
        found = next((b for b in bridges if b.name in named), None)
        if found and (conf.name in networks or _gateway_here(case, found, attachment)):
            return found, f"{conf.path} has bridge={found.name}"
    for bridge in bridges:
        if any(not x.is_single for x in own) and _gateway_here(case, bridge, attachment):
            return bridge, f"{bridge.name} has the pod's gateway"
    return None


def _routed_on_purpose(case: Case, attachment: Attachment) -> bool:
    """Whether the veth is in no bridge and has addresses, or a route to the pod, as with ptp and Calico."""
    peer = attachment.peer
    if peer is None or peer.master:
        return False
    ours = {x.ip for x in case.addresses(attachment)}
    routed = any(
        h.index == peer.index and r.dst.split("/")[0] in ours for r in case.facts.node.routes for h in r.hops
    )
    return routed or bool(case.node.addresses(peer))


def _gateway_here(case: Case, bridge: Link, attachment: Attachment) -> bool:
    """Whether the bridge has an address in one of the pod's subnets on that interface."""
    prefixes = [x.cidr for x in case.addresses(attachment) if not x.is_single]
    return any(within(x.ip, p) for p in prefixes for x in case.node.addresses(bridge))


GN0402 = Code("GN0402", "the host end is in no bridge",
    cause="the veth left its bridge: a network service may have removed it",
    confirm="ip -d link show vethX",
    fix="ip link set vethX master BRIDGE; make NetworkManager ignore veths",
    breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip
GN0403 = Code("GN0403", "the host end is in another bridge",
    cause="the veth was moved",
    confirm="ip -d link show vethX", fix="ip link set vethX master BRIDGE",
    breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check("bridge-port", GN0402, GN0403, title="the host end is in its bridge", needs=("pod", "node"))
def not_in_bridge(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        peer = attachment.peer
        if peer is None or attachment.kind in ("parent", "foreign"):
            continue
        expected = expected_bridge(case, attachment)
        if expected is None or expected[0].index == peer.master:
            continue
        bridge, why = expected
        master = case.node.name(peer.master) if peer.master else ""
        yield (GN0403 if master else GN0402).found(
            Severity.FATAL if attachment is case.primary else Severity.ERROR,
            f"{ends(attachment)} is "
            + (
                f"in {master}, not in bridge {bridge.name}"
                if master
                else f"not attached to bridge {bridge.name}"
            )
            + f" ({why})",
            the_interface(peer.name),
            seen("netlink", f"{peer.name}: master {master or 'none'}", f"ip -d link show {peer.name}"),
            seen("intent", why),
            remedy=fix(
                f"put {peer.name} into {bridge.name}; NetworkManager or systemd-networkd may "
                "have removed it: configure them to ignore veths",
                on_node("ip", "link", "set", peer.name, "master", bridge.name),
                *_hairpin(case, peer, bridge),
            ),
        )


def _hairpin_on(port: Link) -> Command:
    return on_node("ip", "link", "set", port.name, "type", "bridge_slave", "hairpin", "on")


def _hairpin(case: Case, peer: Link, bridge: Link) -> tuple[Command, ...]:
    """The hairpin flag again, where the other ports have it: a port loses its flags when it leaves its bridge."""
    siblings = [p for p in case.node.ports(bridge) if p.index != peer.index]
    if siblings and all(case.node.port(p).hairpin for p in siblings):
        return (_hairpin_on(peer),)
    return ()


GN0404 = Code("GN0404", "the bridge is down",
    cause="all pods on it are cut off",
    confirm="ip link show cni0", fix="ip link set cni0 up", breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check("bridge-up", GN0404, title="the bridge is up", needs=("pod", "node"))
def bridge_up(case: Case) -> Iterator[Finding]:
    seen_bridges = {}
    for attachment in case.attachments:
        expected = expected_bridge(case, attachment)
        bridge = attachment.bridge or (expected[0] if expected else None)
        if bridge is not None and not bridge.up:
            seen_bridges[bridge.index] = bridge
    for bridge in seen_bridges.values():
        others = case.affected(bridge)
        yield GN0404.fatal(
            f"bridge {bridge.name} is DOWN: {counted(len(others) + 1, 'pod is', 'pods are')} cut off",
            the_interface(bridge.name),
            seen("netlink", f"{bridge.name}: flags without UP", f"ip link show {bridge.name}"),
            remedy=fix(
                f"set {bridge.name} up",
                on_node("ip", "link", "set", bridge.name, "up"),
                *_ipv6_gateways(case, bridge),
            ),
            affects=others,
        )


def _ipv6_gateways(case: Case, bridge: Link) -> Iterator[Command]:
    """The pods' IPv6 gateways again: the kernel deletes the addresses of a bridge that is set down."""
    for attachment, gateway in real_defaults(case, 6):
        if attachment is None or attachment.bridge != bridge or not gateway or gateway.startswith("fe80:"):
            continue
        for own in case.addresses(attachment, 6)[:1] if gateway not in case.node.local else ():
            yield on_node("ip", "-6", "addr", "replace", f"{gateway}/{own.prefix}", "dev", bridge.name)


GN0405 = Code("GN0405", "the bridge port does not forward",
    cause="STP holds the port in listening or learning, or the port is disabled or blocking",
    confirm="bridge link", fix="stp_state 0 on the bridge; bridge link set dev PORT state 3",
    explained_by=("GN0401", "GN0404"), breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip
GN0409 = Code("GN0409", "bridge port flags cut the pod off",
    cause="the port is isolated or locked, or neither learns nor floods",
    confirm="bridge -d link", fix="bridge link set dev PORT FLAG off",
    breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check("bridge-port-state", GN0405, GN0409, title="the bridge port forwards", needs=("pod", "node"))
def port_flags(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        bridge, peer = attachment.bridge, attachment.peer
        if bridge is None or peer is None:
            continue
        port = case.node.port(peer)
        if port.state != FORWARDING and peer.up and peer.carrier and bridge.up:
            yield _state(bridge, peer, port.state)
        flags = _harmful(case, bridge, peer, port)
        for flag, right, why in flags:
            yield GN0409.error(
                f"bridge port {peer.name} on {bridge.name}: {flag} is "
                f"{'on' if right == 'off' else 'off'}, so {why}",
                the_interface(peer.name),
                seen("netlink", f"{peer.name}: {flag}", f"bridge -d link show dev {peer.name}"),
                remedy=fix(
                    f"turn {flag} {right} for {peer.name}",
                    on_node("bridge", "link", "set", "dev", peer.name, flag, right),
                ),
            )


def _harmful(case: Case, bridge: Link, peer: Link, port: Port) -> list[tuple[str, str, str]]:
    """(flag, its right value, why the present one cuts the pod off) of each such flag of a port."""
    flags = []
    # Isolated ports cannot reach each other; a single one cuts nothing off.
    if port.isolated and any(
        case.node.port(p).isolated for p in case.node.ports(bridge) if p.index != peer.index
    ):
        flags.append(("isolated", "off", "pods on isolated ports of one bridge cannot reach each other"))
    if port.locked:
        flags.append(("locked", "off", "frames from a MAC without an FDB entry are dropped"))
    if not port.learning and not port.flood:
        flags.append(("learning", "on", "the bridge neither learns nor floods to the port"))
    elif not port.flood and bridge.data.get("br_ageing_time", 1) == 0:
        flags.append(
            ("flood", "on", "the bridge forgets every MAC at once (ageing_time 0) and floods none to it")
        )
    if not port.broadcast:
        flags.append(
            (
                "bcast_flood",
                "on",
                "ARP requests do not reach the pod: hosts that do not know its MAC cannot reach it",
            )
        )
    if not port.multicast and 6 in case.families and not bridge.data.get("br_mcast_querier"):
        flags.append(("mcast_flood", "on", "neighbour solicitations of IPv6 do not reach the pod"))
    return flags


def _state(bridge: Link, peer: Link, state: int) -> Finding:
    stp = bool(bridge.data.get("br_stp_state"))
    delay = int(bridge.data.get("br_forward_delay", 1500)) // 100
    heals = f"; STP is on with {delay} s delay, so it takes {2 * delay} s" if stp else ""
    commands = [on_node("ip", "link", "set", bridge.name, "type", "bridge", "stp_state", "0")] if stp else []
    return GN0405.found(
        Severity.ERROR if stp else Severity.FATAL,
        f"bridge port {peer.name} on {bridge.name} is {STATES.get(state, state)}, not forwarding{heals}",
        the_interface(peer.name),
        seen(
            "netlink", f"{peer.name}: state {STATES.get(state, state)}", f"bridge link show dev {peer.name}"
        ),
        seen(
            "netlink",
            f"{bridge.name}: stp_state {int(stp)}, forward_delay {delay} s",
            f"ip -d link show {bridge.name}",
        ),
        remedy=fix(
            f"disable STP on {bridge.name}: pods cannot form a loop"
            if stp
            else f"set {peer.name} forwarding",
            *commands,
            on_node("bridge", "link", "set", "dev", peer.name, "state", "3"),
        ),
    )


GN0407 = Code("GN0407", "hairpin is off",
    cause="a pod behind a service cannot reach itself through it",
    confirm="bridge -d link show dev vethX", fix="hairpin on; hairpinMode in the configuration",
    explained_by=("GN0403",), breaks=(Effect.PACKETS,))  # fmt: skip


@check("hairpin", GN0407, title="a service's backend can reach itself", needs=("pod", "node"))
def hairpin(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        bridge, peer = attachment.bridge, attachment.peer
        if bridge is None or peer is None or case.node.port(peer).hairpin:
            continue
        mine = {x.ip for x in case.addresses(attachment)}
        fronts = [f for f in case.frontends for ip, _ in f.endpoints if ip in mine]
        siblings = [p for p in case.node.ports(bridge) if p.index != peer.index]
        wanted = any(
            p.get("hairpinMode") and p.get("bridge", "cni0") == bridge.name
            for c in case.facts.files.confs
            for p in c.plugins
        )
        if not fronts and not (wanted or (siblings and all(case.node.port(p).hairpin for p in siblings))):
            continue
        vip = f"{fronts[0].ip}:{fronts[0].port} ({fronts[0].service})" if fronts else ""
        yield GN0407.found(
            Severity.ERROR if fronts else Severity.WARNING,
            f"hairpin is off on {ends(attachment)}: the pod cannot reach itself through "
            + (f"its own service {vip}" if vip else "a service that selects it"),
            the_interface(peer.name),
            seen("netlink", f"{peer.name}: hairpin off", f"bridge -d link show dev {peer.name}"),
            remedy=fix(
                "turn hairpin on; set hairpinMode in the bridge plugin's configuration",
                _hairpin_on(peer),
            ),
        )


GN0410 = Code("GN0410", "MTUs of one link differ",
    cause="a veth end drops larger frames silently",
    confirm="ip link on both ends", fix="one MTU on both ends", explained_by=("GN0403",),
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("mtu-link", GN0410, title="both ends of the link and the bridge have one MTU", needs=("pod", "node"))
def mtu(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        peer, bridge = attachment.peer, attachment.bridge
        if peer is None or attachment.kind == "foreign":
            continue
        narrow = [link for link in (peer, bridge) if link is not None and link.mtu < attachment.link.mtu]
        if attachment.kind != "parent" and not narrow and peer.mtu > attachment.link.mtu:
            yield _narrow_pod(case, attachment, peer)
        if not narrow or attachment.kind == "parent":
            continue
        link, pod = narrow[0], attachment.link
        end = "host end" if link is peer else "bridge"
        wider = (
            [p for p in case.node.ports(bridge) if p.mtu < pod.mtu] if bridge and link is bridge else [link]
        )
        yield GN0410.found(
            # A veth drops silently; a routing bridge sends fragmentation-needed.
            Severity.ERROR if link is peer else Severity.WARNING,
            f"{end} {link.name} has MTU {link.mtu}, less than the pod's {pod.name} with {pod.mtu}: "
            + (
                "larger frames are dropped silently"
                if link is peer
                else "larger packets depend on path MTU discovery"
            ),
            the_interface(link.name),
            seen("netlink", f"{link.name}: mtu {link.mtu}", f"ip link show {link.name}"),
            seen("netlink", f"{pod.name}: mtu {pod.mtu}", f"ip link show {pod.name}"),
            remedy=fix(
                "give both ends the same MTU",
                *(
                    tuple(
                        on_node("ip", "link", "set", x.name, "mtu", pod.mtu)
                        for x in dict.fromkeys((*wider, link))
                    )
                    if link is peer
                    else (in_pod("ip", "link", "set", pod.name, "mtu", link.mtu),)
                ),
            ),
        )


def _narrow_pod(case: Case, attachment: Attachment, peer: Link) -> Finding:
    """TCP goes on, as the pod announces its own MTU to its peers."""
    pod = attachment.link
    return GN0410.warning(
        f"the pod's {pod.name} has MTU {pod.mtu}, less than its host end {peer.name} with {peer.mtu}: "
        "larger frames for the pod (UDP, echoes) are dropped silently",
        the_pod(case, pod.name),
        seen("netlink", f"{pod.name}: mtu {pod.mtu}", f"ip link show {pod.name}"),
        seen("netlink", f"{peer.name}: mtu {peer.mtu}", f"ip link show {peer.name}"),
        remedy=fix("give both ends the same MTU", in_pod("ip", "link", "set", pod.name, "mtu", peer.mtu)),
    )
