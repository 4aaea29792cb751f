"""Pictures of packets' paths: from tracks (who is reached over which hops) to SVG and to Mermaid. Pure.

The same tracks give the same picture: a hop stands in the column of its greatest distance from the pod, in the row of
the first target that is reached over it. Form and text show the state besides colour, for print and for blind readers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from genie_cli import terminal
from genie_cli.views.svg import BOX, CHARACTER, LINE, MARGIN, PADDING, box, edge, label, picture, text_of

_GAP, _ROW = 64.0, 60.0  # between columns, and from row to row, in pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One conversation. `hops` begin at the pod and end at the target; packets stop after the hop number `stop`.

    `code` is the finding that says why, `note` the words under the target.
    """

    target: str
    hops: tuple[str, ...]
    stop: int | None = None
    code: str = ""
    note: str = ""


@dataclass(slots=True)
class _Graph:
    """Hops as boxes in a grid, and the edges between them with the codes that break them."""

    columns: dict[str, int] = field(default_factory=dict)
    rows: dict[str, float] = field(default_factory=dict)
    edges: dict[tuple[str, str], str | None] = field(default_factory=dict)
    ends: set[str] = field(default_factory=set)
    notes: dict[str, str] = field(default_factory=dict)


def svg(title: str, tracks: Sequence[Track]) -> str:
    """A picture that stands alone: `title` and all names are text in it; no script, no request to anywhere."""
    graph = _graph(tracks)
    widths = _widths(graph)
    left = _lefts(widths)
    places = {
        name: (left[column], MARGIN + graph.rows[name] * _ROW, widths[column])
        for name, column in graph.columns.items()
    }
    width = max((x + w for x, _, w in places.values()), default=200.0) + MARGIN
    height = max((y for _, y, _ in places.values()), default=0.0) + BOX + LINE + MARGIN
    parts = [_edge(places[a], places[b], code) for (a, b), code in graph.edges.items()]
    parts += [_box(name, places[name], graph) for name in places]
    return picture(title, described(tracks), (width, height), parts)


def mermaid(tracks: Sequence[Track]) -> str:
    """The same as a flowchart in Mermaid's text form, which ticket systems draw."""
    graph = _graph(tracks)
    names = {name: f"n{number}" for number, name in enumerate(graph.columns)}
    lines = ["flowchart LR"]
    lines += [f'  {key}["{_quoted(name)}"]' for name, key in names.items()]
    for number, ((a, b), code) in enumerate(graph.edges.items()):
        arrow = "-->" if code is None else f'-. "{_quoted(code or "blocked")}" .->'
        lines.append(f"  {names[a]} {arrow} {names[b]}")
        if code is not None:
            lines.append(f"  linkStyle {number} stroke:#cf222e")
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


# --- the layout ------------------------------------------------------------------------------------------


def _graph(tracks: Sequence[Track]) -> _Graph:
    graph = _Graph()
    for track in tracks:
        for column, hop in enumerate(track.hops):
            graph.columns[hop] = max(graph.columns.get(hop, 0), column)
        for number, pair in enumerate(zip(track.hops, track.hops[1:], strict=False)):
            broken = track.stop == number
            if broken or pair not in graph.edges:
                graph.edges[pair] = track.code if broken else None
        if track.hops:
            graph.ends |= {track.hops[0], track.hops[-1]}
            graph.notes[track.hops[-1]] = track.note
    _place(graph, tracks)
    return graph


def _place(graph: _Graph, tracks: Sequence[Track]) -> None:
    """Rows: a hop stands where its first target's row is, and below what stands there already."""
    taken: dict[int, set[float]] = {}
    for number, track in enumerate(tracks):
        for hop in track.hops:
            if hop in graph.rows:
                continue
            used = taken.setdefault(graph.columns[hop], set())
            row = float(number)
            while row in used:
                row += 1
            used.add(row)
            graph.rows[hop] = row
    levels = {row: float(level) for level, row in enumerate(sorted(set(graph.rows.values())))}
    for hop, row in graph.rows.items():
        graph.rows[hop] = levels[row]


def _widths(graph: _Graph) -> Mapping[int, float]:
    """Column -> width of its boxes: names are never cut."""
    widths: dict[int, float] = {}
    for name, column in graph.columns.items():
        longest = max(len(name), len(graph.notes.get(name, "")) * 0.8)
        widths[column] = max(widths.get(column, 0.0), longest * CHARACTER + 2 * PADDING)
    return widths


def _lefts(widths: Mapping[int, float]) -> Mapping[int, float]:
    left, at = {}, MARGIN
    for column in sorted(widths):
        left[column] = at
        at += widths[column] + _GAP
    return left


# --- its parts -------------------------------------------------------------------------------------------

_Place = tuple[float, float, float]  # left, top, width


def _box(name: str, place: _Place, graph: _Graph) -> str:
    x, y, width = place
    note = graph.notes.get(name, "")
    under = label(x, y + BOX + 12, note, "kind") if note else ""
    return box(x, y, width, name, "box end" if name in graph.ends else "box") + under


def _edge(start: _Place, end: _Place, code: str | None) -> str:
    x1, y1 = start[0] + start[2], start[1] + BOX / 2
    x2, y2 = end[0], end[1] + BOX / 2
    middle = (x1 + x2) / 2
    if code is None:
        return edge(x1, y1, x2, y2)
    y = (y1 + y2) / 2
    return (
        edge(x1, y1, x2, y2, "broken")
        + f'<path class="cross" d="M{middle - 6:.1f} {y - 6:.1f}l12 12m0 -12l-12 12"/>'
        f'<text class="code" text-anchor="middle" x="{middle:.1f}" y="{y - 10:.1f}">{text_of(code or "blocked")}</text>'
    )


def _quoted(text: str) -> str:
    """For a Mermaid label in quotes: entities are its way to write what ends one."""
    return terminal.visible(text).replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;")
