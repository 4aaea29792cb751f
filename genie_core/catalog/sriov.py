"""sriov: a virtual function of an SR-IOV card. k8snetworkplumbingwg/sriov-cni."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genie_core.catalog.codes import GN1022
from genie_core.catalog.plugin import JSON, Field, Ipam, NodeView, Plugin, Problem, Role, Wanted

_SWITCH = ("on", "off")


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    prefix = f"{where}." if where else ""
    if data.get("vlanQoS") and not data.get("vlan"):
        yield Problem(
            path=f"{prefix}vlanQoS", text="needs a vlan above 0: the plugin refuses the ADD", code=GN1022
        )
    low, high = data.get("min_tx_rate"), data.get("max_tx_rate")
    if isinstance(low, int) and isinstance(high, int) and high and low > high:
        yield Problem(path=f"{prefix}min_tx_rate", text=f"{low} is above max_tx_rate {high}", code=GN1022)


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "sriov"} | ({"vlan": wanted.vlan} if wanted.vlan else {})
    return entry | {"spoofchk": "on", "trust": "off", "capabilities": {"deviceID": True, "mac": True}}


PLUGIN = Plugin(
    type="sriov",
    role=Role.INTERFACE,
    summary="a virtual function of an SR-IOV card",
    fields=(
        Field(name="deviceID", doc="PCI address of the function; the device plugin fills it in"),
        Field(name="pciBusID", doc="the same, as host-device names it"),
        Field(name="vlan", kind="integer", minimum=0, maximum=4094, doc="VLAN; 0 is none"),
        Field(name="vlanQoS", kind="integer", minimum=0, maximum=7, doc="priority of the VLAN"),
        Field(name="vlanProto", choices=("802.1q", "802.1ad", "802.1Q"), doc="protocol of the VLAN"),
        Field(name="mac", kind="mac", doc="MAC of the function"),
        Field(name="spoofchk", choices=_SWITCH, doc="drop frames with another source MAC"),
        Field(name="trust", choices=_SWITCH, doc="let the pod change MAC and promiscuous mode"),
        Field(name="link_state", choices=("auto", "enable", "disable"), doc="state of the link"),
        Field(name="min_tx_rate", kind="integer", minimum=0, doc="Mbit/s"),
        Field(name="max_tx_rate", kind="integer", minimum=0, doc="Mbit/s"),
        Field(name="master", kind="interface", doc="physical function (releases before 2.0)"),
        Field(name="logLevel", choices=("panic", "error", "warning", "info", "debug"), doc="log level"),
        Field(name="logFile", doc="log file"),
    ),
    capabilities=("mac", "deviceID", "infinibandGUID"),
    ipam=Ipam.OPTIONAL,
    checks=(_check,),
    template=_template,
    needs="vfio",
    on_lan=True,
    docs="https://github.com/k8snetworkplumbingwg/sriov-cni",
)
