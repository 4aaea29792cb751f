"""The pod's routes: a default route on the right interface, no refusing route, the pod's own source address."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface, ip_network

from genie_core.checks.addresses import lacking
from genie_core.checks.check import check
from genie_core.checks.links import restore_routes
from genie_core.checks.parts import fix, in_pod, seen, the_pod
from genie_core.dialects import NPWG_NETWORKS
from genie_core.findings import Code, Command, Effect, Evidence, Finding, Severity
from genie_core.net.addresses import within
from genie_core.net.case import Case
from genie_core.net.egress import leads_to_node
from genie_core.net.fib import MAIN
from genie_core.net.flows import OUTSIDE, REFUSING, refusing_targets
from genie_core.net.model import Attachment
from genie_core.net.stack import Stack, conf_key
from genie_core.spec.addresses import version
from genie_core.survey.cluster import notes_of
from genie_core.survey.kernel import EVERYTHING, Route


def real_defaults(case: Case, family: int) -> list[tuple[Attachment | None, str]]:
    """(attachment, gateway) of the pod's unicast default routes, the best first."""
    pod = case.pod
    if pod is None:
        return []
    routes = [r for r in pod.defaults(family) if r not in pod.extra and r.type == "unicast"]
    return [(case.attachment(h.index), h.gateway) for r in routes for h in r.hops]


GN0301 = Code("GN0301", "no default route",
    cause="the pod reaches its own subnet only",
    confirm="ip -n POD route",
    fix="ip route add default via GATEWAY; check isDefaultGateway and ipam.routes",
    explained_by=("GN0102", "GN0101"), breaks=(Effect.PACKETS,))  # fmt: skip


@check("default-route", GN0301, title="the pod has a default route", needs=("pod",))
def default_route(case: Case) -> Iterator[Finding]:
    pod, primary = case.pod, case.primary
    if pod is None or primary is None or not primary.link.up:
        return
    for family in case.families:
        if real_defaults(case, family) or not _default_wanted(case, primary, family):
            continue
        refusing = [r for r in pod.facts.routes if r.dst in EVERYTHING and r.table == MAIN and not r.hops]
        if refusing:
            continue
        meant = case.without_default(family)
        gateway = case.expected_gateway(family)
        source = next((i.source for i in case.intended if gateway in i.gateways), "")
        expected = (
            ", as its network's configuration has it"
            if meant
            else f"; ADD's result has via {gateway}"
            if source
            else f"; {gateway} on the node would be its gateway"
            if gateway
            else ""
        )
        yield GN0301.found(
            Severity.INFO if meant else Severity.FATAL,
            f"the pod has no IPv{family} default route{expected}",
            the_pod(case, primary.link.name),
            seen("netlink", "no default", f"ip -{family} route show default"),
            *((seen(source, f"gateway {gateway}"),) if source and not meant else ()),
            remedy=fix(
                "the network's configuration sets none; isDefaultGateway or ipam.routes would"
                if meant
                else "add it again; check isDefaultGateway and ipam.routes of the network's configuration",
                *(() if meant else restore_routes(case, primary)),
            ),
            explained_by=(lacking(family),),
        )


def _default_wanted(case: Case, primary: Attachment, family: int) -> bool:
    """For IPv4 always; for IPv6 where a gateway is known or the pod is routed: a ULA alone needs no default route."""
    return family == 4 or bool(case.expected_gateway(6)) or primary.kind == "routed"


GN0311 = Code("GN0311", "a router advertisement beats the default route",
    cause="a host on the link advertises itself as a router, with a better metric or preference than the route of ADD",
    confirm="ip -6 -n POD route show default; tcpdump -ni eth0 'icmp6 and ip6[40] == 134'",
    fix="accept_ra=0 in the pod (tuning), and stop the host that advertises", breaks=(Effect.PACKETS,))  # fmt: skip
PREFERENCES = {-1: "low", 0: "medium", 1: "high"}


@check(
    "default-advertised",
    GN0311,
    title="no router advertisement beats the pod's default route",
    needs=("pod",),
)
def advertised_default(case: Case) -> Iterator[Finding]:
    pod = case.pod
    routes = [r for r in pod.defaults(6) if r.hops and r not in pod.extra] if pod else []
    ours = [r for r in routes if not r.advertised]
    if not routes or not routes[0].advertised or not ours or pod is None:
        return
    best, own = routes[0], ours[0]
    name, gateway = pod.name(best.hops[0].index), best.hops[0].gateway
    sender = next((case.title_of(t) for t in case.facts.tenants for a in t.addresses if a.ip == gateway), "")
    yield GN0311.error(
        f"a router advertisement of {gateway}{f' ({sender})' if sender else ''} beats the pod's default route: its "
        f"preference is {PREFERENCES[best.preference]} and its metric {best.metric}, those of {pod.ways(own)} "
        f"{PREFERENCES[own.preference]} and {own.metric}",
        the_pod(case, name),
        seen(
            "netlink", f"default {pod.ways(best)} proto ra metric {best.metric}", "ip -6 route show default"
        ),
        seen(
            "sysctl",
            f"accept_ra={pod.setting(name, 'accept_ra', 6)}",
            f"sysctl {conf_key(name, 'accept_ra', 6)}",
        ),
        remedy=fix(
            "ignore router advertisements in the pod, and stop the host that sends them",
            in_pod("sysctl", "-w", f"{conf_key(name, 'accept_ra', 6)}=0"),
            in_pod("ip", "-6", "route", "del", "default", "via", gateway, "dev", name, "proto", "ra"),
        ),
    )


GN0303 = Code("GN0303", "the default route moved to another interface",
    cause="a default route on net1 leads where the cluster is not, or the node drops the answers that "
    "come in there (rp_filter=1)",
    confirm="ip -n POD route", fix="give eth0 the default route, or add the cluster's prefixes there",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("default-moved", GN0303, title="the default route is where the cluster is", needs=("pod", "node"))
def default_moved(case: Case) -> Iterator[Finding]:
    primary, pod = case.primary, case.pod
    if primary is None or pod is None or primary.kind not in ("bridge", "routed"):
        return
    for family in case.families:
        best = real_defaults(case, family)[:1]
        if not best or best[0][0] in (primary, None):
            continue
        other, gateway = best[0]
        assert other is not None
        stranded = [prefix for prefix in _cluster_prefixes(case, family) if _leaves_by(case, prefix, other)]
        if leads_to_node(case, other, gateway):
            entry = other.entry
            if family == 4 and entry and case.node.rp_filter(entry.name) == 1:
                yield _moved(case, family, other, gateway, _dropped(case, entry.name))
        elif stranded:
            yield _moved(case, family, other, gateway, _stranded(case, other, stranded))


def _stranded(case: Case, other: Attachment, prefixes: list[str]) -> tuple[str, tuple[Evidence, ...]]:
    """(the effect, as a clause; its evidence)."""
    primary = case.primary
    return f"nothing routes {', '.join(prefixes)} to {primary.link.name if primary else ''}", tuple(
        seen("model", f"{prefix} leaves by {other.link.name}", f"ip route get {prefix.split('/')[0]}")
        for prefix in prefixes[:3]
    )


def _dropped(case: Case, entry: str) -> tuple[str, tuple[Evidence, ...]]:
    key = conf_key(entry, "rp_filter")
    return (
        f"the node drops the replies from {case.address(4)} that come in by {entry} (rp_filter=1)",
        (seen("sysctl", f"{key}=1 (with all)", f"sysctl {key}"),),
    )


def _moved(
    case: Case, family: int, other: Attachment, gateway: str, harm: tuple[str, tuple[Evidence, ...]]
) -> Finding:
    what, evidence = harm
    name = other.link.name
    asked = ", as the pod's annotation asks (default-route)" if _asks_for_it(case) else ""
    return GN0303.fatal(
        f"the default route is by {name} (via {gateway or 'link'}){asked}, and {what}",
        the_pod(case, name),
        seen("netlink", f"default via {gateway} dev {name}", "ip route show default"),
        *evidence,
        remedy=fix(
            "leave default-route out of the annotation, or add routes for the cluster's prefixes"
            if asked
            else "restore the default route; a pod that Genie attaches again keeps its primary network's",
            *_give_back(case, family, other, gateway),
            risk=f"what needed the default route on {name} needs separate routes",
        ),
    )


def _give_back(case: Case, family: int, other: Attachment, gateway: str) -> tuple[Command, ...]:
    """Commands that delete the other interface's route, and add the primary's where the pod has none."""
    primary, right = case.primary, case.expected_gateway(family)
    has_own = any(x is primary for x, _ in real_defaults(case, family))
    if primary is None or not (has_own or right):
        return ()
    ip = ["ip", *(["-6"] if family == 6 else []), "route"]
    via = ["via", gateway] if gateway else []
    commands = [in_pod(*ip, "del", "default", *via, "dev", other.link.name)]
    if not has_own:
        commands.append(in_pod(*ip, "replace", "default", "via", right, "dev", primary.link.name))
    return tuple(commands)


def _asks_for_it(case: Case) -> bool:
    """Whether the pod's annotation has the standard's key `default-route`."""
    return '"default-route"' in str(notes_of(case.facts.pod_object).get(NPWG_NETWORKS, ""))


def _cluster_prefixes(case: Case, family: int) -> list[str]:
    """What the pod must reach by its primary interface: services, pods of other nodes, the nodes."""
    remote = [c for n in case.other_nodes for c in n.cidrs]
    prefixes = [
        *dict.fromkeys(f.ip for f in case.frontends),
        *remote,
        *(ip for n in case.nodes for ip in n.addresses),
    ]
    if not prefixes:
        prefixes = [x.ip for link in case.uplinks for x in case.node.addresses(link)]
    return [p for p in dict.fromkeys(prefixes) if version(p) == family]


def _leaves_by(case: Case, prefix: str, other: Attachment) -> bool:
    assert case.pod is not None
    return case.pod.fib.lookup(prefix.split("/", maxsplit=1)[0]).hop.index == other.link.index


GN0803 = Code("GN0803", "interfaces overlap",
    cause="two interfaces of the pod have addresses of one subnet",
    confirm="ip -n POD route", fix="distinct subnets, or policy routing")  # fmt: skip


@check("subnets-overlap", GN0803, title="the pod's interfaces have distinct subnets", needs=("pod",))
def overlapping(case: Case) -> Iterator[Finding]:
    held = [(x, own.cidr, own) for x in case.attachments for own in case.addresses(x) if not own.is_single]
    for number, (one, prefix, _) in enumerate(held):
        for other, another, own in held[number + 1 :]:
            if one is other or not within(own.ip, prefix):
                continue
            same = one.bridge is not None and one.bridge == other.bridge
            yield GN0803.found(
                Severity.INFO if same else Severity.WARNING,
                f"{one.link.name} ({prefix}) and {other.link.name} ({another}) overlap: only "
                "the first route is used",
                the_pod(case, other.link.name),
                seen("netlink", f"{prefix}, {another}", "ip addr"),
                remedy=fix("use distinct subnets, or policy routing (the sbr plugin)"),
            )


GN0304 = Code("GN0304", "a route in the pod rejects packets",
    cause="a route of type blackhole, unreachable, prohibit, local or broadcast for a target that the pod needs",
    confirm="ip -n POD route show table all", fix="delete the route", breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "pod-routes-refuse", GN0304, title="no route of the pod rejects packets to what it needs", needs=("pod",)
)
def refused(case: Case) -> Iterator[Finding]:
    pod = case.pod
    if pod is None:
        return
    refusing = [r for r in pod.facts.routes if _may_refuse(pod, r) and version(r.dst) in case.families]
    targets = needed_targets(case) if refusing else []
    hints = {f: [*refusing_targets(case, f)] for f in case.families if refusing}
    for route in refusing:
        everything = route.dst in EVERYTHING
        needed = [t for t in targets if _refuses(case, route, t)]
        hinted = any(p == route.dst and _refuses(case, route, ip) for ip, p in hints[version(route.dst)])
        if not needed and not hinted:
            continue
        argv = ["ip", f"-{version(route.dst)}", "route", "del", route.type, route.dst, "table", route.table]
        yield GN0304.found(
            Severity.ERROR if needed or everything else Severity.WARNING,
            f"the pod's own routes {_DEEDS.get(route.type, 'refuse {}').format(route.dst)} ({route.type})"
            + (f": {', '.join(needed[:3])} is not reached" if needed else ""),
            the_pod(case),
            seen(
                "netlink",
                f"{route.type} {route.dst} table {route.table}",
                f"ip route show table {route.table}",
            ),
            remedy=fix("delete the route", in_pod(*argv)),
        )


# What routes do with another host's address, by their type.
_DEEDS = {"local": "take {} for an address of the pod", "broadcast": "take {} for a broadcast address"}


def _may_refuse(pod: Stack, route: Route) -> bool:
    """Whether it takes packets from the network: routes that the kernel made for an address of the pod do not count."""
    if route.type not in _DEEDS:
        return route.type in REFUSING
    own = ip_network(route.dst)
    made = (ip_interface(a.cidr) for a in pod.facts.addresses)
    return not any(
        one.ip in own or own.network_address in (one.network.network_address, one.network.broadcast_address)
        for one in made
        if one.version == own.version
    )


def _refuses(case: Case, route: Route, target: str) -> bool:
    """Whether the route is what stops packets to the target. Behind a throw route, no other table has one."""
    return (
        case.pod is not None
        and version(target) == version(route.dst)
        and case.pod.fib.lookup(target).route == route
    )


def needed_targets(case: Case) -> list[str]:
    """Addresses that any pod of the cluster should reach."""
    found = [f.ip for f in case.frontends] + [ip for pod in case.pods for ip in pod.ips]
    found += [ip for node in case.nodes for ip in node.addresses]
    # The node's end of the pod's link: kubelet's probes come from it.
    entry = case.primary.entry if case.primary and case.primary.kind in ("bridge", "routed") else None
    found += [address.ip for address in case.node.addresses(entry)] if entry else []
    return list(dict.fromkeys([*found, *OUTSIDE.values()]))


GN0310 = Code("GN0310", "a route has a wrong source address",
    cause="the route's src is an address that the cluster does not route to this pod",
    confirm="ip -n POD route; ip route get TARGET", fix="ip route replace ... src THE-POD'S-ADDRESS",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("route-source", GN0310, title="routes have the pod's own source address", needs=("pod",))
def foreign_source(case: Case) -> Iterator[Finding]:
    primary, pod = case.primary, case.pod
    promised = {str(ip) for intended in case.intended for ip in intended.ips}
    if primary is None or pod is None:
        return
    for route in pod.facts.routes:
        own = [x.ip for x in case.addresses(primary, version(route.dst))]
        leaves = route.type == "unicast" and any(h.index == primary.link.index for h in route.hops)
        if not (leaves and route.source and own) or route.source in own or route.source in promised:
            continue
        gateway = next((h.gateway for h in route.hops if h.gateway), "")
        via = ["via", gateway] if gateway else []
        yield GN0310.found(
            Severity.FATAL if route.dst in EVERYTHING else Severity.ERROR,
            f"the pod's route {route.dst} sends with source {route.source}, which is not {primary.link.name}'s "
            f"({', '.join(own)}): no route leads the replies back to the pod",
            the_pod(case, primary.link.name),
            seen("netlink", f"{route.dst} src {route.source}", f"ip route show {route.dst}"),
            remedy=fix(
                "use the interface's own address",
                in_pod("ip", "route", "replace", route.dst, *via, "dev", primary.link.name, "src", own[0]),
            ),
        )
