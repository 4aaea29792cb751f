"""firewall: lets the node's firewall pass the pod's traffic. containernetworking/plugins, meta/firewall."""

from __future__ import annotations

from genie_core.catalog.plugin import Field, Plugin, Role

PLUGIN = Plugin(
    type="firewall",
    role=Role.META,
    summary="rules that let the pod's traffic through the node's firewall",
    fields=(
        Field("backend", choices=("iptables", "firewalld"), doc="absent: firewalld where it runs"),
        Field("iptablesAdminChainName", doc="a chain for the operator's own rules"),
        Field("firewalldZone", default="trusted", doc="zone that the addresses go into"),
        Field(
            "ingressPolicy", choices=("open", "same-bridge", "isolated"), default="open", doc="who may enter"
        ),
    ),
    docs="https://www.cni.dev/plugins/current/meta/firewall/",
)
