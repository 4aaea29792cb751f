"""The content of a pod's network namespace, compared with what results promise and with what must not be there yet."""

from genie_core.edges.netlink import open_in
from genie_core.errors import CheckFailed, Denied
from genie_core.model import Value
from genie_core.routes import default_routes
from genie_core.spec.addresses import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Sequence
    from typing import Any

    from genie_core.edges.netlink import Address, DefaultRoute, LeanLink, Netlink
    from genie_core.model import Result


class Snapshot:
    """One reading of a namespace. `defaults` are the default routes of each family: {is v4: routes}."""

    __slots__ = ("addresses", "defaults", "links")

    def __init__(
        self,
        links: "dict[str, LeanLink]",
        addresses: "Sequence[Address]" = (),
        defaults: "dict[bool, list[DefaultRoute]] | None" = None,
    ) -> None:
        self.links = links
        self.addresses = addresses
        self.defaults = defaults or {}


def existing_links(netns: str) -> "set[str] | None":
    """The names of the interfaces that exist; None where this process may not look (conformance C19).

    Raises InvalidNetns, KernelRefused.
    """
    try:
        with open_in(netns) as kernel:
            return set(kernel.links())
    except Denied:
        return None


def verify(netns: str, parts: "Iterable[tuple[str, Result]]", absent: "Collection[str]" = ()) -> None:
    """Raise CheckFailed unless all is there that these (interface name, result) pairs promise (conformance A74).

    That is: each interface in the container, under its name and with its MAC address; each address, on its
    interface; a default route, through the network's interfaces, of each family in which the result has one. `absent`
    is what `never_there` found after ADD. Also raises InvalidNetns, Denied, KernelRefused.
    """
    with open_in(netns) as kernel:
        snapshot = _snapshot(kernel, kernel.links())
    problems = [f"{ifname}: {gap.sentence}" for ifname, gap in _gaps(parts, snapshot, absent)]
    if problems:
        raise CheckFailed(
            f"{netns}: {problems[0]}",
            details="; ".join(problems[1:]),
            hint="recreate the pod: its network was changed after it was set up",
        )


def never_there(
    netns: str, parts: "Iterable[tuple[str, Result]]", kernel: "Netlink | None" = None
) -> list[str]:
    """What these results promise and an ADD that has just succeeded did not make, for `verify` to leave out.

    The kernel has no interface of a device that is driven in user space (DPDK), though the result names one. Addresses
    and routes are looked at only where an interface is not there, or an address has none. `kernel` is a socket in the
    namespace, where there is one already; it is closed. Raises as `verify`.
    """
    parts = list(parts)
    with kernel or open_in(netns) as inside:
        links = inside.links()
        if all(_is_plain(result, links) for _, result in parts):
            return []
        snapshot = _snapshot(inside, links)
    return [f"{ifname} {gap.key}" for ifname, gap in _gaps(parts, snapshot, ())]


def _is_plain(result: "Result", links: "Container[str]") -> bool:
    return all(link["name"] in links for link in _in_pod(result)) and all(
        "interface" in ip for ip in result.ips
    )


def _in_pod(result: "Result") -> "list[dict[str, Any]]":
    return [link for link in result.interfaces if link.get("sandbox")]


def _snapshot(kernel: "Netlink", links: "dict[str, LeanLink]") -> Snapshot:
    return Snapshot(links, kernel.addresses(), {v4: kernel.default_routes(v4) for v4 in (True, False)})


class Gap(Value):
    """Something that a result promises and the namespace has not: a key that stays the same, and a sentence."""

    __slots__ = ("key", "sentence")

    def __init__(self, key: str, sentence: str) -> None:
        self.key = key
        self.sentence = sentence


def _gaps(
    parts: "Iterable[tuple[str, Result]]", snapshot: Snapshot, absent: "Collection[str]"
) -> "Iterator[tuple[str, Gap]]":
    for ifname, result in parts:
        for gap in _gaps_of(result, snapshot):
            if f"{ifname} {gap.key}" not in absent:
                yield ifname, gap


def missing(result: "Result", snapshot: Snapshot) -> "Iterator[str]":
    """What a result promises and the namespace has not, one sentence each."""
    return (gap.sentence for gap in _gaps_of(result, snapshot))


def _gaps_of(result: "Result", snapshot: Snapshot) -> "Iterator[Gap]":
    in_pod = _in_pod(result)
    for link in in_pod:
        yield from _missing_link(link, snapshot)
    for ip in result.ips:
        yield from _missing_address(ip, result, snapshot)
    indexes = {snapshot.links[link["name"]].index for link in in_pod if link["name"] in snapshot.links}
    for v4 in (True, False):
        if default_routes(result, v4) and not _has_default(snapshot.defaults.get(v4, []), indexes):
            family = "IPv4" if v4 else "IPv6"
            yield Gap(f"default {family}", f"no {family} default route leads through this network any more")


def _missing_link(promised: "dict[str, Any]", snapshot: Snapshot) -> "Iterator[Gap]":
    name = promised["name"]
    found = snapshot.links.get(name)
    mac = promised.get("mac", "").lower()
    if found is None:
        in_user_space = promised.get("socketPath") or promised.get("pciID")  # the kernel has no link of it
        if not in_user_space:
            yield Gap(f"link {name}", f"interface {name} is gone")
    elif mac not in {"", found.mac}:
        yield Gap(f"mac {name}", f"interface {name} has the MAC address {found.mac or 'none'}, not {mac}")


def _missing_address(ip: "dict[str, Any]", result: "Result", snapshot: Snapshot) -> "Iterator[Gap]":
    """Lengths are not compared: some plugins report the subnet's and configure /32."""
    link = result.interfaces[ip["interface"]] if "interface" in ip else None
    if link is not None and (not link.get("sandbox") or link["name"] not in snapshot.links):
        return  # the host's address, or named already
    index = snapshot.links[link["name"]].index if link else None
    address = host(ip["address"])
    if not any(host(got.prefix) == address and index in {None, got.ifindex} for got in snapshot.addresses):
        where = f" from {link['name']}" if link else ""
        yield Gap(f"address {ip['address']}", f"address {ip['address']} is gone{where}")


def _has_default(routes: "list[DefaultRoute]", indexes: set[int]) -> bool:
    """Through one of these interfaces; through any where the result names none. 0: a route over several."""
    return any(not indexes or route.ifindex in indexes or not route.ifindex for route in routes)
