"""Flags before the command, where people write them as for kubectl: `genie -n shop debug pod web-0`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from genie_cli.tree import SETTINGS, Entry, load

_OF_ROOT = ("-h", "--help", "--version", "--")
_LEVEL = re.compile(r"(-v|--verbose)=?(?P<number>[1-9])")


def arranged(arguments: Sequence[str], table: Mapping[str, Entry]) -> list[str]:
    """The command first, then the flags that stand before it. -v=2 becomes -vv.

    The command is the first one of `table` before which there are only flags of its own, and their values; only the
    modules of commands that are named are imported.
    """
    words = [_counted(word) for word in arguments]
    if not words or not words[0].startswith("-") or words[0] in _OF_ROOT:
        return words
    found = list(_commands(words, table))
    for start, end in found:
        name = " ".join(words[start:end])
        if table[name].module and _are_flags(words[:start], load(name, table[name])):
            return [*words[start:end], *words[:start], *words[end:]]
    for start, end in found:  # with a flag that it does not have: its parser says so
        return [*words[start:end], *words[:start], *words[end:]]
    first = next((index for index, word in enumerate(words) if word in _OF_ROOT), 0)
    return [*words[first:], *words[:first]]


def _counted(word: str) -> str:
    match = _LEVEL.fullmatch(word)
    return f"-{'v' * int(match['number'])}" if match else word


def _commands(words: Sequence[str], table: Mapping[str, Entry]) -> Iterator[tuple[int, int]]:
    """Where commands of the table may be: begin and end, of two words or of one."""
    for start, word in enumerate(words):
        if word == "--":
            return
        for end in (start + 2, start + 1):
            if " ".join(words[start:end]) in table:
                yield start, end
                break


def _are_flags(words: Sequence[str], command: Any) -> bool:
    """Whether these are flags of the command, each with its value where it takes one."""
    takes: dict[str, bool] = {str(name): False for name in SETTINGS["help_option_names"]}
    for param in command.params:
        if param.param_type_name == "option":
            value = not (param.is_flag or param.count)
            takes |= dict.fromkeys((*param.opts, *param.secondary_opts), value)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        if name in takes and (takes[name] or not equals):
            if takes[name] and not equals:
                if not rest:
                    return False
                rest.pop(0)
        elif not _are_letters(word, takes):
            return False
    return True


def _are_letters(word: str, takes: Mapping[str, bool]) -> bool:
    """Whether it is one-letter flags in one word, the last with its value: `-vq`, `-nshop`, `-vojson`."""
    if not word.startswith("-") or word.startswith("--") or len(word) < 3:
        return False
    for letter in word[1:]:
        if f"-{letter}" not in takes:
            return False
        if takes[f"-{letter}"]:
            return True
    return True
