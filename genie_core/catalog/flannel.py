"""flannel: reads /run/flannel/subnet.env and delegates to bridge. flannel-io/cni-plugin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genie_core.catalog.codes import GN1022
from genie_core.catalog.plugin import JSON, Field, Ipam, NodeView, Plugin, Problem, Role, Wanted


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    delegate = data.get("delegate")
    path = f"{where}.delegate" if where else "delegate"
    if isinstance(delegate, dict):
        for key in ("name", "type") if isinstance(delegate.get("type", ""), str) else ("type",):
            if key == "name" and delegate.get(key):
                yield Problem(path=f"{path}.name", text="must not be set: flannel refuses it", code=GN1022)
        if delegate.get("ipam") and not data.get("ipam"):
            yield Problem(path=f"{path}.ipam", text="must not be set: flannel fills it in", code=GN1022)


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    delegate: dict[str, Any] = {"hairpinMode": True, "isDefaultGateway": True}
    delegate |= {"bridge": wanted.bridge} if wanted.bridge else {}
    return {"type": "flannel", "delegate": delegate}


PLUGIN = Plugin(
    type="flannel",
    role=Role.CLUSTER,
    summary="an overlay; the interface is made by the bridge plugin",
    fields=(
        Field(name="subnetFile", kind="path", default="/run/flannel/subnet.env", doc="what flanneld writes"),
        Field(name="dataDir", kind="path", default="/var/lib/cni/flannel", doc="the plugin's state"),
        Field(name="delegate", kind="object", doc="settings of the plugin that makes the interface"),
        Field(name="ipam", kind="object", doc="settings for the delegate's address plugin"),
    ),
    ipam=Ipam.OWN,
    checks=(_check,),
    conf_files=("10-flannel.conflist", "10-flannel.conf"),
    template=_template,
    docs="https://github.com/flannel-io/cni-plugin",
)
