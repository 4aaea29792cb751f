"""ptp: a veth pair with a route for each pod, no bridge. containernetworking/plugins, main/ptp."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import MTU, Field, Ipam, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "ptp", "ipMasq": True} | ({"mtu": wanted.mtu} if wanted.mtu else {})


PLUGIN = Plugin(
    type="ptp",
    role=Role.INTERFACE,
    summary="a veth pair, and a route on the node for each pod",
    fields=(
        Field(name="ipMasq", kind="boolean", default=False, doc="masquerade what leaves the node"),
        Field(
            name="ipMasqBackend", choices=("iptables", "nftables"), doc="how to masquerade (plugins >= 1.6)"
        ),
        MTU,
    ),
    ipam=Ipam.REQUIRED,
    template=_template,
    needs="veth",
    docs="https://www.cni.dev/plugins/current/main/ptp/",
)
