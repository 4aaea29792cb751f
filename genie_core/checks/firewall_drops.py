"""Firewall rules that drop the pod's packets: which rule, which traffic, and whether it is intended."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

from genie_core.checks.parts import fix, in_pod, on_node, seen, some, the_chain
from genie_core.fields import counted
from genie_core.findings import Code, Command, Confidence, Effect, Evidence, Finding, Severity
from genie_core.net.addresses import subnet
from genie_core.net.case import Case
from genie_core.net.firewall.rules import Chain, FirewallRule
from genie_core.net.flows import Flow, is_kube_proxys
from genie_core.net.ndp import is_discovery
from genie_core.net.path import ANY_PORT
from genie_core.net.policy_verdicts import denials
from genie_core.net.traces import Block
from genie_core.policy.ruleset import TABLE
from genie_core.survey import cluster

ADDRESSED = {"source", "target", "sport", "dport", "ports", "physical_in", "physical_out", "smac", "dmac"}
# How policy engines name their chains: Calico, kube-router, Antrea, Weave, kube-network-policies.
POLICY_MARKS = (
    "cali-",
    "KUBE-NWPLCY",
    "KUBE-POD-FW",
    "ANTREA-POL",
    "WEAVE-NPC",
    "kube-network-policies",
    "netpol",
)


GN0506 = Code("GN0506", "a chain's policy drops the pod's packets",
    cause="DROP by default and no accept for pods: Docker's, ufw's, or a flushed table",
    confirm="iptables -S FORWARD", fix="accept the pods' prefixes", breaks=(Effect.PACKETS,))  # fmt: skip

GN0507 = Code("GN0507", "a firewall rule drops the pod's packets",
    cause="a rule on the packet's way drops or rejects it",
    confirm="the command in the evidence", fix="delete it, or accept pods before it",
    breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip

GN0508 = Code("GN0508", "a NetworkPolicy drops",
    cause="a policy engine's rule refuses the sender",
    confirm="kubectl describe networkpolicy", fix="allow the sender in the policy",
    breaks=(Effect.PACKETS,))  # fmt: skip

GN0509 = Code("GN0509", "packets are dropped at random",
    cause="a rule with the match statistic or numgen, used to simulate loss",
    confirm="the command in the evidence", fix="delete the rule", breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip

GN0510 = Code("GN0510", "a rule inside the pod drops packets",
    cause="a sidecar or init container left it",
    confirm="nsenter -n ... iptables -S; nft list ruleset", fix="delete it; correct what added it",
    breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


def filter_findings(case: Case, blocks: list[Block]) -> Iterator[Finding]:
    """One finding for each rule (or chain policy) that drops, however many flows it hits."""
    groups: dict[tuple[str, str, int, int], list[Block]] = {}
    # kube-proxy rejects packets to a service without endpoints: the check of services reports those.
    empty = {(f.ip, f.port) for f in case.frontends if f.known and not f.endpoints}
    for block in blocks:
        outcome = block.outcome
        if outcome is None or outcome.chain is None or (block.flow.target, block.flow.port) in empty:
            continue
        if _untranslated(block):
            continue
        rule = outcome.rule
        key = (block.place, outcome.chain.place, rule.number if rule else 0, rule.handle if rule else 0)
        groups.setdefault(key, []).append(block)
    for found in groups.values():
        yield from _one(case, found)


def _untranslated(block: Block) -> bool:
    """Whether a service address is forwarded untranslated: the check of services reports that."""
    packet = block.packet
    forwarded = block.place == "node" and packet.oif is not None and not block.reply
    return forwarded and block.flow.role == "service" and not packet.translated


def _one(case: Case, found: list[Block]) -> Iterator[Finding]:
    outcome = found[0].outcome
    assert outcome is not None
    assert outcome.chain is not None
    chain, rule = outcome.chain, outcome.rule
    if rule is None:
        known = [b for b in found if not b.flow.hinted]
        yield from [_policy(case, known, chain)] if known else ()
        return
    chance = max(b.chance for b in found)
    if any(m.name == "chance" for m in rule.matches) and chance < 1:
        yield _random(case, found, chain, rule, chance)
        return
    yield _dropped(case, found, chain, rule)


def _hits(case: Case, found: list[Block]) -> str:
    """`all traffic with default/p2, default/r1`, or `tcp/8080 to default/p2` where only ports are hit.

    Ports that pass although the rest does not are named: `traffic to default/r1 but tcp/8080`.
    """
    general = [b for b in found if b.flow.general]
    if not general:
        return some(str(b.flow) for b in found)
    protocols = {"neighbour discovery" if is_discovery(b.packet) else b.packet.protocol for b in general}
    passing = _passing(case, found)
    everything = "traffic" if passing else "all traffic"
    what = everything if len(protocols) > 2 else "/".join(sorted(protocols))
    ways = {b.flow.inbound for b in general}
    way = "with" if len(ways) > 1 else "from" if True in ways else "to"
    names = some(b.flow.name or b.flow.target for b in general)
    return f"{what} {way} {names}" + (f" but {some(passing)}" if passing else "")


def _passing(case: Case, found: list[Block]) -> list[str]:
    """The ports that pass to or from one of the targets of which everything else is dropped."""
    hit = {(b.flow.target, b.flow.inbound, b.flow.protocol, b.flow.port) for b in found}
    ways = {(target, inbound, protocol) for target, inbound, protocol, port in hit if not port}
    flows = [w.flow for w in case.walks if not any(b.kind == "filter" for b in w.blocks)]
    return [f"{f.protocol}/{f.port}" for f in flows if f.port and (f.target, f.inbound, f.protocol) in ways]


def _command(found: list[Block], *argv: object) -> Command:
    return in_pod(*argv) if found[0].place == "pod" else on_node(*argv)


def _accepts(case: Case, found: list[Block], chain: Chain) -> tuple[Command, ...]:
    """Commands that accept the pods' prefixes before the rule or policy."""
    family = found[0].flow.family
    cidrs = [c for c in _prefixes(case, found[0].flow) if (":" in c) == (family == 6)]
    cidrs = cidrs or [found[0].packet.source]
    commands = []
    for cidr in cidrs[:4]:
        for nft_side, side in (("saddr", "-s"), ("daddr", "-d")):
            if chain.tool == "nft":
                word = "ip" if family == 4 else "ip6"
                where = (chain.family, chain.table, chain.name)
                argv = ["nft", "insert", "rule", *where, word, nft_side, cidr, "accept"]
            else:
                argv = [chain.tool, "-t", chain.table, "-I", chain.name, side, cidr, "-j", "ACCEPT"]
            commands.append(_command(found, *argv))
    return tuple(commands)


def _prefixes(case: Case, flow: Flow) -> list[str]:
    """The prefixes that the pods of the conversation's network have."""
    named = [a for a in case.attachments if a.link.name == flow.iface]
    return [subnet(own) for a in named for own in case.addresses(a)] or [*case.pod_cidrs]


def _discovers(found: list[Block], chain: Chain) -> tuple[Command, ...]:
    """Commands that accept IPv6's neighbour discovery, where it is dropped."""
    if not any(is_discovery(b.packet) for b in found):
        return ()
    if chain.tool == "nft":
        chosen = (chain.family, chain.table, chain.name)
        types = "{ nd-neighbor-solicit, nd-neighbor-advert }"
        return (_command(found, "nft", "insert", "rule", *chosen, "icmpv6", "type", types, "accept"),)
    where = (chain.tool, "-t", chain.table, "-I", chain.name, "-p", "ipv6-icmp", "--icmpv6-type")
    return tuple(_command(found, *where, number, "-j", "ACCEPT") for number in ("135", "136"))


def _policy(case: Case, found: list[Block], chain: Chain) -> Finding:
    count = f"; {counted(chain.policy_packets, 'packet')} so far" if chain.policy_packets else ""
    return GN0506.found(
        Severity.FATAL if any(b.flow.general for b in found) else Severity.ERROR,
        f"{chain.place} has policy {chain.policy.upper()} and accepts nothing for the pods "
        f"({_hits(case, found)} is dropped){count}",
        the_chain(case, found[0].place, chain),
        seen("firewall", f"{chain.place} policy {chain.policy}", chain.listing),
        seen("model", str(found[0].packet)),
        breaks=(chain.place,) if found[0].place == "node" else (),
        remedy=fix(
            "accept the pods' prefixes there (Docker's or ufw's default is DROP; a CNI's own "
            "accept rules were flushed)",
            *_accepts(case, found, chain),
            *_discovers(found, chain),
        ),
    )


def _random(case: Case, found: list[Block], chain: Chain, rule: FirewallRule, chance: float) -> Finding:
    return GN0509.found(
        Severity.ERROR if chance >= 0.005 else Severity.WARNING,
        f"{chain.place} rule {rule.number} drops {chance:.0%} of the packets at random "
        f"({_hits(case, found)}): {rule.text}",
        the_chain(case, found[0].place, chain),
        *_evidence(found, chain, rule),
        remedy=fix("delete the rule", delete_rule(found[0].place, chain, rule)),
    )


def _evidence(found: list[Block], chain: Chain, rule: FirewallRule) -> tuple[Evidence, ...]:
    return (
        seen("firewall", f"{chain.place} rule {rule.number}: {rule.text}{rule.hits}", chain.listing),
        seen("model", str(found[0].packet)),
    )


def delete_rule(place: str, chain: Chain, rule: FirewallRule) -> Command:
    """The command that deletes one rule."""
    command = in_pod if place == "pod" else on_node
    if chain.tool == "nft":
        return command("nft", "delete", "rule", chain.family, chain.table, chain.name, "handle", rule.handle)
    return command(chain.tool, "-t", chain.table, "-D", chain.name, *shlex.split(rule.text))


def _denying(case: Case, found: list[Block]) -> str:
    """The NetworkPolicy that denies every conversation that the rule stops, "" where one of them is allowed."""
    # A conversation without a port stands for a port that no policy names.
    flows = [
        replace(b.flow, port=b.flow.port or ANY_PORT)
        for b in found
        if b.flow.protocol in ("tcp", "udp", "sctp") and not is_discovery(b.packet)
    ]
    if not case.policies.policies or not flows:
        return ""
    rulings = [next((ruling for ruling, _, _ in denials(case, flow)), None) for flow in flows]
    names = [ruling.policies[0] for ruling in rulings if ruling is not None and ruling.policies]
    return names[0] if len(names) == len(flows) else ""


def _doubt(case: Case, chain: Chain, policy: str, denying: str) -> str:
    """Why a policy engine's rule is wrong, "" where the policies say the same or are not known."""
    known = {cluster.key(p) for p in case.policies.policies}
    if not case.facts.objects or "NetworkPolicy" in case.facts.missing or chain.table == TABLE:
        return ""
    if policy not in known and "/" in policy:
        return "no such NetworkPolicy is known"
    return "the NetworkPolicies allow that" if known and not denying else ""


def _policy_name(case: Case, found: list[Block], chain: Chain, rule: FirewallRule, denying: str) -> str:
    """The NetworkPolicy that a rule implements: from its comment, else from the policies; "" for none."""
    if chain.table == TABLE and rule.comment.startswith("deny "):  # Genie's own: policy/chains.py
        kind, _, names = rule.comment.removeprefix("deny ").partition(" ")
        return f"{names} ({kind})" if names else kind
    known = {cluster.key(p) for p in case.policies.policies}
    named = next((name for name in sorted(known) if name in rule.comment), "")
    if named:
        return named
    if "/" in rule.comment and " " not in rule.comment.strip():
        return rule.comment
    if denying or not any(mark in f"{chain.table} {chain.name}" for mark in POLICY_MARKS):
        return denying
    denied = (ruling for block in found for ruling, _, _ in denials(case, block.flow))
    return next((ruling.policies[0] for ruling in denied), chain.name)


def _dropped(case: Case, found: list[Block], chain: Chain, rule: FirewallRule) -> Finding:
    verb = "rejects" if found[0].outcome and found[0].outcome.verdict == "reject" else "drops"
    astray = " fwd to " in f" {rule.text}" and chain.family == "netdev"
    verb = "sends elsewhere" if astray else verb
    denying = _denying(case, found)
    policy = _policy_name(case, found, chain, rule, denying)
    doubt = _doubt(case, chain, policy, denying) if policy else ""
    denied = bool(policy) and not doubt and denying == policy
    general = (
        not any(m.name in ADDRESSED for m in rule.matches)
        and found[0].packet.protocol != "arp"
        and not astray
    )
    where = "inside the pod's namespace, " if found[0].place == "pod" else ""
    if policy:
        title = f"denied by NetworkPolicy {policy}, as it says: " if denied else f"NetworkPolicy {policy}"
        title += "" if denied else f" ({doubt}) {verb} " if doubt else f" {verb} "
        title += f"{_hits(case, found)}: rule {rule.number} of {chain.place}{rule.hits}"
        code = GN0508
    else:
        unread = f", as no program reads {rule.action.target}" if rule.action.target else ""
        title = f"{where}{chain.place} rule {rule.number} {verb} {_hits(case, found)}{unread}{rule.hits}: {rule.text}"
        code = GN0510 if found[0].place == "pod" else GN0507
    return code.found(
        Severity.INFO if denied else _severity(case, found, rule, policy),
        title,
        the_chain(case, found[0].place, chain),
        *_evidence(found, chain, rule),
        breaks=(chain.place,) if code is GN0507 else (),
        # A rule about MACs drops what a changed MAC sends.
        explained_by=("GN0109",) if any(m.name == "smac" for r in chain.rules for m in r.matches) else (),
        remedy=fix(
            _advice(found, chain, rule, policy, general=general),
            *_repairs(case, found, chain, rule, accept=general and not policy),
            risk="check first that the rule is not intended",
        ),
        confidence=Confidence.HIGH if rule.packets or rule.packets is None else Confidence.MEDIUM,
    )


def _repairs(
    case: Case, found: list[Block], chain: Chain, rule: FirewallRule, *, accept: bool
) -> Sequence[Command]:
    """The commands that let the packets pass; none for kube-proxy's own rules, which it restores."""
    if is_kube_proxys(chain):
        return ()
    if discovery := _discovers(found, chain):
        of_icmp = any(m.name in ("protocol", "icmp_type") for m in rule.matches)
        return (
            [delete_rule(found[0].place, chain, rule)]
            if of_icmp
            else [*discovery, *_accepts(case, found, chain)]
        )
    if rule.action.target:
        words = ("-R", chain.name, rule.number, *shlex.split(rule.text), "--queue-bypass")
        return () if chain.tool == "nft" else [_command(found, chain.tool, "-t", chain.table, *words)]
    if accept:
        return _accepts(case, found, chain)
    return [delete_rule(found[0].place, chain, r) for r in chain.rules if r.text == rule.text]


def _advice(found: list[Block], chain: Chain, rule: FirewallRule, policy: str, *, general: bool) -> str:
    if is_kube_proxys(chain):
        return (
            "kube-proxy made the rule and restores it: the service has no ready endpoint, "
            "or its loadBalancerSourceRanges leave out the sender"
        )
    if policy:
        return (
            f"allow the sender in NetworkPolicy {policy} if its packets should pass; "
            "the policy engine restores deleted rules"
        )
    if rule.action.target:
        return (
            f"start the program that reads {rule.action.target} again (an intrusion prevention system); "
            "with the flag `bypass` the rule lets packets pass while none does"
        )
    if "firewalld" in chain.table:
        return (
            "put the pods' interface into a trusted zone: firewall-cmd --zone=trusted --add-interface=IFACE"
        )
    if found[0].place == "pod":
        return "a sidecar or init container left the rule: delete it, and correct what added it"
    if general:
        return "accept the pods' prefixes before it"
    return "delete the rule; find what added it"


def _severity(case: Case, found: list[Block], rule: FirewallRule, policy: str) -> Severity:
    hit, hinted = bool(rule.packets), all(b.flow.hinted for b in found)
    if policy:
        # A policy without hits is as intended, and one that denies what nothing needs; else a client waits.
        return Severity.ERROR if hit and not hinted else Severity.INFO
    if all(b.packet.protocol.endswith("icmp") and not is_discovery(b.packet) for b in found):
        return Severity.INFO
    if hinted:
        return Severity.WARNING  # nothing else shows that the pods need it
    wide = any(b.flow.general for b in found)
    if wide:
        heavy = [b for b in found if is_discovery(b.packet) or not b.packet.protocol.endswith("icmp")]
        broad = {b.flow.role for b in heavy if b.flow.general}
        return Severity.FATAL if {"remote", "outside"} <= broad else Severity.ERROR
    if any(_is_served(case, b.flow) for b in found):
        return Severity.ERROR
    if any(is_needed(case, b.flow) for b in found):
        return Severity.WARNING if rule.packets == 0 else Severity.ERROR  # that pods use it is an assumption
    return Severity.WARNING if hit else Severity.INFO


def is_needed(case: Case, flow: Flow) -> bool:
    """Whether something is known to need it, or it is DNS or TLS to no pod."""
    assumed = {("udp", 53), ("tcp", 53), ("tcp", 443)} if flow.role in ("service", "outside") else set()
    return (flow.protocol, flow.port) in assumed or _is_served(case, flow)


def _is_served(case: Case, flow: Flow) -> bool:
    """Whether it is the port of a service, an endpoint, or a pod's container; into this pod, one that it serves itself.

    What a node serves is not known. A target that was asked about is needed.
    """
    if case.narrowed:
        return True
    if flow.inbound:
        return (flow.protocol, flow.port) in case.served
    return flow.role != "node" and (flow.protocol, flow.port) in case.serving
