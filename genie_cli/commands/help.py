"""`genie help`: what is about all commands, and the help of each."""

from __future__ import annotations

from typing import Annotated

import typer

from genie_cli import terminal
from genie_cli.options import OutputFormat
from genie_cli.render import Block, Heading, Table, Text, show
from genie_core import errors

EXAMPLES = [
    ("what the exit codes mean", "genie help exit-codes"),
    ("the same as genie dry-run --help", "genie help dry-run"),
]

EXIT_CODES = (
    (0, "done; healthy"),
    (errors.EXIT_FAILURE, "a failure, or findings at or above --fail-on"),
    (errors.EXIT_USAGE, "wrong usage"),
    (errors.EXIT_NOT_FOUND, "the target does not exist, or not on this node"),
    (errors.EXIT_DENIED, "no permission, or not authenticated"),
    (errors.EXIT_INCOMPLETE, "could not complete; what was found so far is printed"),
    (errors.EXIT_TIMEOUT, "timed out"),
    (errors.EXIT_INTERRUPTED, "interrupted"),
)


def _exit_codes() -> list[Block]:
    return [
        Heading("Exit codes, the same for every command"),
        Table(("CODE", "MEANING"), [(str(code), meaning) for code, meaning in EXIT_CODES], right=("CODE",)),
    ]


def _output() -> list[Block]:
    forms = [
        (OutputFormat.TABLE, "for people: plain text where it is piped or NO_COLOR is set"),
        (OutputFormat.WIDE, "the same with more in it"),
        (OutputFormat.JSON, "one document, also on failure: apiVersion genie/v1alpha1, kind, camelCase keys"),
        (OutputFormat.YAML, "the same document"),
        (OutputFormat.NAME, "one name per line, where a command lists things"),
    ]
    return [
        Heading("Forms of output"),
        Table(("-o", "WHAT"), [(str(form), what) for form, what in forms]),
        Text(
            "Results go to stdout, everything else to stderr. --quiet prints nothing and sets the exit code."
        ),
    ]


TOPICS = {"exit-codes": _exit_codes, "output": _output}


def run(
    topic: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND | TOPIC",
            help=f"A command, or one of: {', '.join(TOPICS)}.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Explains what all commands have in common, or shows a command's help."""
    from genie_cli.app import main  # it is what imports this module

    words = topic or []
    blocks = TOPICS.get(" ".join(words))
    if blocks is None:
        return main([*words, "--help"])
    if not terminal.current.get().quiet:
        show(blocks())
    return 0
