"""host-local's ranges and where it keeps leases: the one reading of them, for choosing a network and for checks.

Source: containernetworking/plugins, plugins/ipam/host-local/backend/allocator/range.go, `Canonicalize` and `Contains`.
`ipaddress` costs 3 ms, so it is imported where ranges are read. Pure; on the kubelet path.
"""

from genie_core.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
    from typing import Any

    Network = IPv4Network | IPv6Network
    Address = IPv4Address | IPv6Address

_FIRST, _LAST = 1, -2  # the network's own address, and broadcast or the last one, are not handed out


class Span(Value):
    """One range: the addresses from `first` to `last` of a subnet, less the gateway.

    `path` is where it is written; `group` is the number of its range set: a pod gets one address of each set.
    """

    __slots__ = ("first", "gateway", "group", "last", "path", "subnet")

    def __init__(
        self,
        path: str,
        subnet: "Network",
        first: "Address",
        last: "Address",
        gateway: "Address",
        group: int = 0,
    ) -> None:
        self.path = path
        self.subnet = subnet
        self.first = first
        self.last = last
        self.gateway = gateway
        self.group = group

    @property
    def size(self) -> int:
        """How many addresses can be leased."""
        return int(self.last) - int(self.first) + 1 - (self.gateway in self)

    def __contains__(self, address: "Address") -> bool:
        return address.version == self.subnet.version and int(self.first) <= int(address) <= int(self.last)


def raw_ranges(ipam: "Mapping[str, Any]", where: str) -> "Iterator[tuple[str, Mapping[str, Any]]]":
    """(path, range object) of the short form and of `ranges`, as far as they are objects."""
    for path, entry, _ in _grouped(ipam, where):
        yield path, entry


def _grouped(ipam: "Mapping[str, Any]", where: str) -> "Iterator[tuple[str, Mapping[str, Any], int]]":
    """(path, range object, number of its set). host-local puts the short form in front, as a set of its own."""
    if ipam.get("subnet"):
        yield where, ipam, 0
    ranges = ipam.get("ranges")
    for number, group in enumerate(ranges if isinstance(ranges, list) else []):
        for index, entry in enumerate(group if isinstance(group, list) else []):
            if isinstance(entry, dict):
                path = f"{where}.ranges[{number}][{index}]" if where else f"ranges[{number}][{index}]"
                yield path, entry, number + bool(ipam.get("subnet"))


def span(entry: "Mapping[str, Any]", path: str, group: int = 0) -> Span:
    """A range object as a span. Raises ValueError for what host-local refuses or cannot read."""
    from ipaddress import ip_address, ip_network

    subnet = ip_network(str(entry.get("subnet")))
    if subnet.num_addresses < 4:
        raise ValueError(f"{subnet} is too small: host-local takes /30 (IPv6: /126) and larger")
    edge = {
        "rangeStart": subnet[_FIRST],
        "rangeEnd": subnet[_LAST] if subnet.version == 4 else subnet[-1],
        "gateway": subnet[_FIRST],
    }
    for key in edge:
        if entry.get(key):
            edge[key] = ip_address(str(entry[key]))
    return Span(path, subnet, edge["rangeStart"], edge["rangeEnd"], edge["gateway"], group)


def spans(ipam: "Mapping[str, Any]", where: str = "") -> "Iterator[Span]":
    """The ranges that host-local would accept."""
    for path, entry, group in _grouped(ipam, where):
        try:
            yield span(entry, path, group)
        except ValueError:
            continue


def use_of(known: "list[Span]", leased: "list[Address]") -> dict[int, tuple[int, int]]:
    """(leased, size) of each range set, by its number."""
    uses: dict[int, tuple[int, int]] = {}
    for item in known:
        used, size = uses.get(item.group, (0, 0))
        uses[item.group] = (used + sum(address in item for address in leased), size + max(item.size, 0))
    return uses
