"""The view of `genie gc`: what was found, and whether it was removed."""

from __future__ import annotations

from collections.abc import Iterator

from genie_cli.options import duration
from genie_cli.render import Block, Cell, Heading, Table, Text
from genie_cli.terminal import symbol
from genie_core.tasks.gc import KINDS, GCReport, Leftover

_SHORT_ID = 12


def view(report: GCReport, wide: bool) -> Iterator[Block]:
    """A table for each kind; `wide` shows whole container IDs."""
    yield Text(_source(report), "dim")
    for kind, meaning in KINDS.items():
        found = [leftover for leftover in report.leftovers if leftover.kind == kind]
        if found:
            yield Heading(f"{meaning[0].upper()}{meaning[1:]} ({len(found)})")
            yield Table(
                ("", "WHAT", "CONTAINER", "WHY"), [_row(item, wide) for item in found], fold=("WHAT", "WHY")
            )
    if report.young:
        yield Heading(
            f"Younger than {duration(report.min_age)}: pods may be on their way ({len(report.young)})"
        )
        rows = [_row(item, wide) for item in report.young]
        yield Table(("", "WHAT", "CONTAINER", "WHY"), rows, fold=("WHAT", "WHY"))
    for what, reason in report.skipped.items():
        yield Text(f"{symbol('skip')} {what} not read: {reason}", "warn")
    yield Text("")
    yield _summary(report)


def _source(report: GCReport) -> str:
    """The source of the node's containers."""
    if not report.by_namespaces:
        return f"Containers are known from {report.source}"
    reason = f" ({report.problem})" if report.problem else ""
    return f"No container runtime answered{reason}; containers were taken from this node's network namespaces"


def _row(leftover: Leftover, wide: bool) -> tuple[str | Cell, ...]:
    container = leftover.container if wide else leftover.container[:_SHORT_ID]
    why = "; ".join(leftover.evidence)
    if leftover.problem:
        return (
            Cell(symbol("fail"), "bad"),
            leftover.name,
            container or "-",
            Cell(f"not removed: {leftover.problem}", "bad"),
        )
    mark = Cell(symbol("ok"), "good") if leftover.removed else Cell(symbol("dot"))
    return mark, leftover.name, container or "-", why


def _summary(report: GCReport) -> Text:
    found = len(report.leftovers)
    if report.young and not found:
        least = duration(report.min_age)
        return Text(
            f"nothing is left over that is older than {least} (--min-age); look again in {least}", "warn"
        )
    if not found:
        return Text("nothing is left over" + (" of what could be read" if report.skipped else ""), "good")
    if report.dry_run:
        return Text(f"{found} left over, seen twice, {report.seconds:g} s apart; nothing was removed", "warn")
    removed = found - report.failed
    failed = f", {report.failed} could not be removed" if report.failed else ""
    refused = any(leftover.problem and leftover.kind == "pending" for leftover in report.leftovers)
    hint = "; --forget gives up what a plugin keeps refusing" if refused else ""
    return Text(f"{removed} of {found} removed{failed}{hint}", "bad" if report.failed else "good")
