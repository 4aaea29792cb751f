"""What the terminal can show, and how verbose the command is: one value, set once per run.

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

STDOUT = "standard output"  # its name in errors
ASKS = "GENIE_ASKS"  # the variable that says: the terminal of a person is at the other end of stdin
PROSE_WIDTH = 80  # sentences are wrapped here also where the terminal is wider
UNLIMITED = 100_000  # a pipe has no width: one row stays one line, for grep

# Where sudo looks for programs, as Debian sets secure_path.
_SUDO_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")

# A symbol, and what stands for it where the stream's encoding does not have it, or the locale is C.
_SYMBOLS = {"ok": ("✓", "+"), "fail": ("✗", "x"), "skip": ("-", "-"), "arrow": ("→", "->"), "dot": ("•", "*")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """How to print: `verbosity` counts -v, `quiet` asks for the exit code only."""

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
        """Whether stderr is a terminal that can redraw a line: progress is drawn there."""
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


def can_ask() -> bool:
    """Whether a person can answer a question on stdin."""
    return sys.stdin.isatty() or os.environ.get(ASKS) == "1"


def as_root(hint: str) -> str:
    """A hint to run a command as root, with the program's path where sudo does not find it by its name.

    This is the case for the DaemonSet's copy on a node, and in a virtual environment.
    """
    before, sudo, command = hint.partition("run it as root: sudo genie ")
    called = os.path.abspath(sys.argv[0])
    is_found = any(os.access(f"{folder}/genie", os.X_OK) for folder in _SUDO_PATH)
    if before or not sudo or is_found or os.path.basename(called) != "genie":
        return hint
    from shlex import quote

    return f"run it as root: sudo {quote(called)} {command}"


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
    """Whether the locale is C or POSIX by name. Python writes UTF-8 even then, and sets LC_CTYPE accordingly."""
    asked = [os.environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if asked[1] == "C.UTF-8":  # PEP 538: the interpreter has set it
        asked[1] = ""
    return next(filter(None, asked), "") in ("C", "POSIX")


def visible(text: str, keep: str = "") -> str:
    """The text with control characters written out as escapes, except for those in `keep`.

    Names, annotations and plugins' messages are untrusted: an escape sequence in them could hide or forge a line, and
    so could marks that change the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
