"""Typed getters over decoded JSON objects. An error names the place: `plugins[1].ipam.subnet must be a string`.

All of them take the object, the key, and `where` (the object's own place, "" for the top), and raise
InvalidConfig. A key that is absent, or null as Go's decoder treats it, gives the default.

This module is on the kubelet path: it imports errors and nothing else.
"""

from genie_core.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    JSONObject = Mapping[str, Any]


def place(where: str, key: str | int) -> str:
    """The name of `key` inside `where`: `plugins[1].type`."""
    if isinstance(key, int):
        return f"{where}[{key}]"
    return f"{where}.{key}" if where else key


def _refuse(where: str, key: str | int, wanted: str, got: object) -> "NoReturn":
    raise InvalidConfig(f"{place(where, key)} must be {wanted}, not {describe(got)}")


def describe(value: object) -> str:
    """A value's JSON type, in words, for an error. Never the value itself: it may be a secret."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string" if value else "an empty string"
    return "an array" if isinstance(value, list) else "an object"


# Words in the names of keys that hold secrets.
_SECRET_WORDS = ("token", "passw", "passphrase", "secret", "key", "cert", "credential", "psk", "auth")


def may_be_secret(name: str) -> bool:
    """Whether a member of this name, or a line with this in it, may hold a secret."""
    lower = name.lower()
    return any(word in lower for word in _SECRET_WORDS)


def holds_secret(value: "Any") -> bool:
    """Whether a JSON value has a member, at any depth, that may be a secret: named so, and no path of a file."""
    if isinstance(value, list):
        return any(holds_secret(item) for item in value)
    if not isinstance(value, dict):
        return False
    return any(
        holds_secret(inner) or (may_be_secret(key) and _is_text(inner)) for key, inner in value.items()
    )


def _is_text(value: "Any") -> bool:
    """Whether there is a text in it that is no path."""
    if isinstance(value, str):
        return bool(value) and not value.startswith("/")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_is_text(item) for item in inner)


def can_be_passed(text: str) -> bool:
    """Whether a path, a variable or stdin can have the text in it: JSON can write NULs and half characters."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def get_str(data: "JSONObject", key: str, default: str = "", *, where: str = "") -> str:
    """A string."""
    value = data.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        _refuse(where, key, "a string", value)
    return value


def get_bool(data: "JSONObject", key: str, default: bool = False, *, where: str = "") -> bool:
    """A boolean, or the words true and false in any case, as libcni takes them (conformance B10)."""
    value = data.get(key)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    if word not in ("true", "false"):
        _refuse(where, key, "true or false", value)
    return word == "true"


def get_number(
    data: "JSONObject",
    key: str,
    default: float,
    *,
    where: str = "",
    at_least: float = 0,
    at_most: float = 1e9,
) -> float:
    """A number within bounds."""
    value = data.get(key)
    if value is None:
        return default
    wanted = f"a number from {at_least:g} to {at_most:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse(where, key, wanted, value)
    if not at_least <= value <= at_most:
        other = "smaller" if value < at_least else "larger"
        raise InvalidConfig(f"{place(where, key)} must be {wanted}, not a {other} one")
    return value


def get_object(data: "JSONObject", key: str, *, where: str = "") -> "dict[str, Any]":
    """An object; {} where it is absent."""
    value = data.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse(where, key, "an object", value)
    return value


def get_list(data: "JSONObject", key: str, *, where: str = "") -> "list[Any]":
    """An array; [] where it is absent."""
    value = data.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        _refuse(where, key, "an array", value)
    return value


def get_strings(data: "JSONObject", key: str, *, where: str = "") -> list[str]:
    """An array of strings; [] where it is absent."""
    values = get_list(data, key, where=where)
    for index, value in enumerate(values):
        if not isinstance(value, str):
            _refuse(place(where, key), index, "a string", value)
    return values


def counted(number: int, one: str, many: str = "") -> str:
    """`1 lease`, `2 leases`: a number and what it counts; `many` is the plural that is not `one` with an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
