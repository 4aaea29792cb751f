"""Probes from inside the pod's namespace: few packets, one destination each. They leave nothing behind.

Each returns one Probe. A gateway or service that does not answer is no fault by itself.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace
from functools import partial
from threading import BoundedSemaphore

from genie_core.errors import GenieError
from genie_core.survey.collection import in_thread
from genie_core.survey.facts import Probe
from genie_core.survey.namespaces import inside

WAIT = 1.0
AT_ONCE = 8
GAP = 0.1  # at most ten packets a second to one target
ETH_P_ARP = 0x0806
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3
IPV6_MTU_DISCOVER = 23
IP_RECVERR, IPV6_RECVERR = 11, 25
REFUSALS = {errno.ECONNREFUSED: "refused", errno.EHOSTUNREACH: "unreachable", errno.ENETUNREACH: "no route"}
REFUSALS |= {errno.EMSGSIZE: "too big", errno.EPERM: "not permitted", errno.EACCES: "not permitted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One probe to make: `kind` arp, ndp, ping, tcp, udp or knock; `netns` "" is the node's own."""

    kind: str
    target: str
    role: str
    port: int = 0
    count: int = 1
    size: int = 56
    interface: str = ""
    source: str = ""
    mac: str = ""
    netns: str = ""

    @property
    def family(self) -> socket.AddressFamily:
        """The address family of the target."""
        return socket.AF_INET6 if ":" in self.target else socket.AF_INET

    def __str__(self) -> str:
        port = f" port {self.port}" if self.port else ""
        packets = f", {self.count} packets" if self.count > 1 else ""
        return f"{self.kind} {self.target}{port} ({self.role}{packets})"


def run(asks: Sequence[Ask], announce: Callable[[str], None], until: float) -> tuple[Probe, ...]:
    """Make all probes, several at a time; `announce` gets each before it is made.

    Probes that have not ended at `until` (monotonic seconds) are left out.
    """
    for ask in asks:
        announce(str(ask))
    room = BoundedSemaphore(AT_ONCE)

    def in_turn(ask: Ask) -> Probe:
        with room:
            return _one(ask)

    pending = [in_thread(partial(in_turn, ask)) for ask in asks]
    left = max(0.0, until - time.monotonic())
    wait(pending, left)
    return tuple(future.result() for future in pending if future.done())


def _one(ask: Ask) -> Probe:
    """The outcome of a probe. Silence is a timeout; a refusal is an answer: the packets went both ways."""
    work = {"arp": _arp, "ping": _ping, "tcp": _tcp, "udp": _udp, "knock": _knock, "ndp": _ndp}[ask.kind]
    base = Probe(
        kind=ask.kind,
        target=ask.target,
        role=ask.role,
        port=ask.port,
        size=ask.size,
        result="timeout",
        source=ask.source,
    )
    try:
        return inside(ask.netns, lambda: work(ask, base), timeout=WAIT * ask.count + 2)
    except TimeoutError:
        return base
    except OSError as error:
        return replace(base, result=REFUSALS.get(error.errno or 0, "failed"), detail=str(error.strerror))
    except UnicodeError:  # an interface whose name is not UTF-8, which no socket takes
        return replace(base, result="failed", detail="the interface's name cannot be passed on")
    except GenieError as error:
        return replace(base, result="failed", detail=error.msg)


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _ping(ask: Ask, base: Probe) -> Probe:
    """ICMP echo requests with DF set."""
    six = ask.family is socket.AF_INET6
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    ident, received, last = os.urandom(2), 0, ""
    with socket.socket(ask.family, socket.SOCK_RAW, protocol) as sock:
        if ask.source:
            sock.bind((ask.source, 0))
        level, option = (
            (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) if six else (socket.IPPROTO_IP, IP_MTU_DISCOVER)
        )
        sock.setsockopt(level, option, IP_PMTUDISC_PROBE)
        for number in range(ask.count):
            body = struct.pack("!2sH", ident, number) + b"\0" * (ask.size - ask.size % 2)
            head = struct.pack("!BBH", 128 if six else 8, 0, 0)
            total = 0 if six else _checksum(head + body)
            started = time.monotonic()
            try:
                sock.sendto(head[:2] + struct.pack("!H", total) + body, (ask.target, 0))
            except OSError as error:
                last = REFUSALS.get(error.errno or 0, str(error.strerror))
                continue
            received += _echoed(sock, ident, number, six)
            time.sleep(max(0.0, min(GAP, GAP - (time.monotonic() - started))))
    result = "ok" if received == ask.count else "loss" if received else last or "timeout"
    return replace(base, sent=ask.count, received=received, result=result)


def _echoed(sock: socket.socket, ident: bytes, number: int, six: bool) -> bool:
    deadline = time.monotonic() + WAIT
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([sock], [], [], left)[0]:
            return False
        data = sock.recv(65535)
        data = data if six else data[(data[0] & 15) * 4 :]
        if data[:1] == (b"\x81" if six else b"\0") and data[4:8] == ident + struct.pack("!H", number):
            return True
    return False


def _tcp(ask: Ask, base: Probe) -> Probe:
    with socket.socket(ask.family, socket.SOCK_STREAM) as sock:
        sock.settimeout(WAIT * 1.5)
        sock.connect((ask.target, ask.port))
    return replace(base, result="ok", received=1)


def _udp(ask: Ask, base: Probe) -> Probe:
    """A DNS question; any datagram is an answer."""
    question = (
        os.urandom(2)
        + bytes.fromhex("01000001000000000000")
        + b"\x0akubernetes\x07default\x03svc\x07cluster\x05local\0\0\x01\0\x01"
    )
    with socket.socket(ask.family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(WAIT)
        sock.connect((ask.target, ask.port))
        sock.send(question)
        sock.recv(4096)
    return replace(base, result="ok", received=1)


def _knock(ask: Ask, base: Probe) -> Probe:
    """One byte to a UDP port that answers nothing: silence is "timeout", and an ICMP error has its type and code."""
    six = ask.family is socket.AF_INET6
    level, option = (socket.IPPROTO_IPV6, IPV6_RECVERR) if six else (socket.IPPROTO_IP, IP_RECVERR)
    with socket.socket(ask.family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(level, option, 1)
        sock.settimeout(WAIT)
        sock.connect((ask.target, ask.port))
        for _ in range(ask.count):  # hosts limit ICMP errors to one a second (icmp_ratelimit)
            try:
                sock.send(b"\0")
                sock.recv(64)
            except TimeoutError:
                continue
            except OSError as error:
                result = REFUSALS.get(error.errno or 0, "failed")
                return replace(
                    base, sent=ask.count, result=result, detail=_icmp_of(sock) or str(error.strerror)
                )
            return replace(base, received=1, result="ok")
    return replace(base, sent=ask.count)


def _icmp_of(sock: socket.socket) -> str:
    """`ICMP 3/13`: the type and code of the error in the socket's queue (struct sock_extended_err), "" without one."""
    try:
        _, ancillary, _, _ = sock.recvmsg(64, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return ""
    for _, _, data in ancillary:
        _, origin, kind, code = struct.unpack_from("=IBBB", data)
        if origin in (2, 3):  # SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6
            return f"ICMP {kind}/{code}"
    return ""


def _ndp(ask: Ask, base: Probe) -> Probe:
    """A neighbour solicitation (RFC 4861, section 4.3) to the solicited-node address of the target."""
    target = socket.inet_pton(socket.AF_INET6, ask.target)
    group = socket.inet_ntop(socket.AF_INET6, bytes.fromhex("ff0200000000000000000001ff") + target[13:])
    scope = socket.if_nametoindex(ask.interface)
    own = bytes.fromhex(ask.mac.replace(":", ""))
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sock.sendto(struct.pack("!BBHI", 135, 0, 0, 0) + target + b"\1\1" + own, (group, 0, 0, scope))
        deadline = time.monotonic() + WAIT
        while (left := deadline - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
            data = sock.recv(256)
            if data[:1] == b"\x88" and data[8:24] == target:
                mac = data[26:32].hex(":") if data[24:25] == b"\2" else ""
                return replace(base, result="ok", received=1, detail=mac)
    return base


def _arp(ask: Ask, base: Probe) -> Probe:
    """An ARP request; `detail` lists the MACs that answered. The sender 0.0.0.0 leaves no cache entries."""
    own = bytes.fromhex(ask.mac.replace(":", ""))
    frame = b"\xff" * 6 + own + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1)
    frame += own + socket.inet_aton(ask.source or "0.0.0.0") + b"\0" * 6 + socket.inet_aton(ask.target)
    macs: list[str] = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)) as sock:
        sock.bind((ask.interface, 0))
        sock.send(frame)
        deadline = time.monotonic() + (0.5 if ask.role == "own" else WAIT)
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([sock], [], [], left)[0]:
                break
            data = sock.recv(128)
            reply = data[20:22] == b"\0\x02" and data[28:32] == socket.inet_aton(ask.target)
            mac = data[22:28].hex(":")
            if reply and mac != ask.mac and mac not in macs:
                macs.append(mac)
                if ask.role != "own":
                    break
    return replace(base, result="ok" if macs else "timeout", received=len(macs), detail=" ".join(macs))
