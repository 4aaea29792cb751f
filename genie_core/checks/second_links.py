"""The links of secondary interfaces: what stops their packets on the node, and the node's routes to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from genie_core.checks.check import check
from genie_core.checks.firewall_drops import GN0506, GN0507, GN0508, GN0509, filter_findings
from genie_core.findings import Finding, Severity
from genie_core.net.case import Case
from genie_core.net.ndp import is_discovery
from genie_core.net.traces import Block


@check(
    "second-links",
    GN0506,
    GN0507,
    GN0508,
    GN0509,
    title="no rule of the node drops what secondary interfaces exchange with their links",
    needs=("pod", "node firewall", "pod firewall"),
)
def dropped(case: Case) -> Iterator[Finding]:
    reported = {_rule(block) for walk in case.walks for block in walk.blocks if block.outcome}
    by_rule: dict[tuple[str, int, int], list[Block]] = {}
    for block in (b for w in case.further for b in w.blocks if b.kind == "filter" and _is_needed(b)):
        by_rule.setdefault(_rule(block), []).append(block)
    for rule, found in by_rule.items():
        for finding in filter_findings(case, found) if rule not in reported else ():
            severity = finding.severity if finding.code == GN0508 else _severity(finding, found[0])
            yield replace(finding, severity=severity)


def _rule(block: Block) -> tuple[str, int, int]:
    outcome = block.outcome
    assert outcome is not None
    rule = outcome.rule
    return (outcome.chain.place if outcome.chain else "", *((rule.number, rule.handle) if rule else (0, 0)))


def _is_needed(block: Block) -> bool:
    """Rules in the pod have a check of their own, and the node may refuse all but the question for its MAC."""
    resolves = block.packet.protocol == "arp" or is_discovery(block.packet)
    return block.place == "node" and (block.flow.role == "peer" or resolves)


def _severity(finding: Finding, block: Block) -> Severity:
    """A rule that has dropped nothing may be a precaution: what the network is for is not known."""
    outcome = block.outcome
    assert outcome is not None
    rule, chain = outcome.rule, outcome.chain
    packets = rule.packets if rule else chain.policy_packets if chain else None
    if finding.severity is Severity.INFO:
        return Severity.INFO
    return Severity.ERROR if packets else Severity.WARNING
