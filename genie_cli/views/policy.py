"""Policies between networks as people read them."""

from __future__ import annotations

from collections.abc import Iterator

from genie_cli.render import Block, Cell, Heading, Table, Text, Tone
from genie_core.fields import counted
from genie_core.tasks.policy.listing import ALL_BUT_PRIMARY, PolicyList, PolicyRow, where_of
from genie_core.tasks.policy.verdict import ICMP, PolicyVerdict, RuleAnswer

_TONES: dict[str, Tone] = {"allow": "good", "deny": "bad", "not-enforced": "warn"}


def list_view(report: PolicyList, wide: bool) -> Iterator[Block]:
    """The policies, then what they select here, then what is wrong."""
    if not report.rows:
        where = f" in namespace {report.namespace}; -A lists those of all" if report.namespace else ""
        yield Text(f"there are no policies between networks{where}")
        return
    rows = [
        (str(row.name), _networks(row), " ".join(row.directions), counted(len(row.isolated), "attachment"))
        for row in report.rows
    ]
    yield Heading("Policies between networks")
    yield Table(("POLICY", "NETWORKS", "DIRECTIONS", "HERE"), rows, fold=("NETWORKS",))
    here = [
        (f"{one.attached.namespace}/{one.attached.name}", one.attached.interface, one.attached.network, str(row.name),
         _where(where_of(one)))
        for row in report.rows
        for one in row.isolated
    ]  # fmt: skip
    if here:
        yield Heading(f"What they select on {report.node}")
        yield Table(("POD", "INTERFACE", "NETWORK", "POLICY", "ENFORCED"), here, fold=("NETWORK",))
    for row in report.rows:
        for finding in row.findings:
            yield Text(f"{row.name}: {finding.reason}: {finding.message}", "warn")


def _networks(row: PolicyRow) -> str:
    return "all but the primary" if row.networks == (ALL_BUT_PRIMARY,) else ", ".join(row.networks) or "none"


def _where(word: str) -> Cell:
    return Cell(
        {"host": "on the host", "pod": "in the pod", "no": "no"}.get(word, word),
        "bad" if word == "no" else "",
    )


def verdict_view(report: PolicyVerdict, wide: bool) -> Iterator[Block]:
    """The rules of both ends, then the verdict."""
    if report.rules:
        yield Heading("Rules, in their order")
        yield Table(
            ("", "POD", "NETWORK", "DIRECTION", "POLICY", "RULE", "PACKETS"),
            [_row(rule) for rule in report.rules],
            fold=("NETWORK", "POLICY"),
            right=("PACKETS",),
        )
        yield Text("")
    port = f":{report.port}/{report.protocol}" if report.port else f" ({ICMP})" if report.protocol else ""
    asked = f"{report.source} to {report.target}{port}: " if report.source else ""
    yield Text(f"{asked}{report.verdict}: {report.reason}", _TONES[report.verdict])


def _row(rule: RuleAnswer) -> tuple[str | Cell, ...]:
    action = Cell(
        f"{'> ' if rule.matched else ''}{rule.note.action}", _TONES[rule.note.action] if rule.matched else ""
    )
    packets = "-" if rule.packets is None else str(rule.packets)
    place = rule.note.place or "what no rule allows"
    return action, "/".join(rule.pod), rule.network, rule.direction, str(rule.policy), place, packets
