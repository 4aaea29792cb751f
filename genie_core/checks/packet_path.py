"""What stops the traced packets of the pod: forwarding, routes, policy rules, reverse path and packet filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from genie_core.checks.check import check
from genie_core.checks.firewall_drops import (
    GN0506,
    GN0507,
    GN0508,
    GN0509,
    GN0510,
    filter_findings,
    is_needed,
)
from genie_core.checks.overlay import restore_route
from genie_core.checks.parts import by_route, fix, in_pod, on_node, seen, subject, the_pod
from genie_core.findings import Code, Command, Confidence, Effect, Finding, Severity
from genie_core.net.addresses import subnet, within
from genie_core.net.case import Case
from genie_core.net.egress import holder
from genie_core.net.fib import MAIN, Way
from genie_core.net.stack import conf_key
from genie_core.net.traces import Block
from genie_core.spec.addresses import host_prefix, version
from genie_core.survey.kernel import EVERYTHING, Link


def blocks(case: Case, *kinds: str, place: str = "") -> list[Block]:
    """The blocks of these kinds on all flows."""
    return [b for w in case.walks for b in w.blocks if b.kind in kinds and (not place or b.place == place)]


def flows_text(found: list[Block]) -> str:
    """The flows that are hit, each once, at most four."""
    names = list(dict.fromkeys(b.flow.name or b.flow.target for b in found))
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def weight(case: Case, found: list[Block]) -> Severity:
    """The severity where these flows stop: higher where something is known to need them."""
    if all(b.flow.hinted for b in found):
        return Severity.WARNING  # a prefix that nothing needs may be refused on purpose
    wide = any(b.flow.general or is_needed(case, b.flow) for b in found if not b.flow.hinted)
    return Severity.FATAL if wide else Severity.INFO


GN0501 = Code("GN0501", "forwarding is off",
    cause="ip_forward=0: something reset it",
    confirm="sysctl net.ipv4.ip_forward", fix="set it to 1, and in sysctl.d", breaks=(Effect.PACKETS,))  # fmt: skip
GN0502 = Code("GN0502", "forwarding is off on one interface",
    cause="the interface's own setting overrides the node's",
    confirm="sysctl net.ipv4.conf.IFACE.forwarding", fix="set it to 1", breaks=(Effect.PACKETS,))  # fmt: skip


@check("forwarding", GN0501, GN0502, title="the node forwards for the pod", needs=("pod", "node"))
def forwarding(case: Case) -> Iterator[Finding]:
    found = blocks(case, "forwarding")
    by_link: dict[tuple[int, str], list[Block]] = {}
    for block in found:
        by_link.setdefault((block.flow.family, block.link), []).append(block)
    for family in sorted({f for f, _ in by_link}):
        links = {link: hit for (f, link), hit in by_link.items() if f == family}
        everywhere = (
            not case.node.sysctl("ipv4/ip_forward")
            if family == 4
            else not case.node.setting("all", "forwarding", 6)
        )
        if everywhere:
            name = "net.ipv4.ip_forward" if family == 4 else "net.ipv6.conf.all.forwarding"
            yield GN0501.fatal(
                f"{name}=0: the node forwards nothing for its pods",
                subject("sysctl", name),
                seen(
                    "sysctl",
                    f"{name}=0{', which net.ipv4.conf.all.forwarding=0 sets too' if family == 4 else ''}",
                    f"sysctl {name}",
                ),
                remedy=fix(
                    "set it to 1, also in /etc/sysctl.d, and find what resets it (sysctl.d, "
                    "docker, a network service)",
                    on_node("sysctl", "-w", f"{name}=1"),
                ),
                affects=_all_local(case),
            )
            continue
        for link, hit in links.items():
            name = conf_key(link, "forwarding", family)
            yield GN0502.found(
                Severity.FATAL
                if case.primary and case.primary.entry and link == case.primary.entry.name
                else Severity.ERROR,
                f"forwarding is off on {link}, although it is on for the node: {flows_text(hit)} is cut off",
                subject("sysctl", name, link),
                seen("sysctl", f"{name}=0", f"sysctl {name}"),
                remedy=fix("set it to 1", on_node("sysctl", "-w", f"{name}=1")),
            )


def _all_local(case: Case) -> tuple[str, ...]:
    names = {
        case.title_of(t)
        for link in case.pod_links
        if (t := case.tenant_of(link)) and t.path != case.facts.netns_path
    }
    return tuple(sorted(names))


GN0413 = Code("GN0413", "the node's route to the pod is wrong",
    cause="a stale, refusing or missing route",
    confirm="ip route get POD-ADDRESS", fix="delete the stale route, restore the right one",
    explained_by=("GN0206", "GN0201", "GN0310", "GN0203", "GN0406", "GN0401", "GN0404", "GN0402",
        "GN0403", "GN0504"), breaks=(Effect.PACKETS,))  # fmt: skip


@check("host-route", GN0413, title="the node's route to the pod leads to it", needs=("pod", "node"))
def host_routes(case: Case) -> Iterator[Finding]:
    found = blocks(case, "host-route")
    found += [b for w in case.further for b in w.blocks if b.kind == "host-route"]
    for target in dict.fromkeys(b.packet.target for b in found):
        block = next(b for b in found if b.packet.target == target)
        way, attachment = block.way, holder(case, target)
        assert way is not None
        if attachment is None or attachment.entry is None or not attachment.entry.up:
            continue
        entry = block.wanted
        commands: list[Command] = []
        if way.route is not None and _narrower(case, attachment.entry, way.route.dst):
            verb = [way.route.type] if way.refused else []
            commands.append(
                on_node(
                    "ip", "route", "del", *verb, way.route.dst, *([] if way.refused else ["dev", block.link])
                )
            )
        if attachment.kind == "routed":
            commands.append(on_node("ip", "route", "replace", host_prefix(target), "dev", entry))
        elif not commands or (way.route and way.route.dst.startswith("0.0.0.0/0")):
            commands = _restore_connected(case, attachment.entry, target)
        where = (
            f"leads to {block.link}"
            if not way.refused
            else f"is {way.type}"
            if way.type != "none"
            else "is missing"
        )
        owner = _peer_title(case, block.link)
        shown = way.route.dst if way.route else target
        yield GN0413.found(
            Severity.FATAL if attachment is case.primary else Severity.ERROR,
            f"the node's route to the pod ({shown}) {where}{owner}, not to {entry}",
            subject("route", f"{shown} dev {block.link}" if not way.refused else shown),
            seen("netlink", f"{target} {where}", f"ip route get {target}"),
            remedy=fix(_route_advice(commands, shown, target, entry), *commands),
        )


def _route_advice(commands: Sequence[Command], shown: str, target: str, entry: str) -> str:
    """A sentence that describes the commands."""
    verbs = {command.argv[2] for command in commands}
    if not verbs:
        return f"find out what set the route {shown}, and have {target} go to {entry} again"
    done = [f"delete the route {shown}"] if "del" in verbs else []
    done += [f"route {target} to {entry}"] if "replace" in verbs else []
    return f"{' and '.join(done)}, and find out what changed it"


def _narrower(case: Case, entry: Link, dst: str) -> bool:
    """Whether a route covers less than the subnet of the pod's bridge: without it, the subnet's own route applies."""
    address, _, length = dst.partition("/")
    if length in ("32", "128"):
        return True
    return any(
        within(address, subnet(own)) and int(length) > own.prefix
        for own in case.node.addresses(entry, version(address))
    )


def _restore_connected(case: Case, entry: Link, target: str) -> list[Command]:
    """The bridge's own subnet route again."""
    near = (own for own in case.node.addresses(entry) if within(target, subnet(own)))
    return [
        on_node("ip", "route", "replace", subnet(own), "dev", entry.name, "src", own.ip)
        for own in islice(near, 1)
    ]


def _peer_title(case: Case, name: str) -> str:
    link = case.node.by_name.get(name)
    tenant = case.tenant_of(link) if link and link.kind == "veth" else None
    return f" (peer of {case.title_of(tenant)})" if tenant else ""


GN0513 = Code("GN0513", "the node does not route what the pod sends",
    cause="a refusing route, or none",
    confirm="ip route get TARGET", fix="correct the node's routes", explained_by=("GN0504",),
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("node-routes", GN0513, title="the node routes what the pod sends", needs=("pod", "node"))
def refused_routes(case: Case) -> Iterator[Finding]:
    by_way: dict[str, list[Block]] = {}
    for block in blocks(case, "route", place="node"):
        way = block.way
        # Without a route: remote prefixes have a check of their own, and nothing is known to need a hinted one.
        if way is None or (way.type == "none" and (block.flow.role == "remote" or block.flow.hinted)):
            continue
        by_way.setdefault(f"{way.type} {way.route.dst if way.route else block.packet.target}", []).append(
            block
        )
    for title, found in by_way.items():
        way = found[0].way
        assert way is not None
        explicit = way.route is not None
        yield GN0513.found(
            _weight(found, explicit=explicit),
            "the node has "
            f"{'a ' + title + ' route' if explicit else 'no route to ' + found[0].packet.target}: "
            f"{flows_text(found)} is not reached",
            subject("route", title),
            seen("netlink", title, f"ip route get {found[0].packet.target}"),
            explained_by=(by_route(way.route.dst),) if way.route else (),
            remedy=fix(
                "delete the route, and restore the one that it replaced"
                if explicit
                else "restore the node's route",
                *(_without_route(case, way, found[0]) if explicit else ()),
            ),
        )


def _without_route(case: Case, way: Way, block: Block) -> tuple[Command, ...]:
    """Delete the refusing route: without its type, which with a nexthop object is the object's (ip-nexthop(8))."""
    assert way.route is not None
    return (on_node("ip", "route", "del", way.route.dst), *_overlay_route(case, way, block))


def _weight(found: list[Block], *, explicit: bool) -> Severity:
    """A prefix that nothing is known to need may be refused on purpose."""
    wanted = [b for b in found if not b.flow.hinted]
    return Severity.ERROR if wanted and (explicit or wanted[0].flow.role != "outside") else Severity.WARNING


def _overlay_route(case: Case, way: Way, block: Block) -> tuple[Command, ...]:
    """The route into the tunnel, where the refusing route is for a remote prefix."""
    return restore_route(case, way.route.dst, block.wanted) if way.route and block.wanted else ()


GN0305 = Code("GN0305", "a policy rule in the pod misroutes packets",
    cause="an ip rule of the pod refuses its packets or sends them elsewhere",
    confirm="ip -n POD rule", fix="delete or narrow the rule", breaks=(Effect.PACKETS,))  # fmt: skip
GN0309 = Code("GN0309", "a more specific route misroutes packets",
    cause="a route of the pod takes cluster traffic to a secondary interface",
    confirm="ip -n POD route", fix="delete or narrow the route", breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "pod-routes",
    GN0305,
    GN0309,
    title="the pod's rules and routes lead to the cluster",
    needs=("pod", "node"),
)
def pod_routes(case: Case) -> Iterator[Finding]:
    found = blocks(case, "diverted", place="pod")
    groups: dict[str, list[Block]] = {}
    for block in found:
        way = block.way
        if (
            way is None
            or way.route is None
            or (way.route.dst in EVERYTHING and way.rule and way.rule.table == MAIN)
        ):
            continue  # another check reports a moved default route
        groups.setdefault(f"{way.route.dst} table {way.route.table}", []).append(block)
    for title, hit in groups.items():
        way = hit[0].way
        assert way is not None
        assert way.route is not None
        assert way.rule is not None
        by_rule = way.rule.table != MAIN
        command = (
            in_pod("ip", f"-{way.rule.family}", "rule", "del", *way.rule.named)
            if by_rule
            else in_pod("ip", "route", "del", way.route.dst, "dev", hit[0].link)
        )
        what = f"rule {way.rule.priority}" if by_rule else f"route {way.route.dst}"
        yield (GN0305 if by_rule else GN0309).error(
            f"the pod's {what} sends {flows_text(hit)} out of {hit[0].link}, away from the cluster",
            the_pod(case, hit[0].link),
            seen("netlink", f"{title} dev {hit[0].link}", "ip rule; ip route show table all"),
            remedy=fix("delete it, or narrow it", command),
        )
    refusing = [
        b
        for b in blocks(case, "route", place="pod")
        if b.way and b.way.rule and (b.way.rule.table != MAIN or b.way.rule.action != "lookup")
    ]
    for rule in dict.fromkeys(b.way.rule for b in refusing if b.way and b.way.rule):
        hit = [b for b in refusing if b.way and b.way.rule == rule]
        yield GN0305.found(
            weight(case, hit),
            f"the pod's ip rule {rule.priority} refuses its packets "
            f"({hit[0].way.type if hit[0].way else ''}): {flows_text(hit)}",
            the_pod(case),
            seen("netlink", f"{rule.priority}: {rule}", "ip rule; ip route show table all"),
            remedy=fix("delete the rule", in_pod("ip", f"-{rule.family}", "rule", "del", *rule.named)),
        )


GN0503 = Code("GN0503", "the reverse path filter drops",
    cause="the route back to the sender is through another interface",
    confirm="nstat -az TcpExtIPReversePathFilter; ip route get SENDER",
    fix="make routes symmetric, or rp_filter=2", explained_by=("GN0303", "GN0413", "GN0504"),
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("reverse-path", GN0503, title="no reverse path filter drops the pod's traffic", needs=("pod", "node"))
def reverse_path(case: Case) -> Iterator[Finding]:
    groups: dict[str, list[Block]] = {}
    for block in blocks(case, "reverse-path"):
        groups.setdefault(block.link, []).append(block)
    for link, found in groups.items():
        block = found[0]
        way = block.way
        assert way is not None
        back = case.node.name(way.hop.index) if way.hop.index else way.type
        route = way.route.dst if way.route else block.packet.source
        counter = case.facts.node.counters.get("IPReversePathFilter", 0)
        mode = case.node.rp_filter(link)
        mend = restore_route(case, route, link)
        yield GN0503.error(
            f"{'strict' if mode == 1 else 'loose'} rp_filter drops {route} arriving on {link}, "
            f"because the route to it points to {back}",
            subject("route", route, link),
            seen(
                "sysctl",
                f"net.ipv4.conf.{link}.rp_filter={mode} (with all)",
                f"sysctl {conf_key(link, 'rp_filter')}",
            ),
            seen("netlink", f"{block.packet.source} via {back}", f"ip route get {block.packet.source}"),
            seen("nstat", f"IPReversePathFilter {counter}", "nstat -az TcpExtIPReversePathFilter"),
            remedy=fix(
                f"route {route} by {link} again; rp_filter=2 there if the asymmetry is intended",
                *mend or (on_node("sysctl", "-w", f"{conf_key(link, 'rp_filter')}=2"),),
            ),
            confidence=Confidence.HIGH if counter else Confidence.MEDIUM,
        )


@check(
    "firewall",
    GN0506,
    GN0507,
    GN0508,
    GN0509,
    GN0510,
    title="no firewall rule drops the pod's packets",
    needs=("pod", "node firewall", "pod firewall"),
)
def filters(case: Case) -> Iterator[Finding]:
    yield from filter_findings(case, [b for w in case.walks for b in w.blocks if b.kind == "filter"])
