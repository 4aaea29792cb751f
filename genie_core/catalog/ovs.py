"""ovs: a port of an Open vSwitch bridge. k8snetworkplumbingwg/ovs-cni."""

from __future__ import annotations

from genie_core.catalog.bridge import TRUNK
from genie_core.catalog.plugin import JSON, MTU, Field, Ipam, NodeView, Plugin, Role, Wanted, given


def _template(wanted: Wanted, node: NodeView) -> JSON:
    return {"bridge": wanted.bridge or "br0"} | given(vlan=wanted.vlan, mtu=wanted.mtu)


PLUGIN = Plugin(
    type="ovs",
    role=Role.INTERFACE,
    summary="a port of an Open vSwitch bridge, which must exist",
    fields=(
        Field("bridge", "interface", "the bridge; may come from the device's resource name"),
        Field("vlan", "integer", "VLAN; absent: a trunk port", minimum=0, maximum=4094),
        MTU,
        Field("trunk", "array", "VLANs that the port carries", items=TRUNK.items),
        Field("ofport_request", "integer", "the OpenFlow port to ask for", minimum=0),
        Field("interface_type", doc="type of the OVS interface"),
        Field("deviceID", doc="PCI address, for hardware offload"),
        Field("configuration_path", doc="a file with more options"),
        Field("socket_file", doc="the OVS database's socket"),
        Field("link_state_check_retries", "integer", "how often to look for the link", minimum=0),
        Field("link_state_check_interval", "integer", "milliseconds between them", minimum=0),
    ),
    capabilities=("mac", "deviceID"),
    ipam=Ipam.OPTIONAL,
    template=_template,
    needs="openvswitch",
    on_lan=True,
    docs="https://github.com/k8snetworkplumbingwg/ovs-cni",
)
