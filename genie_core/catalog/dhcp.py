"""dhcp: addresses from the LAN's DHCP server, through a daemon on the node. containernetworking/plugins, ipam/dhcp."""

from __future__ import annotations

from genie_core.catalog.plugin import Field, Plugin, Role

SOCKET = "/run/cni/dhcp.sock"


PLUGIN = Plugin(
    type="dhcp",
    role=Role.IPAM,
    summary="addresses from a DHCP server on the network; needs `dhcp daemon` on the node",
    fields=(
        Field("daemonSocketPath", "path", "the daemon's socket", opens="socket", default=SOCKET),
        Field("request", "array", "options to ask for"),
        Field("provide", "array", "options to send"),
        Field("priority", "integer", "metric of the routes", minimum=0),
    ),
    docs="https://www.cni.dev/plugins/current/ipam/dhcp/",
)
