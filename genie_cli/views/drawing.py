"""Pictures of packets' paths: from tracks (who is reached over which hops) to SVG and to Mermaid. Pure.

The same tracks give the same picture: `layout` says where each part stands. Form and text show the state besides
colour, for print and for blind readers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from genie_cli import terminal
from genie_cli.views.layout import Grid, Part, Track, graph, grid_of
from genie_cli.views.svg import BOX, LINE, MARGIN, PADDING, box, edge, label, picture, text_of, width_of

_GAP, _ROW = 48.0, 60.0  # between columns, and from row to row, in pixels
_Spans = Mapping[int, tuple[float, float]]  # column -> its left end and its width


def svg(title: str, tracks: Sequence[Track]) -> str:
    """A picture that stands alone: `title` and all names are text in it; no script, no request to anywhere."""
    grid = grid_of(tracks)
    spans = _spans(grid)
    width = max((left + wide for left, wide in spans.values()), default=200.0) + MARGIN
    height = max((_top(part) for part in grid.parts), default=0.0) + BOX + LINE + MARGIN
    parts = [_edge(spans, before, after, passed) for (before, after), passed in grid.edges.items()]
    parts += [_drawn(part, *spans[part.column]) for part in grid.parts]
    return picture(title, described(tracks), (width, height), parts)


def mermaid(tracks: Sequence[Track]) -> str:
    """The same as a flowchart in Mermaid's text form, which ticket systems draw."""
    grid, _ = graph(tracks)
    names = {part: f"n{number}" for number, part in enumerate(part for part in grid.parts if part.name)}
    lines = ["flowchart LR"]
    lines += [f'  {key}["{_quoted(part.name)}"]' for part, key in names.items()]
    number = 0
    for before, after in grid.edges:
        if after.code:
            continue
        if before.code:
            start = next(one for one, mark in grid.edges if mark is before)
            lines.append(f'  {names[start]} -. "{_quoted(before.code)}" .-> {names[after]}')
            lines.append(f"  linkStyle {number} stroke:#cf222e")
        else:
            lines.append(f"  {names[before]} --> {names[after]}")
        number += 1
    return "\n".join(lines) + "\n"


def described(tracks: Iterable[Track]) -> str:
    """The picture in words, a sentence for each target."""
    return " ".join(_sentence(track) for track in tracks)


def _sentence(track: Track) -> str:
    way = " to ".join(track.hops)
    if track.stop is None:
        return f"{track.target} is reached: {way}."
    why = f", {track.code}" if track.code else ""
    return (
        f"{track.target} is not reached: packets stop after {track.hops[track.stop]}{why}; the path is {way}."
    )


def _spans(grid: Grid) -> _Spans:
    """The columns: names are never cut."""
    widths: dict[int, float] = {}
    for part in grid.parts:
        wide = max(
            width_of(part.name) + 2 * PADDING if part.name else 0.0,
            width_of(part.note, "kind"),
            width_of(part.code, "code") + 2 * PADDING if part.code else 0.0,
        )
        widths[part.column] = max(widths.get(part.column, 0.0), wide)
    spans, left = {}, MARGIN
    for column in sorted(widths):
        spans[column] = (left, widths[column])
        left += widths[column] + _GAP
    return spans


def _top(part: Part) -> float:
    return MARGIN + part.row * _ROW


def _drawn(part: Part, left: float, width: float) -> str:
    """What is in a cell."""
    top = _top(part)
    middle, level = left + width / 2, top + BOX / 2
    if part.code:
        return (
            edge(left, level, left + width, level, "broken")
            + f'<path class="cross" d="M{middle - 6:.1f} {level - 6:.1f}l12 12m0 -12l-12 12"/>'
            + f'<text class="code" text-anchor="middle" x="{middle:.1f}" y="{level - 10:.1f}">'
            + f"{text_of(part.code)}</text>"
        )
    if not part.name:
        return edge(left, level, left + width, level, _kind(part.reached))
    kind = "box end" if part.end else "box"
    under = label(left, top + BOX + 12, part.note, "kind") if part.note else ""
    return box(left, top, width, part.name, kind if part.reached else f"{kind} unreached") + under


def _edge(spans: _Spans, before: Part, after: Part, passed: bool) -> str:
    left, width = spans[before.column]
    return edge(
        left + width, _top(before) + BOX / 2, spans[after.column][0], _top(after) + BOX / 2, _kind(passed)
    )


def _kind(passed: bool) -> str:
    return "edge" if passed else "edge unreached"


def _quoted(text: str) -> str:
    """For a Mermaid label in quotes: entities are its way to write what ends one."""
    return terminal.visible(text).replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;")
