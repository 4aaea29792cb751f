"""dhcp: addresses from the LAN's DHCP server, through a daemon on the node. containernetworking/plugins, ipam/dhcp."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import Field, NodeView, Plugin, Role, Wanted

SOCKET = "/run/cni/dhcp.sock"


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "dhcp"}


PLUGIN = Plugin(
    type="dhcp",
    role=Role.IPAM,
    summary="addresses from a DHCP server on the network; needs `dhcp daemon` on the node",
    fields=(
        Field(name="daemonSocketPath", kind="path", default=SOCKET, doc="the daemon's socket"),
        Field(name="request", kind="array", doc="options to ask for"),
        Field(name="provide", kind="array", doc="options to send"),
        Field(name="priority", kind="integer", minimum=0, doc="metric of the routes"),
    ),
    template=_template,
    docs="https://www.cni.dev/plugins/current/ipam/dhcp/",
)
