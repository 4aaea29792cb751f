"""dummy: an interface that leads nowhere. containernetworking/plugins, main/dummy (>= 1.3)."""

from __future__ import annotations

from genie_core.catalog.plugin import Ipam, Plugin, Role

PLUGIN = Plugin(
    type="dummy",
    role=Role.INTERFACE,
    summary="an interface with an address that leads nowhere",
    ipam=Ipam.REQUIRED,
    needs="dummy",
    docs="https://www.cni.dev/plugins/current/main/dummy/",
)
