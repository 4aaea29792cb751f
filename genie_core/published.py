"""The published form of a report: its members under camelCase names, as `-o json` prints them. Cold.

A member whose form differs is written by the class's own `as_json`; one that is not published says so:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Leftover(Published):
        kind: str
        handle: Any = field(default=None, metadata=UNPUBLISHED)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, cast

UNPUBLISHED = {"published": False}  # metadata of a member that is for this process only


class Published:
    """A dataclass that is published member by member."""

    __slots__ = ()

    def as_json(self) -> dict[str, Any]:
        """The members that are published, in their order."""
        members = fields(cast("Any", self))
        return {
            camel_case(one.name): plain(getattr(self, one.name))
            for one in members
            if one.metadata.get("published", True)
        }


def camel_case(name: str) -> str:
    """`default_network` -> `defaultNetwork`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def plain(value: Any) -> Any:
    """A member as JSON has it: lists for sequences, objects for mappings and reports, text for paths and enums."""
    if isinstance(value, Published):
        return value.as_json()
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "__fspath__"):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list | tuple) else value
