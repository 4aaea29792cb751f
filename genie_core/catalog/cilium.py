"""cilium: eBPF networking. The binary is cilium-cni; the agent writes 05-cilium.conflist."""

from __future__ import annotations

from genie_core.catalog.plugin import MTU, Field, Ipam, Plugin, Role

PLUGIN = Plugin(
    type="cilium",
    role=Role.CLUSTER,
    summary="eBPF networking and policy",
    binaries=("cilium-cni",),
    fields=(
        MTU,
        Field("enable-debug", "boolean", "write a debug log"),
        Field("log-file", doc="log file"),
        Field("log-format", doc="log format"),
        Field("chaining-mode", doc="chained behind another plugin: generic-veth, aws-cni, ..."),
        Field("ipam", "object", "for delegated IPAM"),
        Field("eni", "object", "AWS"),
        Field("azure", "object", "Azure"),
        Field("alibaba-cloud", "object", "Alibaba Cloud"),
        Field("enable-route-mtu", "boolean", "set MTU on routes"),
    ),
    ipam=Ipam.OWN,
    conf_files=("05-cilium.conflist", "05-cilium.conf", "00-cilium.conflist"),
    template={"enable-debug": False, "log-file": "/var/run/cilium/cilium-cni.log"},
    docs="https://docs.cilium.io/en/stable/network/kubernetes/configuration/",
)
