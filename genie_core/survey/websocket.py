"""Frames of a WebSocket connection (RFC 6455), as a client writes and reads them. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from genie_core.edges.kube_errors import BadAnswer

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_CONTINUATION = 0
_FINAL, _MASKED = 0x80, 0x80
LARGEST_FRAME = 16 << 20


class Frame(NamedTuple):
    """A whole message: its kind, and what it carries."""

    kind: int
    data: bytes


def frame(kind: int, data: bytes) -> bytes:
    """One message of a client, which is masked (RFC 6455, 5.3)."""
    size = len(data)
    if size < 126:
        head = bytes((_FINAL | kind, _MASKED | size))
    elif size < 1 << 16:
        head = bytes((_FINAL | kind, _MASKED | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL | kind, _MASKED | 127)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    return head + mask + masked(data, mask)


def masked(data: bytes, mask: bytes) -> bytes:
    """The data combined with the mask, which is repeated; twice gives the data again."""
    stream = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(data), "big")


class Reader:
    """Collects bytes as they come, and gives the messages that are whole."""

    def __init__(self, early: bytes = b"") -> None:
        self._bytes = bytearray(early)
        self._message = Frame(_CONTINUATION, b"")

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        self._bytes += data

    def messages(self) -> Iterator[Frame]:
        """The messages that are complete. Raises BadAnswer for bytes that no server of a WebSocket sends."""
        while (found := self._next()) is not None:
            yield found

    def _next(self) -> Frame | None:
        while (part := self._frame()) is not None:
            is_final, kind, data = part
            if kind >= CLOSE:
                return Frame(kind, data)  # a control frame may come between the parts of a message
            if (kind == _CONTINUATION) != (self._message.kind != _CONTINUATION):
                raise BadAnswer("the API server's WebSocket frames are out of order")
            whole = Frame(self._message.kind or kind, self._message.data + data)
            if len(whole.data) > LARGEST_FRAME:
                raise BadAnswer(f"a message of the API server is larger than {LARGEST_FRAME >> 20} MiB")
            self._message = Frame(_CONTINUATION, b"") if is_final else whole
            if is_final:
                return whole
        return None

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """The next frame, taken out of the bytes: whether it ends a message, its kind, its data."""
        found = self._bytes
        if len(found) < 2:
            return None
        size, begin = found[1] & 0x7F, 2
        if size > 125:
            begin = 4 if size == 126 else 10
            size = int.from_bytes(found[2:begin], "big") if len(found) >= begin else 0
        if found[0] & 0x70 or found[1] & _MASKED or size > LARGEST_FRAME:
            raise BadAnswer("the API server's WebSocket frame is not understood")
        if len(found) < begin + size:
            return None
        part = bool(found[0] & _FINAL), found[0] & 0x0F, bytes(found[begin : begin + size])
        del found[: begin + size]
        return part
