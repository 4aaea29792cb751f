"""vlan: a tagged subinterface of a parent, moved into the pod.

containernetworking/plugins, main/vlan.
"""

from __future__ import annotations

from genie_core.catalog.plugin import (
    JSON,
    LINK_IN_CONTAINER,
    MTU,
    Field,
    Ipam,
    NodeView,
    Plugin,
    Role,
    Wanted,
    check_master,
    given,
    pick_master,
)


def _template(wanted: Wanted, node: NodeView) -> JSON:
    return {"master": pick_master(wanted, node), "vlanId": wanted.vlan or 100} | given(mtu=wanted.mtu)


PLUGIN = Plugin(
    type="vlan",
    role=Role.INTERFACE,
    summary="a VLAN of a parent interface of the node",
    fields=(
        Field("master", "interface", "the parent", required=True),
        MTU,
        LINK_IN_CONTAINER,
        Field("vlanId", "integer", "the VLAN's number", required=True, minimum=0, maximum=4094),
    ),
    ipam=Ipam.REQUIRED,
    checks=(check_master,),
    template=_template,
    needs="8021q",
    on_lan=True,
    docs="https://www.cni.dev/plugins/current/main/vlan/",
)
