"""ptp: a veth pair with a route for each pod, no bridge. containernetworking/plugins, main/ptp."""

from __future__ import annotations

from genie_core.catalog.plugin import (
    JSON,
    MASQUERADE_BACKEND,
    MTU,
    Field,
    Ipam,
    NodeView,
    Plugin,
    Role,
    Wanted,
    given,
)


def _template(wanted: Wanted, node: NodeView) -> JSON:
    return {"ipMasq": True} | given(mtu=wanted.mtu)


PLUGIN = Plugin(
    type="ptp",
    role=Role.INTERFACE,
    summary="a veth pair, and a route on the node for each pod",
    host_ports=True,
    fields=(
        Field("ipMasq", "boolean", "masquerade what leaves the node", default=False),
        MASQUERADE_BACKEND,
        MTU,
    ),
    ipam=Ipam.REQUIRED,
    template=_template,
    needs="veth",
    docs="https://www.cni.dev/plugins/current/main/ptp/",
)
