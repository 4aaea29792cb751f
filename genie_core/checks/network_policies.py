"""Whether the cluster's NetworkPolicies allow the pod's traffic, computed from the API objects."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.firewall_drops import POLICY_MARKS
from genie_core.checks.parts import fix, seen, some
from genie_core.findings import Code, Confidence, Finding, Severity, Subject
from genie_core.net.case import Case
from genie_core.net.policy import EGRESS
from genie_core.net.policy_verdicts import Denial, denials


def enforced(case: Case) -> str:
    """The program that enforces policies on this node, "" where none is seen."""
    for chain in case.node.rules.chains:
        place = f"{chain.table} {chain.name}"
        if any(mark in place for mark in POLICY_MARKS):
            return chain.place
    return case.datapath


GN0523 = Code("GN0523", "no NetworkPolicy allows the traffic",
    cause="a policy selects the pod (or its target), and none of those that select it allows the traffic",
    confirm="kubectl describe networkpolicy -n NAMESPACE",
    fix="add a rule for it, if it is intended; policies only add permissions", explained_by=("GN0508",))  # fmt: skip


@check(
    "network-policies",
    GN0523,
    title="NetworkPolicies allow the pod's traffic",
    needs=("pod", "objects", "pod object"),
)
def not_allowed(case: Case) -> Iterator[Finding]:
    groups: dict[tuple[str, tuple[str, ...], bool], list[Denial]] = {}
    for denial in (d for walk in case.walks for d in denials(case, walk.flow)):
        ruling, wanted, _ = denial
        mine = (wanted.source if ruling.direction == EGRESS else wanted.target).ip
        own = mine == case.address(6 if ":" in mine else 4)
        groups.setdefault((ruling.direction, ruling.policies, own), []).append(denial)
    for (direction, names, own), found in groups.items():
        yield _finding(case, direction, names, own, found)


def _finding(case: Case, direction: str, names: tuple[str, ...], own: bool, found: list[Denial]) -> Finding:
    shown = some(_others(found))
    whose = "this pod" if own else "the target"
    engine = enforced(case) or _stopped_by(case, found)
    passing = _passing(case, found)
    asked = any(p.kind in ("tcp", "udp") for p in case.facts.probes)
    title = f"NetworkPolicy {', '.join(names[:3])} selects {whose} and allows no {direction.lower()} "
    title += f"{'to' if own == (direction == EGRESS) else 'from'} {shown}" if own else f"for {shown}"
    namespace, _, name = names[0].partition("/")
    return GN0523.found(
        Severity.WARNING if passing else _severity(case, found, bool(engine)),
        title
        + (
            f"; nothing enforces that, as {', '.join(passing[:3])} answers the pod"
            if passing
            else ""
            if engine or asked
            else "; nothing on this node is seen to enforce policies"
        ),
        Subject(kind="NetworkPolicy", ns=namespace, name=name),
        *(
            seen("objects", f"{n}: {direction}", f"kubectl describe networkpolicy -n {n.replace('/', ' ')}")
            for n in names[:3]
        ),
        seen(
            "firewall",
            f"enforced by {engine}" if engine else "no chain of a policy engine",
            "nft list ruleset",
        ),
        remedy=fix(
            f"add a rule that allows it to one of these policies, if the {direction.lower()} is wanted"
        ),
        confidence=Confidence.HIGH if engine else Confidence.MEDIUM,
    )


def _stopped_by(case: Case, found: list[Denial]) -> str:
    """The chain that stops one of the denied conversations, "" for none."""
    flows = [flow for _, _, flow in found]
    stops = (b for w in case.walks if w.flow in flows for b in w.blocks if b.kind == "filter")
    return next((b.outcome.chain.place for b in stops if b.outcome and b.outcome.chain), "")


def _passing(case: Case, found: list[Denial]) -> list[str]:
    """The denied targets that answered a connection of the pod: what a policy allows says nothing about the others."""
    denied = {
        (flow.target, flow.protocol, port)
        for _, _, flow in found
        if not flow.inbound
        for port in (flow.port,)
    }
    return [
        f"{p.target}:{p.port}"
        for p in case.facts.probes
        if p.kind in ("tcp", "udp")
        and p.role in ("remote", "service", "target")
        and p.result in ("ok", "refused")
        and ({(p.target, p.kind, p.port)} & denied)
    ]


def _others(found: list[Denial]) -> Iterator[str]:
    """The peers; with a port only where not every port is denied."""
    general = {flow.name or flow.target for _, _, flow in found if not flow.port}
    for _, wanted, flow in found:
        name = flow.name or flow.target
        yield name if name in general else f"{name} {wanted.protocol}/{flow.port}"


def _severity(case: Case, found: list[Denial], engine: bool) -> Severity:
    """A policy is intended: it is never an error, and a warning for a target that was asked about, and for DNS."""
    answered = {p.target for p in case.facts.probes if p.result in ("ok", "refused")}
    outbound = {flow.target for _, _, flow in found if not flow.inbound}
    if not engine:
        return Severity.INFO
    if case.narrowed and not outbound & answered:
        return Severity.WARNING  # the question is answered, and nothing is broken
    dns = any(flow.port == 53 and not flow.inbound for _, _, flow in found)
    return Severity.WARNING if dns else Severity.INFO
