"""calico-ipam: addresses from Calico's pools, in blocks for each node."""

from __future__ import annotations

from genie_core.catalog.plugin import JSON, Field, NodeView, Plugin, Role, Wanted

_YES_NO = ("true", "false")


def _template(wanted: Wanted, node: NodeView) -> JSON:
    return {"ipv4_pools": [wanted.subnet]} if wanted.subnet else {}


PLUGIN = Plugin(
    type="calico-ipam",
    role=Role.IPAM,
    summary="addresses from Calico's pools",
    fields=(
        Field("assign_ipv4", choices=_YES_NO, doc="a string"),
        Field("assign_ipv6", choices=_YES_NO, doc="a string"),
        Field("ipv4_pools", "array", "pools, by subnet or name", items=Field("pool")),
        Field("ipv6_pools", "array", "pools, by subnet or name", items=Field("pool")),
        Field("subnet", doc="older releases"),
    ),
    template=_template,
    docs="https://docs.tigera.io/calico/latest/reference/configure-cni-plugins",
)
