"""vrf: puts the pod's interface into a VRF. containernetworking/plugins, meta/vrf."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import Field, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "vrf", "vrfname": "vrf0"}


PLUGIN = Plugin(
    type="vrf",
    role=Role.META,
    summary="the pod's interface in a VRF of its own",
    fields=(
        Field(name="vrfname", kind="interface", required=True, doc="the VRF, made where it is missing"),
        Field(name="table", kind="integer", minimum=0, doc="routing table; 0 or absent: a free one"),
    ),
    template=_template,
    needs="vrf",
    docs="https://www.cni.dev/plugins/current/meta/vrf/",
)
