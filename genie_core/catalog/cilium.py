"""cilium: eBPF networking. The binary is cilium-cni; the agent writes 05-cilium.conflist."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import MTU, Field, Ipam, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "cilium-cni", "enable-debug": False, "log-file": "/var/run/cilium/cilium-cni.log"}


PLUGIN = Plugin(
    type="cilium",
    role=Role.CLUSTER,
    summary="eBPF networking and policy",
    binaries=("cilium-cni",),
    fields=(
        MTU,
        Field(name="enable-debug", kind="boolean", doc="write a debug log"),
        Field(name="log-file", doc="log file"),
        Field(name="log-format", doc="log format"),
        Field(name="chaining-mode", doc="chained behind another plugin: generic-veth, aws-cni, ..."),
        Field(name="ipam", kind="object", doc="for delegated IPAM"),
        Field(name="eni", kind="object", doc="AWS"),
        Field(name="azure", kind="object", doc="Azure"),
        Field(name="alibaba-cloud", kind="object", doc="Alibaba Cloud"),
        Field(name="enable-route-mtu", kind="boolean", doc="set MTU on routes"),
    ),
    ipam=Ipam.OWN,
    conf_files=("05-cilium.conflist", "05-cilium.conf", "00-cilium.conflist"),
    template=_template,
    docs="https://docs.cilium.io/en/stable/network/kubernetes/configuration/",
)
