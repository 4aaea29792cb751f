"""Services where kube-proxy works with IPVS: virtual servers, their destinations, and the addresses of kube-ipvs0."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, on_node, seen, some, subject
from genie_core.checks.services import GN0601, GN0602, translated
from genie_core.findings import Command, Evidence, Finding
from genie_core.net.case import Case
from genie_core.net.ipvs import Destination, virtual_servers
from genie_core.spec.addresses import host_prefix, with_port
from genie_core.survey.cluster import Frontend

DEVICE = "kube-ipvs0"  # has every service's address, so that the kernel delivers their packets locally
SHOWN = 4
SHOW = "ipvsadm -Ln"


@check(
    "virtual-servers",
    GN0601,
    GN0602,
    title="IPVS translates services to their endpoints",
    needs=("node", "service rules", "objects: Service", "objects: EndpointSlice"),
)
def translation(case: Case) -> Iterator[Finding]:
    if not case.facts.node.ipvs:  # without its header: the table does not exist, or cannot be read
        return
    servers = virtual_servers(case.facts.node.ipvs)
    fronts = [f for f in case.frontends if f.known and f.endpoints and f.protocol in ("tcp", "udp", "sctp")]
    device = DEVICE in case.node.by_name
    # Virtual servers of other programs (keepalived) are no services.
    if not device and not any((f.protocol, f.ip, f.port) in servers for f in fronts):
        return
    # kube-proxy may have left the device when it changed to another mode: then rules translate.
    fronts = [f for f in fronts if (f.protocol, f.ip, f.port) in servers or not translated(case, f)]
    missing = [f for f in fronts if (f.protocol, f.ip, f.port) not in servers]
    if missing:
        yield _unknown(missing, everything=len(missing) == len(fronts) > 1)
    bound = [f for f in fronts if f not in missing]
    unbound = [f for f in bound if device and f.ip not in case.node.local]
    if unbound:
        yield _unbound(unbound)
    for front in bound:
        live = [d for d in servers[front.protocol, front.ip, front.port] if d[2] > 0]
        stale = [d for d in live if (d[0], d[1]) not in front.endpoints]
        if stale:
            yield _stale(front, stale)
        elif not live:
            yield _empty(front)


def _ports(fronts: list[Frontend]) -> str:
    return some((f"{f.ip}:{f.port}/{f.protocol} ({f.service})" for f in fronts), SHOWN)


def _named(front: Frontend) -> tuple[str, str]:
    return {"tcp": "-t", "udp": "-u"}.get(front.protocol, "--sctp-service"), with_port(front.ip, front.port)


def _intended(front: Frontend) -> Evidence:
    endpoints = ", ".join(with_port(*e) for e in front.endpoints[:SHOWN])
    return seen("objects", f"{front.service}: endpoints {endpoints}")


def _unknown(fronts: list[Frontend], *, everything: bool) -> Finding:
    commands: list[Command] = []
    for front in fronts[:SHOWN]:
        commands.append(on_node("ipvsadm", "-A", *_named(front), "-s", "rr"))
        commands += [
            on_node("ipvsadm", "-a", *_named(front), "-r", with_port(*e), "-m") for e in front.endpoints
        ]
    return GN0601.error(
        f"no IPVS virtual server for {_ports(fronts)} on this node: kube-proxy has "
        + ("none here at all" if everything else "not synced it"),
        subject("service", fronts[0].service),
        seen("procfs", "not in /proc/net/ip_vs", SHOW),
        _intended(fronts[0]),
        remedy=fix(
            "look at kube-proxy on this node (running, synced?); as a stopgap, one virtual server per port",
            *commands,
            risk="the stopgap does not follow endpoint changes",
        ),
    )


def _unbound(fronts: list[Frontend]) -> Finding:
    ips = list(dict.fromkeys(f.ip for f in fronts))
    return GN0601.error(
        f"{_ports(fronts)} has a virtual server, but {DEVICE} lacks its address: packets bypass IPVS",
        subject("service", fronts[0].service, DEVICE),
        seen("netlink", f"{DEVICE} without {', '.join(ips[:SHOWN])}", f"ip addr show {DEVICE}"),
        remedy=fix(
            "look at kube-proxy on this node, which adds the addresses",
            *(on_node("ip", "addr", "add", host_prefix(ip), "dev", DEVICE) for ip in ips),
        ),
    )


def _stale(front: Frontend, stale: list[Destination]) -> Finding:
    names = ", ".join(with_port(ip, port) for ip, port, _ in stale[:SHOWN])
    return GN0602.error(
        f"IPVS sends {_ports([front])} to {names}, which is no live endpoint",
        subject("service", front.service),
        seen("procfs", f"destination {names}", SHOW),
        _intended(front),
        remedy=fix(
            "delete the destination; look at kube-proxy on this node",
            *(on_node("ipvsadm", "-d", *_named(front), "-r", with_port(ip, port)) for ip, port, _ in stale),
        ),
    )


def _empty(front: Frontend) -> Finding:
    return GN0602.warning(  # with internalTrafficPolicy Local there may be none on this node
        f"the IPVS virtual server of {_ports([front])} has no destination",
        subject("service", front.service),
        seen("procfs", "no destination with a weight", SHOW),
        _intended(front),
        remedy=fix("look at kube-proxy on this node, and at the service's internalTrafficPolicy"),
    )
