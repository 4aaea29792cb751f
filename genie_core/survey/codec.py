"""Facts <-> JSON, driven by the dataclasses' own annotations. Fields marked UNSAVED are in no JSON."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from dataclasses import Field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from genie_core.errors import DecodingFailure
from genie_core.fields import describe
from genie_core.findings import Code

T = TypeVar("T")


def encode(value: Any) -> Any:
    """Plain JSON values of a dataclass."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: encode(getattr(value, name)) for name in _saved(type(value))}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {name: encode(inner) for name, inner in value.items()}
    return value


@cache
def _saved(kind: type) -> list[str]:
    members: tuple[Field[Any], ...] = fields(kind)
    return [member.name for member in members if member.metadata.get("saved", True)]


def decode(kind: type[T], value: Any) -> T:
    """The dataclass again; unknown members are ignored, missing ones have their default.

    Raises DecodingFailure naming the member that is not what it should be.
    """
    try:
        return typing.cast(T, _value(kind, value, ""))
    except RecursionError:
        raise DecodingFailure("it is nested too deep") from None


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _value(kind: Any, value: Any, place: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return _members(kind, value, place)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(_one_of([str(member) for member in kind], value, place))
    if kind is Code:
        return Code.declared[_one_of(list(Code.declared), value, place)]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        inner = next(a for a in arguments if a is not types.NoneType)
        return None if value is None else _value(inner, value, place)
    if origin is typing.Literal:
        return _one_of(arguments, value, place)
    if origin is tuple:
        items = _checked(list, value, place)
        return tuple(_value(arguments[0], item, f"{place}[{number}]") for number, item in enumerate(items))
    if origin is dict:
        members = _checked(dict, value, place)
        return {name: _value(arguments[1], item, f"{place}.{name[:40]}") for name, item in members.items()}
    return value if kind is Any else _checked(kind, value, place)


def _members(kind: type, value: Any, place: str) -> Any:
    given, hints = _checked(dict, value, place), _hints(kind)
    known = {name: f"{place}.{name}" if place else name for name in _saved(kind) if name in given}
    try:
        return kind(**{name: _value(hints[name], given[name], where) for name, where in known.items()})
    except TypeError as error:  # a member without a default is not there
        raise DecodingFailure(f"{place or 'facts'}: {str(error).rpartition(') ')[2]}") from None


def _one_of(allowed: Sequence[str], value: Any, place: str) -> str:
    text: str = _checked(str, value, place)
    if text not in allowed:
        raise DecodingFailure(f"{place} must be one of {', '.join(allowed)}")
    return text


_WORDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
}


def _checked(kind: Any, value: Any, place: str) -> Any:
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise DecodingFailure(f"{place or 'facts'} must be {_WORDS[kind]}, not {describe(value)}")
    return value
