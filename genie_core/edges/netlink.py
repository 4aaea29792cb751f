"""The interfaces, addresses and routes of a network namespace: rtnetlink(7), as far as a pod's ADD and CHECK need it.

Numbers are those of linux/netlink.h, linux/rtnetlink.h, linux/if_link.h and linux/if_addr.h; integers are in the
machine's byte order, addresses in the network's. A request is answered by one acknowledgement, or, where it asks for
a dump, by parts that end with NLMSG_DONE; a dump that changes fell into (NLM_F_DUMP_INTR) is asked for again.

This module is on the kubelet path: import 0.4 ms, open 0.15 (Python 3.11: 0.6), each list 0.1. `socket` alone would
cost 6, pyroute2 175.
"""

import posix
from _socket import AF_INET, AF_INET6, AF_NETLINK, SOCK_RAW, inet_ntop, inet_pton, socket
from errno import EACCES, ENODEV, EPERM, ESRCH
from sys import byteorder

from genie_core.edges.netns import socket_in
from genie_core.errors import Denied, KernelRefused
from genie_core.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    Attributes = dict[int, bytes]

_SOL_NETLINK, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 270, 10, 11
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP = 0x1, 0x4, 0x300
_NLM_F_EXCL, _NLM_F_CREATE = 0x200, 0x400
_NLM_F_DUMP_INTR, _NLM_F_ACK_TLVS = 0x10, 0x200
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLMSGERR_ATTR_MSG = 1
_NLA_TYPE_MASK = 0x3FFF

_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 24, 25, 26
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_EXT_MASK = 1, 3, 4, 10, 29
_RTEXT_FILTER_SKIP_STATS = 8
_IFF_UP = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_MULTIPATH, _RTA_TABLE, _RTA_VIA, _RTA_NH_ID = (
    4,
    5,
    6,
    9,
    15,
    18,
    30,
)
_RTN_UNICAST, _RTPROT_STATIC, _RT_SCOPE_UNIVERSE, _RT_SCOPE_LINK = 1, 4, 0, 253
_RTMSG_BYTES, _RTNEXTHOP_BYTES = 12, 8
RTPROT_RA = 9  # learned from a router advertisement
RT_TABLE_MAIN = 254

_MAX_DUMPS = 10
_LITTLE = byteorder == "little"
_number = int.from_bytes
_RECEIVE_BYTES = 1 << 16  # the kernel fills at most 32 KiB


class LeanLink(Value):
    """One interface, by what the kubelet path needs of it.

    `mac` is "" where it has none; `master` is the index of the bridge that it is a port of, or 0.
    """

    __slots__ = ("index", "mac", "master", "mtu", "name", "up")

    def __init__(
        self, name: str, index: int, mac: str = "", mtu: int = 0, up: bool = False, master: int = 0
    ) -> None:
        self.master = master
        self.name = name
        self.index = index
        self.mac = mac
        self.mtu = mtu
        self.up = up


class Address(Value):
    """One address of the interface `ifindex`, with its prefix length."""

    __slots__ = ("ifindex", "prefix")

    def __init__(self, ifindex: int, prefix: str) -> None:
        self.ifindex = ifindex
        self.prefix = prefix


class DefaultRoute(Value):
    """A route to everything, or for IPv6 one of the hops of such a route, which it deletes one by one.

    `ifindex` is 0 and `gateway` "" where there is none, or more than one. `header` and `attributes` are the kernel's
    own words: sent back, they name the route to it.
    """

    __slots__ = ("attributes", "gateway", "header", "ifindex", "protocol", "table")

    def __init__(
        self, header: bytes, attributes: bytes, table: int, protocol: int, ifindex: int = 0, gateway: str = ""
    ) -> None:
        self.header = header
        self.attributes = attributes
        self.table = table
        self.protocol = protocol
        self.ifindex = ifindex
        self.gateway = gateway


class Netlink:
    """A socket of one namespace. Every method raises KernelRefused, or Denied, with the kernel's own words."""

    __slots__ = ("_sequence", "_socket", "_where")

    def __init__(self, channel: socket, where: str) -> None:
        channel.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        channel.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket = channel
        self._where = where
        self._sequence = 0

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def links(self) -> dict[str, LeanLink]:
        """The interfaces by name."""
        links = {}
        for body in self._links():
            found = attributes(body[16:])
            name = found[_IFLA_IFNAME].rstrip(b"\0").decode("utf-8", "surrogateescape")
            mac = found.get(_IFLA_ADDRESS, b"").hex(":")
            up = bool(integer(body[8:12]) & _IFF_UP)
            mtu, master = (integer(found.get(key, b"")) for key in (_IFLA_MTU, _IFLA_MASTER))
            links[name] = LeanLink(name, integer(body[4:8]), mac, mtu, up, master)
        return links

    def _links(self) -> list[bytes]:
        """The messages of all interfaces, without their statistics: the kernel adds those up over all processors."""
        request = bytes(16) + attribute(_IFLA_EXT_MASK, _bytes(_RTEXT_FILTER_SKIP_STATS, 4))
        return self._dump(_RTM_GETLINK, _RTM_NEWLINK, request, "the interfaces")

    def delete_link(self, link: LeanLink) -> None:
        """Delete an interface; that it is gone already is not an error."""
        header = bytes(4) + _bytes(link.index, 4) + bytes(8)  # struct ifinfomsg
        self._order(_RTM_DELLINK, 0, header, f"delete {link.name}", tolerate=ENODEV)

    def addresses(self) -> list[Address]:
        """The addresses of all interfaces, of both families."""
        addresses = []
        for body in self._dump(_RTM_GETADDR, _RTM_NEWADDR, bytes(8), "the addresses"):
            found = attributes(body[8:])
            local = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
            if local and body[0] in {AF_INET, AF_INET6}:
                addresses.append(Address(integer(body[4:8]), f"{inet_ntop(body[0], local)}/{body[1]}"))
        return addresses

    def default_routes(self, v4: bool) -> list[DefaultRoute]:
        """The routes of one family that lead everywhere, in whatever table and of whatever type."""
        family = AF_INET if v4 else AF_INET6
        request = bytes([family]) + bytes(_RTMSG_BYTES - 1)
        routes = []
        for body in self._dump(_RTM_GETROUTE, _RTM_NEWROUTE, request, "the routes"):
            # family, destination's and source's length: a source prefix makes it one for some packets
            if body[0] == family and not body[1] and not body[2]:
                routes += _parse_default(body)
        return routes

    def delete(self, route: DefaultRoute) -> None:
        """Delete a default route; that it is gone already is not an error."""
        self._order(
            _RTM_DELROUTE, 0, route.header + route.attributes, "delete a default route", tolerate=ESRCH
        )

    def add_default_route(self, link: LeanLink, gateway: str, v4: bool) -> None:
        """A default route in the main table, through `link` to `gateway`, reachable on it; "" for none."""
        family = AF_INET if v4 else AF_INET6
        scope = _RT_SCOPE_LINK if v4 and not gateway else _RT_SCOPE_UNIVERSE
        header = bytes([family, 0, 0, 0, RT_TABLE_MAIN, _RTPROT_STATIC, scope, _RTN_UNICAST]) + bytes(4)
        hop = attribute(_RTA_GATEWAY, inet_pton(family, gateway)) if gateway else b""
        hop += attribute(_RTA_OIF, _bytes(link.index, 4))
        what = f"make a default route through {link.name} to {gateway or 'all hosts there'}"
        self._order(_RTM_NEWROUTE, _NLM_F_CREATE | _NLM_F_EXCL, header + hop, what)

    def _order(self, kind: int, flags: int, body: bytes, what: str, tolerate: int = 0) -> None:
        """One request, and the acknowledgement that it was carried out."""
        self._send(kind, _NLM_F_ACK | flags, body, what)
        for answer, answer_flags, data in self._receive(what):
            number = -integer(data[:4], signed=True)
            if answer == _NLMSG_ERROR and number not in {0, tolerate}:
                raise self._refusal(what, number, _kernel_words(answer_flags, data))
            return

    def _dump(self, kind: int, answers: int, body: bytes, what: str) -> list[bytes]:
        """The bodies of all parts of a dump."""
        for _ in range(_MAX_DUMPS):
            bodies = self._dump_once(kind, answers, body, f"list {what}")
            if bodies is not None:
                return bodies
        raise KernelRefused(f"{self._where}: {what} keep changing while they are listed")

    def _dump_once(self, kind: int, answers: int, body: bytes, what: str) -> list[bytes] | None:
        """None where something changed meanwhile. It is read to its end also then."""
        self._send(kind, _NLM_F_DUMP, body, what)
        bodies = []
        interrupted = False
        for answer, flags, data in self._receive(what):
            interrupted = interrupted or bool(flags & _NLM_F_DUMP_INTR)
            if answer in {_NLMSG_ERROR, _NLMSG_DONE}:
                number = -integer(data[:4], signed=True)
                if number:
                    raise self._refusal(
                        what, number, _kernel_words(flags, data) if answer == _NLMSG_ERROR else ""
                    )
                break
            if answer == answers:
                bodies.append(data)
        return None if interrupted else bodies

    def _send(self, kind: int, flags: int, body: bytes, what: str) -> None:
        self._sequence += 1
        header = _bytes(16 + len(body), 4) + _bytes(kind, 2) + _bytes(_NLM_F_REQUEST | flags, 2)
        try:
            self._socket.send(header + _bytes(self._sequence, 4) + bytes(4) + body)
        except OSError as error:
            raise self._refusal(what, error.errno or 0) from None

    def _receive(self, what: str) -> "Iterator[tuple[int, int, bytes]]":
        """Type, flags and body of each message that answers the last request."""
        while True:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except OSError as error:
                raise self._refusal(what, error.errno or 0) from None
            start = 0
            while start + 16 <= len(data):
                length = integer(data[start : start + 4])
                if integer(data[start + 8 : start + 12]) == self._sequence:
                    kind, flags = integer(data[start + 4 : start + 6]), integer(data[start + 6 : start + 8])
                    yield kind, flags, data[start + 16 : start + length]
                start += _aligned(max(length, 16))

    def _refusal(self, what: str, number: int, words: str = "") -> KernelRefused | Denied:
        kind = Denied if number in {EPERM, EACCES} else KernelRefused
        return kind(f"{self._where}: cannot {what}: {posix.strerror(number)}", details=words)


def open_here() -> Netlink:
    """A socket in this process's own network namespace. Raises Denied, KernelRefused."""
    try:
        return Netlink(socket(AF_NETLINK, SOCK_RAW, 0), "this node")
    except OSError as error:
        raise KernelRefused(f"no netlink socket: {posix.strerror(error.errno or 0)}") from None


def open_in(netns: str) -> Netlink:
    """A socket that lives in the network namespace of the file `netns`; this process stays where it is.

    Raises InvalidNetns, Denied, KernelRefused.
    """
    try:
        return socket_in(netns, lambda: Netlink(socket(AF_NETLINK, SOCK_RAW, 0), netns))
    except OSError as error:
        raise KernelRefused(f"{netns}: no netlink socket: {posix.strerror(error.errno or 0)}") from None


# --- bytes <-> values


def _parse_default(body: bytes) -> list[DefaultRoute]:
    family, found = body[0], attributes(body[_RTMSG_BYTES:])
    table = integer(found[_RTA_TABLE]) if _RTA_TABLE in found else body[4]
    header = body[:8] + bytes(4)  # its flags are the route's state

    def route(words: "Attributes", ifindex: int, gateway: str, *kinds: int) -> DefaultRoute:
        named = _joined(found, _RTA_TABLE, _RTA_PRIORITY) + _joined(words, *kinds)
        return DefaultRoute(header, named, table, body[5], ifindex, gateway)

    if _RTA_NH_ID in found:  # a nexthop object, which replaces what stands beside it (ip-nexthop(8))
        return [route(found, *hop_of(family, found), _RTA_NH_ID)]
    hops = hops_of(found.get(_RTA_MULTIPATH, b""))
    if hops and family == AF_INET:  # goes as a whole
        interfaces = {hop_of(family, hop)[0] for hop in hops}
        return [route(found, interfaces.pop() if len(interfaces) == 1 else 0, "", _RTA_MULTIPATH)]
    return [route(hop, *hop_of(family, hop), _RTA_OIF, _RTA_GATEWAY, _RTA_VIA) for hop in hops or [found]]


def hops_of(multipath: bytes) -> "list[Attributes]":
    """struct rtnexthop: u16 length, u8 flags, u8 hops, s32 interface, then attributes."""
    hops = []
    while len(multipath) >= _RTNEXTHOP_BYTES:
        length = integer(multipath[:2])
        found = attributes(multipath[_RTNEXTHOP_BYTES:length])
        hops.append({**found, _RTA_OIF: multipath[4:8]})
        multipath = multipath[_aligned(max(length, _RTNEXTHOP_BYTES)) :]
    return hops


def hop_of(family: int, found: "Attributes") -> tuple[int, str]:
    """Interface and gateway; RTA_VIA is a gateway of the other family, behind two bytes that say which."""
    ifindex = integer(found.get(_RTA_OIF, b""))
    if _RTA_VIA in found:
        return ifindex, inet_ntop(integer(found[_RTA_VIA][:2]), found[_RTA_VIA][2:])
    return ifindex, inet_ntop(family, found[_RTA_GATEWAY]) if _RTA_GATEWAY in found else ""


def attributes(data: bytes) -> "Attributes":
    """The attributes by type. struct rtattr: u16 length with these four bytes, u16 type, the value, padded to four."""
    found = {}
    start, end = 0, len(data)
    while end - start >= 4:
        both = _number(data[start : start + 4], byteorder)  # a node with many pods has ten thousands of them
        length, kind = (both & 0xFFFF, both >> 16) if _LITTLE else (both >> 16, both & 0xFFFF)
        found[kind & _NLA_TYPE_MASK] = data[start + 4 : start + length]
        start += length + 3 & ~3 if length > 4 else 4
    return found


def _joined(found: "Attributes", *kinds: int) -> bytes:
    return b"".join(attribute(kind, found[kind]) for kind in kinds if kind in found)


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, as `attributes` reads it."""
    return _bytes(4 + len(value), 2) + _bytes(kind, 2) + value + bytes(-len(value) % 4)


def _kernel_words(flags: int, data: bytes) -> str:
    """The sentence that may follow struct nlmsgerr (NETLINK_EXT_ACK)."""
    found = attributes(data[20:]) if flags & _NLM_F_ACK_TLVS else {}
    return found.get(_NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode("utf-8", "replace")


def integer(data: bytes, signed: bool = False) -> int:
    """A number in the machine's byte order."""
    return int.from_bytes(data, byteorder, signed=signed)


def _bytes(number: int, length: int) -> bytes:
    return number.to_bytes(length, byteorder)


def _aligned(length: int) -> int:
    return length + 3 & ~3
