"""The node's interfaces, addresses and routes, from the kernel through pyroute2. Cold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any

from genie_core.errors import IOFailure

_IFF_UP = 1
_RT_TABLE_MAIN = 254
_NO_NUMBER = 0xFFFFFFFF  # -1, read as unsigned
_FAMILIES = (2, 10)  # AF_INET, AF_INET6


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One interface. `kind` is the kernel's (bridge, veth, vlan, ...), "" for hardware; `master` a name.

    `peer_nsid` is this namespace's number of the one that the other end is in, -1 for none.
    """

    name: str
    index: int
    kind: str = ""
    mtu: int = 0
    up: bool = False
    mac: str = ""
    master: str = ""
    peer_nsid: int = -1
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route of the main table; `dst` is "default" for everything."""

    dst: str
    device: str
    gateway: str = ""
    metric: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeNet:
    """What the node's network namespace holds."""

    links: Mapping[str, Link] = field(default_factory=dict)
    routes: Sequence[Route] = ()

    @property
    def default_route(self) -> Route | None:
        """The default route of least metric, IPv4 before IPv6 (conformance X35)."""
        candidates = [route for route in self.routes if route.dst == "default" and route.device]
        return min(candidates, key=lambda route: (":" in route.gateway, route.metric), default=None)

    @property
    def subnets(self) -> dict[str, str]:
        """Every subnet in use, with what uses it: an interface's address or a route."""
        used = {}
        for route in self.routes:
            if route.dst != "default" and not route.dst.lower().startswith(("fe80:", "ff")):
                used[route.dst] = f"route via {route.device or 'nothing'}"
        for link in self.links.values():
            for address in link.addresses:
                network = ip_interface(address).network
                if not network.is_link_local and not network.is_loopback:
                    used[str(network)] = f"address {address} of {link.name}"
        return used


def read_node() -> NodeNet:
    """The network namespace this process is in. Raises IOFailure where netlink refuses."""
    try:
        from pyroute2 import IPRoute  # 175 ms: never at module level
        from pyroute2.netlink.exceptions import NetlinkError
    except ImportError:
        raise IOFailure("pyroute2 is not installed") from None
    try:
        with IPRoute() as kernel:
            links = list(kernel.get_links())
            addresses = list(kernel.get_addr())
            routes = [route for family in _FAMILIES for route in kernel.get_routes(family=family)]
    except (NetlinkError, OSError) as error:
        raise IOFailure(f"cannot read the node's interfaces: {error}") from None
    names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in links}
    return NodeNet(links=_links(links, addresses, names), routes=_routes(routes, names))


def namespace_number(path: str) -> int:
    """This namespace's number of the one that `path` is (as in `ip netns list-id`), -1 where it has none."""
    return namespace_numbers({path: path}).get(path, -1)


def namespace_numbers(paths: Mapping[str, str]) -> dict[str, int]:
    """This namespace's numbers of others; `paths` maps a name for each to its file. Those without one are left out."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    found = {}
    with IPRoute() as kernel:
        for name, path in paths.items():
            try:
                with open(path, "rb") as file:
                    number = int(kernel.get_netnsid(fd=file.fileno())["nsid"])
            except (KeyError, NetlinkError, OSError):
                continue
            if number not in (-1, _NO_NUMBER):
                found[name] = number
    return found


def _links(links: Sequence[Any], addresses: Sequence[Any], names: Mapping[int, str]) -> dict[str, Link]:
    held: dict[int, list[str]] = {}
    for message in addresses:
        local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        held.setdefault(message["index"], []).append(f"{local}/{message['prefixlen']}")
    return {names[message["index"]]: _link(message, names, held) for message in links}


def _link(message: Any, names: Mapping[int, str], held: Mapping[int, list[str]]) -> Link:
    get, index = message.get_attr, message["index"]
    info = get("IFLA_LINKINFO")
    nsid = get("IFLA_LINK_NETNSID")
    return Link(
        name=get("IFLA_IFNAME"),
        index=index,
        kind=(info.get_attr("IFLA_INFO_KIND") or "") if info else "",
        mtu=get("IFLA_MTU") or 0,
        up=bool(message["flags"] & _IFF_UP),
        mac=get("IFLA_ADDRESS") or "",
        master=names.get(get("IFLA_MASTER") or 0, ""),
        peer_nsid=-1 if nsid is None else nsid,
        addresses=tuple(held.get(index, ())),
    )


def _routes(messages: Sequence[Any], names: Mapping[int, str]) -> list[Route]:
    routes = []
    for message in messages:
        get = message.get_attr
        if get("RTA_TABLE") != _RT_TABLE_MAIN:
            continue
        dst = get("RTA_DST")
        routes.append(
            Route(
                dst=f"{dst}/{message['dst_len']}" if dst else "default",
                device=names.get(get("RTA_OIF") or 0, ""),
                gateway=get("RTA_GATEWAY") or "",
                metric=get("RTA_PRIORITY") or 0,
            )
        )
    return routes
