"""The attributes of a message of pyroute2's, by name; each is decoded when it is asked for.

The kernel gives an interface a hundred attributes, of which few are read, and a node may have hundreds of interfaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Attributes(Mapping[str, Any]):
    """The attributes of a message, or of a nested attribute; none where it has no list of them."""

    __slots__ = ("_slots",)

    def __init__(self, message: Any) -> None:
        self._slots = {slot[0]: slot for slot in message["attrs"]} if message and "attrs" in message else {}

    def __getitem__(self, name: str) -> Any:
        return self._slots[name][1]

    def text(self, name: str) -> str:
        """A text; "" where it is absent. The kernel takes any bytes, and pyroute2 decodes those that are UTF-8."""
        value = self.get(name) or ""
        return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._slots)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, name: object) -> bool:
        return name in self._slots
