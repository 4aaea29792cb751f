"""dummy: an interface that leads nowhere. containernetworking/plugins, main/dummy (>= 1.3)."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import Ipam, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "dummy"}


PLUGIN = Plugin(
    type="dummy",
    role=Role.INTERFACE,
    summary="an interface with an address that leads nowhere",
    ipam=Ipam.REQUIRED,
    template=_template,
    needs="dummy",
    docs="https://www.cni.dev/plugins/current/main/dummy/",
)
