"""Flags before the command, as kubectl allows them (`genie -n shop debug pod web-0`), and what typed words mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from genie_cli.tree import SETTINGS, Entry, import_command

_OF_ROOT = ("-h", "--help", "--version", "--")
_LEVEL = re.compile(r"(-v|--verbose)=?(?P<number>[1-9])")


def arranged(arguments: Sequence[str], table: Mapping[str, Entry]) -> list[str]:
    """The command first, then the flags that stand before it or between its words. -v=2 becomes -vv.

    The command is the first one of `table` before which there are only flags of its own, and their values; only the
    modules of commands that are named are imported.
    """
    words = [_counted(word) for word in arguments]
    if words and words[0] in table and not table[words[0]].module:  # `genie debug -n shop pod web-0`
        return _whole(words, table)
    if not words or not words[0].startswith("-") or words[0] in _OF_ROOT:
        return words
    found = list(_commands(words, table))
    for start, end in found:
        name = " ".join(words[start:end])
        if table[name].module and _are_flags(read(words[:start], import_command(name, table[name]))):
            return [*words[start:end], *words[:start], *words[end:]]
    for start, end in found:  # with a flag that it does not have: its parser reports the flag
        return [*words[start:end], *words[:start], *words[end:]]
    first = next((index for index, word in enumerate(words) if word in _OF_ROOT), 0)
    return [*words[first:], *words[:first]] if first else _misspelt(words, table)


def _whole(words: list[str], table: Mapping[str, Entry]) -> list[str]:
    """The words with a group's command behind the group, where only flags of that command stand between them."""
    for index, word in enumerate(words[2:], start=2):
        name = f"{words[0]} {word}"
        if name in table and _are_flags(read(words[1:index], import_command(name, table[name]))):
            return [words[0], word, *words[1:index], *words[index + 1 :]]
    return words


def _misspelt(words: list[str], table: Mapping[str, Entry]) -> list[str]:
    """The words with the one first that stands in a command's place, as far as the flags before it are known ones."""
    for name in (name for name, entry in table.items() if entry.module):
        typed = read(words, import_command(name, table[name]))
        if typed.arguments and not typed.problem:
            index = words.index(typed.arguments[0])
            return [words[index], *words[:index], *words[index + 1 :]]
    return words


def _counted(word: str) -> str:
    match = _LEVEL.fullmatch(word)
    return f"-{'v' * int(match['number'])}" if match else word


def _commands(words: Sequence[str], table: Mapping[str, Entry]) -> Iterator[tuple[int, int]]:
    """Where commands of the table may be: the begin and end of one or two words."""
    for start, word in enumerate(words):
        if word == "--":
            return
        for end in (start + 2, start + 1):
            if " ".join(words[start:end]) in table:
                yield start, end
                break


def _are_flags(typed: Typed) -> bool:
    return not (typed.arguments or typed.pending or typed.problem)


class Typed(NamedTuple):
    """The words behind a command, parsed: values by flag, arguments, and the flag whose value is the next word.

    `problem` is the first flag that the command does not have.
    """

    values: dict[str, str]
    arguments: list[str]
    pending: Any = None
    problem: str = ""


def flags_of(command: Any) -> dict[str, Any]:
    """Each spelling of the command's flags, and its parameter; None for those of --help."""
    flags: dict[str, Any] = dict.fromkeys(SETTINGS["help_option_names"])
    for param in command.params:
        if param.param_type_name == "option":
            flags |= dict.fromkeys((*param.opts, *param.secondary_opts), param)
    return flags


def read(words: Sequence[str], command: Any) -> Typed:
    """Read words as typer does: `--flag VALUE`, `--flag=VALUE`, letters in one word (`-vq`, `-nshop`, `-vojson`)."""
    flags = flags_of(command)
    values: dict[str, str] = {}
    arguments: list[str] = []
    pending, problem = None, ""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            arguments += rest
            break
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            continue
        name, value = _split(word, flags)
        if name not in flags or (value is not None and not _takes_value(flags[name])):
            problem = problem or word
        elif _takes_value(flags[name]):
            if value is None and not rest:
                pending = flags[name]
            else:
                values[flags[name].name] = rest.pop(0) if value is None else value
    return Typed(values, arguments, pending, problem)


def _takes_value(param: Any) -> bool:
    return param is not None and not (param.is_flag or param.count)


def _split(word: str, flags: Mapping[str, Any]) -> tuple[str, str | None]:
    """The flag in a word that takes a value, else its last one; and the value in the same word, None without one."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    for index, letter in enumerate(word[1:], start=1):
        if f"-{letter}" not in flags:
            return word, None
        if _takes_value(flags[f"-{letter}"]):
            return f"-{letter}", word[index + 1 :].removeprefix("=") or None
    return f"-{word[-1]}", None
