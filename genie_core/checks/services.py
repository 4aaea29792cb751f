"""Services: their address translation on this node by iptables, nftables or IPVS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from genie_core.checks.check import check
from genie_core.checks.firewall_drops import delete_rule
from genie_core.checks.parts import fix, on_node, seen, subject
from genie_core.findings import Code, Command, Effect, Finding, Remedy, Severity
from genie_core.net.case import Case
from genie_core.net.firewall.evaluate import PacketOutcome, at_hook
from genie_core.net.firewall.rules import Chain, FirewallRule, Packet, Ruleset, ruleset
from genie_core.net.stack import is_served
from genie_core.spec.addresses import version, with_port
from genie_core.survey.cluster import Frontend

MAX_FRONTENDS = 64


def _outcomes(case: Case, front: Frontend, rules: Ruleset | None = None) -> list[PacketOutcome]:
    """What the node's rules, or others, do with the pod's first packet to a service port."""
    primary = case.primary
    assert primary is not None
    assert primary.entry is not None
    family = version(front.ip)
    packet = Packet(
        family=family,
        source=case.address(family),
        target=front.ip,
        protocol=front.protocol,
        dport=front.port,
        iif=primary.entry.name,
        physical_in=primary.peer.name if primary.bridge and primary.peer else "",
    )
    return at_hook(rules or case.node.rules, "prerouting", packet)


def _watched(case: Case) -> list[Frontend]:
    primary = case.primary
    if (
        primary is None
        or primary.entry is None
        or primary.kind not in ("bridge", "routed")
        or "kube-ipvs0" in case.node.by_name
    ):
        return []
    ipvs = case.facts.node.ipvs.count("\n") > 2
    mine = [f for f in case.frontends if case.address(version(f.ip)) and f.ip not in case.node.local]
    return [] if ipvs else mine[:MAX_FRONTENDS]


GN0601 = Code("GN0601", "a service has no address translation",
    cause="no iptables, nft or IPVS rule: kube-proxy has not synced",
    confirm="iptables -t nat -S | grep VIP", fix="look at kube-proxy on this node",
    explained_by=("GN0518",), breaks=(Effect.PACKETS,))  # fmt: skip
GN0602 = Code("GN0602", "a service is translated to a dead endpoint",
    cause="a stale rule names an address that is no ready endpoint",
    confirm="compare the rule with the EndpointSlice", fix="delete the rule; look at kube-proxy",
    breaks=(Effect.PACKETS,))  # fmt: skip
GN0603 = Code("GN0603", "a service has no ready endpoint",
    cause="no pod that it selects is ready",
    confirm="kubectl get endpointslices", fix="look at the pods' readiness", breaks=(Effect.PACKETS,))  # fmt: skip
DEAD = (GN0601, GN0602, GN0603)  # a service that is not reached, or not always


@check(
    "services",
    GN0601,
    GN0602,
    GN0603,
    title=f"services are translated to their endpoints (the first {MAX_FRONTENDS} ports)",
    needs=("pod", "node firewall", "service rules", "objects: Service", "objects: EndpointSlice"),
)
def translation(case: Case) -> Iterator[Finding]:
    watched = _watched(case)
    results = [(front, _outcomes(case, front)) for front in watched]
    untranslated = [front for front, outcomes in results if front.endpoints and not _translated(outcomes)]
    if untranslated:
        yield _no_rule(untranslated, everything=len(untranslated) == len([f for f in watched if f.endpoints]))
    for front, outcomes in results:
        if front.known and not front.endpoints:
            yield no_endpoints(front)
        elif front.endpoints:
            yield from _wrong_targets(case, front, outcomes)


def translated(case: Case, front: Frontend) -> bool:
    """Whether the node's rules translate the pod's packets to a service port."""
    primary = case.primary
    known = primary is not None and primary.entry is not None and case.address(version(front.ip))
    return bool(known) and any(o.translations for o in _outcomes(case, front))


def _translated(outcomes: list[PacketOutcome]) -> bool:
    return any(o.translations for o in outcomes) or any(o.verdict != "accept" for o in outcomes)


def _no_rule(fronts: list[Frontend], everything: bool) -> Finding:
    front = fronts[0]
    names = ", ".join(f"{f.ip}:{f.port}/{f.protocol} ({f.service})" for f in fronts[:4])
    return GN0601.error(
        f"no address translation (iptables, nft, IPVS) for {names} on this node: kube-proxy has "
        + ("no rules here at all" if everything and len(fronts) > 1 else "not synced it"),
        subject("service", front.service),
        seen(
            "firewall",
            f"no DNAT matches {front.protocol} {front.ip}:{front.port} in nat/PREROUTING",
            "iptables -t nat -S",
        ),
        seen(
            "objects", f"{front.service}: endpoints {', '.join(f'{ip}:{p}' for ip, p in front.endpoints[:4])}"
        ),
        remedy=translate(_dnat(f) for f in fronts if f.endpoints),
        affects=others(fronts),
    )


def translate(rules: Iterable[Command]) -> Remedy:
    """What helps where rules of kube-proxy are missing."""
    return fix(
        "look at kube-proxy on this node (running, synced?); as a stopgap, one rule per port",
        *rules,
        risk="the stopgap does not follow endpoint changes",
    )


def others(fronts: Sequence[Frontend]) -> tuple[str, ...]:
    """The services of these but the first one's."""
    return tuple(dict.fromkeys(f.service for f in fronts if f.service != fronts[0].service))


def _dnat(front: Frontend) -> Command:
    tool = "ip6tables" if ":" in front.ip else "iptables"
    return on_node(
        tool, "-t", "nat", "-I", "PREROUTING", "-d", front.ip, "-p", front.protocol,
        "--dport", front.port, "-j", "DNAT", "--to-destination", with_port(*front.endpoints[0]),
    )  # fmt: skip


def no_endpoints(front: Frontend) -> Finding:
    """GN0603: a service of which no endpoint is ready, or none that its policy lets this node use."""
    where = " on this node, and its internalTrafficPolicy is Local" if front.local else ""
    return GN0603.warning(
        f"service {front.service} port {front.port} has no ready endpoint{where}",
        subject("service", front.service),
        seen("objects", f"no ready address for {front.protocol}/{front.port} in its EndpointSlices{where}"),
        remedy=fix(
            "look at the readiness of the pods that it selects"
            + ("; pods of this node need one here, or the policy Cluster" if front.local else "")
        ),
    )


def _wrong_targets(case: Case, front: Frontend, outcomes: list[PacketOutcome]) -> Iterator[Finding]:
    reported: set[str] = set()
    for outcome in outcomes:
        if outcome.translations and outcome.packet.target_local:
            yield from _redirected(case, front, outcome)
        if not outcome.translations or outcome.packet.target_local:
            continue
        target = (outcome.packet.target, outcome.packet.dport)
        chain, rule = outcome.translations[-1]
        if target in front.endpoints or front.ip == outcome.packet.target or rule.text in reported:
            continue
        reported.add(rule.text)
        port_only = any(ip == target[0] for ip, _ in front.endpoints)
        right = ", ".join(f"{ip}:{p}" for ip, p in front.endpoints[:4])
        is_last = len(outcomes) == 1 and not _served_without(case, front, chain, rule)
        share = "" if len(outcomes) == 1 else f" ({outcome.chance:.0%} of its connections)"
        yield GN0602.error(
            f"{front.ip}:{front.port} ({front.service}) is sent to {target[0]}:{target[1]}{share}, which is no "
            + ("port" if port_only else "live endpoint")
            + f" of it (endpoints: {right})",
            subject("service", front.service),
            seen("firewall", f"{chain.place} rule {rule.number}: {rule.text}", chain.listing),
            seen("objects", f"EndpointSlice of {front.service}: {right}"),
            remedy=without_stale(chain, rule, *([_dnat(front)] if is_last else [])),
        )


def without_stale(chain: Chain, rule: FirewallRule, *more: Command) -> Remedy:
    """What helps where a rule of kube-proxy on the node leads astray."""
    return fix(
        "delete the stale rule; look at kube-proxy on this node", delete_rule("node", chain, rule), *more
    )


def _redirected(case: Case, front: Frontend, outcome: PacketOutcome) -> Iterator[Finding]:
    """GN0602: a REDIRECT to the node serves a service only where something listens."""
    chain, rule = outcome.translations[-1]
    port, protocol = outcome.packet.dport, front.protocol
    bound, entry = case.facts.node.listeners, case.primary.entry if case.primary else None
    own = (
        [a.ip for a in case.node.addresses(entry, version(front.ip))[:1]] if entry else []
    )  # nf_nat_redirect
    if not bound or any(is_served(bound, protocol, ip, port) for ip in own or [front.ip]):
        return
    yield GN0602.error(
        f"{front.ip}:{front.port} ({front.service}) is redirected to {protocol}/{port} of the node, "
        "where nothing listens",
        subject("service", front.service),
        seen("firewall", f"{chain.place} rule {rule.number}: {rule.text}"),
        remedy=without_stale(chain, rule),
    )


def _served_without(case: Case, front: Frontend, chain: Chain, rule: FirewallRule) -> bool:
    """Whether the other rules translate to a live endpoint, once this one is deleted."""
    left = replace(chain, rules=tuple(r for r in chain.rules if r is not rule))
    rules = ruleset([left if c is chain else c for c in case.node.rules.chains])
    found = _outcomes(case, front, rules)
    return any((o.packet.target, o.packet.dport) in front.endpoints for o in found)


GN0605 = Code("GN0605", "a pod's own service is not masqueraded",
    cause="the packet that comes back has the pod's own source address",
    confirm="iptables -t nat -S POSTROUTING", fix="masquerade it", breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "hairpin-source",
    GN0605,
    title="a backend's connections to itself through its service are masqueraded",
    needs=("pod", "node firewall", "service rules", "objects: Service", "objects: EndpointSlice"),
)
def hairpin_source(case: Case) -> Iterator[Finding]:
    primary = case.primary
    if primary is None or primary.bridge is None or not case.node.port(primary.peer or primary.link).hairpin:
        return
    for front in _watched(case):
        mine = case.address(version(front.ip))
        port = next((p for ip, p in front.endpoints if ip == mine), 0)
        outcomes = _outcomes(case, front)
        self_sent = [o for o in outcomes if o.packet.target == mine]
        if not port or not self_sent:
            continue
        packet = self_sent[0].packet.with_(iif=None, oif=primary.bridge.name, translated=True)
        leaving = at_hook(case.node.rules, "postrouting", packet)
        if all(o.packet.source == mine for o in leaving):
            yield GN0605.found(
                # With other endpoints, some of its connections succeed.
                Severity.ERROR if len(front.endpoints) == 1 else Severity.WARNING,
                f"no masquerading of {mine} to itself: the pod cannot reach itself through "
                f"{front.ip}:{front.port} ({front.service})",
                subject("service", front.service),
                seen("firewall", f"no SNAT matches {mine} -> {mine}", "iptables -t nat -S POSTROUTING"),
                remedy=fix(
                    "masquerade it (kube-proxy does with KUBE-MARK-MASQ)",
                    on_node(
                        "iptables" if version(mine) == 4 else "ip6tables",
                        *f"-t nat -I POSTROUTING -s {mine} -d {mine} -j MASQUERADE".split(),
                    ),
                ),
            )
            return
