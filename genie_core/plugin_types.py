"""The one table of plugin types that the kubelet path treats specially. Pure.

`genie_core.catalog` has a module per type for people (fields, checks, templates). A type whose plugin behaves as the
CNI specification says needs no row here.
"""

from genie_core.gojson import GoObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class PluginType:
    """One type. A plugin that makes interfaces:

    `in_pod`: what it makes, but addresses, is gone with the pod's namespace.
    `plain`: it configures its interface exactly as its result says (plugins/pkg/ipam/ipam_linux.go, ConfigureIface).
    `enforced`: where on the node all packets of its interface can be filtered: on "bridge" ports, or on its own "veth".
    `userspace`: its packets do not pass the kernel.
    `masquerades`: with `ipMasq` its DEL leaves rules where it finds no interface (edges/masquerade.py).
    `routed`: the node reaches its pods by the node's routing table, so their subnets must not overlap.
    `has_parent`: its interface has a parent on the node, named by the key `master`.
    `apart`: the kernel keeps its interface apart from the parent's own, so the node does not reach it.
    `leaves_ipam`: its DEL calls no IPAM plugin where there is no namespace.
    `no_subnet`: why a logical network cannot give it a subnet, "" where it can.
    `host_prefix`: how CNI-Genie recognised its interfaces on the node.

    A chained plugin that is `inert` changes neither addresses nor routes.

    An IPAM plugin: `subnet_key` is where it has its subnet, `pool_keys` where it takes lists, for IPv4 and for IPv6.
    `takes_args`: it takes addresses as `ips` in args.cni (CONVENTIONS.md, "args in network config").
    """

    in_pod = plain = userspace = masquerades = routed = has_parent = apart = leaves_ipam = False
    inert = takes_args = False
    enforced = no_subnet = host_prefix = ""
    subnet_key = "subnet"
    pool_keys: "Sequence[str]" = ()

    def __init__(self, **special: "Any") -> None:
        self.__dict__.update(special)


_IN_POD = PluginType(in_pod=True)
_PLAIN = PluginType(in_pod=True, plain=True)
_ON_PARENT = PluginType(in_pod=True, plain=True, has_parent=True, apart=True)
_INERT = PluginType(inert=True)
_USERSPACE = PluginType(userspace=True)
_DISPATCHER = PluginType(no_subnet="Multus calls other plugins, which have subnets of their own")
_CALICO = PluginType(host_prefix="cali")
_TAKES_ARGS = PluginType(takes_args=True)

TYPES = {
    "bridge": PluginType(in_pod=True, plain=True, masquerades=True, routed=True, enforced="bridge"),
    "ptp": PluginType(in_pod=True, plain=True, masquerades=True, routed=True, enforced="veth"),
    "macvlan": _ON_PARENT,
    "ipvlan": _ON_PARENT,
    "vlan": PluginType(in_pod=True, plain=True, has_parent=True),
    # plugins v1.1.1 to v1.9.0, plugins/main/host-device/host-device.go, cmdDel
    "host-device": PluginType(in_pod=True, plain=True, leaves_ipam=True),
    "dummy": _PLAIN,
    "tap": _PLAIN,
    "loopback": _IN_POD,
    "tuning": PluginType(in_pod=True, inert=True),
    "sbr": _IN_POD,
    "vrf": _IN_POD,
    "portmap": _INERT,
    "firewall": _INERT,
    "bandwidth": _INERT,
    "userspace": _USERSPACE,
    "vhostuser": _USERSPACE,
    "vhost-user": _USERSPACE,
    "ovs-dpdk": _USERSPACE,
    "flannel": PluginType(
        no_subnet="flannel adds the node's own range, from flanneld's subnet file, to any other subnet",
        host_prefix="flan",
    ),
    "cilium-cni": PluginType(no_subnet="Cilium's agent hands out the addresses"),
    "romana": PluginType(no_subnet="Romana's agent hands out the addresses"),
    "multus": _DISPATCHER,
    "multus-cni": _DISPATCHER,
    "multus-shim": _DISPATCHER,
    "calico": _CALICO,
    "canal": _CALICO,
    "weave": PluginType(host_prefix="weav"),
    "host-local": _TAKES_ARGS,
    "static": _TAKES_ARGS,
    "whereabouts": PluginType(subnet_key="range"),
    "calico-ipam": PluginType(pool_keys=("ipv4_pools", "ipv6_pools")),
}
_OTHER = PluginType()


def plugin_type(name: str) -> PluginType:
    """The row of a type; for an unknown one the behaviour of the specification."""
    return TYPES.get(name, _OTHER)


def maker_of(name: str, conf: "Mapping[str, Any]") -> "tuple[str, Mapping[str, Any]]":
    """The type and the configuration of the plugin that makes the interface.

    flannel has another plugin do it, bridge unless its `delegate` names one (flannel-io/cni-plugin, flannel_linux.go).
    It looks `type` up in a map, so in this spelling alone, and passes the map on with its keys sorted, as json.Marshal
    does; the other plugin takes them in any spelling.
    """
    if name != "flannel":
        return name, conf
    delegate = conf.get("delegate")
    given: dict[str, Any] = {"isGateway": True, **(delegate if isinstance(delegate, dict) else {})}
    return str(given.get("type") or "bridge"), GoObject(sorted(given.items()))
