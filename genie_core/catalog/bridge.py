"""bridge: a veth pair into a Linux bridge on the node. containernetworking/plugins, main/bridge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genie_core.catalog.codes import GN1020, GN1022
from genie_core.catalog.plugin import (
    JSON,
    MTU,
    Field,
    Ipam,
    NodeView,
    Plugin,
    Problem,
    Role,
    Wanted,
    is_default_route,
)

TRUNK = Field(
    name="vlanTrunk",
    kind="array",
    doc="VLANs that the port carries tagged",
    items=Field(
        name="trunk",
        kind="object",
        fields=(
            Field(name="id", kind="integer", minimum=0, maximum=4094),
            Field(name="minID", kind="integer", minimum=0, maximum=4094),
            Field(name="maxID", kind="integer", minimum=0, maximum=4094),
        ),
    ),
)


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    prefix = f"{where}." if where else ""
    if data.get("hairpinMode") and data.get("promiscMode"):
        yield Problem(
            path=f"{prefix}promiscMode",
            text="and hairpinMode exclude each other: the plugin refuses the ADD",
            hint="keep hairpinMode: pods then reach themselves through their Service",
            code=GN1022,
        )
    ipam = data.get("ipam")
    routes = ipam.get("routes") if isinstance(ipam, dict) else None
    if data.get("isDefaultGateway") and isinstance(routes, list) and any(is_default_route(r) for r in routes):
        yield Problem(
            path=f"{prefix}isDefaultGateway",
            text='adds a default route and ipam.routes adds another: the ADD fails with "file exists"',
            hint="use isGateway, or take the default route out of ipam.routes",
            code=GN1022,
        )
    link = (node.links or {}).get(str(data.get("bridge") or "cni0"))
    if link is not None and link.kind and link.kind != "bridge":
        yield Problem(
            path=f"{prefix}bridge",
            text=f'"{link.name}" exists on this node and is a {link.kind}, not a bridge',
            code=GN1020,
        )


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "bridge", "bridge": wanted.bridge or _free_name(node)}
    entry |= {"isGateway": True, "ipMasq": True, "hairpinMode": True}
    entry |= {"mtu": wanted.mtu} if wanted.mtu else {}
    return entry | ({"vlan": wanted.vlan} if wanted.vlan else {})


def _free_name(node: NodeView) -> str:
    """A bridge for this network alone: a bridge of two networks would carry two subnets."""
    taken = {*(node.links or {}), *node.bridges}
    return next(name for n in range(1000) if (name := f"cni{n}") not in taken)


PLUGIN = Plugin(
    type="bridge",
    role=Role.INTERFACE,
    summary="a veth pair into a Linux bridge on the node",
    fields=(
        Field(name="bridge", kind="interface", default="cni0", doc="the bridge, made where it is missing"),
        Field(name="isGateway", kind="boolean", default=False, doc="the bridge takes the gateway's address"),
        Field(
            name="isDefaultGateway",
            kind="boolean",
            default=False,
            doc="isGateway, and the pod's default route",
        ),
        Field(
            name="forceAddress", kind="boolean", default=False, doc="replace another address of the bridge"
        ),
        Field(name="ipMasq", kind="boolean", default=False, doc="masquerade what leaves the subnet"),
        Field(
            name="ipMasqBackend", choices=("iptables", "nftables"), doc="how to masquerade (plugins >= 1.6)"
        ),
        MTU,
        Field(
            name="hairpinMode", kind="boolean", default=False, doc="let a pod reach itself through a Service"
        ),
        Field(name="promiscMode", kind="boolean", default=False, doc="the bridge in promiscuous mode"),
        Field(
            name="vlan",
            kind="integer",
            minimum=0,
            maximum=4094,
            doc="VLAN of the port (needs vlan_filtering)",
        ),
        TRUNK,
        Field(name="preserveDefaultVlan", kind="boolean", default=True, doc="keep VLAN 1 on the port"),
        Field(name="macspoofchk", kind="boolean", default=False, doc="drop frames with another source MAC"),
        Field(
            name="enabledad", kind="boolean", default=False, doc="wait for IPv6 duplicate address detection"
        ),
        Field(
            name="disableContainerInterface", kind="boolean", default=False, doc="leave the interface down"
        ),
        Field(name="portIsolation", kind="boolean", default=False, doc="ports do not reach each other"),
        Field(name="mac", kind="mac", doc="MAC of the pod's interface"),
    ),
    capabilities=("mac",),
    ipam=Ipam.OPTIONAL,
    checks=(_check,),
    template=_template,
    needs="bridge",
    docs="https://www.cni.dev/plugins/current/main/bridge/",
)
