"""The position of each member in a JSON text: `plugins[1].ipam.subnet` -> line and column, both from 1.

The standard library's scanner reads every value; this only walks the containers and notes where it is. So it
is no second parser: text that `jsontext.decode` refuses has no positions.
"""

from __future__ import annotations

from _json import scanstring
from collections.abc import Mapping
from dataclasses import dataclass, field
from json import JSONDecodeError, JSONDecoder

from genie_core.fields import place
from genie_core.gojson import fold

_SPACE = " \t\n\r"
_decode = JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class Positions:
    """The offset of every member's key and every element, and the paths of keys that are there twice.

    Twice, as plugins compare keys: `MTU` beside `mtu` too.
    """

    text: str
    offsets: Mapping[str, int] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()

    def of(self, path: str) -> tuple[int, int]:
        """Line and column of a member; of the nearest container that is there, for one that is missing."""
        while path and path not in self.offsets:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        offset = self.offsets.get(path, 0)
        return self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)


def positions(text: str) -> Positions:
    """The positions in a text; none at all where it is not JSON."""
    walk = _Walk(text)
    try:
        walk.value("", walk.skip(0))
    except (JSONDecodeError, IndexError, RecursionError):
        return Positions(text)
    return Positions(text, walk.offsets, tuple(walk.repeated))


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text
        self.offsets: dict[str, int] = {}
        self.repeated: list[str] = []

    def skip(self, at: int) -> int:
        while self.text[at] in _SPACE:
            at += 1
        return at

    def value(self, path: str, at: int) -> int:
        """Walk the value that starts at `at`; where it ends."""
        self.offsets.setdefault(path, at)
        if self.text[at] == "{":
            return self._object(path, at)
        if self.text[at] == "[":
            return self._array(path, at)
        return _decode(self.text, at)[1]

    def _object(self, path: str, at: int) -> int:
        seen = set()
        at = self.skip(at + 1)
        while self.text[at] != "}":
            key, end = scanstring(self.text, at + 1, True)
            inner = place(path, key)
            if fold(key) in seen:
                self.repeated.append(inner)
            seen.add(fold(key))
            self.offsets[inner] = at
            at = self.skip(self.value(inner, self.skip(self.skip(end) + 1)))
            at = self.skip(at + 1) if self.text[at] == "," else at
        return at + 1

    def _array(self, path: str, at: int) -> int:
        index = 0
        at = self.skip(at + 1)
        while self.text[at] != "]":
            at = self.skip(self.value(place(path, index), at))
            at = self.skip(at + 1) if self.text[at] == "," else at
            index += 1
        return at + 1
