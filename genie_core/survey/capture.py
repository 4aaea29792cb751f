"""One probe, watched on the interfaces that it should cross (packet(7)): where it was seen, and where its answer.

The first interface, the pod's, shows the packet as it was sent. On the others it is known by what no address
translation changes: TCP's sequence number, the header of an ICMP echo, the ID of a DNS question; also inside the
packets of a tunnel. Nothing is changed, and no interface becomes promiscuous.
"""

from __future__ import annotations

import errno
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from genie_core.spec.addresses import with_port
from genie_core.survey.facts import Probe
from genie_core.survey.namespaces import inside

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD
SOL_PACKET, PACKET_STATISTICS = 263, 6
SETTLE = 0.1  # seconds that the last answer may take from the pod's namespace to here
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
NUMBERS = {"tcp": TCP, "udp": UDP}
ERRORS = {ICMP: (3, 11, 12), ICMPV6: (1, 2, 3, 4)}
MOST = 4096  # packets kept for each interface


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """An interface to watch: `netns` is a path, "" the node's own namespace."""

    netns: str
    iface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What an interface showed: `request` and `answer` as addresses and ports, "" where it was not seen.

    `error` is an ICMP error about the probe. `sure` is false where the kernel had to leave out packets.
    """

    request: str = ""
    answer: str = ""
    error: str = ""
    sure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packet:
    protocol: int
    source: str
    target: str
    ports: tuple[int, int]
    body: bytes  # from the transport header on

    def __str__(self) -> str:
        if self.protocol not in (TCP, UDP):
            return f"{self.source} > {self.target}"
        return f"{with_port(self.source, self.ports[0])} > {with_port(self.target, self.ports[1])}"


@dataclass(slots=True)
class _Watch:
    socket: socket.socket
    packets: list[_Packet] = field(default_factory=list)
    lost: int = 0


def watch(
    taps: Sequence[Tap], send: Callable[[], Probe], kind: str, target: str, port: int
) -> tuple[Probe, list[Sighting]]:
    """Send a probe of the kind (ping, tcp, udp) while watching; its outcome, and what each interface showed.

    The first tap is where the probe is sent. Raises OSError where an interface cannot be watched, GenieError for a
    namespace that cannot be entered.
    """
    watches: list[_Watch] = []
    try:
        watches.extend(_Watch(inside(tap.netns, partial(_open, tap.iface), timeout=2)) for tap in taps)
        probe = _while(watches, send)
        for one in watches:
            one.lost = struct.unpack("II", one.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
    finally:
        for one in watches:
            one.socket.close()
    return probe, _sightings(watches, kind, target, port)


def _open(iface: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((iface, ETH_P_ALL))
    except OSError:  # the interface is gone
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _while(watches: Sequence[_Watch], send: Callable[[], Probe]) -> Probe:
    """Read the sockets until the probe has ended, and a moment longer."""
    from genie_core.survey.collection import in_thread

    sent = in_thread(send)
    by_socket = {one.socket: one for one in watches}
    until = 0.0
    while not until or time.monotonic() < until:
        for ready in select.select(list(by_socket), [], [], 0.02)[0]:
            _read(by_socket[ready])
        if not until and sent.done():
            until = time.monotonic() + SETTLE
    return sent.result()


def _read(one: _Watch) -> None:
    try:
        while True:
            data, address = one.socket.recvfrom(2048)
            packet = _parsed(data, address[1])
            if packet is not None and len(one.packets) < MOST:
                one.packets.append(packet)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.ENETDOWN):  # an interface that is down shows nothing
            raise


def _parsed(data: bytes, ethertype: int) -> _Packet | None:
    """An IPv4 or IPv6 packet; None for any other, and for one that is cut off."""
    try:
        if ethertype == ETH_P_IP:
            protocol, body = data[9], data[(data[0] & 15) * 4 :]
            ends = (
                socket.inet_ntop(socket.AF_INET, data[12:16]),
                socket.inet_ntop(socket.AF_INET, data[16:20]),
            )
        elif ethertype == ETH_P_IPV6:
            protocol, body = data[6], data[40:]
            ends = (
                socket.inet_ntop(socket.AF_INET6, data[8:24]),
                socket.inet_ntop(socket.AF_INET6, data[24:40]),
            )
        else:
            return None
        ports = struct.unpack("!HH", body[:4]) if protocol in (TCP, UDP) else (0, 0)
    except (IndexError, ValueError, struct.error):
        return None
    return _Packet(protocol=protocol, source=ends[0], target=ends[1], ports=ports, body=body)


@dataclass(frozen=True, slots=True)
class _Mark:
    """The fields by which the probe and its answer are recognised on every interface."""

    request: re.Pattern[bytes]
    answer: re.Pattern[bytes]


def _mark(first: Sequence[_Packet], kind: str, target: str, port: int) -> _Mark | None:
    """From the packet as it left the pod; None where it was not sent."""
    protocol = NUMBERS.get(kind, ICMPV6 if ":" in target else ICMP)
    for packet in first:
        if packet.protocol != protocol or packet.target != target or (port and packet.ports[1] != port):
            continue
        body = packet.body
        if protocol == TCP and body[13] & 0x17 == 0x02:
            acknowledged = struct.pack("!I", (struct.unpack("!I", body[4:8])[0] + 1) & 0xFFFFFFFF)
            return _Mark(
                re.compile(re.escape(body[4:12]), re.DOTALL),
                re.compile(re.escape(acknowledged) + rb".[\x12\x14]", re.DOTALL),
            )
        if protocol == UDP:
            number = re.escape(body[8:10])
            return _Mark(
                re.compile(re.escape(body[8:20]), re.DOTALL), re.compile(number + rb"[\x80-\xff]", re.DOTALL)
            )
        if protocol in (ICMP, ICMPV6) and body[0] in (8, 128):
            reply = b"\x81" if protocol == ICMPV6 else b"\x00"
            return _Mark(
                re.compile(re.escape(body[:2]) + b".." + re.escape(body[4:8]), re.DOTALL),
                re.compile(re.escape(reply) + b"\x00.." + re.escape(body[4:8]), re.DOTALL),
            )
    return None


def _sightings(watches: Sequence[_Watch], kind: str, target: str, port: int) -> list[Sighting]:
    mark = _mark(watches[0].packets, kind, target, port) if watches else None
    return [_sighting(one, mark) for one in watches]


def _sighting(one: _Watch, mark: _Mark | None) -> Sighting:
    seen = Sighting(sure=not one.lost)
    if mark is None:
        return seen
    request: _Packet | None = None
    for packet in one.packets:
        if packet.body[:1] and packet.body[0] in ERRORS.get(packet.protocol, ()):
            if not seen.error and mark.request.search(packet.body[8:]):
                seen = replace(
                    seen, error=f"ICMP type {packet.body[0]} code {packet.body[1]} from {packet.source}"
                )
        elif request is None and mark.request.search(packet.body):
            request = packet
            seen = replace(seen, request=str(packet))
        elif not seen.answer and (mark.answer.search(packet.body) or _turned(request, packet)):
            seen = replace(seen, answer=str(packet))
    return seen


def _turned(request: _Packet | None, packet: _Packet) -> bool:
    """Whether it is a packet in the other direction between the same ports."""
    return (
        request is not None
        and packet.protocol == request.protocol == UDP
        and (packet.source, packet.target, packet.ports)
        == (request.target, request.source, request.ports[::-1])
    )
