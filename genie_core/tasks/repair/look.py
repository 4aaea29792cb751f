"""Read what repairs are decided from: interfaces, addresses and routes of one namespace in about a millisecond; leases.

pyroute2 takes ten times as long, and a node has hundreds of pods that are looked at each minute.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, AF_NETLINK, SOCK_RAW, inet_ntop, socket

from genie_core.edges.netlink import Netlink, attributes, hop_of, hops_of, integer
from genie_core.edges.netns import inside_each
from genie_core.errors import GenieError
from genie_core.live.leases import faults_with_leases, lease_files
from genie_core.live.seen import Seen, SeenLink, SeenRoute
from genie_core.spec.addresses import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from genie_core.live.repair import Fault
    from genie_core.model import Plan

# linux/rtnetlink.h, linux/if_link.h
_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_INFO_KIND = 1, 3, 5, 10, 18, 1
_RTA_DST, _RTA_PRIORITY, _RTA_MULTIPATH, _RTA_TABLE = 1, 6, 9, 15
_RTN_UNICAST, _RTM_F_CLONED, _RTNH_F_DEAD = 1, 0x200, 0x1
_IFF_UP = 1


def lease_owners(plan: Plan) -> dict[tuple[str, str], str]:
    """(interface, address) -> the other container that host-local's lease names, for each address of the plan's."""
    found = {}
    for item in plan.attachments:
        for address, path in lease_files(item):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    owner = file.readline().strip()
            except (OSError, ValueError):  # the second for what is no path
                continue
            if owner and owner != plan.container_id:
                found[item.ifname, address] = owner
    return found


def faults_of(plan: Plan, around: Seen, pod: Seen | None = None) -> list[Fault]:
    """What is missing of the plan's attachments; `around` is this namespace, `pod` the pod's, read here if it is None.

    Raises as `look_in`.
    """
    return faults_with_leases(plan, pod or look_in(plan.netns), around, lease_owners(plan))


class Kernel(Netlink):
    """A netlink socket that lists what repair judges by. Raises KernelRefused, Denied."""

    def seen(self) -> Seen:
        """The namespace as it is now."""
        return Seen(
            [_link(body) for body in self._links()],
            [(address.ifindex, host(address.prefix)) for address in self.addresses()],
            self._routes(),
        )

    def _routes(self) -> list[SeenRoute]:
        """Of both families: `struct rtmsg` without one asks for those of all."""
        bodies = self._dump(_RTM_GETROUTE, _RTM_NEWROUTE, bytes(12), "the routes")
        return [route for body in bodies if body[0] in (AF_INET, AF_INET6) for route in _routes_of(body)]


def look_in(netns: str) -> Seen:
    """What there is in the network namespace of that file. Raises InvalidNetns, KernelRefused, Denied."""
    found = look_in_each([netns])[netns]
    if isinstance(found, GenieError):
        raise found
    return found


def look_in_each(paths: Iterable[str]) -> dict[str, Seen | GenieError]:
    """The same of several. Raises KernelRefused where no thread can be started."""
    return inside_each(paths, _look)


def _look(where: str) -> Seen:
    with Kernel(socket(AF_NETLINK, SOCK_RAW, 0), where) as kernel:
        return kernel.seen()


def look_here() -> Seen:
    """What there is in this process's own namespace. Raises KernelRefused, Denied."""
    return _look("this node")


def _link(body: bytes) -> SeenLink:
    found = attributes(body[16:])
    info = attributes(found.get(_IFLA_LINKINFO, b""))
    return SeenLink(
        name=_text(found.get(_IFLA_IFNAME, b"")),
        index=integer(body[4:8]),
        kind=_text(info.get(_IFLA_INFO_KIND, b"")),
        up=bool(integer(body[8:12]) & _IFF_UP),
        master=integer(found.get(_IFLA_MASTER, b"")),
        peer=integer(found.get(_IFLA_LINK, b"")),
        mac=found.get(_IFLA_ADDRESS, b"").hex(":"),
    )


def _routes_of(body: bytes) -> list[SeenRoute]:
    """One for each hop of a unicast route; none for what is a cache's entry, or has a dead interface."""
    family, length, kind, flags = body[0], body[1], body[7], integer(body[8:12])
    if kind != _RTN_UNICAST or body[2] or flags & (_RTM_F_CLONED | _RTNH_F_DEAD):
        return []
    found = attributes(body[12:])
    empty = bytes(4 if family == AF_INET else 16)
    dst = f"{inet_ntop(family, found.get(_RTA_DST, empty))}/{length}"
    table = integer(found[_RTA_TABLE]) if _RTA_TABLE in found else body[4]
    metric = integer(found.get(_RTA_PRIORITY, b""))
    hops = hops_of(found.get(_RTA_MULTIPATH, b"")) or [found]
    return [SeenRoute(dst, *hop_of(family, hop), table, metric) for hop in hops]


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "surrogateescape")
