"""The layout of `genie trace`: the verdict, then each hop with what decides there, and what a probe showed."""

from __future__ import annotations

from collections.abc import Iterator

from genie_cli.render import Block, Cell, Heading, Table, Text, Tone
from genie_cli.views.findings import findings_view
from genie_cli.views.layout import Track
from genie_core.net.hops import Hop
from genie_core.net.wording import Said
from genie_core.tasks.trace import TraceReport

TONES: dict[str, Tone] = {"arrives": "good", "leaves": "good", "stops": "bad", "unclear": "warn"}
_STATES: dict[str, Cell] = {
    "stops": Cell("stops", "bad"),
    "unclear": Cell("unclear", "warn"),
    "unreached": Cell("not reached", "dim"),
    "passes": Cell(""),
}


def view(report: TraceReport, wide: bool) -> Iterator[Block]:
    """The verdict first; `wide` adds what happens by default, and the command that shows each decision."""
    yield Heading(f"{report.source} to {report.target}")
    tone = "bad" if report.path.answered == "stops" else TONES[report.path.verdict]
    yield Text(report.verdict, tone)
    yield Heading("Path")
    probed = ("PROBE",) if report.seen_at else ()
    shown = ("SHOWN BY",) if wide else ()
    rows = [
        row for number, hop in enumerate(report.path.hops) for row in _rows(report, number, hop, wide=wide)
    ]
    yield Table(
        ("#", "HOP", "WHAT DECIDES", *shown, *probed, ""), rows, fold=("WHAT DECIDES", *shown, *probed)
    )
    if report.path.answered:
        yield Heading("Its answer")
        said = [one for one in report.path.answer if wide or not one.plain] or report.path.answer[-1:]
        yield from (Text(one.text, "bad" if one.stops else "", indent=2) for one in said)
        if not said:
            yield Text("nothing on this node decides about it", "dim", indent=2)
    if report.probe is not None:
        yield Heading("Probe")
        yield Text(f"{report.probe.kind} {report.flow.target}: {report.probe.result}", indent=2)
        if report.findings:
            yield from findings_view(report.findings, report.checks, wide=wide)
        elif report.path.verdict == "unclear":
            yield Text("it cannot be compared: the trace is unclear", "warn", indent=2)
        else:
            yield Text("it went as the trace says", "good", indent=2)


def _rows(report: TraceReport, number: int, hop: Hop, *, wide: bool) -> Iterator[list[str | Cell]]:
    said = shown_decisions(hop, wide=wide)
    for line in range(max(len(said), 1)):
        one = said[line] if line < len(said) else None
        first = line == 0
        row: list[str | Cell] = [str(number + 1) if first else "", hop.name if first else ""]
        row.append(Cell(one.text, "bad" if one.stops else "warn" if one.doubt else "") if one else "")
        row += [_command(one)] if wide else []
        row += [_seen(report, number) if first else ""] if report.seen_at else []
        yield [*row, _STATES[hop.state] if first else ""]


def shown_decisions(hop: Hop, *, wide: bool) -> list[Said]:
    """The decisions to show: without `wide` not what happens by default, where anything else does."""
    return [one for one in hop.said if wide or not one.plain] or hop.said[:1]


def _command(said: Said | None) -> str:
    if said is None:
        return ""
    return f"in the pod: {said.command}" if said.place == "pod" and said.command else said.command


def _seen(report: TraceReport, number: int) -> Cell:
    sighting = report.seen_at[number]
    return Cell(seen_words(report, number), "dim" if sighting is None or not sighting.request else "")


def seen_words(report: TraceReport, number: int) -> str:
    """What a hop's interface showed of the probe, in words: its addresses where they are others than before."""
    sighting = report.seen_at[number]
    if sighting is None:
        return "not watched"
    if not sighting.request:
        return "not seen" if sighting.sure else "not known: the kernel left out packets"
    before = next((one.request for one in report.seen_at[:number][::-1] if one and one.request), "")
    change = f" as {sighting.request}" if sighting.request != before else ""
    return f"seen{change}, {'answered' if sighting.answer else sighting.error or 'no answer'}"


def track_of(report: TraceReport) -> Track:
    """The path for Mermaid."""
    names = [hop.name for hop in report.path.hops]
    stop = next((n for n, hop in enumerate(report.path.hops) if hop.state == "stops"), None)
    last = None if stop is None else min(stop, max(len(names) - 2, 0))
    return Track(target=report.target, hops=tuple(names), stop=last, code="stops" if stop is not None else "")
