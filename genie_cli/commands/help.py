"""`genie help`: topics that concern all commands, and the help of each."""

from __future__ import annotations

from dataclasses import dataclass

from genie_cli import table, terminal
from genie_cli.flags import Candidate, Completion, argument
from genie_cli.output import OutputFormat
from genie_cli.render import Block, Heading, Table, Text, show
from genie_cli.table import COMMANDS
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
    (errors.EXIT_PIPE, "the reader of the output has gone, as in genie explain | head"),
)


def _exit_codes() -> list[Block]:
    return [
        Heading("Exit codes, the same for every command"),
        Table(("CODE", "MEANING"), [(str(code), meaning) for code, meaning in EXIT_CODES], right=("CODE",)),
    ]


def _output() -> list[Block]:
    return [
        Heading("Forms of output"),
        Table(("-o", "WHAT"), [(str(form), form.meaning) for form in OutputFormat]),
        Text(
            "Results go to stdout, everything else to stderr. --quiet prints nothing and sets the exit code."
        ),
    ]


TOPICS = {"exit-codes": _exit_codes, "output": _output}


def _topics(asked: Completion) -> list[Candidate]:
    """The commands behind the words before, and the topics where there are none."""
    before = "".join(f"{word} " for word in asked.before)
    inside = {
        words.removeprefix(before): entry for words, entry in COMMANDS.items() if words.startswith(before)
    }
    topics = [] if before else [Candidate(topic) for topic in TOPICS]
    return [*topics, *(Candidate(name, entry.summary) for name, entry in inside.items() if " " not in name)]


@dataclass(frozen=True, kw_only=True)
class Flags:
    """A topic."""

    topic: tuple[str, ...] = argument(
        "COMMAND | TOPIC", f"A command, or one of: {', '.join(TOPICS)}.", default=(), complete=_topics
    )


def run(flags: Flags) -> int:
    """Explains what all commands have in common, or shows a command's help."""
    blocks = TOPICS.get(" ".join(flags.topic))
    if blocks is None:
        return table.run([*flags.topic, "--help"])
    if not terminal.current.get().quiet:
        show(blocks())
    return 0
