"""vrf: puts the pod's interface into a VRF. containernetworking/plugins, meta/vrf."""

from __future__ import annotations

from genie_core.catalog.plugin import Field, Plugin, Role

PLUGIN = Plugin(
    type="vrf",
    role=Role.META,
    summary="the pod's interface in a VRF of its own",
    fields=(
        Field("vrfname", "interface", "the VRF, made where it is missing", required=True),
        Field("table", "integer", "routing table; 0 or absent: a free one", minimum=0),
    ),
    template={"vrfname": "vrf0"},
    needs="vrf",
    docs="https://www.cni.dev/plugins/current/meta/vrf/",
)
