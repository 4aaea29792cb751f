"""flannel: reads /run/flannel/subnet.env and delegates to bridge. flannel-io/cni-plugin."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.catalog.codes import GN1022
from genie_core.catalog.plugin import JSON, Field, Ipam, NodeView, Plugin, Problem, Role, Wanted, given
from genie_core.fields import place


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    delegate = data.get("delegate")
    path = place(where, "delegate")
    if isinstance(delegate, dict):
        if not isinstance(delegate.get("type", ""), str):
            yield Problem(f"{path}.type", "must be a string: flannel refuses it")
        if delegate.get("name"):
            yield Problem(f"{path}.name", "must not be set: flannel refuses it", code=GN1022)
        if delegate.get("ipam") and not data.get("ipam"):
            yield Problem(f"{path}.ipam", "must not be set: flannel fills it in", code=GN1022)


def _template(wanted: Wanted, node: NodeView) -> JSON:
    return {"delegate": {"hairpinMode": True, "isDefaultGateway": True} | given(bridge=wanted.bridge)}


PLUGIN = Plugin(
    type="flannel",
    role=Role.CLUSTER,
    summary="an overlay; the interface is made by the bridge plugin",
    host_ports=True,
    fields=(
        Field("subnetFile", "path", "what flanneld writes", opens="file", default="/run/flannel/subnet.env"),
        Field("dataDir", "path", "the plugin's state", default="/var/lib/cni/flannel"),
        Field("delegate", "object", "settings of the plugin that makes the interface"),
        Field("ipam", "object", "settings for the delegate's address plugin"),
    ),
    ipam=Ipam.OWN,
    checks=(_check,),
    conf_files=("10-flannel.conflist", "10-flannel.conf"),
    template=_template,
    docs="https://github.com/flannel-io/cni-plugin",
)
