"""The annotation `cni`: names of the node's networks, `name` or `name@interface` (conformance D03-D06, C09).

The other dialects share its checks. Pure; on the kubelet path.
"""

from genie_core.dialects import CNI
from genie_core.errors import InvalidConfig
from genie_core.model import Selection
from genie_core.spec.request import ifname_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from genie_core.model import Choice

    class Finds(Protocol):
        """The chooser."""

        def by_name(self, selection: Selection) -> Choice: ...


# An annotation has room for 100,000, each with a request to the API server and a plugin to run.
MAX_NETWORKS = 256
# Interface names that the kernel has a use of its own for (linux/net/ipv4/devinet.c, sysctl_dev_name_is_allowed).
_TAKEN = {
    "lo": "lo is the loopback interface",
    **{name: f"interface name {name} means the settings of all interfaces" for name in ("all", "default")},
}


def choose(chooser: "Finds", annotations: "Mapping[str, str]") -> "tuple[list[Choice], list[Choice]]":
    """The network of each name, in order. Raises GenieError naming the item."""
    return [chooser.by_name(selection) for selection in selections(annotations[CNI], "")], []


def selections(text: str, _namespace: str) -> "list[Selection]":
    """What the annotation names. Raises InvalidConfig naming the item."""
    return parse_names(text, f"annotation {CNI}")


def parse_names(value: str, origin: str) -> list[Selection]:
    """`a, b@eth3, a` -> selections. Raises InvalidConfig naming the item (D03, D05, X36)."""
    items = value.split(",")
    check_count(len(items), origin)
    return [parse_name(item, f"{origin}, item {index}") for index, item in enumerate(items, 1)]


def check_count(count: int, origin: str) -> None:
    """Raise InvalidConfig where that is more than a pod could mean."""
    if count > MAX_NETWORKS:
        raise InvalidConfig(
            f"{origin}: {count} networks, where a pod may have {MAX_NETWORKS}", hint="name fewer networks"
        )


def parse_name(text: str, where: str) -> Selection:
    """`name` or `name@interface`. Raises InvalidConfig; `where` is the item's place."""
    item = text.strip()
    if not item:
        raise InvalidConfig(
            f"{where} is empty", hint="remove the extra comma, or name a network: name or name@interface"
        )
    origin = f'{where} ("{printable(item)}")'
    name, at, ifname = (part.strip() for part in item.partition("@"))
    if not name:
        raise InvalidConfig(f"{origin}: no network before the '@'", hint="write name@interface")
    if any(char in "/\\:" or char.isspace() or not char.isprintable() for char in name):
        raise InvalidConfig(f"{origin}: a network's name has no '/', ':' or spaces in it")
    if at:
        check_ifname(ifname, origin)
    return Selection(name, ifname, origin)


def check_ifname(ifname: str, origin: str) -> None:
    """Raise InvalidConfig where the kernel, or the pod, could not take the name (C06).

    The kernel would take quotes and brackets too. Plugins put the name into commands of nft and iptables, so pods may
    use letters, digits and `_.-+` only, and no '-' at the beginning, where it is an option.
    """
    problem = _TAKEN.get(ifname) or ifname_problem(ifname)
    if ifname.startswith("-"):
        problem = "interface name begins with '-'"
    if "@" in ifname:
        problem = "there is more than one '@'"
    if not problem and not all(char.isalnum() or char in "_.-+" for char in ifname):
        problem = "interface name has other characters than letters, digits, '_', '.', '-' and '+'"
    if problem:
        raise InvalidConfig(
            f"{origin}: {problem}",
            hint="an interface name has 1 to 15 bytes of letters, digits, '_', '.' and '-': name@eth3",
        )


def printable(text: str) -> str:
    """At most 80 printable characters of a text, for a message."""
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= 80 else shown[:77] + "..."
