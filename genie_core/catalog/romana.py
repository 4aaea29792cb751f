"""romana: routed pods with tenants and segments. Archived; CNI-Genie's sample configurations name it."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import Field, Ipam, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "romana", "policy": False, "segment_label_name": "romana.io/segment"}


PLUGIN = Plugin(
    type="romana",
    role=Role.CLUSTER,
    summary="routed pods with tenants and segments (archived)",
    fields=(
        Field(name="romana_root", doc="the Romana service"),
        Field(name="segment_label_name", doc="the pod label that names the segment"),
        Field(name="tenant_label_name", doc="the namespace label that names the tenant"),
        Field(name="romana_host_name", doc="this node's name in Romana"),
        Field(name="policy", kind="any", doc="network policy"),
        Field(name="kubernetes_config", doc="credentials file"),
    ),
    ipam=Ipam.OWN,
    conf_files=("10-romana.conf", "10-Romana.conf"),
    template=_template,
    docs="https://github.com/romana/romana",
)
