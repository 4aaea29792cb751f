"""sbr: source based routing, for pods with several interfaces. containernetworking/plugins, meta/sbr."""

from __future__ import annotations

from genie_core.catalog.plugin import Field, Plugin, Role

PLUGIN = Plugin(
    type="sbr",
    role=Role.META,
    summary="replies leave by the interface of the request",
    fields=(
        Field("table", "integer", "routing table (plugins >= 1.5)", minimum=1),
        Field("addSourceHints", "boolean", "source addresses on the routes (plugins >= 1.5)"),
    ),
    check_fails="sbr moves the routes that CHECK of the plugin before it looks for",
    docs="https://www.cni.dev/plugins/current/meta/sbr/",
)
