"""The calling thread's network namespace, read by rtnetlink: links, addresses, routes, rules, neighbours, FDB."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from genie_core.errors import IOFailure
from genie_core.survey import bpf, sysctls
from genie_core.survey.attributes import Attributes
from genie_core.survey.kernel import (
    Address,
    Forwarding,
    Hop,
    Link,
    Neighbour,
    Netns,
    Port,
    Qdisc,
    Route,
    RoutingRule,
)
from genie_core.survey.sockets import sockets

if TYPE_CHECKING:
    from pyroute2 import IPRoute

IFF_UP, IFF_NOARP, IFF_LOWER_UP = 0x1, 0x80, 0x10000
IFA_F_MANAGETEMPADDR = 0x100
RTPROT_RA, PREFERENCES = 9, {1: 1, 3: -1}  # linux/icmpv6.h ICMPV6_ROUTER_PREF_*
RTNH_F_DEAD, RTNH_F_ONLINK, RTM_F_CLONED = 0x1, 0x4, 0x200
FIB_RULE_INVERT = 0x2
ROUTE_TYPES = {1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast", 6: "blackhole"}
ROUTE_TYPES |= {7: "unreachable", 8: "prohibit", 9: "throw", 10: "nat"}
SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
ACTIONS = {1: "lookup", 2: "goto", 3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
ADDRESS_FLAGS = {0x08: "dadfailed", 0x20: "deprecated", 0x40: "tentative", 0x02: "nodad"}
STATES = {0x01: "incomplete", 0x02: "reachable", 0x04: "stale", 0x08: "delay", 0x10: "probe", 0x20: "failed"}
STATES |= {0x40: "noarp", 0x80: "permanent"}
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 132: "sctp"}
_NO_NUMBER = 0xFFFFFFFF  # -1, read as unsigned


def read_links() -> Netns:
    """Interfaces, addresses and routes alone. Raises IOFailure where netlink refuses."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with open_netlink() as netlink:
            return Netns(links=links(netlink), addresses=addresses(netlink), routes=routes(netlink))
    except (NetlinkError, OSError) as error:
        raise IOFailure(f"cannot read the node's interfaces: {error}") from None


def read_netns(path: str) -> Netns:
    """Everything about the namespace but its firewall; `path` is how it is called."""
    with open_netlink() as netlink:
        interfaces, queues = links(netlink), qdiscs(netlink)
        bound = sockets(connected=bool(path))  # a node may have very many connections
        hooks = [queue for queue in queues if queue.kind in ("clsact", "ingress")]
        return Netns(
            path=path,
            links=interfaces,
            addresses=addresses(netlink),
            routes=routes(netlink),
            rules=rules(netlink),
            neighbours=neighbours(netlink),
            forwarding=forwarding(netlink),
            qdiscs=queues,
            programs=bpf.programs(netlink, interfaces, hooks),
            sysctls=sysctls.sysctls(),
            counters=sysctls.counters(),
            listeners=bound.listeners or sysctls.listeners(),
            hung=bound.hung,
            used_ports=bound.used,
            ipvs=sysctls.ipvs(),
        )


def namespace_numbers(paths: Mapping[str, str] | Iterable[str]) -> dict[str, int]:
    """This namespace's numbers of others (`ip netns list-id`); those without one are left out.

    `paths` maps a name for each to its file, or are the files.
    """
    from pyroute2.netlink.exceptions import NetlinkError

    found = {}
    named = paths if isinstance(paths, Mapping) else {path: path for path in paths}
    with open_netlink() as netlink:
        for name, path in named.items():
            try:
                with open(path, "rb") as file:
                    number = int(netlink.get_netnsid(fd=file.fileno())["nsid"])
            except (KeyError, NetlinkError, OSError):
                continue
            if number not in (-1, _NO_NUMBER):
                found[name] = number
    return found


def open_netlink() -> IPRoute:
    """A netlink socket in the calling thread's namespace. Raises IOFailure without pyroute2."""
    try:
        from pyroute2 import IPRoute  # 150 ms
    except ImportError:
        raise IOFailure("the package pyroute2 is not installed", hint="pip install pyroute2") from None
    return IPRoute()


def _port(data: Mapping[str, Any]) -> Port:
    def flag(name: str, default: int) -> bool:
        return bool(data.get(f"IFLA_BRPORT_{name}", default))

    return Port(
        state=int(data.get("IFLA_BRPORT_STATE", 3)),
        hairpin=flag("MODE", 0),
        isolated=flag("ISOLATED", 0),
        learning=flag("LEARNING", 1),
        flood=flag("UNICAST_FLOOD", 1),
        broadcast=flag("BCAST_FLOOD", 1),
        multicast=flag("MCAST_FLOOD", 1),
        guard=flag("GUARD", 0),
        locked=flag("LOCKED", 0),
    )


def _kind_data(info: Any) -> dict[str, Any]:
    """Plain values of the kind's own attributes, names without their prefix: `vxlan_id`, `br_stp_state`."""
    plain = {}
    for name, value in Attributes(info).items():
        if isinstance(value, str | int | float | bool):
            plain[name.removeprefix("IFLA_").lower()] = value
    return plain


def _link(message: Any) -> Link:
    a = Attributes(message)
    info = Attributes(a.get("IFLA_LINKINFO"))
    kind = info.get("IFLA_INFO_KIND", "")
    is_port = info.get("IFLA_INFO_SLAVE_KIND") == "bridge"
    stats = a.get("IFLA_STATS64") or {}
    flags = message["flags"]
    return Link(
        index=message["index"],
        name=a.text("IFLA_IFNAME"),
        kind=kind,
        up=bool(flags & IFF_UP),
        carrier=bool(flags & IFF_LOWER_UP),
        arp=not flags & IFF_NOARP,
        mac=(a.get("IFLA_ADDRESS") or "").lower(),
        mtu=a.get("IFLA_MTU", 0),
        master=a.get("IFLA_MASTER", 0) or 0,
        peer=a.get("IFLA_LINK", 0) or 0,
        peer_nsid=a.get("IFLA_LINK_NETNSID"),
        data=_kind_data(info.get("IFLA_INFO_DATA")),
        port=_port(Attributes(info.get("IFLA_INFO_SLAVE_DATA"))) if is_port else None,
        xdp=Attributes(a.get("IFLA_XDP")).get("IFLA_XDP_PROG_ID", 0),
        rx=stats.get("rx_packets", 0),
        tx=stats.get("tx_packets", 0),
        dropped=stats.get("tx_dropped", 0) + stats.get("rx_dropped", 0),
    )


def links(netlink: IPRoute) -> tuple[Link, ...]:
    """Every interface, in the order of its index."""
    return tuple(sorted((_link(m) for m in netlink.get_links()), key=lambda link: link.index))


def addresses(netlink: IPRoute) -> tuple[Address, ...]:
    """Every IPv4 and IPv6 address."""
    found = []
    for message in netlink.get_addr():
        if message["family"] not in (socket.AF_INET, socket.AF_INET6):
            continue
        a = Attributes(message)
        flags = a.get("IFA_FLAGS", message["flags"])
        valid = (a.get("IFA_CACHEINFO") or {}).get("ifa_valid", _NO_NUMBER)
        found.append(
            Address(
                index=message["index"],
                ip=a.get("IFA_LOCAL") or a["IFA_ADDRESS"],
                prefix=message["prefixlen"],
                scope=SCOPES.get(message["scope"], str(message["scope"])),
                flags=tuple(name for bit, name in ADDRESS_FLAGS.items() if flags & bit),
                valid=0 if valid == _NO_NUMBER else valid,
                advertised=a.get("IFA_PROTO") in (2, b"\2", "02") or bool(flags & IFA_F_MANAGETEMPADDR),
            )
        )
    return tuple(found)


def _hops(message: Any, a: Mapping[str, Any]) -> tuple[Hop, ...]:
    if "RTA_MULTIPATH" in a:
        hops = []
        for one in (hop for hop in a["RTA_MULTIPATH"] if not hop["flags"] & RTNH_F_DEAD):
            inner = Attributes(one)
            hops.append(
                Hop(index=one["oif"], gateway=_gateway(inner), onlink=bool(one["flags"] & RTNH_F_ONLINK))
            )
        return tuple(hops)
    if "RTA_OIF" not in a and "RTA_GATEWAY" not in a:
        return ()
    onlink = bool(message["flags"] & RTNH_F_ONLINK)
    return (Hop(index=a.get("RTA_OIF", 0), gateway=_gateway(a), onlink=onlink),)


def _number(value: Any) -> int:
    """An attribute of one byte, which pyroute2 gives as a number, as bytes, or as their hexadecimal text."""
    if isinstance(value, bytes):
        return value[0] if value else 0
    return int(value, 16) if isinstance(value, str) and value else int(value or 0)


def _gateway(a: Mapping[str, Any]) -> str:
    via = a.get("RTA_VIA")
    return a.get("RTA_GATEWAY") or (via.get("addr", "") if isinstance(via, dict) else "") or ""


def routes(netlink: IPRoute) -> tuple[Route, ...]:
    """Every route of every table, IPv4 and IPv6, without cached clones and dead next hops."""
    found = []
    for family, everything in ((socket.AF_INET, "0.0.0.0/0"), (socket.AF_INET6, "::/0")):
        for message in netlink.get_routes(family=family):
            if message["flags"] & (RTM_F_CLONED | RTNH_F_DEAD):
                continue
            a = Attributes(message)
            dst = f"{a['RTA_DST']}/{message['dst_len']}" if a.get("RTA_DST") else everything
            metrics = Attributes(a.get("RTA_METRICS"))
            found.append(
                Route(
                    dst=dst,
                    table=a.get("RTA_TABLE", message["table"]),
                    type=ROUTE_TYPES.get(message["type"], str(message["type"])),
                    hops=_hops(message, a),
                    source=a.get("RTA_PREFSRC", ""),
                    scope=SCOPES.get(message["scope"], str(message["scope"])),
                    metric=a.get("RTA_PRIORITY", 0),
                    mtu=metrics.get("RTAX_MTU", 0),
                    advertised=message["proto"] == RTPROT_RA,
                    preference=PREFERENCES.get(_number(a.get("RTA_PREF")), 0),
                )
            )
    return tuple(found)


def rules(netlink: IPRoute) -> tuple[RoutingRule, ...]:
    """Every policy routing rule, in the order in which the kernel tries them."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for message in netlink.get_rules(family=family):
            a = Attributes(message)
            suppress = a.get("FRA_SUPPRESS_PREFIXLEN", -1)
            found.append(
                RoutingRule(
                    family=4 if family == socket.AF_INET else 6,
                    priority=a.get("FRA_PRIORITY", 0),
                    table=a.get("FRA_TABLE", message["table"]),
                    action=ACTIONS.get(message["action"], "nop"),
                    src=f"{a['FRA_SRC']}/{message['src_len']}" if a.get("FRA_SRC") else "",
                    dst=f"{a['FRA_DST']}/{message['dst_len']}" if a.get("FRA_DST") else "",
                    iif=a.text("FRA_IIFNAME"),
                    oif=a.text("FRA_OIFNAME"),
                    mark=a.get("FRA_FWMARK", 0),
                    mask=a.get("FRA_FWMASK", 0),
                    invert=bool(message["flags"] & FIB_RULE_INVERT),
                    suppress=-1 if suppress in (None, 0xFFFFFFFF) else suppress,
                    narrow=bool(message["tos"] or a.get("FRA_TUN_ID"))
                    or _restricts_users(a.get("FRA_UID_RANGE")),
                    goto=a.get("FRA_GOTO", 0),
                    protocol=_protocol(a.get("FRA_IP_PROTO")),
                    sport=_port_range(a.get("FRA_SPORT_RANGE")),
                    dport=_port_range(a.get("FRA_DPORT_RANGE")),
                )
            )
    return tuple(sorted(found, key=lambda rule: (rule.family, rule.priority)))


def _protocol(number: int | None) -> str:
    return PROTOCOLS.get(number, str(number)) if number else ""


def _port_range(value: Any) -> tuple[int, int]:
    """struct fib_rule_port_range, as pyroute2 gives it: text, a pair, or named members."""
    if not value:
        return (0, 0)
    if isinstance(value, str):
        low, _, high = value.partition(":")
        return int(low), int(high or low)
    if isinstance(value, dict):
        return int(value["start"]), int(value["end"])
    return int(value[0]), int(value[1])


def _restricts_users(value: Any) -> bool:
    return bool(value) and str(value) not in ("0:4294967295", "0:-1")


def neighbours(netlink: IPRoute) -> tuple[Neighbour, ...]:
    """The ARP and NDP tables."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for message in netlink.get_neighbours(family=family):
            a = Attributes(message)
            if not a.get("NDA_DST"):
                continue
            found.append(
                Neighbour(
                    index=message["ifindex"],
                    ip=a["NDA_DST"],
                    mac=(a.get("NDA_LLADDR") or "").lower(),
                    state=STATES.get(message["state"], "none"),
                )
            )
    return tuple(found)


def forwarding(netlink: IPRoute) -> tuple[Forwarding, ...]:
    """The forwarding databases of bridges and tunnels."""
    found = []
    for message in netlink.fdb("dump"):
        a = Attributes(message)
        permanent = message["state"] & 0xC0 != 0  # NUD_PERMANENT, NUD_NOARP: both were set on purpose
        mac = (a.get("NDA_LLADDR") or "").lower()
        found.append(
            Forwarding(index=message["ifindex"], mac=mac, dst=a.get("NDA_DST", ""), permanent=permanent)
        )
    return tuple(found)


def qdiscs(netlink: IPRoute) -> tuple[Qdisc, ...]:
    """Queueing disciplines without the kernel's defaults."""
    found = []
    for message in netlink.get_qdiscs():
        a = Attributes(message)
        kind = a.get("TCA_KIND", "")
        if kind in ("noqueue", "pfifo_fast", "mq", "fq_codel", "fq", ""):
            continue
        stats = a.get("TCA_STATS") or {}
        options = a.get("TCA_OPTIONS")
        members = options.items() if isinstance(options, dict) else ()
        plain = {name: value for name, value in members if isinstance(value, int | float | str)}
        found.append(Qdisc(index=message["index"], kind=kind, dropped=stats.get("drop", 0), options=plain))
    return tuple(found)
