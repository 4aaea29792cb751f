"""Reports as people and as machines read them; the only importer of rich.

A command describes what to show with the plain blocks below, without rich:
    emit(report, output, lambda report, wide: [Heading("Networks"), Table(("NAME", "TYPE"), rows)])
Machines get `{"apiVersion": API_VERSION, "kind": report.kind, **report.as_json()}`, one document.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, Literal, Protocol, TextIO, TypeVar

from genie_cli import terminal
from genie_cli.output import OutputFormat
from genie_core.errors import WrongUsage
from genie_core.published import API_VERSION

Tone = Literal["", "good", "warn", "bad", "dim", "strong"]
_NARROWEST = 16  # columns in which folded text can still be read
_SHORT_WORD = 7  # columns that every column of a table needs
_JOINTS = "/@=,-"  # after which a long word may be parted
_STYLES: dict[Tone, str] = {
    "": "",
    "good": "green",
    "warn": "yellow",
    "bad": "bold red",
    "dim": "dim",
    "strong": "bold",
}


class Report(Protocol):
    """The result of a task: its kind, and its members by their published (camelCase) names."""

    kind: ClassVar[str]

    def as_json(self) -> dict[str, Any]:
        """The members of the document."""
        ...


@dataclass(frozen=True, slots=True)
class Cell:
    """Text with a tone. The tone never carries a meaning that the text has not."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of the next blocks, after an empty line."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph, wrapped, `indent` columns in."""

    text: str
    tone: Tone = ""
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Lines that are not wrapped: a document, a command, its output."""

    text: str
    indent: int = 2
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings. The columns named in `fold` wrap first where the terminal is narrow."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    fold: Sequence[str] = ()
    right: Sequence[str] = ()
    indent: int = 2


Pair = tuple[str, str | Cell]  # name and value


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and values, aligned."""

    pairs: Sequence[Pair]
    indent: int = 2


Block = Heading | Text | Verbatim | Table | Fields
R = TypeVar("R", bound=Report)


def emit(
    report: R,
    output: OutputFormat,
    view: Callable[[R, bool], Iterable[Block]] | None = None,
    names: Callable[[R], Iterable[str]] | None = None,
    others: Mapping[OutputFormat, Callable[[R], str]] | None = None,
) -> None:
    """Print a report on stdout. `view` makes the blocks of -o table and -o wide, `names` the lines of -o name.

    `others` write the forms that only some reports have. Raises WrongUsage for a form that the command
    does not offer.
    """
    if terminal.current.get().quiet:
        return
    if output.write is not None:
        sys.stdout.write(output.write({"apiVersion": API_VERSION, "kind": report.kind} | report.as_json()))
    elif output in (others or {}):
        sys.stdout.write((others or {})[output](report))
    elif output is OutputFormat.NAME and names is not None:
        sys.stdout.writelines(f"{terminal.visible(name)}\n" for name in names(report))
    elif output in (OutputFormat.TABLE, OutputFormat.WIDE) and view is not None:
        show(view(report, output is OutputFormat.WIDE))
    else:
        raise WrongUsage(f"-o {output} is not offered by this command")


def show(blocks: Iterable[Block], stream: TextIO | None = None) -> None:
    """Print blocks in one write, on stdout by default."""
    stream = stream or sys.stdout
    console = _console(stream)
    with console.capture() as capture:
        previous: Block | None = None
        for block in blocks:
            two_tables = isinstance(block, Table) and isinstance(previous, Table)
            if previous and (isinstance(block, Heading) or two_tables):
                console.print()
            console.print(_renderable(block, console), soft_wrap=isinstance(block, Verbatim))
            previous = block
    stream.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def write(text: str) -> None:
    """Print text unchanged on stdout, unless --quiet: a document for a file or a pipe."""
    if not terminal.current.get().quiet:
        sys.stdout.write(text)


def note(text: str) -> None:
    """Print one line on stderr, unless --quiet."""
    if not terminal.current.get().quiet:
        print(terminal.visible(text), file=sys.stderr)


def _console(stream: TextIO) -> Any:
    from rich.console import Console

    colored = terminal.current.get().colored(stream)
    is_plain = os.environ.get("TERM", "") in (
        "",
        "dumb",
        "unknown",
    )  # in which rich finds no colours by itself
    return Console(
        file=stream,
        width=terminal.width(stream),
        force_terminal=colored,
        no_color=not colored,
        color_system=("standard" if is_plain else "auto") if colored else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def _renderable(block: Block, console: Any) -> Any:
    from rich.padding import Padding
    from rich.text import Text as RichText

    match block:
        case Heading():
            return RichText(terminal.visible(block.text), "bold")
        case Text(text=""):
            return ""  # rich gives an empty text in a padding no line
        case Text():
            # a pipe has sentences in one line each, so that grep finds them
            is_pipe = console.width == terminal.UNLIMITED
            width = console.width if is_pipe else min(console.width, terminal.PROSE_WIDTH)
            wrapped = _wrapped(block.text, width - block.indent)
            return Padding(RichText(wrapped, _STYLES[block.tone]), (0, 0, 0, block.indent), expand=False)
        case Verbatim():
            text = terminal.visible(block.text, keep="\n\t")
            return RichText(
                "\n".join(" " * block.indent + line for line in text.splitlines()), _STYLES[block.tone]
            )
        case Table():
            return Padding(_table(block, console.width - block.indent), (0, 0, 0, block.indent), expand=False)
        case Fields():
            return Padding(_fields(block), (0, 0, 0, block.indent), expand=False)


def _wrapped(text: str, width: int) -> str:
    from textwrap import fill

    return fill(
        terminal.visible(text, keep="\n\t"), max(width, 20), break_long_words=False, break_on_hyphens=False
    )


def _cell(cell: str | Cell) -> Any:
    if isinstance(cell, str):
        return _folding_text()(terminal.visible(cell))
    return _folding_text()(terminal.visible(cell.text), _STYLES[cell.tone])


@cache
def _folding_text() -> Any:
    """rich's Text, whose long words are folded where a reader would: a path after a slash, not inside an address."""
    from rich.text import Text as RichText

    class Folding(RichText):
        def wrap(self, console: Any, width: int, **how: Any) -> Any:
            return RichText(_parted(self.plain, width), self.style).wrap(console, width, **how)

    return Folding


def _parted(text: str, width: int) -> str:
    """The text with line breaks in words that are longer than `width`."""
    return " ".join(_parted_word(word, max(width, 1)) for word in text.split(" "))


def _parted_word(word: str, width: int) -> str:
    parts = []
    while len(word) > width:
        good = max(word.rfind(mark, 0, width) for mark in _JOINTS) + 1
        cut = good if good > width // 3 else width
        parts.append(word[:cut])
        word = word[cut:]
    return "\n".join([*parts, word])


def _grid(**settings: Any) -> Any:
    from rich.table import Table as RichTable

    return RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), **settings)


def _table(block: Table, width: int) -> Any:
    """A table; where it is too wide, text is folded in the columns that may fold, else in all, and never cut off.

    Where not even a short word of each column has room, each row becomes lines of a heading and a text.
    """
    grid = _grid(header_style="bold")
    block = _without_empty(block)
    folding = block.fold or block.columns[-1:]
    if _needed(block, folding, _NARROWEST) > width:
        folding = block.columns
    if len(block.columns) > 2 and _needed(block, folding, _SHORT_WORD) > width:
        return _stacked(block)
    for name in block.columns:
        grid.add_column(
            _cell(name),
            no_wrap=name not in folding,
            min_width=_widest_word(name),
            overflow="fold",
            justify="right" if name in block.right else "left",
        )
    for row in block.rows:
        grid.add_row(*(_cell(cell) for cell in row))
    return grid


def _text_of(cell: str | Cell) -> str:
    return cell if isinstance(cell, str) else cell.text


def _without_empty(block: Table) -> Table:
    """The table without columns that have neither a heading nor a text: rich would take their room from another."""
    kept = [
        at for at, name in enumerate(block.columns) if name or any(_text_of(row[at]) for row in block.rows)
    ]
    rows = [[row[at] for at in kept] for row in block.rows]
    return replace(block, columns=[block.columns[at] for at in kept], rows=rows)


def _stacked(block: Table) -> Any:
    """The rows below each other: each cell that has a text behind its heading, and a blank line between rows."""
    grid = _grid(show_header=False)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for number, row in enumerate(block.rows):
        if number:
            grid.add_row("", "")
        for name, cell in zip(block.columns, row, strict=True):
            if _text_of(cell):
                grid.add_row(_cell(name), _cell(cell))
    return grid


def _needed(block: Table, folding: Sequence[str], narrowest: int) -> int:
    """The least width of the table, where columns that fold have at least `narrowest`."""
    return sum(_least(block, name, narrowest if name in folding else None) + 2 for name in block.columns)


def _least(block: Table, name: str, narrowest: int | None) -> int:
    """The least width of a column of the table, in columns of the terminal; `narrowest` where it may fold."""
    at = block.columns.index(name)
    longest = max(len(text) for text in (name, *(_text_of(row[at]) for row in block.rows)))
    return longest if narrowest is None else max(min(longest, narrowest), _widest_word(name))


def _widest_word(heading: str) -> int:
    """The columns that a heading needs where it wraps: its words are not parted."""
    return max(map(len, heading.split()), default=0)


def _fields(block: Fields) -> Any:
    grid = _grid(show_header=False)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, value in block.pairs:
        grid.add_row(_cell(name), _cell(value))
    return grid
