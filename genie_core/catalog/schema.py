"""The description of a plugin's configuration as data, and the check of an object against it.

A description is data: a tuple of `Field`. From it come the checks (`check_object`), the JSON Schema
(`json_schema`), the defaults and the pages of the manual. A check that needs more than one field is a function
of the plugin's module.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from difflib import get_close_matches
from typing import Any

from genie_core.catalog.codes import GN1010, GN1011
from genie_core.fields import describe, place
from genie_core.findings import Code, Severity
from genie_core.gojson import fold
from genie_core.published import JSON
from genie_core.spec.request import ifname_problem


@dataclass(frozen=True, slots=True)
class Problem:
    """An error at one place of a document.

    `path` is as in `plugins[1].ipam.subnet`; `explained_by` as in `Finding`.
    """

    path: str
    text: str
    _: KW_ONLY
    severity: Severity = Severity.ERROR
    hint: str = ""
    code: Code = GN1010
    explained_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a configuration object.

    `kind` is a key of `KINDS`. `fields` describes the members of an object, `items` the elements of an array.
    `secret` marks values that are never shown. `opens` is "file" or "socket" where the plugin opens what is there.
    """

    name: str
    kind: str = "string"
    doc: str = ""
    _: KW_ONLY
    required: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    fields: tuple[Field, ...] = ()
    items: Field | None = None
    secret: bool = False
    opens: str = ""


def _is_address(value: object) -> bool:
    return isinstance(value, str) and _parses(ipaddress.ip_address, value)


def _is_interface(value: object) -> bool:
    return isinstance(value, str) and _parses(ipaddress.ip_interface, value) and "/" in value


def _is_network(value: object) -> bool:
    return isinstance(value, str) and _parses(lambda text: ipaddress.ip_network(text, strict=False), value)


def _parses(parser: Callable[[str], object], text: str) -> bool:
    try:
        parser(text)
    except ValueError:
        return False
    return "%" not in text


def _is_interface_name(value: object) -> bool:
    return isinstance(value, str) and not ifname_problem(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# kind: (the JSON Schema type, what is expected in words, the test)
KINDS: Mapping[str, tuple[str, str, Callable[[object], bool]]] = {
    "string": ("string", "a string", lambda v: isinstance(v, str)),
    "integer": ("integer", "a whole number", _is_integer),
    "boolean": ("boolean", "true or false", lambda v: isinstance(v, bool)),
    "object": ("object", "an object", lambda v: isinstance(v, dict)),
    "array": ("array", "an array", lambda v: isinstance(v, list)),
    "address": ("string", "an IP address", _is_address),
    "cidr": ("string", "an address with prefix length, as in 10.1.0.5/24", _is_interface),
    "network": ("string", "a subnet, as in 10.1.0.0/16", _is_network),
    "mac": (
        "string",
        "a MAC address of six bytes",
        lambda v: isinstance(v, str) and re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", v) is not None,
    ),
    "interface": ("string", "an interface name (1-15 bytes, no '/', ':' or white space)", _is_interface_name),
    "path": ("string", "an absolute path", lambda v: isinstance(v, str) and v.startswith("/")),
    "number": ("number", "a number", lambda v: isinstance(v, int | float) and not isinstance(v, bool)),
    # libcni and Genie accept the words too
    "flag": ("", "true or false", lambda v: isinstance(v, bool) or str(v).lower() in ("true", "false")),
    "any": ("", "a value", lambda _: True),
}


def check_value(field: Field, value: object, where: str) -> Iterator[Problem]:
    """The problems of one value, and of everything inside it."""
    _, wanted, valid = KINDS[field.kind]
    if not valid(value):
        got = f'"{value}"' if isinstance(value, str) and not field.secret else describe(value)
        yield Problem(where, f"must be {wanted}, not {got}")
        return
    if field.choices and value not in field.choices:
        yield Problem(where, f'"{value}" is not one of {_listed(field.choices)}', hint=_nearest(value, field))
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from _check_bounds(field, value, where)
    if isinstance(value, dict) and field.fields:
        yield from check_object(field.fields, value, where)
    if isinstance(value, list) and field.items is not None:
        for index, element in enumerate(value):
            yield from check_value(field.items, element, place(where, index))


def _check_bounds(field: Field, value: float, where: str) -> Iterator[Problem]:
    low, high = field.minimum, field.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"{low if low is not None else 0} to {high}"
        yield Problem(where, f"{value} is out of range: {bounds}")


def _listed(words: Sequence[object]) -> str:
    return ", ".join(str(word) for word in words)


def _nearest(value: object, field: Field) -> str:
    near = get_close_matches(str(value), [str(choice) for choice in field.choices], n=1)
    return f"did you mean {near[0]}?" if near else ""


def check_object(fields: Sequence[Field], data: JSON, where: str = "") -> Iterator[Problem]:
    """The problems of an object's members: missing, of the wrong type, out of range, or unknown.

    An unknown key is an info (plugins ignore it), and a warning where it resembles a known one.
    """
    known = {field.name: field for field in fields}
    for field in fields:
        value = data.get(field.name)
        if value is None:
            if field.required:
                yield Problem(place(where, field.name), "is missing", hint=field.doc)
        else:
            yield from check_value(field, value, place(where, field.name))
    for key in data:
        if key not in known:
            yield _unknown(key, list(known), where)


def _unknown(key: str, known: list[str], where: str) -> Problem:
    # Go's decoder ignores the case of keys: `IPMasq` works, so it is no error.
    if fold(key) in map(fold, known):
        return Problem(place(where, key), "differs in case from the documented key", severity=Severity.INFO)
    near = get_close_matches(key, known, n=1, cutoff=0.75)
    if near:
        return Problem(
            place(where, key),
            "is no key of this plugin, which ignores it",
            severity=Severity.WARNING,
            hint=f"did you mean {near[0]}?",
            code=GN1011,
        )
    return Problem(
        place(where, key),
        "is no key that the catalogue knows of this plugin",
        severity=Severity.INFO,
        code=GN1011,
    )


def json_schema(fields: Sequence[Field]) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an object with these fields; more members are allowed."""
    required = [field.name for field in fields if field.required]
    return {
        "type": "object",
        "properties": {field.name: _value_schema(field) for field in fields},
    } | ({"required": required} if required else {})


def _value_schema(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = json_schema(field.fields) if field.fields else {}
    if KINDS[field.kind][0]:
        schema["type"] = KINDS[field.kind][0]
    members = {
        "description": field.doc,
        "default": field.default,
        "enum": list(field.choices),
        "minimum": field.minimum,
        "maximum": field.maximum,
        "items": _value_schema(field.items) if field.items else None,
    }
    return schema | {name: value for name, value in members.items() if value not in (None, "", [])}
