"""weave: an overlay, archived in 2024. The binaries are weave-net and weave-ipam."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import MTU, Field, Ipam, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "weave-net", "hairpinMode": True}


PLUGIN = Plugin(
    type="weave",
    role=Role.CLUSTER,
    summary="an overlay (archived in 2024)",
    binaries=("weave-net", "weave-plugin-latest"),
    fields=(
        Field(name="hairpinMode", kind="boolean", doc="let a pod reach itself through a Service"),
        Field(name="bridge", kind="interface", default="weave", doc="the bridge"),
        MTU,
        Field(name="ipam", kind="object", doc="weave-ipam where absent"),
        Field(name="nodeport", kind="boolean", doc="serve node ports"),
    ),
    ipam=Ipam.OWN,
    conf_files=("10-weave.conflist", "10-weave.conf"),
    template=_template,
    docs="https://github.com/weaveworks/weave",
)
