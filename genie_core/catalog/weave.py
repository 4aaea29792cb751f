"""weave: an overlay, archived in 2024. The binaries are weave-net and weave-ipam."""

from __future__ import annotations

from genie_core.catalog.plugin import MTU, Field, Ipam, Plugin, Role

PLUGIN = Plugin(
    type="weave",
    role=Role.CLUSTER,
    summary="an overlay (archived in 2024)",
    host_ports=True,
    binaries=("weave-net", "weave-plugin-latest"),
    fields=(
        Field("hairpinMode", "boolean", "let a pod reach itself through a Service"),
        Field("bridge", "interface", "the bridge", default="weave"),
        MTU,
        Field("ipam", "object", "weave-ipam where absent"),
        Field("nodeport", "boolean", "serve node ports"),
    ),
    ipam=Ipam.OWN,
    conf_files=("10-weave.conflist", "10-weave.conf"),
    template={"hairpinMode": True},
    docs="https://github.com/weaveworks/weave",
)
