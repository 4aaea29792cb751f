"""Where the parts of a path picture stand: a grid in which each part has a cell of its own. Pure.

Parts are hops, the marks of broken edges, and lines that pass a column. Edges go only from one column to the next, and
a column is as wide as its widest part: no name, code or line lies on another. The same tracks give the same grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


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


@dataclass(slots=True, eq=False)
class Part:
    """What one cell has: a hop with its `name`, the mark of a broken edge with its `code`, or (neither) a line.

    `reached` says that the packets of some track come here; `column` and `row` count from 0. `before` are the parts
    from which edges lead here.
    """

    name: str = ""
    code: str = ""
    note: str = ""
    end: bool = False
    reached: bool = False
    column: int = -1
    row: int = -1
    before: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class Grid:
    """The parts in the order in which the tracks have them, and for each pair of neighbours whether packets pass."""

    parts: list[Part] = field(default_factory=list)
    edges: dict[tuple[Part, Part], bool] = field(default_factory=dict)

    def add(self, part: Part) -> Part:
        """The part, which is in the grid now."""
        self.parts.append(part)
        return part

    def join(self, before: Part, after: Part, *, passed: bool) -> None:
        """An edge; packets pass it where those of any track do."""
        if (before, after) not in self.edges:
            after.before.append(before)
        self.edges[before, after] = self.edges.get((before, after), False) or passed


def graph(tracks: Sequence[Track]) -> tuple[Grid, list[list[Part]]]:
    """The parts without their places, and the parts of each track in order.

    A hop of one name is one part, but where this would lead edges in a circle: then it is there once more.
    """
    grid, ways = Grid(), []
    for track in tracks:
        way: list[Part] = []
        for number, name in enumerate(track.hops):
            hop = _hop(grid, name, way)
            passed = track.stop is None or number <= track.stop
            hop.reached |= passed
            if way and track.stop == number - 1:
                way.append(_mark(grid, way[-1], hop, track.code or "blocked"))
            if way:
                grid.join(way[-1], hop, passed=passed)
            way.append(hop)
        if way:
            way[0].end = way[-1].end = True
            way[-1].note = track.note
        ways.append(way)
    return grid, ways


def grid_of(tracks: Sequence[Track]) -> Grid:
    """All parts with their places."""
    grid, ways = graph(tracks)
    for part in grid.parts:
        _column(part)
    ways = [list(_through(grid, way)) for way in ways]
    taken: set[tuple[int, int]] = set()
    for number, way in enumerate(ways):
        for part in way:
            if part.row >= 0:
                continue
            part.row = number
            while (part.column, part.row) in taken:
                part.row += 1
            taken.add((part.column, part.row))
    levels = {row: level for level, row in enumerate(sorted({part.row for part in grid.parts}))}
    for part in grid.parts:
        part.row = levels[part.row]
    return grid


def _hop(grid: Grid, name: str, way: Sequence[Part]) -> Part:
    """The part of this name that can come after `way`."""
    earlier = _ancestors(way)
    found = (part for part in grid.parts if part.name == name and part not in earlier)
    return next(found, None) or grid.add(Part(name=name))


def _ancestors(way: Sequence[Part]) -> set[Part]:
    """The way's parts, and all from which edges lead to its end."""
    found, left = set(way), list(way)
    while left:
        new = [part for part in left.pop().before if part not in found]
        found.update(new)
        left += new
    return found


def _mark(grid: Grid, before: Part, after: Part, code: str) -> Part:
    """The mark between two hops: one for each code."""
    for part in grid.parts:
        if part.code == code and (before, part) in grid.edges and (part, after) in grid.edges:
            return part
    mark = grid.add(Part(code=code, reached=True))
    grid.join(before, mark, passed=True)
    return mark


def _column(part: Part) -> int:
    """One more than the greatest of those before it."""
    if part.column < 0:
        part.column = max((_column(before) + 1 for before in part.before), default=0)
    return part.column


def _through(grid: Grid, way: Sequence[Part]) -> Iterator[Part]:
    """The way with a line in each column that one of its edges passes; these take the edge's place."""
    yield from way[:1]
    for before, after in pairwise(way):
        passed, last = grid.edges.get((before, after)), before
        if passed is not None and after.column > before.column + 1:
            del grid.edges[before, after]
            for column in range(before.column + 1, after.column):
                line = grid.add(Part(reached=passed, column=column))
                grid.join(last, line, passed=passed)
                last = line
                yield line
            grid.join(last, after, passed=passed)
        yield after
