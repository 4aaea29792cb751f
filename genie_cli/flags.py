"""Flags as a dataclass: a field is a flag with its default, a base class a group of flags that commands share.

    @dataclass(frozen=True, kw_only=True)
    class Flags(options.Cluster, options.Report):
        pods: int = flag("--pods NUMBER", "Attach so many pods side by side.", default=1, min=1)

A field that is made otherwise is no flag. A command's flags inherit the options of its task, and are handed to it.
`signature_of` gives typer the signature that it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, field, fields
from enum import IntEnum, StrEnum
from inspect import Parameter, Signature, get_annotations
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo


class Directive(IntEnum):
    """What a shell does besides showing the candidates, numbered as in Cobra."""

    FILES = 0
    NOTHING_ELSE = 4
    DIRECTORIES = 16


class Candidate(NamedTuple):
    """A value for the current word, and its description."""

    value: str
    help: str = ""


class Completion(NamedTuple):
    """The word that is typed, and the flags and arguments before it."""

    current: str
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    before: tuple[str, ...] = ()


Source = Callable[[Completion], list[Candidate] | Directive] | Directive


def flag(
    names: str, text: str, panel: str = "", *, default: Any = "", complete: Source | None = None, **more: Any
) -> Any:
    """A flag: its names and its metavar, as in "-f --conf FILE"; its help; its heading in --help.

    `complete` finds values for a shell; `more` is what typer.Option takes.
    """
    words = names.split()
    option = OptionInfo(
        default=...,  # typer takes it from the signature
        param_decls=tuple(word for word in words if word.startswith("-")),
        metavar=next((word for word in words if not word.startswith("-")), None),
        help=text,
        rich_help_panel=panel or None,
        **more,
    )
    return field(default=default, metadata={"typer": option, "complete": complete})


def switch(names: str, text: str, panel: str = "", *, default: bool = False) -> Any:
    """A flag without a value."""
    return flag(names, text, panel, default=default)


def several(names: str, text: str, panel: str = "", *, complete: Source | None = None, **more: Any) -> Any:
    """A flag that may be repeated; its field is a tuple."""
    return flag(names, text, panel, default=(), complete=complete, **more)


def argument(
    metavar: str, text: str, *, default: Any = "", complete: Source | None = None, **more: Any
) -> Any:
    """A word that is no flag; `default` ... makes it required."""
    made = ArgumentInfo(default=..., metavar=metavar, help=text, show_default=False, **more)
    given = {} if default is ... else {"default": default}
    return field(**given, metadata={"typer": made, "complete": complete})


def signature_of(run: Callable[[Any], int]) -> tuple[Callable[..., int], dict[str, Source]]:
    """`run(flags)` as a function with one keyword for each flag, and what completes each value.

    A command's own flags come before those of its groups.
    """
    kind: type[Any] = get_type_hints(run)["flags"]
    hints = get_type_hints(kind)
    flags = [found for found in _own_first(kind) if "typer" in found.metadata]
    several = {found.name for found in flags if get_origin(hints[found.name]) is tuple}

    def call(**values: Any) -> int:
        return run(kind(**{name: tuple(v or ()) if name in several else v for name, v in values.items()}))

    call.__doc__ = run.__doc__
    call.__annotations__ = {
        found.name: Annotated[_for_typer(hints[found.name]), found.metadata["typer"]] for found in flags
    }
    call.__signature__ = Signature(  # type: ignore[attr-defined]  # inspect.signature reads it
        [
            Parameter(
                found.name,
                Parameter.KEYWORD_ONLY,
                default=_default(found),
                annotation=call.__annotations__[found.name],
            )
            for found in flags
        ]
    )
    sources = {found.name: _source(found, hints[found.name]) for found in flags}
    return call, {name: source for name, source in sources.items() if source is not None}


def _own_first(kind: type[Any]) -> list[Field[Any]]:
    names = dict.fromkeys(name for base in kind.__mro__ for name in get_annotations(base))
    known = {found.name: found for found in fields(kind)}
    return [known[name] for name in names if name in known]


def _default(found: Field[Any]) -> Any:
    """typer has None for a repeatable flag that was not given."""
    return None if found.default == () else Parameter.empty if found.default is MISSING else found.default


def _for_typer(hint: Any) -> Any:
    """typer takes lists, where a field has a tuple."""
    return list[get_args(hint)[0]] if get_origin(hint) is tuple else hint  # type: ignore[misc]  # made at run time


def _source(found: Field[Any], hint: Any) -> Source | None:
    """What was declared; the members of an enumeration complete themselves."""
    declared: Source | None = found.metadata["complete"]
    if declared is None and isinstance(hint, type) and issubclass(hint, StrEnum):
        return words(*hint)
    return words(*get_args(hint)) if declared is None and get_origin(hint) is Literal else declared


def given(flags: Any) -> dict[str, str]:
    """The flags whose value is not the default: field -> its longest spelling, or metavar of an argument."""
    found = {}
    for one in _own_first(type(flags)):
        info = one.metadata.get("typer")
        if info is not None and getattr(flags, one.name) != one.default:
            found[one.name] = max(info.param_decls or (info.metavar,), key=len)
    return found


def typed(flags: Any) -> list[str]:
    """The command line of these flags: those whose value is not the default, then the arguments."""
    options: list[str] = []
    arguments: list[str] = []
    for one in _own_first(type(flags)):
        info, value = one.metadata.get("typer"), getattr(flags, one.name)
        if info is None or value == one.default:
            continue
        values = [str(item) for item in (value if isinstance(value, tuple) else (value,))]
        if isinstance(info, ArgumentInfo):
            arguments += values
        elif isinstance(value, bool):
            yes, _, no = max(info.param_decls, key=len).partition("/")
            options.append(yes if value else no)
        else:
            options += [f"{max(info.param_decls, key=len)}={item}" for item in values]
    return [*options, *(["--"] if any(word.startswith("-") for word in arguments) else []), *arguments]


def words(*values: str) -> Source:
    """A source of fixed words."""
    return lambda _asked: [Candidate(str(value)) for value in values]
