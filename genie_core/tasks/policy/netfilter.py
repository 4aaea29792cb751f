"""Messages to and from the kernel's netfilter (linux/netfilter/nfnetlink.h), in this thread's network namespace."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from errno import ENOBUFS

CONNTRACK, NF_TABLES = 1, 10  # subsystems
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
NESTED = 0x8000
# linux/socket.h, linux/netlink.h, linux/netfilter/nfnetlink.h
_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES = 270, 1, 7
_NETLINK_NETFILTER = 12
_DONE, _ERROR = 3, 2
_SECONDS = 10


def opened() -> socket.socket:
    """A socket to the kernel. Raises OSError."""
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    kernel.bind((0, 0))
    kernel.settimeout(_SECONDS)
    return kernel


def changes_of(table: str, is_over: Callable[[], bool]) -> Iterator[None]:
    """Wait for the changes of a table in this thread's namespace, by any program; ends soon after `is_over`.

    Raises OSError.
    """
    with opened() as kernel:
        kernel.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
        while not is_over():
            try:
                is_meant = table.encode() + b"\0" in kernel.recv(1 << 17)
            except TimeoutError:
                continue
            except OSError as error:
                if error.errno != ENOBUFS:
                    raise
                is_meant = True  # messages were lost
            if is_meant:
                yield


def message(subsystem: int, kind: int, flags: int, family: int = 0, attributes: bytes = b"") -> bytes:
    """One message."""
    body = struct.pack("=BBH", family, 0, 0) + attributes
    return struct.pack("=IHHII", 16 + len(body), subsystem << 8 | kind, flags, 1, 0) + body


def answers(kernel: socket.socket) -> Iterator[bytes]:
    """The attributes of each message of a dump, or of those before the acknowledgement. Raises OSError."""
    while True:
        data = kernel.recv(1 << 17)
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            if kind == _DONE:
                return
            if kind == _ERROR:
                number = -struct.unpack_from("=i", data, 16)[0]
                if number:
                    raise OSError(number, "netfilter")
                return
            yield data[20:length]
            data = data[(length + 3) & ~3 :]


def parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes in order, with their numbers."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        yield kind & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3 :]
