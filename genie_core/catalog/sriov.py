"""sriov: a virtual function of an SR-IOV card. k8snetworkplumbingwg/sriov-cni."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.catalog.codes import GN1022
from genie_core.catalog.plugin import JSON, Field, Ipam, NodeView, Plugin, Problem, Role, Wanted, given
from genie_core.fields import place

_SWITCH = ("on", "off")


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    if data.get("vlanQoS") and not data.get("vlan"):
        yield Problem(
            place(where, "vlanQoS"), "needs a vlan above 0: the plugin refuses the ADD", code=GN1022
        )
    low, high = data.get("min_tx_rate"), data.get("max_tx_rate")
    if isinstance(low, int) and isinstance(high, int) and high and low > high:
        yield Problem(place(where, "min_tx_rate"), f"{low} is above max_tx_rate {high}", code=GN1022)


def _template(wanted: Wanted, node: NodeView) -> JSON:
    own = {"spoofchk": "on", "trust": "off", "capabilities": {"deviceID": True, "mac": True}}
    return given(vlan=wanted.vlan) | own


PLUGIN = Plugin(
    type="sriov",
    role=Role.INTERFACE,
    summary="a virtual function of an SR-IOV card",
    fields=(
        Field("deviceID", doc="PCI address of the function; the device plugin fills it in"),
        Field("pciBusID", doc="the same, as host-device names it"),
        Field("vlan", "integer", "VLAN; 0 is none", minimum=0, maximum=4094),
        Field("vlanQoS", "integer", "priority of the VLAN", minimum=0, maximum=7),
        Field("vlanProto", choices=("802.1q", "802.1ad", "802.1Q"), doc="protocol of the VLAN"),
        Field("mac", "mac", "MAC of the function"),
        Field("spoofchk", choices=_SWITCH, doc="drop frames with another source MAC"),
        Field("trust", choices=_SWITCH, doc="let the pod change MAC and promiscuous mode"),
        Field("link_state", choices=("auto", "enable", "disable"), doc="state of the link"),
        Field("min_tx_rate", "integer", "Mbit/s", minimum=0),
        Field("max_tx_rate", "integer", "Mbit/s", minimum=0),
        Field("master", "interface", "physical function (releases before 2.0)"),
        Field("logLevel", choices=("panic", "error", "warning", "info", "debug"), doc="log level"),
        Field("logFile", doc="log file"),
    ),
    capabilities=("mac", "deviceID", "infinibandGUID"),
    ipam=Ipam.OPTIONAL,
    checks=(_check,),
    template=_template,
    needs="vfio",
    on_lan=True,
    docs="https://github.com/k8snetworkplumbingwg/sriov-cni",
)
