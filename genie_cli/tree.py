"""The tree of commands: a group that imports a command's module only when that command is called.

A command's module has `run(flags)`, whose docstring is the description and whose result is the exit code, and
`EXAMPLES`, pairs of a purpose and a command line. Help is laid out here, without rich (45 ms), in one form for
terminals and pipes: summary, examples, usage, flags by group.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup

from genie_cli import terminal
from genie_cli.flags import Source, flag, signature_of
from genie_cli.options import OUTPUT, duration

# `genie debug --list-checks` lists the checks of `genie debug pod`, which are all checks.
PASSED_ON = {"debug --list-checks": "pod"}
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Entry(NamedTuple):
    """One line of the table of commands: the module in `genie_cli.commands`, one sentence, a heading.

    A word that only groups others ("debug", before "debug pod") has no module: "".
    """

    module: str
    summary: str
    section: str


class Leaf(TyperCommand):
    """A command that does something."""

    examples: Sequence[tuple[str, str]] = ()
    sources: dict[str, Source]  # what completes the values of its flags and arguments, by their fields

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Summary, examples first, then usage, description and flags."""
        formatter.write(f"{self.short_help}\n")
        _write_examples(formatter, self.examples, ctx.find_root().info_name)
        formatter.write_paragraph()
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        for heading, rows in self.help_rows(ctx).items():
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=28)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The flags and arguments in a line; typer puts what is required in braces."""
        pieces = super().collect_usage_pieces(ctx)
        return [piece[1:-1] if piece[:1] + piece[-1:] == "{}" else piece for piece in pieces]

    def help_rows(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        """Heading -> (flags, what they do)."""
        return _by_panel(self.get_params(ctx), ctx)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """The docstring, its paragraphs kept."""
        if self.help:
            formatter.write_paragraph()
            formatter.write_text(inspect.cleandoc(self.help))


class Branch(TyperGroup):
    """Commands under a common word; the root has none."""

    def __init__(self, table: Mapping[str, Entry], prefix: str = "", **attributes: Any) -> None:
        super().__init__(rich_markup_mode=None, context_settings=SETTINGS, **attributes)
        self._table = table
        self._prefix = prefix
        self.examples: Sequence[tuple[str, str]] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Without arguments, --help; a flag that one command handles for the group is passed on to it."""
        if args and (command := PASSED_ON.get(self._prefix + args[0])):
            args = [command, *args]
        return super().parse_args(ctx, args if args or ctx.resilient_parsing else ["--help"])

    def list_commands(self, ctx: Any) -> list[str]:
        """The words that may follow."""
        inside = (words.removeprefix(self._prefix) for words in self._table if words.startswith(self._prefix))
        return [words for words in inside if " " not in words]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, its module imported now. Raises a usage error that suggests near names."""
        words = self._prefix + cmd_name
        entry = self._table.get(words)
        if entry is None:
            if not cmd_name.startswith("-") and not ctx.resilient_parsing:
                self._refuse(ctx, cmd_name)
            return None
        if not entry.module:
            return Branch(self._table, words + " ", name=cmd_name, short_help=entry.summary)
        return import_command(words, entry)

    def _refuse(self, ctx: Any, name: str) -> None:
        inside = (words for words in self._table if words.startswith(self._prefix))
        near = [words.removeprefix(self._prefix) for words in inside if words.endswith(f" {name}")]
        near = near or get_close_matches(name, self.list_commands(ctx), cutoff=0.5)
        question = f"; did you mean {' or '.join(near)}?" if near else ""
        ctx.fail(f"there is no command {name!r}{question}")

    def entry_of(self, name: str) -> Entry:
        """A command's line of the table."""
        return self._table[self._prefix + name]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Summary, examples (of a group the first of each command), usage, commands by section, flags."""
        formatter.write(f"{self.short_help}\n")
        examples = self.examples or [
            _module_of(self.entry_of(name)).EXAMPLES[0] for name in self.list_commands(ctx)
        ]
        _write_examples(formatter, examples, ctx.find_root().info_name)
        formatter.write_paragraph()
        self.format_usage(ctx, formatter)
        for section, names in self._by_section(ctx).items():
            with formatter.section(section):
                formatter.write_dl([(name, self.entry_of(name).summary) for name in names])
        for heading, rows in _by_panel(self.get_params(ctx), ctx).items():
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=28)

    def _by_section(self, ctx: Any) -> dict[str, list[str]]:
        sections: dict[str, list[str]] = {}
        for name in self.list_commands(ctx):
            sections.setdefault(self.entry_of(name).section, []).append(name)
        return sections


def _module_of(entry: Entry) -> Any:
    return import_module(f"genie_cli.commands.{entry.module}")


def import_command(words: str, entry: Entry) -> Leaf:
    """Import a command's module and make the command of its `run`, with the flags that all commands have."""
    module = _module_of(entry)
    command = command_of(module.run, words.rpartition(" ")[2], short_help=entry.summary)
    command.examples = module.EXAMPLES
    common = command_of(_common, "common")
    command.params += common.params
    command.sources |= common.sources
    return command


def command_of(run: Callable[[Any], int], name: str, **settings: Any) -> Leaf:
    """The command of a function that takes a dataclass of flags."""
    function, sources = signature_of(run)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=Leaf, context_settings=SETTINGS, **settings)(function)
    command = cast("Leaf", typer.main.get_command(app))
    command.sources = sources
    return command


def _write_examples(formatter: Any, examples: Sequence[tuple[str, str]], program: str) -> None:
    """Write the examples, with the name that the program was called by."""
    if examples:
        with formatter.section("Examples"):
            for purpose, line in examples:
                formatter.write(
                    f"  # {purpose}\n" if purpose else ""
                )  # without a purpose the line continues the example before it
                formatter.write(f"  {line.replace('genie ', f'{program} ')}\n")


def _by_panel(params: Sequence[Any], ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """The help rows of a command's parameters under their headings: own first, common ones last."""
    panels: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Flags": []}
    for param in params:
        row = _help_row(param, ctx)
        if row is not None:
            heading = "Arguments" if param.param_type_name == "argument" else param.rich_help_panel or "Flags"
            panels.setdefault(heading, []).append(row)
    panels[OUTPUT] = panels.pop(OUTPUT, [])
    return {heading: rows for heading, rows in panels.items() if rows}


def _help_row(param: Any, ctx: Any) -> tuple[str, str] | None:
    """The row of a parameter: its metavar, and durations as they are written."""
    row = param.get_help_record(ctx)
    if row is None:
        return None
    names, text = row
    if param.param_type_name == "argument" and param.metavar:
        names = param.metavar
    if param.metavar == "DURATION" and isinstance(param.default, float | int):
        text = text.replace(f"[default: {param.default}]", f"[default: {duration(param.default)}]")
    return names, text


def _set(name: str) -> Callable[[Any], Any]:
    """A callback that sets a member of the current terminal; as soon as the flag is read, so that errors follow it."""

    def callback(value: Any) -> Any:
        if value != getattr(terminal.Terminal(), name):  # typer calls it for flags that are not given, too
            terminal.current.set(replace(terminal.current.get(), **{name: value}))
        return value

    return callback


def _unset_color(value: bool) -> bool:
    return bool(value and _set("color")("never"))


_SILENT: dict[str, Any] = {"expose_value": False, "show_default": False}


@dataclass(frozen=True, kw_only=True)
class Common:
    """The flags of every command; callbacks keep their values."""

    verbose: int = flag(
        "-v --verbose",
        "Print more; may be repeated.",
        OUTPUT,
        default=0,
        count=True,
        callback=_set("verbosity"),
        **_SILENT,
    )
    quiet: bool = flag(
        "-q --quiet",
        "Print nothing, only set the exit code.",
        OUTPUT,
        default=False,
        callback=_set("quiet"),
        **_SILENT,
    )
    color: terminal.Color = flag(
        "--color", "Colour the output.", OUTPUT, default="auto", callback=_set("color"), expose_value=False
    )
    no_color: bool = flag(
        "--no-color", "The same as --color never.", OUTPUT, default=False, callback=_unset_color, **_SILENT
    )


def _common(flags: Common) -> int:
    """The command whose flags all commands get."""
    raise NotImplementedError
