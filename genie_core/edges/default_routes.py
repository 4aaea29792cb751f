"""Setting a pod's default routes, in its network namespace, by value (conformance C26-C31).

Only routes of the main table lead a pod's packets by default; what a plugin put into others (sbr, vrf) stays.
"""

import posix

from genie_core.edges import netlink
from genie_core.edges.netns import inside
from genie_core.errors import KernelRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from genie_core.edges.netlink import DefaultRoute, Link, Netlink
    from genie_core.routes import RouteChange


def set_default_routes(netns: str, changes: "Iterable[RouteChange]") -> None:
    """Make each family's default routes lead where the change says, and nowhere else; all other routes stay.

    Idempotent. Routes that no result mentions go too. Raises InvalidNetns, Denied, and KernelRefused naming
    interface and gateway.
    """
    with netlink.open_in(netns) as kernel:
        links = kernel.links()
        for change in changes:
            owner = links.get(change.ifname)
            if owner is None:
                raise KernelRefused(
                    f"{netns}: no interface {change.ifname} to lead default routes through",
                    hint="its plugin gave the interface another name; leave default-route out of this network",
                )
            if not change.v4:
                _refuse_advertised(netns, [name for name in links if name != change.ifname or change.gateway])
            _set(kernel, owner, change, netns)


def _set(kernel: "Netlink", owner: "Link", change: "RouteChange", netns: str) -> None:
    family = "IPv4" if change.v4 else "IPv6"
    found = [route for route in kernel.default_routes(change.v4) if route.table == netlink.RT_TABLE_MAIN]
    wanted = [route for route in found if _is_wanted(route, owner, change)]
    if not wanted and not change.gateway:
        raise KernelRefused(
            f"{netns}: {owner.name} has no {family} default route that it could keep",
            details="its plugin's result names one",
            hint="name the gateway in default-route instead of []",
        )
    for route in found:
        if route not in wanted:
            kernel.delete(route)
    if not wanted:
        _add(kernel, owner, change.gateway)


def _is_wanted(route: "DefaultRoute", owner: "Link", change: "RouteChange") -> bool:
    if route.ifindex != owner.index:
        return False
    # what a router advertised to the same gateway would expire
    return not change.gateway or (route.gateway == change.gateway and route.protocol != netlink.RTPROT_RA)


def _add(kernel: "Netlink", owner: "Link", gateway: str) -> None:
    try:
        kernel.add_default_route(owner, gateway)
    except KernelRefused as error:
        error.hint = (
            f"default-route must name an address that {owner.name} reaches directly, in one of its subnets"
        )
        raise


def _refuse_advertised(netns: str, names: list[str]) -> None:
    """Have the kernel take no default route from router advertisements on these interfaces: it would come back.

    Where the file is missing (no IPv6) or read-only, the routes that are there now go all the same.
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
