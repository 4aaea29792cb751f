"""The annotation `networks`: logical networks on physical ones, as CNI-Genie has them (conformance D19-D24, X27).

The rules of its admission webhook are checked here again, since a cluster may run without it. On the kubelet
path; `ipaddress` (3 ms) is imported when the annotation is used.
"""

from genie_core.errors import InvalidConfig
from genie_core.fields import get_bool, get_object, get_str
from genie_core.jsontext import encode, join_members, members
from genie_core.model import Choice, PluginConf, Value, Wish
from genie_core.select.annotations import parse_names
from genie_core.spec.names import is_subdomain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Network, IPv6Network
    from typing import Any

    from genie_core.model import NetConf
    from genie_core.select.choose import Chooser

    Subnet = IPv4Network | IPv6Network

# Where each IPAM plugin keeps its subnet; the others read `subnet`, or `ranges` if that is there.
_SUBNET_KEYS = {"whereabouts": "range"}
_POOL_KEYS = {"calico-ipam": ("ipv4_pools", "ipv6_pools")}
_WITHIN_SUBNET = ("rangeStart", "rangeEnd", "range_start", "range_end", "gateway")


class LogicalNetwork(Value):
    """A LogicalNetwork's specification. Every field may be ""."""

    __slots__ = ("name", "physical", "plugin", "subnet")

    def __init__(self, name: str, physical: str, plugin: str, subnet: str) -> None:
        self.name = name
        self.physical = physical
        self.plugin = plugin
        self.subnet = subnet


def choose(chooser: "Chooser", annotation: str) -> list[Choice]:
    """The networks that the annotation names, in order. Raises InvalidConfig naming the item."""
    # `name:interface` is what CNI-Genie's own sample says
    value = ",".join(item if "@" in item else item.replace(":", "@", 1) for item in annotation.split(","))
    return [_choice(chooser, wish) for wish in parse_names(value, "annotation networks")]


def _choice(chooser: "Chooser", wish: Wish) -> Choice:
    if not is_subdomain(wish.name):
        raise InvalidConfig(f"{wish.origin}: {wish.name!r} is no name of a LogicalNetwork")
    namespace = chooser.namespace
    logical = _logical(
        chooser.objects.logical_network(namespace, wish.name, wish.origin), wish.name, namespace
    )
    plugin, subnet = _plugin_and_subnet(chooser, logical, wish)
    named = Wish(plugin, wish.ifname, f"{wish.origin}, plugin of Logicalnetwork {namespace}/{wish.name}")
    network = chooser.by_name(named).network
    if subnet:
        network = with_subnet(
            network, parse_subnet(subnet, f"{wish.origin}: subnet of Logicalnetwork {wish.name}")
        )
    return Choice(wish, network, label=f"{namespace}/{wish.name}")


def _logical(definition: "Mapping[str, Any]", name: str, namespace: str) -> LogicalNetwork:
    where = f"Logicalnetwork {namespace}/{name}: spec"
    spec = get_object(definition, "spec", where=f"Logicalnetwork {namespace}/{name}")
    return LogicalNetwork(
        name,
        physical=get_str(spec, "physicalNet", where=where),
        plugin=get_str(spec, "plugin", where=where),
        subnet=get_str(spec, "sub_subnet", where=where),
    )


def _plugin_and_subnet(chooser: "Chooser", logical: LogicalNetwork, wish: Wish) -> tuple[str, str]:
    """What to run, and on which subnet ("": the one in its configuration)."""
    if not logical.physical:
        if not logical.plugin:
            raise InvalidConfig(
                f"{wish.origin}: failed to find physical network mapping in logical network {logical.name}",
                hint="set spec.physicalNet, or spec.plugin",
            )
        return logical.plugin, logical.subnet
    if not is_subdomain(logical.physical):
        raise InvalidConfig(
            f"{wish.origin}: spec.physicalNet {logical.physical!r} is no name of a PhysicalNetwork"
        )
    where = f"Physicalnetwork {chooser.namespace}/{logical.physical}"
    spec = get_object(
        chooser.objects.physical_network(chooser.namespace, logical.physical, wish.origin),
        "spec",
        where=where,
    )
    # CNI-Genie's sample of a shared network spells it so
    status = get_object(spec, "sharedStatus", where=where) or get_object(spec, "sharedStaus", where=where)
    whole = get_str(status, "subnet", where=f"{where}: sharedStatus")
    _require_inside(logical, whole, wish, where)
    if get_bool(status, "dedicatedNet", where=f"{where}: sharedStatus"):
        plugin = get_str(status, "plugin", where=f"{where}: sharedStatus")
        if not plugin:
            raise InvalidConfig(
                f"{wish.origin}: {where} is dedicated and names no plugin",
                hint="set spec.sharedStatus.plugin",
            )
        return plugin, logical.subnet or whole
    _require_shared(chooser, logical, wish)
    return logical.plugin, logical.subnet


def _require_inside(logical: LogicalNetwork, whole: str, wish: Wish, where: str) -> None:
    """The sub-subnet must be part of the physical network's subnet."""
    if not logical.subnet or not whole:
        return
    part = parse_subnet(logical.subnet, f"{wish.origin}: spec.sub_subnet")
    around = parse_subnet(whole, f"{wish.origin}: subnet of {where}")
    if part.version != around.version or not part.subnet_of(around):  # type: ignore[arg-type]  # same version
        raise InvalidConfig(
            f"{wish.origin}: sub_subnet {part} is not inside {around}, the subnet of {where}",
            hint="choose a part of it that no other logical network has",
        )


def _require_shared(chooser: "Chooser", logical: LogicalNetwork, wish: Wish) -> None:
    """On a shared physical network each logical one brings a plugin, and a subnet of its own (conformance D24)."""
    for key, value in (("plugin", logical.plugin), ("sub_subnet", logical.subnet)):
        if not value:
            raise InvalidConfig(
                f"{wish.origin}: Logicalnetwork {logical.name} is on the shared network {logical.physical} "
                f"and has no spec.{key}",
                hint=f"set spec.{key}",
            )
    own = parse_subnet(logical.subnet, f"{wish.origin}: spec.sub_subnet")
    for definition in chooser.objects.logical_networks(chooser.namespace):
        name = get_str(get_object(definition, "metadata"), "name")
        other = _logical(definition, name, chooser.namespace)
        if name != logical.name and other.physical == logical.physical and _overlaps(own, other.subnet):
            raise InvalidConfig(
                f"{wish.origin}: sub_subnet {own} overlaps {other.subnet} of Logicalnetwork {chooser.namespace}/{name}",
                hint="give each logical network of a physical one a subnet of its own",
            )


def _overlaps(own: "Subnet", text: str) -> bool:
    if not text:
        return False
    try:
        other = parse_subnet(text, "")
    except InvalidConfig:
        return False  # the other one's own pods hear of it
    return own.version == other.version and own.overlaps(other)


def parse_subnet(text: str, where: str) -> "Subnet":
    """A subnet without host bits, which IPAM plugins refuse. Raises InvalidConfig."""
    from ipaddress import ip_interface, ip_network

    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        better = ip_interface(text).network
    except ValueError:
        raise InvalidConfig(f"{where}: {text!r} is no subnet", hint='write "10.1.0.0/16"') from None
    raise InvalidConfig(f"{where}: {text} has host bits set", hint=f"write {better}")


def with_subnet(network: "NetConf", subnet: "Subnet") -> "NetConf":
    """The network with the subnet in its first plugin's IPAM, whatever form that has (conformance D22)."""
    first = network.plugins[0]
    parts = members(first.text)
    raw = parts.get("ipam", "null")
    if raw != "null" and raw[0] != "{":
        raise InvalidConfig(f"{network.source}: ipam must be an object")
    parts["ipam"] = join_members(_placed({} if raw == "null" else members(raw), subnet))
    return network.replace(plugins=[PluginConf(first.type, join_members(parts)), *network.plugins[1:]])


def _placed(ipam: dict[str, str], subnet: "Subnet") -> dict[str, str]:
    text = encode(str(subnet))
    kept = {key: raw for key, raw in ipam.items() if key not in _WITHIN_SUBNET or _is_in(raw, subnet)}
    type_ = kept.get("type", "").strip('"')
    if type_ in _POOL_KEYS:
        kept[_POOL_KEYS[type_][subnet.version == 6]] = f"[{text}]"
    elif "ranges" in kept:  # host-local would add a `subnet` to them, and give two addresses
        kept.pop("subnet", None)
        kept["ranges"] = f'[[{{"subnet":{text}}}]]'
    else:
        kept[_SUBNET_KEYS.get(type_, "subnet")] = text
    return kept


def _is_in(raw: str, subnet: "Subnet") -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(raw.strip('"')) in subnet
    except ValueError:
        return False
