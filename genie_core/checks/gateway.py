"""The pod's gateways: each next hop of its routes must be an address on its link."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, in_pod, on_node, seen, the_interface, the_pod
from genie_core.checks.routes import real_defaults
from genie_core.findings import Code, Effect, Finding
from genie_core.net.case import Case
from genie_core.net.fib import MAIN
from genie_core.net.model import Attachment
from genie_core.net.stack import Stack, conf_key
from genie_core.spec.addresses import version
from genie_core.survey.kernel import Link, Route

GN0302 = Code("GN0302", "the default gateway does not exist",
    cause="no host on the link has the gateway's address",
    confirm="arping -I eth0 GATEWAY", fix="point the route to the bridge's address; correct ipam.gateway",
    breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip
GN0406 = Code("GN0406", "the bridge has another subnet",
    cause="the bridge lost its gateway address, or is left over from another CNI plugin or pod CIDR",
    confirm="ip addr show cni0",
    fix="give it the gateway address; or drain, delete the bridge, restart pods",
    breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip
GN0408 = Code("GN0408", "no ARP reply for the routed pod's gateway",
    cause="proxy ARP is off at the host end, and it has no address",
    confirm="sysctl net.ipv4.conf.caliX.proxy_arp", fix="sysctl -w ...proxy_arp=1",
    explained_by=("GN0401",), breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check(
    "gateway-exists",
    GN0302,
    GN0406,
    GN0408,
    title="the default gateway exists on the link",
    needs=("pod", "node"),
)
def gateway_exists(case: Case) -> Iterator[Finding]:
    for family in case.families:
        for attachment, gateway in real_defaults(case, family)[:1]:
            if attachment is None or attachment.entry is None or attachment.kind not in ("bridge", "routed"):
                continue
            if not gateway:
                yield from _on_link(case, attachment, family)
                continue
            if not attachment.link.up or _answered(case, attachment, gateway, family):
                continue
            if attachment.kind == "routed":
                silent = family == 4 and case.node.setting(attachment.entry.name, "proxy_arp")
                yield (
                    _no_way(case, attachment, gateway, family)
                    if silent
                    else _without_link_local(attachment.entry, gateway)
                    if gateway.startswith("fe80:")
                    else _no_proxy(attachment, gateway, family)
                )
            else:
                yield _wrong(case, attachment, gateway, family)


@check(
    "next-hops-exist",
    GN0302,
    title="the other next hops of the pod's routes exist on the link",
    needs=("pod", "node"),
)
def other_gateways(case: Case) -> Iterator[Finding]:
    pod = case.pod
    for attachment in case.attachments if pod is not None else ():
        best = {gateway for family in (4, 6) for _, gateway in real_defaults(case, family)[:1]}
        for route in pod.facts.routes if pod is not None and attachment.bridge is not None else ():
            everything = route.dst.endswith("/0") and route.table == MAIN
            if not attachment.link.up or (everything and len(route.hops) < 2):
                continue
            gateways = [h.gateway for h in route.hops if h.index == attachment.link.index and h.gateway]
            for gateway in (g for g in gateways if g not in best):
                if not _answered(case, attachment, gateway, version(gateway)):
                    yield _dead_hop(case, attachment, route, gateway)


def _on_link(case: Case, attachment: Attachment, family: int) -> Iterator[Finding]:
    """A default route without a gateway: the node must answer ARP for every host (proxy_arp), or another router."""
    entry, bridge = attachment.entry, attachment.bridge
    assert entry is not None
    proxied = any(case.node.setting(name, "proxy_arp") for name in (entry.name, "all"))
    routers = bridge is not None and any(p.kind not in ("veth", "tun") for p in case.node.ports(bridge))
    if family == 6 or not attachment.link.up or proxied or routers or case.datapath:
        return
    name, right = attachment.link.name, case.expected_gateway(family)
    yield GN0302.fatal(
        f"the pod's default route has no gateway (dev {name}): it looks for every host on its own link, where "
        f"{entry.name} answers for none but itself (proxy_arp=0)",
        the_pod(case, name),
        seen("netlink", f"default dev {name}", "ip route show default"),
        seen(
            "sysctl", f"{conf_key(entry.name, 'proxy_arp')}=0", f"sysctl {conf_key(entry.name, 'proxy_arp')}"
        ),
        remedy=fix(
            "give the default route its gateway; correct ipam.gateway or ipam.routes in the configuration",
            *([in_pod("ip", "route", "replace", "default", "via", right, "dev", name)] if right else ()),
        ),
    )


def _dead_hop(case: Case, attachment: Attachment, route: Route, gateway: str) -> Finding:
    name, bridge = attachment.link.name, attachment.bridge
    assert bridge is not None
    where = [] if route.table == MAIN else ["table", route.table]
    table = " ".join(map(str, ["", *where]))
    shown = f"{route.dst} via {gateway} dev {name}{table}"
    several = f" (1 of {len(route.hops)}, the others get their share only)" if len(route.hops) > 1 else ""
    ip = ["ip", f"-{version(gateway)}", "route"]
    return GN0302.error(
        f"the next hop of the pod's route {shown} does not exist{several}: no interface on "
        f"{bridge.name} has {gateway}",
        the_pod(case, name),
        seen("netlink", shown, "ip route show table all"),
        seen("netlink", f"no interface on {bridge.name} has {gateway}", f"ip addr show {bridge.name}"),
        remedy=fix(
            "leave out the next hop, or correct it"
            if several
            else "delete the route, so that the pod's other routes apply, or correct its next hop",
            in_pod(*ip, "replace", *without_hop(case.pod, route, gateway), *where)
            if several and case.pod
            else in_pod(*ip, "del", route.dst, "via", gateway, *where),
        ),
    )


def without_hop(stack: Stack, route: Route, gateway: str) -> list[str]:
    """The words of `ip route` for a route of several next hops, without one of them."""
    left = [
        ["via", h.gateway, "dev", stack.name(h.index)] if h.gateway else ["dev", stack.name(h.index)]
        for h in route.hops
        if h.gateway != gateway
    ]
    metric = ["metric", str(route.metric)] if route.metric else []
    hops = left[0] if len(left) == 1 else [word for hop in left for word in ("nexthop", *hop)]
    return [route.dst, *metric, *hops]


def _answered(case: Case, attachment: Attachment, gateway: str, family: int) -> bool:
    entry = attachment.entry
    assert entry is not None
    own = case.node.local.get(gateway)
    if own is not None and (family == 4 or own.index == entry.index):
        return True
    if family == 6 and gateway.startswith("fe80:"):
        return _link_local(case, attachment, gateway)
    proxy = "proxy_arp" if family == 4 else "proxy_ndp"
    if case.node.setting(entry.name, proxy, family) or case.node.setting("all", proxy, family):
        return family == 6 or _proxied(case, entry, gateway)
    pinned = case.pod.neighbour(attachment.link.index, gateway) if case.pod else None
    if pinned is not None and pinned.state == "permanent":
        return True
    return attachment.bridge is not None and _has_another_host(case, attachment.bridge, gateway)


def _link_local(case: Case, attachment: Attachment, gateway: str) -> bool:
    """Whether a link-local gateway may exist: true unless all hosts on the bridge are known and none has it."""
    entry, bridge = attachment.entry, attachment.bridge
    own = [a for a in case.node.facts.addresses if entry and a.index == entry.index]
    if entry is None or not case.node.facts.addresses or any(a.ip == gateway for a in own):
        return True
    if bridge is None:  # the host end of the veth is the only other host, and may answer for others
        return bool(case.node.setting(entry.name, "proxy_ndp", 6) or case.node.setting("all", "proxy_ndp", 6))
    ports = [
        p for p in case.node.ports(bridge) if attachment.peer is None or p.index != attachment.peer.index
    ]
    return len(case.neighbours_on(bridge)) < len(ports) or _has_another_host(case, bridge, gateway)


def _proxied(case: Case, entry: Link, gateway: str) -> bool:
    """Proxy ARP answers for an address that the node routes through another link (net/ipv4/arp.c)."""
    way = case.node.fib.lookup(gateway)
    return not way.refused and way.hop.index not in (0, entry.index)


def _has_another_host(case: Case, bridge: Link, gateway: str) -> bool:
    """Whether another namespace on the bridge has it, or a host behind a port out of the node may have it."""
    if any(a.ip == gateway for _, tenant in case.neighbours_on(bridge) for a in tenant.addresses):
        return True
    return any(port.kind not in ("veth", "tun") for port in case.node.ports(bridge))


def _no_proxy(attachment: Attachment, gateway: str, family: int) -> Finding:
    entry = attachment.entry
    assert entry is not None
    name = "proxy_arp" if family == 4 else "proxy_ndp"
    key = conf_key(entry.name, name, family)
    return GN0408.fatal(
        f"{entry.name} has {name}=0 and no address {gateway}: no ARP reply for the pod's gateway",
        the_interface(entry.name),
        seen("sysctl", f"{key}=0", f"sysctl {key}"),
        seen("netlink", f"default via {gateway} dev {attachment.link.name}", "ip route show default"),
        remedy=fix(
            f"turn {name} on for {entry.name} (the CNI agent does it; find what turned it off)",
            on_node("sysctl", "-w", f"{key}=1"),
        ),
    )


def _without_link_local(entry: Link, gateway: str) -> Finding:
    """GN0408: of a routed pod with IPv6, whose gateway is the host end's link-local address."""
    return GN0408.fatal(
        f"{entry.name} lacks the link-local address {gateway}: nothing answers for the pod's IPv6 gateway",
        the_interface(entry.name),
        seen("netlink", f"no {gateway} on {entry.name}", f"ip -6 addr show {entry.name}"),
        remedy=fix(
            "give it the address again (the CNI agent does it; find what took it)",
            on_node("ip", "-6", "addr", "add", f"{gateway}/64", "dev", entry.name, "nodad"),
        ),
    )


def _no_way(case: Case, attachment: Attachment, gateway: str, family: int) -> Finding:
    """GN0408: proxy ARP is on and does not answer, as the node has no route to the gateway's address."""
    entry = attachment.entry
    assert entry is not None
    way = case.node.fib.lookup(gateway)
    return GN0408.fatal(
        f"{entry.name} answers no ARP for the pod's gateway {gateway}: proxy_arp is on, but the node has no "
        "route to that address, usually because its default route is missing",
        the_interface(entry.name),
        seen("netlink", f"{gateway}: {way.type if way.refused else entry.name}", f"ip route get {gateway}"),
        seen("sysctl", f"{conf_key(entry.name, 'proxy_arp', family)}=1"),
        remedy=fix(
            "restore the node's default route (DHCP, NetworkManager, networkd); until then, the address on "
            f"{entry.name} answers",
            on_node("ip", "addr", "add", f"{gateway}/32", "dev", entry.name, "scope", "link"),
        ),
    )


def _wrong(case: Case, attachment: Attachment, gateway: str, family: int) -> Finding:
    bridge = attachment.bridge
    assert bridge is not None
    right = case.segment_gateway(attachment, family)
    if right:
        name = attachment.link.name
        return GN0302.fatal(
            f"the pod's default gateway {gateway} does not exist on {bridge.name}, which owns {right}",
            the_pod(case, name),
            seen("netlink", f"default via {gateway}", "ip route show default"),
            seen("netlink", f"{bridge.name}: {right}", f"ip addr show {bridge.name}"),
            remedy=fix(
                "point the default route to the bridge; correct the gateway in the network's ipam section",
                in_pod("ip", "route", "replace", "default", "via", right, "dev", name),
            ),
        )
    return wrong_subnet(case, attachment, gateway, family)


def wrong_subnet(case: Case, attachment: Attachment, gateway: str, family: int) -> Finding:
    """GN0406: the bridge does not have the gateway's address."""
    bridge = attachment.bridge
    assert bridge is not None
    own = case.addresses(attachment, family)[0]
    has = [x.cidr for x in case.node.addresses(bridge, family)]
    disabled = family == 6 and case.node.setting(bridge.name, "disable_ipv6", 6)
    off = conf_key(bridge.name, "disable_ipv6", 6)
    commands = [on_node("sysctl", "-w", f"{off}=0")] if disabled else []
    commands += [on_node("ip", "addr", "add", f"{gateway}/{own.prefix}", "dev", bridge.name)]
    commands += [on_node("ip", "addr", "del", stray, "dev", bridge.name) for stray in has]
    return GN0406.fatal(
        f"bridge {bridge.name} has {', '.join(has) or 'no address'}, not the pods' gateway "
        f"{gateway}/{own.prefix}: "
        + (
            "left over from another CNI or pod CIDR"
            if has
            else f"{off}=1"
            if disabled
            else "the address was deleted"
        ),
        the_interface(bridge.name),
        seen("netlink", f"{bridge.name}: {', '.join(has) or 'none'}", f"ip addr show {bridge.name}"),
        seen("netlink", f"pod {own.cidr}, default via {gateway}", "ip route"),
        remedy=fix(
            f"give {bridge.name} its gateway address; after a changed pod CIDR drain the node, "
            f"delete {bridge.name}, restart the pods",
            *commands,
            risk=f"pods in {', '.join(has)} lose their gateway" if has else "",
        ),
        explained_by=("GN0404",) if family == 6 and not bridge.up else (),
        affects=case.affected(bridge),
    )
