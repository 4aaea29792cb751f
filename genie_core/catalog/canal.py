"""canal: Calico's policy over flannel's network. The binary is calico; the configuration distinguishes them."""

from __future__ import annotations

from genie_core.catalog import calico
from genie_core.catalog.plugin import JSON, Ipam, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> JSON:
    return calico.members({"type": "host-local", "subnet": "usePodCidr"}, wanted)


PLUGIN = Plugin(
    type="canal",
    role=Role.CLUSTER,
    summary="Calico's network policy over flannel's network",
    host_ports=True,
    binaries=("calico",),
    fields=calico.FIELDS,
    ipam=Ipam.REQUIRED,
    conf_files=("10-canal.conflist",),
    template=_template,
    docs="https://docs.tigera.io/calico/latest/getting-started/kubernetes/flannel/install-for-flannel",
)
