"""Flags as dataclasses: what typer makes of them, and that a shell completes every value that can be known."""

from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

import pytest

from genie_cli.flags import Directive, argument, flag, given, several, signature_of, switch
from genie_cli.output import OutputFormat
from genie_cli.table import COMMANDS
from genie_cli.tree import command_of, import_command
from tests.test_lint import source_files

LEAVES = {words: entry for words, entry in COMMANDS.items() if entry.module}
# Values that only the person can know, by their metavar.
FREE = {"IMAGE", "DURATION", "CIDR", "ADDRESS", "NUMBER", "BYTES", "URL", "PATH=VALUE", "HOST:PORT"}
FREE_FLAGS = {
    "--name",
    "--physical-network",
}  # names that are given here, or that only the cluster's objects have


@dataclass(frozen=True, kw_only=True)
class Group:
    shared: str = flag("--shared TEXT", "Of several commands.")


@dataclass(frozen=True, kw_only=True)
class Flags(Group):
    word: str = argument("WORD", "A word.", default=...)
    number: int = flag("-n --number NUMBER", "A number.", default=1, min=1)
    names: tuple[str, ...] = several("--name NAME", "Names.")
    loud: bool = switch("--loud/--silent", "Aloud.", default=True)
    form: OutputFormat = flag("--form FORM", "An enumeration.", default=OutputFormat.TABLE)  # noqa: RUF009 (a field)
    computed: int = 7


def test_flags_arrive_as_the_dataclass():
    seen: list[Flags] = []
    command = command_of(lambda_of(seen), "try")
    command.main(["w", "-n", "3", "--name", "a", "--name", "b", "--silent"], standalone_mode=False)
    command.main(["w", "--shared", "s"], standalone_mode=False)
    assert seen == [
        Flags(word="w", number=3, names=("a", "b"), loud=False),
        Flags(word="w", shared="s"),
    ]
    assert given(seen[0]) == {
        "word": "WORD",
        "number": "--number",
        "names": "--name",
        "loud": "--loud/--silent",
    }


def lambda_of(seen):
    def run(flags: Flags) -> int:
        """Record the arguments."""
        seen.append(flags)
        return 0

    return run


def test_own_flags_stand_before_those_of_the_groups_and_a_plain_field_is_none():
    call, sources = signature_of(lambda_of([]))
    assert list(call.__annotations__) == ["word", "number", "names", "loud", "form", "shared"]
    assert list(sources) == ["form"]


@pytest.mark.parametrize("words", LEAVES)
def test_the_flags_of_every_command_are_a_frozen_dataclass(words):
    kind = import_module(f"genie_cli.commands.{LEAVES[words].module}").Flags
    assert kind.__dataclass_params__.frozen
    assert [one.name for one in fields(kind) if "typer" in one.metadata]


@pytest.mark.parametrize("words", LEAVES)
def test_every_value_that_can_be_known_is_completed(words):
    command = import_command(words, LEAVES[words])
    params: list[Any] = command.params
    for param in params:
        takes_value = param.param_type_name == "argument" or not (param.is_flag or param.count)
        free = param.metavar in FREE or FREE_FLAGS.intersection(param.opts)
        if takes_value and not free:
            assert param.name in command.sources, (
                f"{words}: {param.opts}: declare complete=, or its metavar as free"
            )
        if free:
            assert param.name not in command.sources, f"{words}: {param.opts} is completed: it is not free"
        if (param.metavar or "").startswith(("FILE", "DIR", "SOCKET")) and "|" not in param.metavar:
            wanted = Directive.DIRECTORIES if param.metavar == "DIR" else Directive.FILES
            assert command.sources[param.name] == wanted


@pytest.mark.parametrize("words", LEAVES)
def test_a_command_offers_forms_of_output_that_exist(words):
    for param in import_command(words, LEAVES[words]).params:
        if "--output" in param.opts:
            assert set((param.metavar or "").strip("[]").split("|")) <= set(OutputFormat)


def test_no_private_part_of_typer_is_used():
    """pyproject.toml pins its minor version for the public ones, which help and completion read."""
    found = [path.name for path in source_files() if "typer._" in path.read_text()]
    assert not found
