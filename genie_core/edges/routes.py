"""The node's interfaces and routes as /proc has them, as far as an ADD needs them (without netlink)."""

from sys import byteorder


def default_interface() -> str:
    """The interface of the IPv4 default route with the lowest metric; "" where there is none (conformance X35).

    Source: proc_net(5), /proc/net/route: hexadecimal destination and mask, decimal metric.
    """
    routes = []
    try:
        with open("/proc/net/route", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if fields[1] == fields[7] == "00000000":
                    routes.append((int(fields[6]), fields[0]))
    except (OSError, IndexError, ValueError):
        return ""
    return min(routes)[1] if routes else ""


def interface_exists(name: str) -> bool:
    """Whether this network namespace has an interface of that name, or of that alternative name (ip-link(8))."""
    from _socket import if_nametoindex

    try:
        return bool(if_nametoindex(name))
    except (OSError, ValueError):
        return False


def on_link_routes() -> list[tuple[str, str]]:
    """(interface, subnet) of the node's routes without a gateway, but for those to everything and to one address.

    Sources: proc_net(5); linux/net/ipv6/route.c, rt6_info_route: destination, length, source, length, next hop,
    metric, reference count, use, flags, interface.
    """
    from _socket import AF_INET, AF_INET6, inet_ntop

    found = []
    for fields in _lines("/proc/net/route", 11)[1:]:
        interface, destination, gateway, mask = fields[0], fields[1], fields[2], fields[7]
        length = int(mask, 16).bit_count()
        if gateway == "00000000" and 0 < length < 32:
            address = int(destination, 16).to_bytes(4, byteorder)
            found.append((interface, f"{inet_ntop(AF_INET, address)}/{length}"))
    for fields in _lines("/proc/net/ipv6_route", 10):
        destination, length, hop, interface = fields[0], int(fields[1], 16), fields[4], fields[9]
        if not int(hop, 16) and 0 < length < 128 and destination[:3] not in ("fe8", "ff0"):
            found.append((interface, f"{inet_ntop(AF_INET6, bytes.fromhex(destination))}/{length}"))
    return found


def _lines(path: str, count: int) -> list[list[str]]:
    """The fields of each line that has as many."""
    try:
        with open(path, encoding="ascii") as file:
            return [fields for line in file if len(fields := line.split()) >= count]
    except OSError:
        return []
