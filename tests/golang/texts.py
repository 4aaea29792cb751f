"""Texts that a plugin could be given: of the right shape or nearly so, with keys in every spelling, twice, and null."""

import json

from tests.golang.decoder import Any, Flag, Map, Number, Pointer, Slice, Struct, Text

STRINGS = [
    "genie", "a", "", "x y", "\u212a", "\ud800", "\udc00\ud800", "é", "\x7f", '"', "\\", "0000:00:1f.6", "10.0.0.1",
    "\ud83d\ude00",
]  # fmt: skip
NUMBERS = [
    "0", "1", "-1", "80", "65536", "1.0", "1e3", "-0", "9007199254740993", "9223372036854775807",
    "9223372036854775808", "18446744073709551615", "18446744073709551616", "1.5", "1e400", "-5",
]  # fmt: skip


def respelled(rng, key):
    """The key in some spelling that Go takes for it, now and then in one that it does not."""
    way = rng.randrange(8)
    if way < 3:
        return key
    if way == 3:
        return key.upper()
    if way == 4:
        return key.swapcase()
    if way == 5:
        return key.replace("s", "\u017f").replace("k", "\u212a")
    if way == 6:
        return "".join(rng.choice([char.upper(), char.lower()]) for char in key)
    return key.replace("s", "ß") if rng.random() < 0.1 else key.title()


def text(rng, shape, depth=0):
    """A JSON text for a shape of decoder.py."""
    chance = rng.random()
    if chance < 0.1:
        return "null" if chance < 0.07 else anything(rng)
    if isinstance(shape, Pointer):
        return text(rng, shape.shape, depth)
    if isinstance(shape, Slice):
        return "[" + ",".join(text(rng, shape.shape, depth + 1) for _ in range(rng.randrange(4))) + "]"
    if isinstance(shape, Map):
        keys = [rng.choice(["a", "A", "b", "ips", "mac", "\u017f"]) for _ in range(rng.randrange(4))]
        return members(rng, [(key, text(rng, shape.shape, depth + 1)) for key in keys])
    return _struct(rng, shape, depth) if isinstance(shape, Struct) else _scalar(rng, shape)


def _scalar(rng, shape):
    if isinstance(shape, Text):
        return string(rng, rng.choice(STRINGS))
    if isinstance(shape, Flag):
        return rng.choice(["true", "false"])
    if isinstance(shape, Number):
        return rng.choice(NUMBERS) if rng.random() < 0.3 else str(rng.randrange(9999))
    return anything(rng)


def _struct(rng, shape, depth):
    keys = [rng.choice([*shape.fields, "unknown"]) for _ in range(rng.randrange(1, 5 if depth else 7))]
    keys += [rng.choice(keys)] if rng.random() < 0.5 else []
    return members(
        rng, [(respelled(rng, key), text(rng, shape.fields.get(key, Any()), depth + 1)) for key in keys]
    )


def anything(rng, depth=0):
    """Any JSON value."""
    way = rng.randrange(7 if depth < 2 else 5)
    if way == 0:
        return rng.choice(["null", "true", "false"])
    if way < 3:
        return rng.choice(NUMBERS)
    if way < 5:
        return string(rng, rng.choice(STRINGS))
    if way == 5:
        return "[" + ",".join(anything(rng, depth + 1) for _ in range(rng.randrange(3))) + "]"
    keys = [rng.choice(["a", "A", "type", "Type", "x", "\u017f"]) for _ in range(rng.randrange(3))]
    return members(rng, [(key, anything(rng, depth + 1)) for key in keys])


def members(rng, pairs):
    """An object of these keys and raw values."""
    return "{" + ", ".join(f"{string(rng, key)}: {raw}" for key, raw in pairs) + "}"


def string(rng, value):
    """A string, its characters escaped or not."""
    lone = any("\ud800" <= char <= "\udfff" for char in value)
    return json.dumps(value, ensure_ascii=lone or rng.random() < 0.6)


def spoiled(rng, written):
    """The text as bytes, a few of which are no UTF-8."""
    data = written.encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        at = rng.randrange(len(data))
        data = data[:at] + bytes([rng.choice([0xFF, 0xC3, 0x80, 0xED, 0xA0])]) + data[at:]
    return data
