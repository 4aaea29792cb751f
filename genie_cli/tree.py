"""The tree of commands: a group that imports a command's module only when that command is called.

A command's module has `run`, a function whose annotated parameters are the flags, whose docstring is the
description and whose result is the exit code; and `EXAMPLES`, pairs of what for and which command line.
Help is laid out here, without rich (45 ms), in one form for terminals and pipes: summary, examples, usage,
flags by group.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup

from genie_cli import terminal
from genie_cli.options import OUTPUT, duration

# `genie debug --list-checks`: the checks of a pod are all there are.
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
        """Called with nothing, it shows its help; a flag that one of its commands answers for all goes there."""
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
        return load(words, entry)

    def _refuse(self, ctx: Any, name: str) -> None:
        near = get_close_matches(name, self.list_commands(ctx), cutoff=0.5)
        question = f"; did you mean {' or '.join(near)}?" if near else ""
        ctx.fail(f"there is no command {name!r}{question}")

    def entry_of(self, name: str) -> Entry:
        """A command's line of the table."""
        return self._table[self._prefix + name]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Summary, examples, usage, commands by section, flags."""
        formatter.write(f"{self.short_help}\n")
        _write_examples(formatter, self.examples, ctx.find_root().info_name)
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

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete from the table: importing every command to ask for its summary would take a second."""
        from typer.core import CompletionItem  # type: ignore[attr-defined]  # typer's own, not re-exported

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        flags = [] if names else TyperCommand.shell_complete(self, ctx, incomplete)  # not TyperGroup's
        return [CompletionItem(name, help=self.entry_of(name).summary) for name in names] + flags


def load(words: str, entry: Entry) -> Leaf:
    """Import a command's module and make the command of its `run`, with the flags that all commands have."""
    module = import_module(f"genie_cli.commands.{entry.module}")
    command = _command_of(module.run, words.rpartition(" ")[2], short_help=entry.summary)
    command.examples = module.EXAMPLES
    command.params += _command_of(_common, "common").params
    return command


def _command_of(function: Any, name: str, **settings: Any) -> Leaf:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=Leaf, context_settings=SETTINGS, **settings)(function)
    return cast("Leaf", typer.main.get_command(app))


def _write_examples(formatter: Any, examples: Sequence[tuple[str, str]], program: str) -> None:
    """They are written for `genie`, and shown for the name that it was called by."""
    if examples:
        with formatter.section("Examples"):
            for purpose, line in examples:
                formatter.write(f"  # {purpose}\n" if purpose else "")  # without one it goes on with the last
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
    """Arguments without the word `str`, durations as they are written."""
    row = param.get_help_record(ctx)
    if row is None:
        return None
    names, text = row
    if param.param_type_name == "argument" and param.metavar:
        names = param.metavar
    if param.metavar == "DURATION" and isinstance(param.default, float | int):
        text = text.replace(f"[default: {param.default}]", f"[default: {duration(param.default)}]")
    return names, text


def _speak(**changes: Any) -> None:
    from dataclasses import replace

    terminal.current.set(replace(terminal.current.get(), **changes))


def _set_verbosity(value: int) -> int:
    _speak(verbosity=value)
    return value


def _set_quiet(value: bool) -> bool:
    _speak(quiet=value)
    return value


def _set_color(value: str) -> str:
    _speak(color=value)
    return value


def _unset_color(value: bool) -> bool:
    if value:
        _speak(color="never")
    return value


def _common(
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            callback=_set_verbosity,
            expose_value=False,
            help="Say more; may be repeated.",
            rich_help_panel=OUTPUT,
        ),
    ] = 0,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            callback=_set_quiet,
            expose_value=False,
            help="Print nothing, only set the exit code.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    color: Annotated[
        terminal.Color,
        typer.Option(
            "--color",
            callback=_set_color,
            expose_value=False,
            help="Colour the output.",
            rich_help_panel=OUTPUT,
        ),
    ] = "auto",
    no_color: Annotated[
        bool,
        typer.Option(
            "--no-color",
            callback=_unset_color,
            expose_value=False,
            help="The same as --color never.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
) -> None:
    """The flags of every command."""
