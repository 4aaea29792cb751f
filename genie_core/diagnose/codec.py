"""Facts <-> JSON, driven by the dataclasses' own annotations."""

from __future__ import annotations

import types
import typing
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

from genie_core.errors import DecodingFailure

T = TypeVar("T")


def encode(value: Any) -> Any:
    """Plain JSON values of a dataclass."""
    return asdict(value)


def decode(kind: type[T], value: Any) -> T:
    """The dataclass again. Raises DecodingFailure for a document that is not one; unknown members are ignored."""
    try:
        return typing.cast(T, _value(kind, value))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise DecodingFailure(f"not a snapshot of this version: {error}") from None


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _value(kind: Any, value: Any) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        known = {f.name for f in fields(kind)}
        return kind(**{name: _value(hints[name], member) for name, member in value.items() if name in known})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _value(next(a for a in arguments if a is not types.NoneType), value)
    if origin is tuple:
        return tuple(_value(arguments[0], item) for item in value)
    if origin is dict and arguments[1] is not Any:
        return {name: _value(arguments[1], item) for name, item in value.items()}
    return value
