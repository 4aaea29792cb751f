"""loopback: brings `lo` up. Runtimes call it themselves, before every pod's network."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import Ipam, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "loopback"}


PLUGIN = Plugin(
    type="loopback",
    role=Role.INTERFACE,
    summary="brings lo up in the pod",
    ipam=Ipam.NONE,
    template=_template,
    docs="https://www.cni.dev/plugins/current/main/loopback/",
)
