"""Setting a pod's default routes, in its network namespace, by value (conformance C26-C31).

Only the main table has default routes that matter here; what a plugin put into others (sbr, vrf) stays.
"""

import posix

from genie_core.edges import netlink
from genie_core.edges.netns import inside
from genie_core.errors import KernelRefused
from genie_core.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from genie_core.edges.netlink import DefaultRoute, LeanLink, Netlink
    from genie_core.routes import RouteChange


class Settled(Value):
    """One change as it was made: `owner` is the interface that has the routes now, "" for none.

    `losers` are the interfaces that lost theirs.
    """

    __slots__ = ("losers", "owner")

    def __init__(self, owner: str = "", losers: "Sequence[str]" = ()) -> None:
        self.owner = owner
        self.losers = losers


def set_default_routes(netns: str, changes: "Iterable[RouteChange]") -> list[Settled]:
    """Make each family's default routes lead through the interface of the change alone; all other routes stay.

    Idempotent. Routes that no result mentions go too. Raises InvalidNetns, Denied, and KernelRefused naming
    interface and gateway.
    """
    with netlink.open_in(netns) as kernel:
        links = kernel.links()
        return [(_keep if change.successors else _lead)(kernel, links, change, netns) for change in changes]


def _keep(kernel: "Netlink", links: "Mapping[str, LeanLink]", change: "RouteChange", netns: str) -> Settled:
    """No network asks for this family: the first interface of the change that has default routes keeps its own."""
    order = [links[name] for name in (change.ifname, *change.successors) if name in links]
    users = {route.ifindex for route in _default_routes(kernel, change)}
    place = next((place for place, link in enumerate(order) if link.index in users), None)
    if place is None:
        return Settled()
    if not change.v4:
        _refuse_advertised(netns, [link.name for link in order[place + 1 :]])
    return _set(kernel, links, order[place], change, netns)


def _lead(kernel: "Netlink", links: "Mapping[str, LeanLink]", change: "RouteChange", netns: str) -> Settled:
    """A network asks for this family, or to keep its own."""
    owner = links.get(change.ifname)
    if owner is None:
        raise KernelRefused(
            f"{netns}: no interface {change.ifname} to lead default routes through",
            hint="its plugin gave the interface another name; leave default-route out of this network",
        )
    if not change.v4:
        _refuse_advertised(netns, [name for name in links if name != change.ifname or change.gateway])
    return _set(kernel, links, owner, change, netns)


def _default_routes(kernel: "Netlink", change: "RouteChange") -> "list[DefaultRoute]":
    return [route for route in kernel.default_routes(change.v4) if route.table == netlink.RT_TABLE_MAIN]


def _set(
    kernel: "Netlink", links: "Mapping[str, LeanLink]", owner: "LeanLink", change: "RouteChange", netns: str
) -> Settled:
    family = "IPv4" if change.v4 else "IPv6"
    found = _default_routes(kernel, change)
    wanted = [route for route in found if _is_wanted(route, owner, change)]
    if not (wanted or change.gateway or change.direct):
        raise KernelRefused(
            f"{netns}: {owner.name} has no {family} default route that it could keep",
            details="its plugin's result names one",
            hint="name the gateway in default-route instead of []",
        )
    losers = {route.ifindex for route in found if route not in wanted} - {owner.index}
    for route in found:
        if route not in wanted:
            kernel.delete(route)
    if not wanted:
        _add(kernel, owner, change)
    return Settled(owner.name, [link.name for link in links.values() if link.index in losers])


def _is_wanted(route: "DefaultRoute", owner: "LeanLink", change: "RouteChange") -> bool:
    if route.ifindex != owner.index:
        return False
    # what a router advertised to the same gateway would expire
    return not change.gateway or (route.gateway == change.gateway and route.protocol != netlink.RTPROT_RA)


def _add(kernel: "Netlink", owner: "LeanLink", change: "RouteChange") -> None:
    try:
        kernel.add_default_route(owner, change.gateway, change.v4)
    except KernelRefused as error:
        raise error.replace(
            hint=f"default-route must name an address that {owner.name} reaches directly, in one of its subnets"
        ) from None


def _refuse_advertised(netns: str, names: list[str]) -> None:
    """Have the kernel take no default route from router advertisements on these interfaces: it would come back.

    Where the file is missing (no IPv6) or read-only, the routes that are there now are still removed.
    """

    def write() -> None:
        for name in names:
            try:
                file = posix.open(
                    f"/proc/sys/net/ipv6/conf/{name}/accept_ra_defrtr", posix.O_WRONLY | posix.O_CLOEXEC
                )
            except OSError:
                continue
            try:
                posix.write(file, b"0")
            except OSError:
                continue
            finally:
                posix.close(file)

    inside(netns, write)
