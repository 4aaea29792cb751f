"""tuning: sysctls and link attributes of the pod's interface. containernetworking/plugins, meta/tuning."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.catalog.codes import GN1022
from genie_core.catalog.plugin import JSON, Field, NodeView, Plugin, Problem, Role
from genie_core.fields import place


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    sysctl = data.get("sysctl")
    for key, value in sysctl.items() if isinstance(sysctl, dict) else ():
        path = place(where, "sysctl")
        if not isinstance(value, str):
            yield Problem(path, f"{key} must be a string: the plugin's decoder takes nothing else")
        if not str(key).replace("/", ".").startswith("net."):
            yield Problem(
                path,
                f"{key} is not below net: the plugin refuses it",
                hint="set it on the node, or in the pod's securityContext",
                code=GN1022,
            )


PLUGIN = Plugin(
    type="tuning",
    role=Role.META,
    summary="sysctls and link attributes in the pod",
    fields=(
        Field("sysctl", "object", "name -> value, below net; IFNAME stands for the interface"),
        Field("mac", "mac", "MAC of the interface"),
        Field("promisc", "boolean", "promiscuous mode"),
        Field("mtu", "integer", "MTU of the interface", minimum=0, maximum=65536),
        Field("allmulti", "boolean", "receive all multicast"),
        Field("txQLen", "integer", "length of the transmit queue", minimum=0),
        Field("dataDir", "path", "where old values are kept", default="/run/cni/tuning"),
    ),
    capabilities=("mac",),
    checks=(_check,),
    template={"sysctl": {}, "capabilities": {"mac": True}},
    docs="https://www.cni.dev/plugins/current/meta/tuning/",
)
