"""kube-router: BGP routes; its configuration is the bridge plugin on kube-bridge, subnet from the node's podCIDR."""

from __future__ import annotations

from genie_core.catalog import bridge
from genie_core.catalog.plugin import JSON, Ipam, NodeView, Plugin, Role, Wanted, given


def _template(wanted: Wanted, node: NodeView) -> JSON:
    # kube-router writes the node's podCIDR into `subnet` when it starts; its own file has none before that.
    ipam = {"type": "host-local"} | given(subnet=wanted.subnet)
    return {"bridge": "kube-bridge", "isDefaultGateway": True, "hairpinMode": True, "ipam": ipam}


PLUGIN = Plugin(
    type="kube-router",
    role=Role.CLUSTER,
    summary="BGP routes between nodes, a bridge on each",
    host_ports=True,
    binaries=("bridge",),
    fields=bridge.PLUGIN.fields,
    ipam=Ipam.REQUIRED,
    conf_files=("10-kuberouter.conflist", "10-kuberouter.conf"),
    template=_template,
    docs="https://www.kube-router.io/docs/",
)
