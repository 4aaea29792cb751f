"""Pods with several interfaces: source routing, parents, limits of macvlan and ipvlan."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.packet_path import GN0305
from genie_core.checks.parts import fix, in_pod, no_carrier, on_node, seen, the_interface, the_pod
from genie_core.findings import Code, Command, Confidence, Finding, Severity
from genie_core.net.addresses import subnet, within
from genie_core.net.case import Case
from genie_core.net.fib import DEFAULT, LOCAL, MAIN, REFUSALS
from genie_core.net.model import Attachment
from genie_core.net.stack import Stack
from genie_core.spec.addresses import host_prefix, version
from genie_core.survey.kernel import RoutingRule

MAIN_PRIORITY = 32766


def _secondary(case: Case) -> list[Attachment]:
    return [x for x in case.attachments if x is not case.primary]


GN0307 = Code("GN0307", "no source routing",
    cause="answers leave by another interface than the request came in by; reverse path filters and "
    "firewalls drop them",
    confirm="ip rule; ip route get FAR from ADDRESS",
    fix="the sbr plugin, or a rule and a table per interface")  # fmt: skip


@check(
    "source-routing",
    GN0305,
    GN0307,
    title="replies leave by the interface on which the request arrived",
    needs=("pod",),
)
def source_routing(case: Case) -> Iterator[Finding]:
    pod = case.pod
    if pod is None:
        return
    for attachment in _secondary(case):
        if not attachment.link.up:
            continue
        for own in case.addresses(attachment):
            if not any(a.ip == own.ip for a in pod.facts.addresses):
                continue
            yield from _source(case, pod, attachment, own.ip)


def _source(case: Case, pod: Stack, attachment: Attachment, ip: str) -> Iterator[Finding]:
    family = version(ip)
    beyond = "172.31.255.254" if family == 4 else "2001:db8:ffff::1"  # any address outside all links
    way = pod.fib.lookup(beyond, ip)
    if way.hop.index == attachment.link.index:
        return
    if way.rule is not None and way.rule.src and way.rule.action in REFUSALS:
        yield _refused(case, attachment, ip, way.rule)
        return
    rules = [
        r
        for r in pod.fib.rules[family]
        if r.src and within(ip, r.src) and r.action == "lookup" and r.table not in (MAIN, LOCAL, DEFAULT)
    ]
    tables = _tables(pod, attachment, family)
    why = _why_wanted(case, pod, attachment, family, rules, tables)
    if why is None:
        return
    text, confidence = why
    name = attachment.link.name
    gateway = _gateway(case, attachment, family, tables)
    table = rules[0].table if rules else (min(tables) if tables else 100 + attachment.link.index)
    yield GN0307.found(
        Severity.WARNING if confidence is Confidence.LOW else Severity.ERROR,
        f"no source routing for {name}: answers from {ip} to hosts beyond its subnet leave by "
        f"{pod.name(way.hop.index) if way.hop.index else 'nowhere'} ({text})",
        the_pod(case, name),
        seen("netlink", text, "ip rule; ip route show table all"),
        seen(
            "netlink",
            f"{beyond} from {ip} dev {pod.name(way.hop.index) if way.hop.index else way.type}",
            f"ip route get {beyond} from {ip}",
        ),
        seen(
            "sysctl",
            f"rp_filter {pod.rp_filter(name)}, IPReversePathFilter "
            f"{pod.facts.counters.get('IPReversePathFilter', 0)}",
        ),
        remedy=fix(
            f"route what {ip} sends by {name}: the sbr plugin in the network's chain does it",
            *_mend(attachment, ip, family, gateway, table, rules),
        ),
        confidence=confidence,
    )


def _refused(case: Case, attachment: Attachment, ip: str, rule: RoutingRule) -> Finding:
    return GN0305.error(
        f"the pod's ip rule {rule.priority} refuses what {ip} on {attachment.link.name} sends ({rule.action})",
        the_pod(case, attachment.link.name),
        seen("netlink", f"{rule.priority}: {rule}", "ip rule"),
        remedy=fix("delete the rule", in_pod("ip", f"-{rule.family}", "rule", "del", *rule.named)),
    )


def _tables(pod: Stack, attachment: Attachment, family: int) -> dict[int, str]:
    """Tables other than main with a default route by the attachment, and their gateway."""
    found = {}
    for route in pod.facts.routes:
        if (
            route.table in (MAIN, LOCAL, DEFAULT)
            or version(route.dst) != family
            or not route.dst.endswith("/0")
        ):
            continue
        for hop in route.hops:
            if hop.index == attachment.link.index:
                found[route.table] = hop.gateway
    return found


def _why_wanted(
    case: Case,
    pod: Stack,
    attachment: Attachment,
    family: int,
    rules: list[RoutingRule],
    tables: dict[int, str],
) -> tuple[str, Confidence] | None:
    """Evidence that source routing is needed here, "" for none: without a need, a pod without it is healthy."""
    name = attachment.link.name
    if tables and not rules:
        return f"table {min(tables)} has the routes, but no rule selects it", Confidence.HIGH
    if rules and not pod.fib.table(family, rules[0].table):
        return f"rule {rules[0].priority} selects table {rules[0].table}, which is empty", Confidence.HIGH
    if rules and rules[0].table in tables:
        return (
            f"rule {rules[0].priority} for table {rules[0].table} comes after that of table main",
            Confidence.HIGH,
        )
    if rules:
        return f"table {rules[0].table} has no way out by {name}", Confidence.HIGH
    networks = {i.network for i in case.intended if i.ifname == name and i.network}
    for conf in case.facts.files.confs:
        if conf.name in networks and any(p.get("type") == "sbr" for p in conf.plugins):
            return f"sbr is in {conf.path}", Confidence.HIGH
    if pod.facts.counters.get("IPReversePathFilter", 0) and pod.rp_filter(name) == 1:
        return f"strict rp_filter on {name} has dropped packets", Confidence.MEDIUM
    # The counter does not include ARP requests: that it is 0 does not show that nothing was dropped.
    if pod.rp_filter(name) == 1 and family == 4:
        return f"strict rp_filter on {name} drops what such hosts send", Confidence.LOW
    return None


def _gateway(case: Case, attachment: Attachment, family: int, tables: dict[int, str]) -> str:
    if tables:
        return tables[min(tables)]
    attempts = [
        g
        for i in case.intended
        if i.ifname == attachment.link.name
        for g in i.gateways
        if version(g) == family
    ]
    if attempts:
        return attempts[0]
    return _first_host(case, attachment, family)


def _first_host(case: Case, attachment: Attachment, family: int) -> str:
    for own in case.addresses(attachment, family):
        network = ipaddress.ip_network(subnet(own))
        if network.num_addresses > 2 and str(network.network_address + 1) != own.ip:
            return str(network.network_address + 1)
    return ""


def _mend(
    attachment: Attachment, ip: str, family: int, gateway: str, table: int, rules: list[RoutingRule]
) -> tuple[Command, ...]:
    if not gateway:
        return ()
    word = ["-6"] if family == 6 else []
    way = ("default", "via", gateway, "dev", attachment.link.name, "table", table)
    commands = [in_pod("ip", *word, "route", "replace", *way)]
    if not rules or rules[0].priority >= MAIN_PRIORITY:
        commands.append(in_pod("ip", *word, "rule", "add", "from", host_prefix(ip), "lookup", table))
    return tuple(commands)


GN0801 = Code("GN0801", "macvlan and ipvlan interfaces do not reach their parent",
    cause="by design, the kernel does not pass frames between the parent and its children",
    confirm="ip -d link show net1", fix="a macvlan interface for the node on the same parent")  # fmt: skip


@check("macvlan-parent", GN0801, title="macvlan and ipvlan pods can reach their node", needs=("pod", "node"))
def parent_unreachable(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        parent = attachment.peer
        if attachment.kind != "parent" or parent is None or attachment.link.kind not in ("macvlan", "ipvlan"):
            continue
        for own in case.addresses(attachment):
            hit = [a.ip for a in case.node.addresses(parent, version(own.ip)) if within(a.ip, own.cidr)]
            if not hit:
                continue
            name, kind = attachment.link.name, attachment.link.kind
            yield GN0801.info(
                f"{name} ({kind} on {parent.name}) cannot reach its own node at {hit[0]}: by "
                f"design, {kind} does not talk to its parent",
                the_pod(case, name),
                seen(
                    "netlink",
                    f"{name}: {kind} of {parent.name}, which has {hit[0]}",
                    f"ip -d link show {name}",
                ),
                remedy=fix(
                    f"where the node must be reached that way, give it a {kind} interface of "
                    f"its own on {parent.name}",
                    *_shim(kind, parent.name),
                    risk="adds an interface to the node",
                ),
            )


def _shim(kind: str, parent: str) -> tuple[Command, ...]:
    mode = "bridge" if kind == "macvlan" else "l2"
    return (
        on_node("ip", "link", "add", f"{parent[:8]}-shim", "link", parent, "type", kind, "mode", mode),
        on_node("ip", "link", "set", f"{parent[:8]}-shim", "up"),
    )


GN0802 = Code("GN0802", "the parent is down",
    cause="macvlan, ipvlan and vlan interfaces have no carrier while their parent has none",
    confirm="ip link show PARENT", fix="set it up; check the cable")  # fmt: skip


@check(
    "parent-up", GN0802, title="the parents of macvlan, ipvlan and vlan have carrier", needs=("pod", "node")
)
def parent_carrier(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        parent = attachment.peer
        if attachment.kind != "parent" or parent is None or not parent.up:
            continue
        if not parent.carrier:
            yield GN0802.found(
                Severity.FATAL if attachment is case.primary else Severity.ERROR,
                f"{parent.name}, the parent of the pod's {attachment.link.name}, has no carrier",
                the_interface(parent.name),
                seen("netlink", f"{parent.name}: NO-CARRIER", f"ip link show {parent.name}"),
                explained_by=(no_carrier(parent),),
                remedy=fix(f"check the cable or switch port of {parent.name}"),
            )


GN0804 = Code("GN0804", "macvlan pods cannot reach each other",
    cause="the modes private and vepa",
    confirm="ip -d link show net1", fix='"mode": "bridge"')  # fmt: skip


def _asked_mode(case: Case, attachment: Attachment) -> tuple[str, str]:
    """(the mode that the attachment's network asks for, its file), "" where that is not known."""
    networks = {i.network for i in case.intended if i.ifname == attachment.link.name and i.network}
    for conf in case.facts.files.confs:
        for plugin in conf.plugins if conf.name in networks else ():
            if plugin.get("type") == "macvlan":
                return str(plugin.get("mode") or "bridge"), conf.path
    return "", ""


@check("macvlan-mode", GN0804, title="macvlan pods reach each other", needs=("pod",))
def isolated_mode(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        mode = attachment.link.data.get("macvlan_mode")
        names = {"private": "private", 1: "private", "vepa": "vepa", 2: "vepa"}
        asked, path = _asked_mode(case, attachment)
        if (
            attachment.link.kind == "macvlan"
            and asked
            and names.get(mode, "bridge") != asked
            and mode is not None
        ):
            live, name = names.get(mode, "bridge"), attachment.link.name
            yield GN0804.error(
                f"{name} is macvlan in {live} mode, but its network asks for {asked} ({path}): "
                + (
                    "pods on the same parent do not reach each other"
                    if live != "bridge"
                    else "pods reach each other"
                ),
                the_pod(case, name),
                seen("netlink", f"mode {live}", f"ip -d link show {name}"),
                seen(path, f"mode {asked}", f"grep mode {path}"),
                remedy=fix(
                    "give it the mode that was asked for, or recreate the pod",
                    in_pod("ip", "link", "set", "dev", name, "type", "macvlan", "mode", asked),
                ),
            )
        elif attachment.link.kind == "macvlan" and mode in names:
            yield GN0804.info(
                f"{attachment.link.name} is macvlan in {names[mode]} mode: pods on the same "
                "parent reach each other only through the switch, or not at all",
                the_pod(case, attachment.link.name),
                seen("netlink", f"mode {names[mode]}", f"ip -d link show {attachment.link.name}"),
                remedy=fix('use "mode": "bridge" where they should reach each other'),
            )
