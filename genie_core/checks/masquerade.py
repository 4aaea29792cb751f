"""Source NAT: packets out of the cluster need it, packets within the cluster must not have it."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, on_node, seen, subject
from genie_core.findings import Code, Confidence, Effect, Finding, Severity
from genie_core.net.addresses import within
from genie_core.net.case import Case
from genie_core.net.firewall.evaluate import FAMILIES
from genie_core.net.firewall.rules import FirewallRule, Match, span
from genie_core.net.prefixes import supernet
from genie_core.net.traces import Walk
from genie_core.spec.addresses import version
from genie_core.survey.cluster import subnets

GN0511 = Code("GN0511", "packets leave without masquerading",
    cause="routers outside have no route to a pod's address",
    confirm="iptables -t nat -S POSTROUTING",
    fix="restore the rule (a new ADD does), find what flushed it", explained_by=("GN0518", "GN0310"),
    breaks=(Effect.PACKETS,))  # fmt: skip
GN0512 = Code("GN0512", "masquerading is wrong",
    cause="traffic gets a foreign address, or is translated inside the cluster",
    confirm="conntrack -L; iptables -t nat -S", fix="correct the rule", breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "masquerade",
    GN0511,
    GN0512,
    title="what leaves the cluster carries the node's address",
    needs=("pod", "node firewall"),
)
def masquerade(case: Case) -> Iterator[Finding]:
    outside = [w for w in case.walks if w.flow.role == "outside" and not w.flow.hinted]
    leaving = [w for w in outside if w.egress is not None and not w.flow.inbound]
    why = _not_routable(case)
    # IPv6 is routed rather than translated, unless the configuration masquerades an IPv6 subnet.
    six = any(":" in s for conf in case.facts.files.confs for s in subnets(conf.plugins))
    bare = [w for w in leaving if w.source and _is_pods(case, w.source) and (w.flow.family == 4 or six)]
    # What a rule translates to a pod does not leave the cluster.
    bare = [w for w in bare if not _pod_target(case, w)]
    left_out = [w for w in bare if _left_out(case, w)]
    bare = [w for w in bare if w not in left_out]
    if bare and why:
        yield _missing(case, bare, why, declined=_declined(case))
    elif left_out and why:
        yield _spared(left_out)
    sent = [w for w in case.walks if w.flow.role == "remote" and not w.flow.inbound and w.flow.general]
    for walk in (*leaving, *sent):
        if walk.translated and walk.source not in case.node.local and not _is_pods(case, walk.source):
            yield _foreign_source(walk)
            break
    hidden = [w for w in sent if w.translated and w.source in case.node.local]
    if hidden and why:
        yield _too_broad(hidden)


def _pod_target(case: Case, walk: Walk) -> bool:
    return any(within(walk.target, cidr) for cidr in case.pod_cidrs if walk.target)


def _is_pods(case: Case, ip: str) -> bool:
    mine = case.pod.facts.addresses if case.pod else ()
    return any(ip == x.ip and x.scope != "host" for x in mine)


def _spared(left_out: list[Walk]) -> Finding:
    names = sorted({w.flow.name or w.flow.target for w in left_out})
    links = sorted({w.egress.name for w in left_out if w.egress})
    return GN0511.info(
        f"what goes to {', '.join(names)} keeps the pod's {left_out[0].source}: a masquerade rule excludes it, "
        "so routers there need a route to the pods",
        subject("firewall", "nat/POSTROUTING", links[0] if links else ""),
        seen("firewall", f"{left_out[0].source} -> {left_out[0].target}", "iptables -t nat -S POSTROUTING"),
        remedy=fix("narrow the rule's exception where they have none"),
    )


def _left_out(case: Case, walk: Walk) -> bool:
    """Whether a rule excludes this destination, as ip-masq-agent does for networks with routes to the pods."""
    target = span(walk.target)[0]
    for chain in case.node.rules.chains:
        if chain.family not in FAMILIES[walk.flow.family]:
            continue
        of_nat = chain.table == "nat" or (chain.kind == "nat" and chain.hook == "postrouting")
        for rule in chain.rules:
            spares = of_nat and rule.action.kind in ("return", "accept")
            if not spares and rule.action.kind not in ("masquerade", "snat"):
                continue
            named = [m for m in rule.matches if m.name == "target" and m.invert != spares]
            if any(_within(target, m) for m in named) and _from(rule, walk.source):
                return True
    return False


def _within(number: int, match: Match) -> bool:
    return any(not isinstance(v, str) and v[0] <= number <= v[1] for v in match.values)


def _from(rule: FirewallRule, source: str) -> bool:
    """Whether the rule's conditions on the source hold."""
    return all(_within(span(source)[0], m) != m.invert for m in rule.matches if m.name == "source")


def _not_routable(case: Case) -> str:
    """Why pod addresses are not routed outside: by the configuration or an overlay; "" if they may be."""
    for conf in case.own_confs:
        for plugin in conf.plugins:
            inner = plugin.get("delegate") or {}
            if plugin.get("ipMasq") or inner.get("ipMasq"):
                return f"ipMasq is true in {conf.path}"
    # Elsewhere (a second network, a test) pods without masquerading may be intended: only the cluster's prefix counts.
    mine = case.address(4)
    if not any(mine and within(mine, cidr) for cidr in (case.this_node.cidrs if case.this_node else ())):
        return ""
    used = [t.name for t in case.tunnels if t.kind == "vxlan"]
    return f"the pods' addresses live behind {used[0]} only" if used else ""


def _declined(case: Case) -> bool:
    """Whether the configuration turns masquerading off."""
    plugins = [plugin for conf in case.own_confs for plugin in conf.plugins]
    flags = [part["ipMasq"] for p in plugins for part in (p, p.get("delegate") or {}) if "ipMasq" in part]
    return bool(flags) and not any(flags)


def _missing(case: Case, bare: list[Walk], why: str, *, declined: bool) -> Finding:
    family = bare[0].flow.family
    links = sorted({w.egress.name for w in bare if w.egress})
    cidrs = [c for c in case.pod_cidrs if version(c) == family]
    own = next((c for c in cidrs if within(bare[0].source, c)), bare[0].source)
    # Node prefixes come from one cluster prefix, usually a /16: other nodes may get any part of it.
    around = supernet(cidrs) or own
    tool = "iptables" if family == 4 else "ip6tables"
    return GN0511.found(
        # With "ipMasq": false there may be routes to the pods elsewhere, or an agent that masquerades.
        Severity.WARNING if declined else Severity.ERROR,
        f"no SNAT for {own} leaving {', '.join(links)} ({why}): packets carry the pod's "
        f"{bare[0].source}, and no reply finds its way back",
        subject("firewall", f"{tool} nat/POSTROUTING", links[0]),
        seen(
            "firewall",
            f"{bare[0].source} -> {bare[0].target} leaves {links[0]} with its own source",
            f"{tool} -t nat -S POSTROUTING",
        ),
        seen("configuration", why),
        remedy=fix(
            "masquerade what leaves the cluster; something flushed the rule (a firewall "
            "restart); a new ADD restores it",
            on_node(
                tool, "-t", "nat", "-I", "POSTROUTING", "-s", around, "!", "-d", around, "-j", "MASQUERADE"
            ),
        ),
    )


def _foreign_source(walk: Walk) -> Finding:
    link = walk.egress.name if walk.egress else "?"
    return GN0512.error(
        f"packets to {walk.flow.name or walk.target} leave {link} with source {walk.source}, "
        "which is no address of this node: answers go elsewhere",
        subject("firewall", "nat/POSTROUTING", link),
        seen("firewall", f"SNAT to {walk.source}", "iptables -t nat -S POSTROUTING; nft list ruleset"),
        remedy=fix("correct the SNAT rule's address, or use MASQUERADE"),
        confidence=Confidence.MEDIUM,
    )


def _too_broad(hidden: list[Walk]) -> Finding:
    walk = hidden[0]
    return GN0512.warning(
        f"masquerading is too broad: traffic to pods of other nodes ({walk.flow.name}) leaves "
        f"with {walk.source}, so policies and logs there have the node's address",
        subject("firewall", "nat/POSTROUTING", walk.egress.name if walk.egress else ""),
        seen(
            "firewall", f"{walk.flow.target}: source becomes {walk.source}", "iptables -t nat -S POSTROUTING"
        ),
        remedy=fix("exclude the cluster's pod prefixes from the masquerade rule"),
    )
