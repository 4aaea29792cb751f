"""Other nodes' pods without a tunnel: prefixes are routed to their nodes (host-gw, BGP, IPv6 beside a tunnel)."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.overlay import GN0701, GN0702
from genie_core.checks.packet_path import GN0513
from genie_core.checks.parts import fix, on_node, seen, subject
from genie_core.findings import Code, Confidence, Finding
from genie_core.net.addresses import some_address
from genie_core.net.case import Case
from genie_core.net.fib import MAIN, Way
from genie_core.net.flows import tunnel_of
from genie_core.net.stack import conf_key
from genie_core.spec.addresses import version
from genie_core.survey.cluster import Node


@check(
    "native-routes",
    GN0701,
    GN0702,
    title="other nodes' pods are routed to their nodes",
    needs=("node", "objects: Node"),
)
def native_routes(case: Case) -> Iterator[Finding]:
    ways = [
        (node, cidr, case.node.fib.lookup(some_address(cidr)))
        for node in case.other_nodes
        for cidr in node.cidrs
        if tunnel_of(case, cidr) is None
    ]
    if case.datapath:
        return
    # Where no prefix has a route, the router of the default route has all of them, as in clouds.
    routed = {version(cidr) for node, cidr, way in ways if _reaches(way, node)}
    for node, cidr, way in ways:
        if way.rule is not None and way.rule.table != MAIN:
            continue
        if _default(way) or way.type == "none":
            if version(cidr) in routed:
                yield _missing(case, node, cidr, way)
        elif wrong := _wrong_hop(case, node, way):
            yield _astray(case, node, cidr, way, wrong)


def _default(way: Way) -> bool:
    return way.route is not None and way.route.dst.endswith("/0") and not way.refused


def _reaches(way: Way, node: Node) -> bool:
    """Whether a route more specific than the default leads to the node."""
    return not way.refused and not _default(way) and way.hop.gateway in node.addresses


def _wrong_hop(case: Case, node: Node, way: Way) -> str:
    """What is wrong with the next hop: it is another node, or does not answer; "" where it is right."""
    gateway = way.hop.gateway
    if (
        way.refused
        or not gateway
        or gateway in node.addresses
        or len(way.route.hops if way.route else ()) > 1
    ):
        return ""
    other = next((n.name for n in case.other_nodes if gateway in n.addresses), "")
    if other:
        return f"which is {other}"
    neighbour = case.node.neighbour(way.hop.index, gateway)
    silent = any(p.kind == "arp" and p.target == gateway and p.result == "timeout" for p in case.facts.probes)
    failed = neighbour is not None and neighbour.state == "failed"
    return "which does not answer" if failed or silent else ""


def _replace(case: Case, node: Node, cidr: str) -> list[str]:
    """The command that routes a prefix to its node, where the node is on a link of this one; [] elsewhere."""
    for address in node.addresses:
        way = case.node.fib.lookup(address) if version(address) == version(cidr) else None
        if way is not None and not way.refused and not way.hop.gateway:
            return ["ip", f"-{version(cidr)}", "route", "replace", cidr, "via", address]
    return []


def _missing(case: Case, node: Node, cidr: str, way: Way) -> Finding:
    falls = f"falls to {case.node.name(way.hop.index)}" if way.hop.index else "is unreachable"
    return _finding(case, node, cidr, GN0701, f"no route for {node.name}'s pods {cidr}: it {falls}", falls)


def _astray(case: Case, node: Node, cidr: str, way: Way, whose: str) -> Finding:
    hop = f"via {way.hop.gateway} dev {case.node.name(way.hop.index)}"
    title = f"the route for {node.name}'s pods {cidr} leads {hop}, {whose}: {node.name} is " + ", ".join(
        x for x in node.addresses if version(x) == version(cidr)
    )
    return _finding(case, node, cidr, GN0702, title, hop)


def _finding(case: Case, node: Node, cidr: str, code: Code, title: str, way: str) -> Finding:
    mend = _replace(case, node, cidr)
    address = some_address(cidr)
    return code.error(
        title,
        subject("route", cidr),
        seen("netlink", f"{address} {way}", f"ip route get {address}"),
        seen("objects", f"{node.name}: podCIDR {cidr}, InternalIP {', '.join(node.addresses)}"),
        remedy=fix(
            "add the route again; restart the agent that keeps it (flanneld, bird, kube-router)",
            *((on_node(*mend),) if mend else ()),
        ),
        confidence=Confidence.MEDIUM,
    )


@check(
    "advertised-routes", GN0513, title="the node takes the routes that its router advertises", needs=("node",)
)
def ignored_router(case: Case) -> Iterator[Finding]:
    if case.node.defaults(6) or (case.pod is not None and 6 not in case.families):
        return
    for link in case.uplinks:
        key = conf_key(link.name, "accept_ra", 6)
        held = case.node.addresses(link, 6)
        if held and case.node.setting(link.name, "accept_ra", 6) == 1 and case.node.forwards(link.name, 6):
            yield GN0513.warning(
                f"the node has no IPv6 default route, and {key} is 1: a node that forwards IPv6 ignores its router's "
                "advertisements then, and a route that it had from them is gone",
                subject("sysctl", key, link.name),
                seen(
                    "sysctl",
                    f"{key}=1, net.ipv6.conf.all.forwarding=1",
                    f"sysctl {key} net.ipv6.conf.all.forwarding",
                ),
                seen("netlink", "no IPv6 default route", "ip -6 route show default"),
                remedy=fix(
                    "set it to 2, also in /etc/sysctl.d; or a static default route",
                    on_node("sysctl", "-w", f"{key}=2"),
                ),
            )
