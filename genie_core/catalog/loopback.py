"""loopback: brings `lo` up. Runtimes call it themselves, before every pod's network."""

from __future__ import annotations

from genie_core.catalog.plugin import Ipam, Plugin, Role

PLUGIN = Plugin(
    type="loopback",
    role=Role.INTERFACE,
    summary="brings lo up in the pod",
    ipam=Ipam.NONE,
    docs="https://www.cni.dev/plugins/current/main/loopback/",
)
