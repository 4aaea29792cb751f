"""firewall: lets the node's firewall pass the pod's traffic. containernetworking/plugins, meta/firewall."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import Field, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "firewall"}


PLUGIN = Plugin(
    type="firewall",
    role=Role.META,
    summary="rules that let the pod's traffic through the node's firewall",
    fields=(
        Field(name="backend", choices=("iptables", "firewalld"), doc="absent: firewalld where it runs"),
        Field(name="iptablesAdminChainName", doc="a chain for the operator's own rules"),
        Field(name="firewalldZone", default="trusted", doc="zone that the addresses go into"),
        Field(
            name="ingressPolicy",
            choices=("open", "same-bridge", "isolated"),
            default="open",
            doc="who may enter",
        ),
    ),
    template=_template,
    docs="https://www.cni.dev/plugins/current/meta/firewall/",
)
