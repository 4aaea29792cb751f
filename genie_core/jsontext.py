"""JSON text <-> values, without the 7 ms that `import json` costs (`re` and `enum`).

Rules of this file:
1. The C scanner and encoder of the standard library do all the work; only they define what JSON is.
2. `members` and `elements` split one level of a document into the *raw text* of its parts, so that a
   configuration can be edited at its top while every number and unknown field stays as it was, to the byte
   (conformance B39).
3. Every failure is a `JSONError` with line and column; `json` itself is imported only to raise it.
"""

from _json import encode_basestring_ascii, make_encoder, make_scanner, scanstring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn

_SPACE = " \t\n\r"
# How deeply a document that others wrote may be nested. Python reads more levels, and how many depends on the depth of
# the calls around it: what could be read once could not be read later, when networks are attached.
MOST_LEVELS = 100


class JSONError(ValueError):
    """Text that is not JSON: `problem`, and `line` and `column` counted from 1."""

    def __init__(self, problem: str, text: str, position: int) -> None:
        self.problem = problem
        self.line = text.count("\n", 0, position) + 1
        self.column = position - text.rfind("\n", 0, position)
        super().__init__(f"{problem} (line {self.line} column {self.column})")


class _NotAValue(ValueError):
    """NaN and the infinities: Python's decoder takes them, JSON does not have them."""


def _parse_float(text: str) -> float:
    """A finite number: Go's decoder refuses larger ones, and they cannot be written as JSON."""
    number = float(text)
    if number - number != 0:
        raise _NotAValue("a number is out of range")
    return number


class _Context:
    """What `_json.make_scanner` reads: the settings of a strict decoder."""

    strict = True
    object_hook = None
    object_pairs_hook: "Callable[[list[tuple[str, Any]]], Any] | None" = None
    parse_float = staticmethod(_parse_float)
    parse_int = int
    memo: "dict[str, str]" = {}  # noqa: RUF012 (the scanner clears it after each document)

    @staticmethod
    def parse_constant(name: str) -> "NoReturn":
        raise _NotAValue(f"{name} is not a JSON value")


_scan = make_scanner(_Context())  # type: ignore[arg-type]  # typeshed has no type for what it reads


def _refuse_type(value: object) -> "NoReturn":
    raise TypeError(f"{type(value).__name__} is not a JSON type")


_encode = make_encoder(None, _refuse_type, encode_basestring_ascii, None, ": ", ", ", False, False, False)


def _value_at(text: str, position: int) -> "tuple[Any, int]":
    """The value that starts at `position`, and where it ends."""
    try:
        return _scan(text, position)
    except (StopIteration, RecursionError, ValueError, SystemError):
        raise _diagnose(text, position) from None


def _diagnose(text: str, position: int) -> JSONError:
    """What is wrong with the value at `position`: scan it again with the module that can say."""
    from json import JSONDecodeError  # 7 ms, on the way to an error only; the scanner finds the class there

    try:
        _scan(text, position)
    except StopIteration as stop:
        return _explain("a value was expected", text, int(stop.value))
    except RecursionError:
        return JSONError("nested too deeply", text, position)
    except JSONDecodeError as error:
        return _explain(error.msg, text, error.pos)
    except _NotAValue as error:
        return JSONError(str(error), text, position)
    except ValueError:
        return JSONError("a number has too many digits", text, position)
    return JSONError("not JSON", text, position)


def _explain(problem: str, text: str, position: int) -> JSONError:
    """Name the commonest slips of a hand-written file better than a parser does."""
    before = text[:position].rstrip(_SPACE)
    after = text[position:].lstrip(_SPACE)[:1]
    if text.startswith("\ufeff"):
        return JSONError("a byte order mark comes first; no program that reads JSON expects one", text, 0)
    if not before and not after:
        return JSONError("the text is empty", text, 0)
    if not after:
        return JSONError("the text ends too early", text, len(text))
    if after in "}]" and before.endswith(","):
        return JSONError("trailing comma", text, len(before) - 1)
    if after == "," and text[position + 1 :].lstrip(_SPACE)[:1] in ("}", "]"):
        return JSONError("trailing comma", text, position)
    if after == "'":
        return JSONError("strings take double quotes", text, position)
    return JSONError(problem[:1].lower() + problem[1:], text, position)


def _skip(text: str, position: int) -> int:
    end = len(text)
    while position < end and text[position] in _SPACE:
        position += 1
    return position


def decode(text: str) -> "Any":
    """The value of a whole document. Raises JSONError, also for text behind the value."""
    value, end = _value_at(text, _skip(text, 0))
    end = _skip(text, end)
    if end != len(text):
        raise JSONError("text behind the JSON value", text, end)
    return value


def is_deep(value: "Any") -> bool:
    """Whether a decoded object or array has more than MOST_LEVELS levels of objects and arrays."""
    level = [value]
    for _ in range(MOST_LEVELS):
        inside = (item.values() if isinstance(item, dict) else item for item in level)
        level = [inner for items in inside for inner in items if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def decoder(make_object: "Callable[[list[tuple[str, Any]]], Any]") -> "Callable[[str], Any]":
    """A `decode` that makes each object with the given function, from its members in order, duplicates included."""
    context = _Context()
    context.object_pairs_hook = make_object
    scan = make_scanner(context)  # type: ignore[arg-type]  # as above

    def decode_with(text: str) -> "Any":
        try:
            value, end = scan(text, _skip(text, 0))
        except RecursionError:  # the function needs some stack of its own
            raise JSONError("nested too deeply", text, 0) from None
        except (StopIteration, ValueError, SystemError):
            decode(text)  # says what is wrong and where
            raise
        if _skip(text, end) != len(text):
            decode(text)
        return value

    return decode_with


def encode(value: "Any") -> str:
    """ASCII JSON on one line. Raises TypeError or ValueError for what JSON cannot hold."""
    return "".join(_encode(value, 0))


def _parts(text: str, opening: str, closing: str) -> "list[tuple[str, str]]":
    decode(text)  # whole and valid, so that the walk below needs no checks of its own
    position = _skip(text, 0)
    if text[position] != opening:
        kind = "object" if opening == "{" else "array"
        raise JSONError(f"an {kind} was expected", text, position)
    parts = []
    position = _skip(text, position + 1)
    while text[position] != closing:
        name = ""
        if opening == "{":
            name, position = scanstring(text, position + 1, True)
            position = _skip(text, _skip(text, position) + 1)
        end = _value_at(text, position)[1]
        parts.append((name, text[position:end]))
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return parts


def pairs(text: str) -> "list[tuple[str, str]]":
    """An object's members in order, duplicates included, each value as its raw text. Raises JSONError."""
    return _parts(text, "{", "}")


def members(text: str) -> dict[str, str]:
    """The same without duplicates: of two members with one key the last is kept."""
    return dict(pairs(text))


def elements(text: str) -> list[str]:
    """An array's elements, each as its raw text. Raises JSONError."""
    return [raw for _, raw in _parts(text, "[", "]")]


def join_members(parts: "Mapping[str, str]") -> str:
    """The object whose member values are the given raw texts."""
    return "{" + ",".join(f"{encode_basestring_ascii(name)}:{raw}" for name, raw in parts.items()) + "}"
