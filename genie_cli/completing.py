"""What may follow on a command line: the answer to the shells' scripts (`completions/`) and to kubectl.

    genie __complete -- WORD... CURRENT        the words after `genie`, the last one as far as it is typed
    genie __complete --line 'genie dry-run --c'

prints one `value<TAB>description` a line, and as last line a directive as in Cobra, which kubectl understands too: `:0`
let the shell complete files, `:16` directories, `:4` nothing else. Errors print nothing, and a cluster that does not
answer within a second is left out: completion must not disturb the person who types.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

from genie_cli.arrange import Typed, arranged, flags_of, read
from genie_cli.flags import Candidate, Completion, Directive
from genie_cli.table import COMMANDS, root
from genie_cli.tree import Leaf, import_command

COMMON = "debug pod"  # a command that has the flags which people write before the command
_SHELLS = frozenset(" \\'\"`$&|;<>(){}*?!#~")


def main(arguments: Sequence[str]) -> int:
    """Print the candidates, and end without waiting for a cluster that is late."""
    with suppress(OSError):  # the shell does not wait for the answer any more
        sys.stdout.write(_answer(arguments))
        sys.stdout.flush()
    if commands := sys.modules.get("genie_core.survey.commands"):
        commands.end_all()  # a credential plugin that is late
    os._exit(0)


def kubectl() -> int:
    """The program kubectl_complete-genie: kubectl calls it with the words after `kubectl genie`."""
    return main(["--", *sys.argv[1:]])


def _answer(arguments: Sequence[str]) -> str:
    try:
        candidates, directive = complete(*_words(arguments))
    except Exception:  # noqa: BLE001 (completion prints no errors)
        return f":{Directive.FILES.value}\n"
    return (
        "".join(f"{value}\t{' '.join(text.split())}\n" for value, text in candidates)
        + f":{directive.value}\n"
    )


def _words(arguments: Sequence[str]) -> tuple[list[str], str]:
    """The whole words behind `genie`, and the one that is typed."""
    if arguments[:1] == ["--line"]:
        line = arguments[1]
        words = _split(line)[1:]
        return (words, "") if line[-1:].isspace() or not words else (words[:-1], words[-1])
    words = list(arguments[1:])
    return words[:-1], words[-1] if words else ""


def _split(line: str) -> list[str]:
    """The words of a command line that may end inside a quotation."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words += lexer
    except ValueError:  # an open quotation
        words.append(lexer.token)
    return words


def complete(words: Sequence[str], current: str) -> tuple[list[Candidate], Directive]:
    """The candidates for the word `current` behind `words`, whole words, and the directive."""
    words = arranged(words, COMMANDS)
    if words and words[0].startswith("-"):  # only flags so far: a value, or the command
        common = import_command(COMMON, COMMANDS[COMMON])
        if read(words, common).pending is not None:
            return _behind(common, words, current)
        words = []
    for size in (2, 1):
        name = " ".join(words[:size])
        if name in COMMANDS and COMMANDS[name].module:
            return _behind(import_command(name, COMMANDS[name]), words[size:], current)
    return _commands(words, current), Directive.NOTHING_ELSE


def _commands(words: Sequence[str], current: str) -> list[Candidate]:
    """The commands that may follow, else the flags that stand alone."""
    prefix = "".join(f"{word} " for word in takewhile(lambda word: not word.startswith("-"), words))
    found = {
        words.removeprefix(prefix): entry.summary
        for words, entry in COMMANDS.items()
        if words.startswith(prefix) and " " not in words.removeprefix(prefix)
    }
    return _matching((Candidate(*item) for item in found.items()), current) or _flags(root(), current)


def _behind(command: Leaf, words: Sequence[str], current: str) -> tuple[list[Candidate], Directive]:
    """The candidates behind a command: a flag, a flag's value, or an argument."""
    typed = read(words, command)
    name, equals, value = current.partition("=")
    if typed.pending is not None:
        return _values(command, typed.pending.name, typed, current)
    if "--" in words or not current.startswith("-") or current == "-":
        return _values(command, _argument(command, len(typed.arguments)), typed, current)
    if equals and (param := flags_of(command).get(name)):
        found, directive = _values(command, param.name, typed, value)
        return [Candidate(f"{name}={item.value}", item.help) for item in found], directive
    return _flags(command, current), Directive.NOTHING_ELSE


def _flags(command: Any, current: str) -> list[Candidate]:
    found = flags_of(command).items() if current.startswith("-") else ()
    return [
        Candidate(name, (param.help or "") if param else "Show this message and exit.")
        for name, param in found
        if name.startswith(current)
    ]


def _argument(command: Leaf, index: int) -> str:
    """The field of the argument at a position, "" where the command takes none there."""
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    for param in arguments:
        if index == 0 or param.nargs == -1:
            return str(param.name)
        index -= 1
    return ""


def _values(command: Leaf, name: str, typed: Typed, current: str) -> tuple[list[Candidate], Directive]:
    source = command.sources.get(name, Directive.NOTHING_ELSE)
    places = {flag: typed.values.get(flag, "") for flag in ("kubeconfig", "context", "namespace")}
    asked = Completion(current, **places, before=tuple(typed.arguments))
    found = source(asked) if callable(source) else source
    return (_matching(found, current), Directive.NOTHING_ELSE) if isinstance(found, list) else ([], found)


def _matching(found: Iterable[Candidate], current: str) -> list[Candidate]:
    """Those that begin with the word, without control characters and without what a shell would interpret."""
    return [
        candidate
        for candidate in found
        if candidate.value
        and candidate.value.startswith(current)
        and candidate.value.isprintable()
        and not _SHELLS.intersection(candidate.value)
    ]
