"""ipvlan: interfaces that share their parent's MAC.

containernetworking/plugins, main/ipvlan.
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
    entry: dict[str, Any] = {"type": "ipvlan", "master": pick_master(wanted, node)}
    entry |= {"mode": wanted.mode or "l2"}
    return entry | ({"mtu": wanted.mtu} if wanted.mtu else {})


PLUGIN = Plugin(
    type="ipvlan",
    role=Role.INTERFACE,
    summary="an interface that shares the MAC of its parent on the node",
    fields=(
        Field(name="master", kind="interface", doc="the parent; absent: the interface of the default route"),
        Field(
            name="mode", choices=("l2", "l3", "l3s"), default="l2", doc="switched (l2) or routed (l3, l3s)"
        ),
        MTU,
        Field(
            name="linkInContainer", kind="boolean", default=False, doc="the parent is in the pod's namespace"
        ),
    ),
    ipam=Ipam.REQUIRED,
    checks=(check_master,),
    template=_template,
    needs="ipvlan",
    on_lan=True,
    docs="https://www.cni.dev/plugins/current/main/ipvlan/",
)
