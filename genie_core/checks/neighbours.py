"""Neighbour entries and ARP: next hops that do not answer, entries with another MAC than the owner of the address."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.gateway import without_hop
from genie_core.checks.host_end import expected_bridge
from genie_core.checks.parts import fix, in_pod, on_node, seen, subject, the_interface, the_pod
from genie_core.checks.routes import real_defaults
from genie_core.findings import Code, Confidence, Effect, Finding, Remedy, Severity
from genie_core.net.addresses import subnet, within
from genie_core.net.case import Case
from genie_core.net.model import Attachment
from genie_core.net.stack import Stack
from genie_core.spec.addresses import version
from genie_core.survey.facts import Probe
from genie_core.survey.kernel import Link, Neighbour

ROLES = ("gateway", "next hop", "other node", "default route")
OF_NODE = ("other node", "default route")
KINDS = {"arp": "ARP", "ndp": "NDP"}


GN0306 = Code("GN0306", "a wrong neighbour entry in the pod",
    cause="a pinned entry has another MAC than the address's owner",
    confirm="ip -n POD neigh", fix="ip neigh del", explained_by=("GN0203",), breaks=(Effect.PACKETS,))  # fmt: skip


@check("gateway-neighbour", GN0306, title="neighbour entries in the pod are right", needs=("pod", "node"))
def gateway_neighbour(case: Case) -> Iterator[Finding]:
    for attachment, neighbour, owner, is_gateway in _poisoned_entries(case):
        yield _poisoned(case, attachment, neighbour.ip, neighbour.mac, neighbour.state, owner, is_gateway)


def _poisoned_entries(case: Case) -> Iterator[tuple[Attachment, Neighbour, tuple[str, str], bool]]:
    """The pod's entries with another MAC than the address's owner has: (name, MAC) of it, whether it is a gateway."""
    pod = case.pod
    if pod is None:
        return
    for attachment in case.attachments:
        entry = attachment.entry
        if entry is None or attachment.kind not in ("bridge", "routed"):
            continue
        if attachment.kind == "routed" and expected_bridge(case, attachment):
            continue  # the veth left its bridge: the check of bridge ports reports that
        gateways = {g for f in (4, 6) for x, g in real_defaults(case, f) if x is attachment and g}
        for neighbour in pod.facts.neighbours:
            if (
                neighbour.index != attachment.link.index
                or not neighbour.mac
                or neighbour.state in ("failed", "noarp")
            ):
                continue
            owner = _owner(case, attachment, neighbour.ip, neighbour.ip in gateways)
            if owner is None or neighbour.mac in {owner[1], *_answering(case, attachment, neighbour.ip)}:
                continue
            if _is_by_port(case, attachment.link, neighbour.ip, neighbour.mac):
                continue
            if neighbour.state in ("permanent", "reachable"):
                yield attachment, neighbour, owner, neighbour.ip in gateways


def _is_by_port(case: Case, link: Link, ip: str, mac: str) -> bool:
    """Whether it is the node's address with the MAC of the pod's own bridge port: such frames reach the node."""
    if ip not in case.node.local:
        return False
    own = (a for a in case.attachments if a.link.index == link.index)
    return any(a.bridge is not None and a.peer is not None and a.peer.mac == mac for a in own)


def _answering(case: Case, attachment: Attachment, ip: str) -> set[str]:
    """The MACs on the attachment's bridge of the pod that has an address.

    The kernel answers ARP for it by every interface (arp_ignore=0), and takes the packets that come in there.
    """
    bridge = attachment.bridge
    around = case.neighbours_on(bridge) if bridge is not None else []
    return {
        link.mac
        for port, tenant in around
        if any(own.ip == ip for own in tenant.addresses)
        for link in tenant.links
        if link.index == port.peer
    }


def _owner(case: Case, attachment: Attachment, ip: str, gateway: bool) -> tuple[str, str] | None:
    """(name, MAC) of the owner of an address on the attachment's link; None where it is not known."""
    entry = attachment.entry
    assert entry is not None
    if ip in case.node.local and case.node.local[ip].index == entry.index:
        return entry.name, entry.mac
    if attachment.bridge is not None:
        for port, tenant in case.neighbours_on(attachment.bridge):
            if any(x.ip == ip for x in tenant.addresses):
                mac = next((link.mac for link in tenant.links if link.index == port.peer), "")
                return (case.title_of(tenant), mac) if mac else None
        return None
    return (entry.name, entry.mac) if gateway else None


def _poisoned(
    case: Case, attachment: Attachment, ip: str, mac: str, state: str, owner: tuple[str, str], gateway: bool
) -> Finding:
    name = attachment.link.name
    what = "gateway" if gateway else "neighbour"
    return GN0306.found(
        Severity.FATAL if gateway else Severity.ERROR,
        f"the pod's {state.upper()} neighbour entry of its {what} {ip} is {mac}, but {owner[0]} has {owner[1]}",
        the_pod(case, name),
        seen("netlink", f"{ip} lladdr {mac} {state.upper()}", f"ip neigh show dev {name}"),
        seen("netlink", f"{owner[0]} {owner[1]}", "ip link"),
        remedy=fix(
            "delete the entry; the kernel resolves the address again",
            in_pod("ip", "neigh", "del", ip, "dev", name),
        ),
        # What the pod has learned on another bridge it forgets on its own.
        explained_by=() if state == "permanent" else ("GN0402", "GN0403"),
    )


GN0411 = Code("GN0411", "a stale neighbour entry on the node",
    cause="the entry has the MAC of the address's previous owner",
    confirm="ip neigh show ADDRESS", fix="ip neigh del ADDRESS dev BRIDGE", breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "node-neighbour", GN0411, title="the node's neighbour entry for the pod is right", needs=("pod", "node")
)
def stale_neighbour(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        entry = attachment.entry
        if entry is None or attachment.kind not in ("bridge", "routed"):
            continue
        mine = {a.link.mac for a in case.attachments if a is attachment or (a.entry and a.entry is entry)}
        for own in case.addresses(attachment):
            neighbour = case.node.neighbour(entry.index, own.ip)
            if neighbour is None or not neighbour.mac or neighbour.mac in mine:
                continue
            if neighbour.state in ("failed", "incomplete", "noarp"):
                continue
            pinned = neighbour.state == "permanent"
            yield GN0411.found(
                Severity.FATAL if pinned else Severity.ERROR,
                f"the node's {neighbour.state.upper()} neighbour entry for {own.ip} has MAC {neighbour.mac}, "
                f"but the pod's is {attachment.link.mac}: the entry of a previous owner of the address",
                the_pod(case, attachment.link.name),
                seen(
                    "netlink",
                    f"{own.ip} dev {entry.name} lladdr {neighbour.mac} {neighbour.state.upper()}",
                    f"ip neigh show {own.ip}",
                ),
                seen("netlink", f"{attachment.link.name}: {attachment.link.mac}", "ip link"),
                remedy=fix(
                    "delete the entry; the kernel resolves the address again",
                    on_node("ip", "neigh", "del", own.ip, "dev", entry.name),
                ),
                confidence=Confidence.HIGH if pinned else Confidence.MEDIUM,
            )


GN0807 = Code("GN0807", "a next hop answers no ARP",
    cause="no host on the link has the address: a machine is down, was moved, or never existed",
    confirm="arping -I IFACE ADDRESS; ip route", fix="correct the route, or bring the machine back",
    explained_by=(Effect.FRAMES, "GN0414", "GN0415"), breaks=(Effect.PACKETS,))  # fmt: skip


@check("probe-next-hops", GN0807, title="next hops answer ARP", needs=("probes",))
def silent_next_hops(case: Case) -> Iterator[Finding]:
    for probe in case.facts.probes:
        if probe.kind not in KINDS or probe.role not in ROLES or probe.result != "timeout":
            continue
        where = _where(case, probe)
        if where is None or _pinned(*where, probe.target):
            continue
        stack, link = where
        sure = probe.role in ("gateway", "default route") or _missed(case, probe)
        what = KINDS[probe.kind]
        # Nothing else is between the pod and its gateway: what may drop the request has dropped it.
        droppers: tuple[str, ...] = ("GN0519", "GN0515") if probe.role == "gateway" else ()
        if what == "NDP":  # unlike ARP it meets the rules for IPv6, whose policy may drop it
            droppers += ("GN0506",)
        yield GN0807.found(
            Severity.ERROR if sure else Severity.WARNING,
            f"{_title(case, probe)} {probe.target} answers no {what} on {link.name}: {_holder(case, probe)}",
            the_interface(link.name) if stack is case.node else the_pod(case, link.name),
            seen("probe", f"{what} {probe.target}: timeout", f"arping -I {link.name} {probe.target}"),
            explained_by=droppers,
            remedy=_without_router(case, probe)
            or fix(
                "find out which machine should have the address, and whether it is up and on this link"
                + (_FOREIGN_MAC if link.kind in ("macvlan", "macvtap") else "")
            ),
        )


_FOREIGN_MAC = (
    "; and whether the network admits the interface's MAC: a cloud, a hypervisor or a switch with port security may "
    "admit the node's own alone (allow promiscuous mode and forged transmits there, or use ipvlan)"
)


def _without_router(case: Case, probe: Probe) -> Remedy | None:
    """Another default route of the node, or its other next hops, instead of one whose router is gone."""
    family = version(probe.target)
    routes = case.node.defaults(family) if probe.role == "default route" else []
    best = next((r for r in routes if any(h.gateway == probe.target for h in r.hops)), None)
    if best is None:
        return None
    ip = ["ip", f"-{family}", "route"]
    if len(best.hops) > 1:
        return fix(
            f"leave {probe.target} out until its machine is back",
            on_node(*ip, "replace", *without_hop(case.node, best, probe.target)),
        )
    if len([r for r in routes if r.hops]) < 2:
        return None
    metric = ["metric", best.metric] if best.metric else []
    return fix(
        f"find out what set this route; without it, that {case.node.ways(routes[1])} is used",
        on_node(*ip, "del", "default", "via", probe.target, *metric),
        risk="the other router may not lead everywhere",
    )


@check(
    "probe-neighbours",
    GN0306,
    GN0411,
    title="pinned neighbour entries agree with what answers",
    needs=("probes",),
)
def contradicted_entries(case: Case) -> Iterator[Finding]:
    reported = {(entry.ip, attachment.link.name) for attachment, entry, *_ in _poisoned_entries(case)}
    for probe in case.facts.probes:
        where = _where(case, probe) if probe.kind == "arp" and probe.role in ROLES[1:] else None
        entry = _pinned(*where, probe.target) if where else ""
        if where is None or not entry or probe.result != "ok" or entry in probe.detail.split():
            continue
        stack, link = where
        if stack is not case.node and (
            (probe.target, link.name) in reported or _is_by_port(case, link, probe.target, entry)
        ):
            continue
        on = on_node if stack is case.node else in_pod
        whose = "the node's" if stack is case.node else "the pod's"
        yield (GN0411 if stack is case.node else GN0306).error(
            f"{whose} PERMANENT neighbour entry of {_title(case, probe)} {probe.target} on {link.name} is "
            f"{entry}, but {probe.detail} answers for it",
            subject("neighbour", f"{probe.target} dev {link.name}", link.name),
            seen("netlink", f"{probe.target} lladdr {entry} PERMANENT", f"ip neigh show dev {link.name}"),
            seen("probe", f"ARP {probe.target}: {probe.detail}", f"arping -I {link.name} {probe.target}"),
            remedy=fix(
                "delete the entry; the kernel resolves the address again",
                on("ip", "neigh", "del", probe.target, "dev", link.name),
            ),
        )


def _missed(case: Case, probe: Probe) -> bool:
    """Whether a pod behind that hop did not answer: secondary networks may have no router, nodes may be off."""
    cidrs = [c for n in case.other_nodes if probe.target in n.addresses for c in n.cidrs]
    return any(
        p.role == "remote" and p.result == "timeout" and any(within(p.target, c) for c in cidrs)
        for p in case.facts.probes
    )


def _holder(case: Case, probe: Probe) -> str:
    own = case.node.local.get(probe.target)
    if own is None or probe.role in OF_NODE:
        return "no host there has the address"
    return f"{case.node.name(own.index)} of the node has the address, so frames are lost between them"


def _title(case: Case, probe: Probe) -> str:
    other = next((n.name for n in case.other_nodes if probe.target in n.addresses), "")
    if probe.role == "other node":
        return other or "next hop"
    if probe.role == "default route":
        hops = next((r.hops for r in case.node.defaults(version(probe.target)) if r.hops), ())
        share = f" (1 of {len(hops)} next hops)" if len(hops) > 1 else ""
        router = f"the router of the node's default route{share}"
        return f"{router} (which is {other})" if other else router
    return "the pod's gateway" if probe.role == "gateway" else "next hop"


def _where(case: Case, probe: Probe) -> tuple[Stack, Link] | None:
    """The stack and the interface that sent the ARP request."""
    if probe.role in OF_NODE:
        link = case.node.link(case.node.fib.lookup(probe.target).hop.index)
        return (case.node, link) if link is not None else None
    if case.pod is None:
        return None
    if probe.role == "gateway" and case.primary is not None:
        return case.pod, case.primary.link
    for attachment in case.attachments:
        known = any(
            n.index == attachment.link.index and n.ip == probe.target for n in case.pod.facts.neighbours
        )
        routed = any(
            h.index == attachment.link.index and h.gateway == probe.target
            for r in case.pod.facts.routes
            for h in r.hops
        )
        near = any(within(probe.target, subnet(x)) for x in case.addresses(attachment, version(probe.target)))
        if known or routed or near:
            return case.pod, attachment.link
    return None


def _pinned(stack: Stack, link: Link, ip: str) -> str:
    """The MAC of a permanent entry, "" without one."""
    entry = stack.neighbour(link.index, ip)
    return entry.mac if entry is not None and entry.state == "permanent" else ""
