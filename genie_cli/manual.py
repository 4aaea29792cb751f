"""The manual pages, from the same words as --help: man(7) source for `genie` and for each command.

`python -m genie_cli.manual DIRECTORY` writes them; `make generated` does it for docs/man.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from genie_cli.commands.help import EXIT_CODES
from genie_cli.table import COMMANDS, EXAMPLES, root
from genie_cli.tree import Branch, import_command
from genie_core import __version__


def pages() -> dict[str, str]:
    """File name -> source, for all commands."""
    leaves = {words: entry for words, entry in COMMANDS.items() if entry.module}
    named = {f"{_name(words)}.1": _page(words) for words in leaves}
    return {"genie.1": _root_page(list(leaves))} | named


def _name(words: str) -> str:
    return f"genie-{words.replace(' ', '-')}"


def _root_page(leaves: Sequence[str]) -> str:
    tree: Branch = root()
    lines = [
        *_head("genie", tree.short_help or ""),
        ".SH SYNOPSIS",
        r"\fBgenie\fR \fICOMMAND\fR [\fIFLAGS\fR]",
    ]
    lines += [".SH COMMANDS"]
    for words in leaves:
        lines += [".TP", rf"\fB{_escaped(_name(words))}\fR(1)", _escaped(COMMANDS[words].summary)]
    return "\n".join([*lines, *_examples(EXAMPLES), *_exit_status()]) + "\n"


def _page(words: str) -> str:
    entry = COMMANDS[words]
    command = import_command(words, entry)
    context = command.make_context(f"genie {words}", [], resilient_parsing=True)
    lines = [*_head(_name(words), entry.summary), ".SH SYNOPSIS"]
    pieces = " ".join(command.collect_usage_pieces(context))
    lines += [rf"\fBgenie {_escaped(words)}\fR {_escaped(pieces)}", ".SH DESCRIPTION"]
    lines += _paragraphs(inspect.cleandoc(command.help or ""))
    lines += _examples(import_module(f"genie_cli.commands.{entry.module}").EXAMPLES)
    lines += list(_options(command, context))
    return "\n".join([*lines, *_exit_status(), ".SH SEE ALSO", r"\fBgenie\fR(1)"]) + "\n"


def _head(name: str, summary: str) -> list[str]:
    title = _escaped(name.upper())
    text = summary.rstrip(".")
    return [
        f'.TH {title} 1 "" "genie {__version__}" "Genie"',
        ".SH NAME",
        rf"{_escaped(name)} \- {_escaped(text)}",
    ]


def _paragraphs(text: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        lines += [*([".PP"] if lines else []), *(_escaped(line) for line in paragraph.splitlines())]
    return lines


def _examples(examples: Sequence[tuple[str, str]]) -> list[str]:
    lines = [".SH EXAMPLES"]
    for purpose, line in examples:
        between = [".PP"] if len(lines) > 1 else []
        lines += [*between, _escaped(f"{purpose[:1].upper()}{purpose[1:]}:")] if purpose else []
        lines += [".RS", ".nf", _escaped(line), ".fi", ".RE"]
    return lines


def _options(command: Any, context: Any) -> Iterator[str]:
    for heading, rows in command.help_rows(context).items():
        yield f".SH {_escaped(heading.upper())}"
        for flags, text in rows:
            yield ".TP"
            yield rf"\fB{_escaped(flags)}\fR"
            yield _escaped(text)


def _exit_status() -> list[str]:
    lines = [".SH EXIT STATUS"]
    for code, meaning in EXIT_CODES:
        lines += [".TP", rf"\fB{code}\fR", _escaped(meaning)]
    return lines


def _escaped(text: str) -> str:
    """Text as man(7) takes it: a hyphen that can be copied, no request at a line's start."""
    plain = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    plain = plain.replace("~", r"\(ti").replace("^", r"\(ha")
    return rf"\&{plain}" if plain.startswith(".") else plain


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in pages().items():
        (folder / file).write_text(text, encoding="utf-8")
