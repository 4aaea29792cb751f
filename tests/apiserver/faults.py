"""Faults of a connection. A fault gets the connection and the answer, and returns whether the connection stays."""

import os
import socket
import struct
from collections.abc import Callable
from http import HTTPStatus
from threading import Event

from .api import Answer


class Wire:
    """A connection, seen from the server."""

    def __init__(self, sock: socket.socket, stopping: Event) -> None:
        self._sock = sock
        self._stopping = stopping

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def wait(self, seconds: float) -> bool:
        """False where the server is to stop meanwhile."""
        return not self._stopping.wait(seconds)

    def reset(self) -> None:
        """RST instead of FIN: the client's kernel throws away what it has not read."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self._sock.detach())


Fault = Callable[[Wire, Answer], bool]


def render(answer: Answer, **more: str) -> bytes:
    """The answer as it goes over the wire, in one piece: two would meet delayed acknowledgements."""
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    headers.update({name.replace("_", "-"): value for name, value in more.items()})
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [
        f"HTTP/1.1 {answer.status} {phrase}",
        *(f"{name}: {value}" for name, value in headers.items() if value),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + answer.body


def plainly(wire: Wire, answer: Answer) -> bool:
    """No fault."""
    wire.send(render(answer))
    return True


def slow_headers(seconds: float) -> Fault:
    """Nothing for a while."""

    def fault(wire: Wire, answer: Answer) -> bool:
        return wire.wait(seconds) and plainly(wire, answer)

    return fault


def drip(seconds: float) -> Fault:
    """The body, byte by byte."""

    def fault(wire: Wire, answer: Answer) -> bool:
        data = render(answer)
        head = len(data) - len(answer.body)
        wire.send(data[:head])
        for position in range(head, len(data)):
            if not wire.wait(seconds):
                return False
            wire.send(data[position : position + 1])
        return True

    return fault


def close_at_once(wire: Wire, answer: Answer) -> bool:
    """The connection ends before the answer begins."""
    return False


def cut_off(wire: Wire, answer: Answer) -> bool:
    """The connection ends in the middle of the body."""
    data = render(answer)
    wire.send(data[: len(data) - len(answer.body) // 2])
    return False


def reset_half_way(wire: Wire, answer: Answer) -> bool:
    """The connection is reset in the middle of the body."""
    cut_off(wire, answer)
    wire.reset()
    return False


def reset_afterwards(wire: Wire, answer: Answer) -> bool:
    """A whole answer; a moment later the connection is reset."""
    plainly(wire, answer)
    wire.wait(0.03)
    wire.reset()
    return False


def chunked(wire: Wire, answer: Answer) -> bool:
    """No fault either: the body in chunks, with an extension and a trailer."""
    middle = len(answer.body) // 2
    parts = [answer.body[:middle], answer.body[middle:], b""]
    coded = b"".join(b"%x;name=value\r\n%s\r\n" % (len(part), part) for part in parts if part)
    head = render(Answer(answer.status, b"", answer.headers), Content_Length="", Transfer_Encoding="chunked")
    wire.send(head + coded + b"0\r\nX-Trailer: 1\r\n\r\n")
    return True


def until_close(wire: Wire, answer: Answer) -> bool:
    """Nor is this one: a body that ends with the connection."""
    wire.send(
        render(Answer(answer.status, b"", answer.headers), Content_Length="", Connection="close")
        + answer.body
    )
    return False


def announcing_close(wire: Wire, answer: Answer) -> bool:
    """The answer says that the connection ends with it, and then it does not."""
    wire.send(render(answer, Connection="close"))
    return True


def continued(wire: Wire, answer: Answer) -> bool:
    """An interim answer first."""
    wire.send(b"HTTP/1.1 100 Continue\r\n\r\n" + render(answer))
    return True


def body(data: bytes, content_type: str = "application/json") -> Fault:
    """200 with another body."""

    def fault(wire: Wire, answer: Answer) -> bool:
        return plainly(wire, Answer(200, data, {"Content-Type": content_type}))

    return fault


def huge(megabytes: int) -> Fault:
    """200 with a very long body, in chunks."""

    def fault(wire: Wire, answer: Answer) -> bool:
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b'{"a":"' + b"x" * ((1 << 20) - 6)
        for _ in range(megabytes):
            wire.send(b"%x\r\n%s\r\n" % (len(block), block))
        return False

    return fault


def raw(data: bytes) -> Fault:
    """These bytes, whatever they are."""

    def fault(wire: Wire, answer: Answer) -> bool:
        wire.send(data)
        return False

    return fault


def redirect(location: str) -> Fault:
    """To another host, which must not get the credentials."""

    def fault(wire: Wire, answer: Answer) -> bool:
        return plainly(wire, Answer(302, b"", {"Location": location}))

    return fault
