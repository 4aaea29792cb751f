"""What the person's terminal can show and how much they asked to hear: one value, set once per run.

Rules (the same in every command): results go to stdout, everything else to stderr; colour only on a
terminal, unless --color or the usual variables say otherwise; never only colour to carry a meaning.
"""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, TextIO

Color = Literal["auto", "always", "never"]

PROSE_WIDTH = 80  # sentences are wrapped here also where the terminal is wider
UNLIMITED = 100_000  # a pipe has no width: one row stays one line, for grep

# A symbol, and what stands for it where the stream's encoding does not have it, or the locale is C.
_SYMBOLS = {"ok": ("✓", "+"), "fail": ("✗", "x"), "skip": ("-", "-"), "arrow": ("→", "->"), "dot": ("•", "*")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """How to speak: `verbosity` counts -v, `quiet` asks for the exit code only."""

    color: Color = "auto"
    quiet: bool = False
    verbosity: int = 0

    def colored(self, stream: TextIO) -> bool:
        """Whether `stream` gets colour: --color, NO_COLOR, FORCE_COLOR, TERM, a terminal; in this order."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR"):
            return False
        if any(os.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
            return True
        return stream.isatty() and os.environ.get("TERM") not in ("dumb", "")

    def interactive(self) -> bool:
        """Whether somebody watches a terminal that can draw a line anew: progress is drawn for them."""
        is_able = os.environ.get("TERM") not in ("dumb", "")
        return sys.stderr.isatty() and is_able and not self.quiet and not os.environ.get("CI")


current: ContextVar[Terminal] = ContextVar("terminal", default=Terminal())  # noqa: B039 (frozen)


def width(stream: TextIO) -> int:
    """The columns that tables on `stream` may fill: COLUMNS, the terminal's own, none for a pipe."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return int(columns)
    if not stream.isatty():
        return UNLIMITED
    return os.get_terminal_size(stream.fileno()).columns or 80


def symbol(name: str, stream: TextIO | None = None) -> str:
    """A symbol by its name, in ASCII where the stream cannot show it."""
    fancy, plain = _SYMBOLS[name]
    if _is_plain_locale():
        return plain
    try:
        fancy.encode((stream or sys.stdout).encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return plain
    return fancy


def _is_plain_locale() -> bool:
    """Whether C or POSIX was asked for by name. Python then writes UTF-8 all the same, and its LC_CTYPE says so."""
    asked = [os.environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if asked[1] == "C.UTF-8":  # PEP 538: put there by the interpreter
        asked[1] = ""
    return next(filter(None, asked), "") in ("C", "POSIX")


def visible(text: str, keep: str = "") -> str:
    """The text with what would steer a terminal written out by its code, but for the characters of `keep`.

    Names, annotations and plugins' words are others': an escape sequence in them could hide a line or forge one, and
    so could marks that turn the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
