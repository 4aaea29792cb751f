"""macvlan: interfaces with MAC addresses of their own on one parent.

They cannot reach the node itself: the kernel keeps parent and children apart.

containernetworking/plugins, main/macvlan.
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
    return {"master": pick_master(wanted, node), "mode": wanted.mode or "bridge"} | given(mtu=wanted.mtu)


PLUGIN = Plugin(
    type="macvlan",
    role=Role.INTERFACE,
    summary="an interface with its own MAC on a parent of the node",
    fields=(
        MASTER,
        Field(
            "mode",
            choices=("bridge", "private", "vepa", "passthru"),
            default="bridge",
            doc="how siblings reach each other",
        ),
        MTU,
        LINK_IN_CONTAINER,
        Field("bcqueuelen", "integer", "broadcast queue length (plugins >= 1.4)", minimum=0),
    ),
    capabilities=("mac",),
    ipam=Ipam.OPTIONAL,
    checks=(check_master,),
    template=_template,
    needs="macvlan",
    on_lan=True,
    docs="https://www.cni.dev/plugins/current/main/macvlan/",
)
