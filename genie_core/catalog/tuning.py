"""tuning: sysctls and link attributes of the pod's interface. containernetworking/plugins, meta/tuning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genie_core.catalog.codes import GN1022
from genie_core.catalog.plugin import JSON, Field, NodeView, Plugin, Problem, Role, Wanted


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    sysctl = data.get("sysctl")
    for key, value in sysctl.items() if isinstance(sysctl, dict) else ():
        path = f"{where}.sysctl" if where else "sysctl"
        if not isinstance(value, str):
            yield Problem(path=path, text=f"{key} must be a string: the plugin's decoder takes nothing else")
        if not str(key).replace("/", ".").startswith("net."):
            yield Problem(
                path=path,
                text=f"{key} is not below net: the plugin refuses it",
                hint="set it on the node, or in the pod's securityContext",
                code=GN1022,
            )


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "tuning", "sysctl": {}, "capabilities": {"mac": True}}


PLUGIN = Plugin(
    type="tuning",
    role=Role.META,
    summary="sysctls and link attributes in the pod",
    fields=(
        Field(name="sysctl", kind="object", doc="name -> value, below net; IFNAME stands for the interface"),
        Field(name="mac", kind="mac", doc="MAC of the interface"),
        Field(name="promisc", kind="boolean", doc="promiscuous mode"),
        Field(name="mtu", kind="integer", minimum=0, maximum=65536, doc="MTU of the interface"),
        Field(name="allmulti", kind="boolean", doc="receive all multicast"),
        Field(name="txQLen", kind="integer", minimum=0, doc="length of the transmit queue"),
        Field(name="dataDir", kind="path", default="/run/cni/tuning", doc="where old values are kept"),
    ),
    capabilities=("mac",),
    checks=(_check,),
    template=_template,
    docs="https://www.cni.dev/plugins/current/meta/tuning/",
)
