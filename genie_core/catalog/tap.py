"""tap: a tap device, for virtual machines. containernetworking/plugins, main/tap (>= 1.4)."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import MTU, Field, Ipam, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "tap", "multiQueue": False}
    entry |= {"bridge": wanted.bridge} if wanted.bridge else {}
    return entry | ({"mtu": wanted.mtu} if wanted.mtu else {})


PLUGIN = Plugin(
    type="tap",
    role=Role.INTERFACE,
    summary="a tap device in the pod, for a virtual machine",
    fields=(
        Field(name="mac", kind="mac", doc="MAC of the device"),
        MTU,
        Field(name="selinuxContext", doc="SELinux context of the device"),
        Field(name="multiQueue", kind="boolean", default=False, doc="one queue for each CPU"),
        Field(name="owner", kind="integer", minimum=0, doc="user that owns the device"),
        Field(name="group", kind="integer", minimum=0, doc="group that owns the device"),
        Field(name="bridge", kind="interface", doc="bridge in the pod to put it in"),
    ),
    capabilities=("mac",),
    ipam=Ipam.OPTIONAL,
    template=_template,
    needs="tun",
    docs="https://www.cni.dev/plugins/current/main/tap/",
)
