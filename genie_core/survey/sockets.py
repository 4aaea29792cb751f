"""Sockets of a network namespace, by sock_diag(7): listeners, queues of connections, and the local ports in use.

/proc/net has the same, and walks all of the kernel's connections for it; here the kernel filters by state.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
REQUEST_DUMP = 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3
LISTEN, CLOSE = 10, 7  # include/net/tcp_states.h; a UDP socket without a peer is CLOSE
# ESTABLISHED, SYN_SENT, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE_WAIT, LAST_ACK.
CONNECTED = (1, 2, 4, 5, 6, 8, 9)
HEAD, BODY = struct.Struct("=IHHII"), struct.Struct("!BBBBHH16s16s")
FAMILIES = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """`listeners` as `tcp 0.0.0.0:8080`; `hung` those whose queue of connections is full, with its length.

    `used` counts the local ports in use by their target: `10.96.0.10:80`.
    """

    listeners: tuple[str, ...] = ()
    hung: tuple[str, ...] = ()
    used: tuple[tuple[str, int], ...] = ()


def sockets(*, connected: bool) -> Sockets:
    """Those of the calling thread's namespace; nothing where the kernel has no sock_diag. Raises nothing."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
            return _all(kernel, connected=connected)
    except OSError:
        return Sockets()


def _all(kernel: socket.socket, *, connected: bool) -> Sockets:
    listeners, hung, used = set(), set(), Counter[str]()
    for family in FAMILIES:
        for protocol, number, state in (
            ("tcp", socket.IPPROTO_TCP, LISTEN),
            ("udp", socket.IPPROTO_UDP, CLOSE),
        ):
            for local, _, waiting, most in dump(kernel, family, number, 1 << state):
                listeners.add(f"{protocol} {local}")
                if protocol == "tcp" and waiting > most:  # sk_acceptq_is_full
                    hung.add(f"{protocol} {local} ({waiting} of {most})")
        states = sum(1 << state for state in CONNECTED)
        for _, target, _, _ in dump(kernel, family, socket.IPPROTO_TCP, states) if connected else ():
            used[target] += 1
    return Sockets(
        listeners=tuple(sorted(listeners)), hung=tuple(sorted(hung)), used=tuple(used.most_common(8))
    )


def dump(
    kernel: socket.socket, family: int, protocol: int, states: int
) -> Iterator[tuple[str, str, int, int]]:
    """(local, remote, receive queue, send queue) of each socket: of a listener, connections that wait, and the most.

    Raises OSError where the kernel has no sock_diag for the protocol.
    """
    request = struct.pack("=BBBBI", family, protocol, 0, 0, states) + bytes(48)
    kernel.settimeout(1)
    kernel.send(HEAD.pack(HEAD.size + len(request), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + request)
    while True:
        data = kernel.recv(1 << 16)
        while len(data) >= HEAD.size:
            length, kind, *_ = HEAD.unpack_from(data)
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                (error,) = struct.unpack_from("=i", data, HEAD.size)  # DONE has that of a dump
                if error:
                    raise OSError(-error, "sock_diag")
                return
            yield _socket(data[HEAD.size : length])
            data = data[(length + 3) & ~3 :]


def _socket(message: bytes) -> tuple[str, str, int, int]:
    family, _, _, _, sport, dport, source, target = BODY.unpack_from(message)
    waiting, most = struct.unpack_from("=II", message, 56)
    size = 4 if family == socket.AF_INET else 16
    ends = ((source, sport), (target, dport))
    local, remote = (f"{plain(socket.inet_ntop(family, ip[:size]))}:{port}" for ip, port in ends)
    return local, remote, waiting, most


def plain(ip: str) -> str:
    """An IPv4 address of an IPv6 socket as IPv4."""
    return ip.removeprefix("::ffff:") if "." in ip else ip
