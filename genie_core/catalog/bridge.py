"""bridge: a veth pair into a Linux bridge on the node. containernetworking/plugins, main/bridge."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.catalog.codes import GN1020, GN1022
from genie_core.catalog.plugin import (
    JSON,
    MASQUERADE_BACKEND,
    MTU,
    Field,
    Ipam,
    NodeView,
    Plugin,
    Problem,
    Role,
    Wanted,
    given,
    is_default_route,
)
from genie_core.fields import place

TRUNK = Field(
    "vlanTrunk",
    "array",
    "VLANs that the port carries tagged",
    items=Field(
        "trunk",
        "object",
        fields=(
            Field("id", "integer", minimum=0, maximum=4094),
            Field("minID", "integer", minimum=0, maximum=4094),
            Field("maxID", "integer", minimum=0, maximum=4094),
        ),
    ),
)


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    if data.get("hairpinMode") and data.get("promiscMode"):
        yield Problem(
            place(where, "promiscMode"),
            "and hairpinMode exclude each other: the plugin refuses the ADD",
            hint="keep hairpinMode: pods then reach themselves through their Service",
            code=GN1022,
        )
    ipam = data.get("ipam")
    routes = ipam.get("routes") if isinstance(ipam, dict) else None
    if data.get("isDefaultGateway") and isinstance(routes, list) and any(is_default_route(r) for r in routes):
        yield Problem(
            place(where, "isDefaultGateway"),
            'adds a default route and ipam.routes adds another: the ADD fails with "file exists"',
            hint="use isGateway, or take the default route out of ipam.routes",
            code=GN1022,
        )
    link = (node.links or {}).get(str(data.get("bridge") or "cni0"))
    if link is not None and link.kind and link.kind != "bridge":
        yield Problem(
            place(where, "bridge"),
            f'"{link.name}" exists on this node and is a {link.kind}, not a bridge',
            code=GN1020,
        )


def _template(wanted: Wanted, node: NodeView) -> JSON:
    own = {
        "bridge": wanted.bridge or _free_name(node),
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
    }
    return own | given(mtu=wanted.mtu, vlan=wanted.vlan)


def _free_name(node: NodeView) -> str:
    """A bridge for this network alone: a bridge of two networks would carry two subnets."""
    taken = {*(node.links or {}), *node.bridges}
    return next(name for n in range(1000) if (name := f"cni{n}") not in taken)


PLUGIN = Plugin(
    type="bridge",
    role=Role.INTERFACE,
    summary="a veth pair into a Linux bridge on the node",
    host_ports=True,
    fields=(
        Field("bridge", "interface", "the bridge, made where it is missing", default="cni0"),
        Field("isGateway", "boolean", "the bridge takes the gateway's address", default=False),
        Field("isDefaultGateway", "boolean", "isGateway, and the pod's default route", default=False),
        Field("forceAddress", "boolean", "replace another address of the bridge", default=False),
        Field("ipMasq", "boolean", "masquerade what leaves the subnet", default=False),
        MASQUERADE_BACKEND,
        MTU,
        Field("hairpinMode", "boolean", "let a pod reach itself through a Service", default=False),
        Field("promiscMode", "boolean", "the bridge in promiscuous mode", default=False),
        Field("vlan", "integer", "VLAN of the port (needs vlan_filtering)", minimum=0, maximum=4094),
        TRUNK,
        Field("preserveDefaultVlan", "boolean", "keep VLAN 1 on the port", default=True),
        Field("macspoofchk", "boolean", "drop frames with another source MAC", default=False),
        Field("enabledad", "boolean", "wait for IPv6 duplicate address detection", default=False),
        Field("disableContainerInterface", "boolean", "leave the interface down", default=False),
        Field("portIsolation", "boolean", "ports do not reach each other", default=False),
        Field("mac", "mac", "MAC of the pod's interface"),
    ),
    capabilities=("mac",),
    ipam=Ipam.OPTIONAL,
    check_fails_without_ipam="CHECK of bridge calls an IPAM plugin also where the configuration names none",
    checks=(_check,),
    template=_template,
    needs="bridge",
    docs="https://www.cni.dev/plugins/current/main/bridge/",
)
