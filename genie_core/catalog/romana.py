"""romana: routed pods with tenants and segments. Archived; CNI-Genie's sample configurations name it."""

from __future__ import annotations

from genie_core.catalog.plugin import Field, Ipam, Plugin, Role

PLUGIN = Plugin(
    type="romana",
    role=Role.CLUSTER,
    summary="routed pods with tenants and segments (archived)",
    fields=(
        Field("romana_root", doc="the Romana service"),
        Field("segment_label_name", doc="the pod label that names the segment"),
        Field("tenant_label_name", doc="the namespace label that names the tenant"),
        Field("romana_host_name", doc="this node's name in Romana"),
        Field("policy", "any", "network policy"),
        Field("kubernetes_config", doc="credentials file"),
    ),
    ipam=Ipam.OWN,
    conf_files=("10-romana.conf", "10-Romana.conf"),
    template={"policy": False, "segment_label_name": "romana.io/segment"},
    docs="https://github.com/romana/romana",
)
