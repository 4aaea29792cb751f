"""One call of a gRPC service on a Unix socket, for a Python without gRPC, as on nodes and in the image.

It is one HTTP/2 stream on a connection of its own (RFC 9113): a request of one message, and the message that answers
it. Headers are sent uncompressed (RFC 7541, 6.2.2). Those of the answer are not read: a call that fails has no message.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

from genie_core.errors import IOFailure

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS, _PADDED = 0x1, 0x1, 0x4, 0x8
_STREAM = 1
_LARGEST = 1 << 24  # bytes of an answer; also the window, so none has to be renewed
_INITIAL_WINDOW_SIZE = 4  # of SETTINGS
_DEFAULT_WINDOW = 65535


def call(connection: socket.socket, method: str, request: bytes, seconds: float) -> bytes:
    """The answer to `request`, a message of protobuf, by `method` (/package.Service/Method). Raises IOFailure."""
    until = time.monotonic() + seconds
    try:
        connection.settimeout(seconds)
        connection.sendall(_opening(method) + _frame(_DATA, _END_STREAM, _STREAM, _message(request)))
        answer = b"".join(_data(connection, until))
    except OSError as error:
        raise IOFailure(f"no answer to {method}: {error.strerror or error}") from None
    compressed, size = struct.unpack_from(">BL", answer.ljust(5, b"\0"))
    if len(answer) != 5 + size or compressed:
        raise IOFailure(f"{method} was refused")
    return answer[5:]


def _opening(method: str) -> bytes:
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
    settings = struct.pack(">HL", _INITIAL_WINDOW_SIZE, _LARGEST)
    return b"".join(
        (
            _PREFACE,
            _frame(_SETTINGS, 0, 0, settings),
            _frame(_WINDOW, 0, 0, struct.pack(">L", _LARGEST - _DEFAULT_WINDOW)),
            _frame(_HEADERS, _END_HEADERS, _STREAM, block),
        )
    )


def _text(text: str) -> bytes:
    """A string of at most 126 bytes (RFC 7541, 5.2)."""
    return bytes([len(text)]) + text.encode("ascii")


def _message(data: bytes) -> bytes:
    """An uncompressed message, with its length (gRPC over HTTP2, Length-Prefixed-Message)."""
    return struct.pack(">BL", 0, len(data)) + data


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">L", len(payload))[1:] + struct.pack(">BBL", kind, flags, stream) + payload


def _data(connection: socket.socket, until: float) -> Iterator[bytes]:
    """The payloads of the stream to its end. Raises OSError."""
    left = _LARGEST
    while left > 0:
        head = _receive(connection, 9, until)
        size = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBL", head[3:])
        payload = _receive(connection, size, until)
        left -= 9 + size
        if kind in (_SETTINGS, _PING) and not flags & _ACK:
            connection.sendall(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
        elif kind in (_RESET, _GOAWAY):
            return
        elif stream == _STREAM and kind == _DATA:
            yield payload[1 : len(payload) - payload[0]] if flags & _PADDED and payload else payload
        if stream == _STREAM and kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            return


def _receive(connection: socket.socket, size: int, until: float) -> bytes:
    parts = []
    while size:
        connection.settimeout(max(0.001, until - time.monotonic()))
        part = connection.recv(min(size, 1 << 16))
        if not part:
            raise ConnectionResetError("the connection was closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """A protobuf message's texts and messages in order, with their numbers. Raises IOFailure for what is none."""
    at = 0
    try:
        while at < len(message):
            key, at = _varint(message, at)
            match key & 7:
                case 0:
                    _, at = _varint(message, at)
                case 2:
                    size, at = _varint(message, at)
                    if size > len(message) - at:
                        raise IndexError
                    yield key >> 3, message[at : at + size]
                    at += size
                case 1 | 5 as fixed:
                    at += 8 if fixed == 1 else 4
                case _:
                    raise IndexError
    except IndexError:
        raise IOFailure("an answer that is no protobuf message") from None


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
