"""sbr: source based routing, for pods with several interfaces. containernetworking/plugins, meta/sbr."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import Field, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "sbr"}


PLUGIN = Plugin(
    type="sbr",
    role=Role.META,
    summary="replies leave by the interface of the request",
    fields=(
        Field(name="table", kind="integer", minimum=1, doc="routing table (plugins >= 1.5)"),
        Field(name="addSourceHints", kind="boolean", doc="source addresses on the routes (plugins >= 1.5)"),
    ),
    template=_template,
    check_fails="sbr moves the routes that CHECK of the plugin before it looks for",
    docs="https://www.cni.dev/plugins/current/meta/sbr/",
)
