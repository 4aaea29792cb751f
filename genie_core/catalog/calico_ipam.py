"""calico-ipam: addresses from Calico's pools, in blocks for each node."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import Field, NodeView, Plugin, Role, Wanted

_YES_NO = ("true", "false")


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "calico-ipam"} | ({"ipv4_pools": [wanted.subnet]} if wanted.subnet else {})


PLUGIN = Plugin(
    type="calico-ipam",
    role=Role.IPAM,
    summary="addresses from Calico's pools",
    fields=(
        Field(name="assign_ipv4", choices=_YES_NO, doc="a string"),
        Field(name="assign_ipv6", choices=_YES_NO, doc="a string"),
        Field(name="ipv4_pools", kind="array", items=Field(name="pool"), doc="pools, by subnet or name"),
        Field(name="ipv6_pools", kind="array", items=Field(name="pool"), doc="pools, by subnet or name"),
        Field(name="subnet", doc="older releases"),
    ),
    template=_template,
    docs="https://docs.tigera.io/calico/latest/reference/configure-cni-plugins",
)
