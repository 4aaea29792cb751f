"""ovs: a port of an Open vSwitch bridge. k8snetworkplumbingwg/ovs-cni."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.bridge import TRUNK
from genie_core.catalog.plugin import MTU, Field, Ipam, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "ovs", "bridge": wanted.bridge or "br0"}
    entry |= {"vlan": wanted.vlan} if wanted.vlan else {}
    return entry | ({"mtu": wanted.mtu} if wanted.mtu else {})


PLUGIN = Plugin(
    type="ovs",
    role=Role.INTERFACE,
    summary="a port of an Open vSwitch bridge, which must exist",
    fields=(
        Field(name="bridge", kind="interface", doc="the bridge; may come from the device's resource name"),
        Field(name="vlan", kind="integer", minimum=0, maximum=4094, doc="VLAN; absent: a trunk port"),
        MTU,
        Field(name="trunk", kind="array", doc="VLANs that the port carries", items=TRUNK.items),
        Field(name="ofport_request", kind="integer", minimum=0, doc="the OpenFlow port to ask for"),
        Field(name="interface_type", doc="type of the OVS interface"),
        Field(name="deviceID", doc="PCI address, for hardware offload"),
        Field(name="configuration_path", doc="a file with more options"),
        Field(name="socket_file", doc="the OVS database's socket"),
        Field(
            name="link_state_check_retries", kind="integer", minimum=0, doc="how often to look for the link"
        ),
        Field(name="link_state_check_interval", kind="integer", minimum=0, doc="milliseconds between them"),
    ),
    capabilities=("mac", "deviceID"),
    ipam=Ipam.OPTIONAL,
    template=_template,
    needs="openvswitch",
    on_lan=True,
    docs="https://github.com/k8snetworkplumbingwg/ovs-cni",
)
