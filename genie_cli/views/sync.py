"""A change of a running pod's networks, and its result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from genie_cli.render import Block, Heading, Table, Text
from genie_core.tasks.sync.report import SyncReport

_ENDS: dict[str, tuple[str, Literal["good", "bad"]]] = {
    "changed": ("the pod has the networks that it asks for", "good"),
    "unchanged": ("nothing to change: the pod has the networks that it asks for", "good"),
    "refused": ("refused; nothing was changed", "bad"),
    "failed": ("failed; the pod has the networks that it had before", "bad"),
    "partial": ("failed, and rolled back in part only; the next sync, DEL or `genie gc` finishes it", "bad"),
}


def view(report: SyncReport, wide: bool) -> Iterator[Block]:
    """The changes, the networks afterwards, the outcome."""
    target = report.target
    if report.changes:
        yield Heading(f"Networks of pod {target.namespace}/{target.name}")
        rows = [(change.action, change.interface, change.network, change.reason) for change in report.changes]
        yield Table(("ACTION", "INTERFACE", "NETWORK", "WHY"), rows, fold=("WHY",))
    if report.state and not report.planned:
        yield Heading("The pod has now")
        yield Table(
            ("INTERFACE", "NETWORK", "ADDRESSES"),
            [(item.interface, item.network, ", ".join(item.ips) or "-") for item in report.state],
        )
    if report.error:
        yield Text(report.error.msg, "bad")
        if report.error.hint:
            yield Text(f"  {report.error.hint}", "dim")
    for item in report.left:
        yield Text(f"left: {item}", "warn")
    for warning in report.warnings:
        yield Text(f"warning: {warning}", "warn")
    yield Text("")
    yield _summary(report)


def _summary(report: SyncReport) -> Text:
    if report.planned and report.error is None:
        count = len(report.moves)
        if count:
            return Text(f"{count} change{'s' if count > 1 else ''} to make; nothing was changed", "warn")
        return Text(*_ENDS["unchanged"])
    return Text(*_ENDS[report.status])
