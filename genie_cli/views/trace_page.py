"""A trace as a picture, from top to bottom with the decisions beside each hop, and as one HTML file around it. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from genie_cli.views.html import dim, document, text
from genie_cli.views.page import findings_of
from genie_cli.views.svg import BOX, LINE, MARGIN, PADDING, box, label, picture, text_of, width_of
from genie_cli.views.trace import seen_words, shown_decisions
from genie_core.net.hops import Hop
from genie_core.tasks.trace import TraceReport

_WRAP, _GAP, _INDENT = 88, 26.0, 16.0  # characters of a line; pixels between boxes, and before the text


def title_of(report: TraceReport) -> str:
    """What the trace is about."""
    return f"Trace from {report.source} to {report.target}"


def svg(report: TraceReport) -> str:
    """The picture alone."""
    hops = report.path.hops
    column = max(width_of(hop.name) for hop in hops) + 2 * PADDING
    lines = [list(_lines(report, number, hop)) for number, hop in enumerate(hops)]
    longest = max((width_of(line, "kind") for block in lines for line in block), default=0.0)
    width = MARGIN * 2 + column + _INDENT + longest
    y, parts = MARGIN, []
    for number, hop in enumerate(hops):
        height = max(BOX, len(lines[number]) * LINE)
        if number + 1 < len(hops):
            parts.append(_edge(MARGIN + column / 2, y + BOX, y + height + _GAP, hop, hops[number + 1]))
        end = "box end" if number in (0, len(hops) - 1) else "box"
        parts.append(
            box(MARGIN, y, column, hop.name, f"{end} unreached" if hop.state == "unreached" else end)
        )
        for row, line in enumerate(lines[number]):
            parts.append(label(MARGIN + column + _INDENT, y + 14 + row * LINE, line, "kind"))
        y += height + _GAP
    return picture(title_of(report), words_of(report), (max(width, 200), y), parts)


def _edge(x: float, top: float, bottom: float, hop: Hop, after: Hop) -> str:
    line = f"M{x:.1f} {top:.1f}V{bottom:.1f}"
    if after.state != "unreached":
        return f'<path class="edge" d="{line}"/>'
    if hop.state != "stops":
        return f'<path class="edge unreached" d="{line}"/>'
    y = bottom - _GAP / 2
    return (
        f'<path class="broken" d="{line}"/><path class="cross" d="M{x - 6:.1f} {y - 6:.1f}l12 12m0 -12l-12 12"/>'
        f'<text class="code" x="{x + 14:.1f}" y="{y + 4:.1f}">{text_of("stops")}</text>'
    )


def _lines(report: TraceReport, number: int, hop: Hop) -> Iterator[str]:
    for said in shown_decisions(hop, wide=False):
        mark = "STOPS: " if said.stops else ""
        yield from textwrap.wrap(mark + said.text, _WRAP, break_long_words=False, break_on_hyphens=False)
    if hop.state == "unreached":
        yield "not reached"
    if report.seen_at and report.seen_at[number] is not None:
        yield f"probe: {seen_words(report, number)}"


def words_of(report: TraceReport) -> str:
    """The picture in words: the verdict, and the way."""
    way = " to ".join(hop.name for hop in report.path.hops)
    return f"The packet {report.verdict}. Its path: {way}."


def page(report: TraceReport) -> str:
    """The HTML file: the verdict, the picture, each hop with all that decides there, findings."""
    bad = report.path.verdict == "stops" or report.path.answered == "stops"
    kind = "error" if bad else "warning" if report.path.verdict == "unclear" else "good"
    body = [
        f'<header><h1>{text(title_of(report))}</h1><p class="{kind}"><strong>{text(report.verdict)}</strong></p>',
        f"{dim(f'on node {report.facts.node_name}')}</header>",
        f"<main><h2>Path</h2><figure>{svg(report)}</figure>",
        f"<h2>Hops</h2><ol>{''.join(_hop(report, number, hop) for number, hop in enumerate(report.path.hops))}</ol>",
        *_answer(report),
        *findings_of(report.findings),
        "</main>",
    ]
    return document(title_of(report), body, report.facts.time)


def _hop(report: TraceReport, number: int, hop: Hop) -> str:
    states = {
        "stops": ' <span class="error">stops</span>',
        "unclear": ' <span class="warning">unclear</span>',
    }
    state = states.get(hop.state, ' <span class="dim">not reached</span>' if hop.state == "unreached" else "")
    items = "".join(
        f"<li>{text(said.text)}{f'<pre>{text(said.command)}</pre>' if said.command else ''}</li>"
        for said in hop.said
    )
    seen = dim(f"probe: {seen_words(report, number)}") if report.seen_at else ""
    return f"<li><h3>{text(hop.name)}{state}</h3>{f'<ul>{items}</ul>' if items else ''}{seen}</li>"


def _answer(report: TraceReport) -> Iterator[str]:
    if report.path.answered:
        items = "".join(f"<li>{text(said.text)}</li>" for said in report.path.answer)
        yield f"<h2>Its answer</h2><p>{report.path.answered}</p><ul>{items}</ul>"
    if report.probe is not None:
        yield f"<h2>Probe</h2><p>{text(f'{report.probe.kind} {report.flow.target}: {report.probe.result}')}</p>"
