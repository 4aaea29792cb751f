"""What a logical network asks of the plugin beneath it: a subnet, a bridge of its own, a parent interface.

Pure; on the kubelet path. `ipaddress` (3 ms) and `hashlib` (3 ms) are imported where a logical network has a subnet.
"""

from genie_core.errors import InvalidConfig
from genie_core.gojson import Members, view
from genie_core.jsontext import encode, join_members
from genie_core.model import PluginConf
from genie_core.plugin_types import plugin_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from genie_core.model import Attachment, NetConf, Result

    Subnet = IPv4Network | IPv6Network

_WITHIN_SUBNET = ("rangeStart", "rangeEnd", "range_start", "range_end", "gateway")
_WITHIN_RANGE = ("rangeStart", "rangeEnd", "gateway")

# What a node needs for itself: with a gateway in one of these, it would lose them, or its default route.
_SPECIAL = {
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "224.0.0.0/4": "multicast",
    "::1/128": "loopback",
    "fe80::/10": "link-local",
    "ff00::/8": "multicast",
}

OWN_BRIDGE_PREFIX = "genie"
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_DIGITS_OF_BRIDGE = 10  # 50 bits; with the prefix 15 characters, the kernel's limit (IFNAMSIZ)


def parse_subnet(text: str, where: str) -> "Subnet":
    """A subnet without host bits, which IPAM plugins refuse. Raises InvalidConfig."""
    from ipaddress import IPv4Interface, IPv6Interface, ip_network

    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        better = (IPv6Interface if ":" in text else IPv4Interface)(text).network
    except ValueError as error:
        example = "fd00:10::/64" if ":" in text else "10.1.0.0/16"
        raise InvalidConfig(
            f"{where}: {text!r} is no subnet: {error}", hint=f'a subnet has the form of "{example}"'
        ) from None
    raise InvalidConfig(f"{where}: {text} has host bits set", hint=f"write {better}")


def require_subnet_support(network: "NetConf", subnet: "Subnet", where: str) -> None:
    """Raise InvalidConfig where the network's plugin takes no subnet, or pods cannot have the subnet's addresses."""
    from ipaddress import ip_network

    for text, what in _SPECIAL.items():
        special = ip_network(text)
        if special.version == subnet.version and special.overlaps(subnet):
            raise InvalidConfig(
                f"{where}: {subnet} holds {what} addresses ({text}), which pods cannot have",
                hint="choose a private subnet: a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or fd00::/8",
            )
    reason = plugin_type(network.plugins[0].type).no_subnet
    if reason:
        raise InvalidConfig(
            f"{where}: network {network.name} cannot have the subnet {subnet}: {reason}",
            hint="leave the subnet out, then pods get addresses as the plugin gives them; "
            "or use a network of bridge, ptp or macvlan with host-local or whereabouts",
        )


def with_subnet(network: "NetConf", subnet: "Subnet") -> "NetConf":
    """The network with the subnet in its first plugin's IPAM, whatever form that has (conformance D22)."""
    raw = Members(network.plugins[0].text).get("ipam")
    if raw != "null" and raw[0] != "{":
        raise InvalidConfig(f"{network.source}: ipam must be an object")
    return _with_first(network, "ipam", _placed(Members("{}" if raw == "null" else raw), subnet))


def _with_first(network: "NetConf", key: str, raw: str) -> "NetConf":
    """The network with one member of its first plugin replaced."""
    first = network.plugins[0]
    parts = Members(first.text)
    parts.set(key, raw)
    return network.replace(plugins=[PluginConf(first.type, parts.text()), *network.plugins[1:]])


def _placed(ipam: Members, subnet: "Subnet") -> str:
    """The IPAM object with the subnet in it."""
    text = encode(str(subnet))
    for key in _WITHIN_SUBNET:
        if not _is_in(ipam.get(key), subnet):
            ipam.drop(key)
    known = plugin_type(ipam.get("type").strip('"'))
    if known.pool_keys:
        ipam.set(known.pool_keys[subnet.version == 6], f"[{text}]")
    elif "ranges" in ipam:  # host-local would add a `subnet` to them, and give two addresses
        ipam.drop("subnet")
        limits = _limits(ipam.get("ranges"), subnet)
        ipam.set("ranges", f"[[{join_members({'subnet': text, **limits})}]]")
    else:
        ipam.set(known.subnet_key, text)
    return ipam.text()


def _limits(raw: str, subnet: "Subnet") -> dict[str, str]:
    """The limits of the first of host-local's ranges that has any inside the subnet, as raw JSON."""
    groups = view(raw)
    for group in groups if isinstance(groups, list) else []:
        for entry in group if isinstance(group, list) else []:
            limits = {
                key: encode(entry[key]) for key in _WITHIN_RANGE if isinstance(entry, dict) and key in entry
            }
            if found := {key: text for key, text in limits.items() if _is_in(text, subnet)}:
                return found
    return {}


def repeats_on_nodes(network: "NetConf") -> bool:
    """Whether every node gives out the same addresses: host-local without limits has its leases on the node."""
    ipam = view(network.plugins[0].text).get("ipam") or {}
    groups = ipam.get("ranges") or [[ipam]]
    limited = all("rangeStart" in entry and "rangeEnd" in entry for group in groups for entry in group)
    return ipam.get("type") == "host-local" and not limited


def _is_in(raw: str, subnet: "Subnet") -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(raw.strip('"')) in subnet
    except ValueError:
        return False


def on_own_bridge(network: "NetConf", label: str, subnet: "Subnet") -> "NetConf":
    """A network of the bridge plugin on a bridge that no other network has; any other network as it is.

    One bridge holds one gateway of a family, so two subnets on it fail each other's pods. It has a name of its own,
    too: IPAM plugins keep their leases by the network's name, and host-local continues after the last of them,
    so that a pod of the file's network would get an address of this one.
    """
    if network.plugins[0].type != "bridge":
        return network
    bridge = bridge_name(label, subnet)
    name = f"{network.name}.{bridge.removeprefix(OWN_BRIDGE_PREFIX)}"
    return _with_first(network, "bridge", encode(bridge)).replace(name=name)


def bridge_name(label: str, subnet: "Subnet") -> str:
    """The bridge of the logical network NAMESPACE/NAME on this subnet.

    The subnet is part of it: where it changes, the pods of before keep their gateway.
    """
    from hashlib import sha256

    number = int.from_bytes(sha256(f"{label} {subnet}".encode()).digest()[:8], "big")
    digits = (_DIGITS[number >> 5 * place & 31] for place in range(_DIGITS_OF_BRIDGE))
    return OWN_BRIDGE_PREFIX + "".join(digits)


def is_own_bridge(name: str) -> bool:
    """Whether an interface has a name as `bridge_name` makes them."""
    digits = name.removeprefix(OWN_BRIDGE_PREFIX)
    return len(digits) == _DIGITS_OF_BRIDGE < len(name) and set(digits) <= set(_DIGITS)


def bridge_number(name: str) -> int:
    """The number below 2**50 that is in the name of such a bridge."""
    return int(name.removeprefix(OWN_BRIDGE_PREFIX), 32)


def own_bridge_of(network: "NetConf") -> str:
    """The bridge that only this logical network has; "" for any other network."""
    first = network.plugins[0]
    if first.type != "bridge":
        return ""
    name = view(first.text).get("bridge")
    return name if isinstance(name, str) and is_own_bridge(name) else ""


def has_master(network: "NetConf") -> bool:
    """Whether the network's interface has a parent on the node, named by the key `master`."""
    first = network.plugins[0]
    return plugin_type(first.type).has_parent and view(first.text).get("linkInContainer") is not True


def with_master(network: "NetConf", nic: str) -> "NetConf":
    """The network with `nic` as the parent of its interfaces, where it has one and `nic` is not ""."""
    return _with_first(network, "master", encode(nic)) if nic and has_master(network) else network


def is_routed_by_node(network: "NetConf") -> bool:
    """Whether the node reaches the network's pods by its own routing table."""
    return plugin_type(network.plugins[0].type).routed


def underlay_of(network: "NetConf") -> str:
    """What the network's packets travel on: two networks of one underlay need subnets apart from each other."""
    first = network.plugins[0]
    if is_routed_by_node(network):
        return "the node's routes"
    if plugin_type(first.type).has_parent:
        body = view(first.text)
        vlan = f" vlan {body.get('vlanId')}" if first.type == "vlan" else ""
        return f"interface {body.get('master') or 'of the default route'}{vlan}"
    return f"plugin {first.type}"


def require_inside(attachment: "Attachment", result: "Result") -> None:
    """Raise InvalidConfig where the pod has an address of the family of `attachment.subnet` that is outside it."""
    from ipaddress import ip_interface, ip_network

    network, around = attachment.network, ip_network(attachment.subnet)
    in_pod = [
        ip_interface(ip["address"])
        for ip in result.ips
        if "interface" not in ip or result.interfaces[ip["interface"]].get("sandbox")
    ]
    wrong = [str(ip) for ip in in_pod if ip.version == around.version and ip.ip not in around]
    if wrong:
        raise InvalidConfig(
            f"network {attachment.label} ({attachment.ifname}): plugin {network.plugins[0].type} gave the pod "
            f"{', '.join(wrong)}, which is outside the network's subnet {around}",
            details=f"the plugin's configuration is {network.source}",
            hint="use an address plugin that takes the subnet, such as host-local or whereabouts; "
            "static and dhcp take their addresses from elsewhere",
        )
