"""ipvlan: interfaces that share their parent's MAC.

containernetworking/plugins, main/ipvlan.
"""

from __future__ import annotations

from genie_core.catalog.plugin import (
    JSON,
    LINK_IN_CONTAINER,
    MASTER,
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
    return {"master": pick_master(wanted, node), "mode": wanted.mode or "l2"} | given(mtu=wanted.mtu)


PLUGIN = Plugin(
    type="ipvlan",
    role=Role.INTERFACE,
    summary="an interface that shares the MAC of its parent on the node",
    fields=(
        MASTER,
        Field("mode", choices=("l2", "l3", "l3s"), default="l2", doc="switched (l2) or routed (l3, l3s)"),
        MTU,
        LINK_IN_CONTAINER,
    ),
    ipam=Ipam.REQUIRED,
    checks=(check_master,),
    template=_template,
    needs="ipvlan",
    on_lan=True,
    docs="https://www.cni.dev/plugins/current/main/ipvlan/",
)
