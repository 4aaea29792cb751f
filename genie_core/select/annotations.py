"""Annotations -> wishes: which networks a pod asks for, in order (conformance D01-D05, C09).

Pure; on the kubelet path. Each dialect has its own parser; `wishes_of` holds their precedence, in one place.
"""

from ..errors import InvalidConfig
from ..model import Wish
from ..spec.request import ifname_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CNI = "cni"
NETWORKS = "networks"
NPWG_NETWORKS = "k8s.v1.cni.cncf.io/networks"
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"


def parse_names(value: str, origin: str) -> list[Wish]:
    """`a, b@eth3, a` -> wishes. Raises InvalidConfig naming the item (D03, D05, X36)."""
    return [
        _parse_item(item.strip(), f"{origin}, item {index}") for index, item in enumerate(value.split(","), 1)
    ]


def _parse_item(item: str, where: str) -> Wish:
    if not item:
        raise InvalidConfig(
            f"{where} is empty", hint="remove the extra comma, or name a network: name or name@interface"
        )
    origin = f'{where} ("{_printable(item)}")'
    name, at, ifname = (part.strip() for part in item.partition("@"))
    if not name:
        raise InvalidConfig(f"{origin}: no network before the '@'", hint="write name@interface")
    if any(char in "/\\:" or char.isspace() or not char.isprintable() for char in name):
        raise InvalidConfig(f"{origin}: a network's name has no '/', ':' or spaces in it")
    if at:
        check_ifname(ifname, origin)
    return Wish(name, ifname, origin)


def check_ifname(ifname: str, origin: str) -> None:
    """Raise InvalidConfig where the kernel, or the pod, could not take the name (C06)."""
    problem = "lo is the loopback interface" if ifname == "lo" else ifname_problem(ifname)
    if "@" in ifname:
        problem = "there is more than one '@'"
    if problem:
        raise InvalidConfig(
            f"{origin}: {problem}",
            hint="an interface name has 1 to 15 bytes, without '/', ':' and spaces: name@eth3",
        )


def _printable(text: str) -> str:
    """At most 80 printable characters of what somebody wrote, for a message."""
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def wishes_of(annotations: "Mapping[str, str]") -> list[Wish] | None:
    """The networks that the annotations name; None where the cluster's default applies.

    Raises InvalidConfig for what cannot be read, and for a dialect that this version does not do: an
    annotation is never ignored (design, section 3: fail closed).
    """
    for key in (NPWG_NETWORKS, DEFAULT_NETWORK):
        if annotations.get(key, "").strip():
            raise InvalidConfig(
                f"annotation {key} names networks, and this version of Genie does not read it yet",
                hint="name networks with the annotation `cni` instead",
            )
    cni = annotations.get(CNI)
    if cni is not None and cni.strip():
        return parse_names(cni, f"annotation {CNI}")
    if annotations.get(NETWORKS, "").strip():
        raise InvalidConfig(
            f"annotation {NETWORKS} names logical networks, and this version of Genie does not read it yet",
            hint="name networks with the annotation `cni` instead",
        )
    if cni is not None:
        raise InvalidConfig(
            f"annotation {CNI} is blank, which asks for a network chosen by load, and this version of Genie does not do that yet",
            hint="remove the annotation for the default network, or name one",
        )
    return None
