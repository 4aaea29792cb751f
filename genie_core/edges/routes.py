"""What the kernel tells about the node's interfaces, as far as an ADD needs it (without netlink)."""


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
