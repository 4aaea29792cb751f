"""macvlan: interfaces with MAC addresses of their own on one parent.

They cannot reach the node itself: the kernel keeps parent and children apart.

containernetworking/plugins, main/macvlan.
"""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import (
    MTU,
    Field,
    Ipam,
    NodeView,
    Plugin,
    Role,
    Wanted,
    check_master,
    pick_master,
)


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "macvlan", "master": pick_master(wanted, node)}
    entry |= {"mode": wanted.mode or "bridge"}
    return entry | ({"mtu": wanted.mtu} if wanted.mtu else {})


PLUGIN = Plugin(
    type="macvlan",
    role=Role.INTERFACE,
    summary="an interface with its own MAC on a parent of the node",
    fields=(
        Field(name="master", kind="interface", doc="the parent; absent: the interface of the default route"),
        Field(
            name="mode",
            choices=("bridge", "private", "vepa", "passthru"),
            default="bridge",
            doc="how siblings reach each other",
        ),
        MTU,
        Field(
            name="linkInContainer", kind="boolean", default=False, doc="the parent is in the pod's namespace"
        ),
        Field(name="bcqueuelen", kind="integer", minimum=0, doc="broadcast queue length (plugins >= 1.4)"),
    ),
    capabilities=("mac",),
    ipam=Ipam.OPTIONAL,
    checks=(check_master,),
    template=_template,
    needs="macvlan",
    on_lan=True,
    docs="https://www.cni.dev/plugins/current/main/macvlan/",
)
