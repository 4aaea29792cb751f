"""Policy routing (`ip rule`) of the node and of the pod: rules that misroute packets, and the one for table main."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.packet_path import GN0305, blocks, flows_text, weight
from genie_core.checks.parts import fix, in_pod, on_node, seen, subject, the_pod
from genie_core.findings import Code, Effect, Finding, Remedy
from genie_core.net.case import Case
from genie_core.net.fib import LOCAL, MAIN
from genie_core.net.traces import Block
from genie_core.survey.kernel import Route, RoutingRule

GN0504 = Code("GN0504", "a policy rule of the node hijacks the pod",
    cause="the table that it selects does not have the cluster's routes",
    confirm="ip rule; ip route show table N", fix="delete the rule or fill the table",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("policy-rules", GN0504, title="no policy rule of the node hijacks the pod", needs=("pod", "node"))
def policy_rules(case: Case) -> Iterator[Finding]:
    groups: dict[RoutingRule, list[Block]] = {}
    for block in blocks(case, "rule"):
        if block.way and block.way.rule:
            groups.setdefault(block.way.rule, []).append(block)
    for rule, found in groups.items():
        way, priority, table = found[0].way, rule.priority, rule.table
        assert way is not None
        where = f"sends it out of {found[0].link}" if not way.refused else f"ends in {way.type}"
        refusing = way.route if way.refused and way.route and not way.route.dst.endswith("/0") else None
        lacking = (
            f"table {table} lacks the cluster's routes; " if rule.action == "lookup" and not refusing else ""
        )
        yield GN0504.found(
            weight(case, found),
            f"ip rule {priority} ({rule}) {where} instead of {found[0].wanted or 'its way'}: "
            f"{lacking}{flows_text(found)} is lost",
            subject("rule", f"{priority}: {rule}"),
            seen("netlink", f"{priority}: {rule}", "ip rule"),
            seen(
                "netlink",
                f"{way.type} {way.route.dst if way.route else ''} {case.node.ways(way.route)}".strip(),
                f"ip route show table {table}",
            ),
            remedy=_without(rule, refusing),
        )


@check("local-rule", GN0504, title="the node's rule for its own addresses is there", needs=("node",))
def local_rules(case: Case) -> Iterator[Finding]:
    rules = case.facts.node.rules
    for family in sorted({rule.family for rule in rules}):
        if any(r.table == LOCAL and r.action == "lookup" and r.family == family for r in rules):
            continue
        yield GN0504.fatal(
            f"no ip rule of the node looks its own addresses up (table local, IPv{family}): packets to them are "
            "forwarded, not received",
            subject("rule", "0: from all lookup local"),
            seen("netlink", "no rule with table local", f"ip -{family} rule"),
            remedy=fix(
                "add it again, and find out what deleted it",
                on_node("ip", f"-{family}", "rule", "add", "pref", "0", "lookup", "local"),
            ),
        )


def _without(rule: RoutingRule, refusing: Route | None) -> Remedy:
    """The commands that delete the rule, or only the refusing route of its table."""
    ip = ["ip", f"-{rule.family}"]
    if refusing is not None:
        route = ["route", "del", refusing.type, refusing.dst, "table", refusing.table]
        return fix("delete the refusing route of that table", on_node(*ip, *route))
    return fix(
        "delete the rule (left over from an egress gateway or a VPN), or add the cluster's prefixes to its table",
        on_node(*ip, "rule", "del", *rule.named),
        risk="traffic that should use this table uses the main table again",
    )


@check("main-table", GN0305, GN0504, title="table main is looked up", needs=("pod", "node"))
def main_table(case: Case) -> Iterator[Finding]:
    for stack, command, code in ((case.pod, in_pod, GN0305), (case.node, on_node, GN0504)):
        for family in case.families if stack else ():
            rules = stack.fib.rules[family] if stack else []
            if any(rule.table == MAIN and rule.action == "lookup" for rule in rules):
                continue
            place = "the pod" if code == GN0305 else "the node"
            yield code.fatal(
                f"no ip rule of {place} looks up table main for IPv{family}: its routes there have no effect",
                the_pod(case) if code == GN0305 else subject("rule", "lookup main"),
                seen(
                    "netlink",
                    "; ".join(f"{r.priority}: table {r.table}" for r in rules),
                    f"ip -{family} rule",
                ),
                remedy=fix(
                    "add the rule again",
                    command("ip", f"-{family}", "rule", "add", "priority", 32766, "lookup", "main"),
                ),
            )
