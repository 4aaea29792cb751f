"""tap: a tap device, for virtual machines. containernetworking/plugins, main/tap (>= 1.4)."""

from __future__ import annotations

from genie_core.catalog.plugin import JSON, MTU, Field, Ipam, NodeView, Plugin, Role, Wanted, given


def _template(wanted: Wanted, node: NodeView) -> JSON:
    return {"multiQueue": False} | given(bridge=wanted.bridge, mtu=wanted.mtu)


PLUGIN = Plugin(
    type="tap",
    role=Role.INTERFACE,
    summary="a tap device in the pod, for a virtual machine",
    fields=(
        Field("mac", "mac", "MAC of the device"),
        MTU,
        Field("selinuxContext", doc="SELinux context of the device"),
        Field("multiQueue", "boolean", "one queue for each CPU", default=False),
        Field("owner", "integer", "user that owns the device", minimum=0),
        Field("group", "integer", "group that owns the device", minimum=0),
        Field("bridge", "interface", "bridge in the pod to put it in"),
    ),
    capabilities=("mac",),
    ipam=Ipam.OPTIONAL,
    template=_template,
    needs="tun",
    docs="https://www.cni.dev/plugins/current/main/tap/",
)
