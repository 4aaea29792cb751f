"""A text -> what json.Unmarshal (Go) puts into a struct: the reference against which Genie's own reading is held.

It shares no code with Genie. Source: encoding/json, decode.go (`object`, `array`, `literalStore`), fold.go. What
test_decoder.py compares it with was printed by a Go program with these structs (Go 1.27, the decoder of version 1 and
the one that is built on version 2).
"""

import copy
import json


class GoError(Exception):
    """json.Unmarshal returns an error, so the plugin ends before it does anything."""


class Pairs(list):
    """An object: its members in order, duplicates included."""


# --- shapes: the types of Go that plugins decode into


class Text:
    zero = ""

    def store(self, _old, value):
        if not isinstance(value, str) or isinstance(value, Literal):
            raise GoError("cannot unmarshal into string")
        return value


class Flag:
    zero = False

    def store(self, _old, value):
        if not isinstance(value, bool):
            raise GoError("cannot unmarshal into bool")
        return value


class Number:
    """An integer: 1.0 and 1e3 are none to Go, and -0 is none without a sign."""

    zero = 0

    def __init__(self, least=-(2**63), most=2**63 - 1):
        self.least = least
        self.most = most

    def store(self, _old, value):
        if not isinstance(value, Literal) or not value.lstrip("-" if self.least else "").isdigit():
            raise GoError("cannot unmarshal into int")
        if not self.least <= int(value) <= self.most:
            raise GoError("number overflows")
        return int(value)


class Any:
    """interface{}: objects become maps, numbers float64."""

    zero = None

    def store(self, _old, value):
        if isinstance(value, Pairs):
            return {key: self.store(None, inner) for key, inner in value}
        if isinstance(value, list):
            return [self.store(None, inner) for inner in value]
        return _float(value) if isinstance(value, Literal) else value


class Pointer:
    """To a struct or a scalar: null is nil, anything else goes into what it points to already."""

    zero = None

    def __init__(self, shape):
        self.shape = shape

    def store(self, old, value):
        return self.shape.store(copy.deepcopy(self.shape.zero) if old is None else old, value)


class Slice:
    """An array. Elements are decoded into their earlier values, also those of an array before the last."""

    zero = None

    def __init__(self, shape):
        self.shape = shape

    def store(self, old, value):
        if not isinstance(value, list) or isinstance(value, Pairs):
            raise GoError("cannot unmarshal into slice")
        backing = list(getattr(old, "backing", ())) if value else []
        for index, inner in enumerate(value):
            if index == len(backing):
                backing.append(copy.deepcopy(self.shape.zero))
            backing[index] = _into(self.shape, backing[index], inner)
        return Elements(backing, len(value))


class Elements(list):
    """A slice: its elements, and behind them those of a longer array that it held before."""

    def __init__(self, backing, length):
        super().__init__(backing[:length])
        self.backing = backing


class Map:
    """map[string]T: keys as they are, members of a second object are added."""

    zero = None

    def __init__(self, shape):
        self.shape = shape

    def store(self, old, value):
        if not isinstance(value, Pairs):
            raise GoError("cannot unmarshal into map")
        found = dict(old or {})
        for key, inner in value:
            found[key] = _into(self.shape, copy.deepcopy(self.shape.zero), inner)
        return found


class Struct:
    def __init__(self, **fields):
        self.fields = fields

    @property
    def zero(self):
        return {name: copy.deepcopy(shape.zero) for name, shape in self.fields.items()}

    def store(self, old, value):
        if not isinstance(value, Pairs):
            raise GoError("cannot unmarshal into struct")
        found = dict(old)
        for key, inner in value:
            name = self.field(key)
            if name:
                found[name] = _into(self.fields[name], found[name], inner)
        return found

    def field(self, key):
        """The field that a key belongs to: by its exact name first, else by folding; "" for none."""
        if key in self.fields:
            return key
        return next((name for name in self.fields if fold(name) == fold(key)), "")


def fold(key):
    """fold.go: each character's smallest equivalent under simple case folding."""
    return "".join(map(_fold_character, key))


def _fold_character(char):
    if char == "\u017f":
        return "S"
    if char == "\u212a":
        return "K"
    if char.isascii():
        return char.upper()
    return char  # no field of a plugin has such a character


def _into(shape, old, value):
    """null leaves a scalar and a struct as they are, and makes the others nil."""
    if value is None:
        return old if isinstance(shape, Text | Flag | Number | Struct) else None
    return shape.store(old, value)


# --- the text


class Literal(str):
    """A number as it is written."""

    __slots__ = ()


def decode(shape, data):
    """What a variable of this shape holds after json.Unmarshal of the bytes. Raises GoError."""
    text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
    try:
        value = json.loads(
            text,
            object_pairs_hook=Pairs,
            parse_int=Literal,
            parse_float=Literal,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise GoError(str(error)) from None
    return _into(shape, copy.deepcopy(shape.zero), _cleaned(value))


def _cleaned(value):
    """Strings as Go has them: what is no character (a lone surrogate, a byte that is not UTF-8) is U+FFFD."""
    if isinstance(value, Pairs):
        return Pairs((_cleaned(key), _cleaned(inner)) for key, inner in value)
    if isinstance(value, list):
        return [_cleaned(inner) for inner in value]
    if isinstance(value, str) and not isinstance(value, Literal):
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in value)
    return value


def _float(literal):
    number = float(literal)
    if number - number != 0:
        raise GoError("number out of range")
    return number


def _no_constant(name):
    raise ValueError(name)


def with_floats(value):
    """The value with all numbers as float64: Go prints those of an interface{} as integers."""
    if isinstance(value, dict):
        return {key: with_floats(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_floats(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
