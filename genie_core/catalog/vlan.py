"""vlan: a tagged subinterface of a parent, moved into the pod.

containernetworking/plugins, main/vlan.
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
    entry: dict[str, Any] = {"type": "vlan", "master": pick_master(wanted, node)}
    entry |= {"vlanId": wanted.vlan or 100}
    return entry | ({"mtu": wanted.mtu} if wanted.mtu else {})


PLUGIN = Plugin(
    type="vlan",
    role=Role.INTERFACE,
    summary="a VLAN of a parent interface of the node",
    fields=(
        Field(name="master", kind="interface", required=True, doc="the parent"),
        MTU,
        Field(
            name="linkInContainer", kind="boolean", default=False, doc="the parent is in the pod's namespace"
        ),
        Field(name="vlanId", kind="integer", required=True, minimum=0, maximum=4094, doc="the VLAN's number"),
    ),
    ipam=Ipam.REQUIRED,
    checks=(check_master,),
    template=_template,
    needs="8021q",
    on_lan=True,
    docs="https://www.cni.dev/plugins/current/main/vlan/",
)
