"""The published form of a report: its members under camelCase names, as `-o json` prints them. Cold.

A member says by its metadata that it is not published, that it has another name, or another form:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Leftover(Published):
        kind: str
        source: str = field(metadata=named("from"))
        mode: int = field(metadata=formed("{:04o}".format))
        handle: Any = field(default=None, metadata=UNPUBLISHED)

A report of another shape has its own `as_json`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any, ClassVar, cast

JSON = dict[str, Any]  # an object of a document, as decoded
API_VERSION = "genie/v1alpha1"  # of every document that a command prints or saves
UNPUBLISHED = {"published": False}  # metadata of a member that is for this process only


def named(name: str) -> dict[str, Any]:
    """Metadata of a member that is published under another name."""
    return {"name": name}


def formed(form: Callable[[Any], Any]) -> dict[str, Any]:
    """Metadata of a member whose published form `form` makes."""
    return {"form": form}


def rounded(number: float) -> float:
    """A form: to one decimal place."""
    return round(number, 1)


def timestamp(seconds: float) -> str:
    """A moment, in seconds since 1970, as Kubernetes writes it (RFC 3339)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Published:
    """A dataclass that is published member by member, then the properties that `also` names."""

    __slots__ = ()
    also: ClassVar[tuple[str, ...]] = ()

    def as_json(self) -> dict[str, Any]:
        """The members that are published, in their order."""
        members = [one for one in fields(cast("Any", self)) if one.metadata.get("published", True)]
        return {
            one.metadata.get("name") or camel_case(one.name): one.metadata.get("form", plain)(
                getattr(self, one.name)
            )
            for one in members
        } | {camel_case(name): plain(getattr(self, name)) for name in self.also}


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
