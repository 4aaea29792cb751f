"""The real node's interfaces -> those of a private node that looks like it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_interface

from genie_core.sandbox.private_node_links import Link
from genie_core.survey.nodenet import Link as Real
from genie_core.survey.nodenet import NodeNet


def likeness(net: NodeNet) -> list[Link]:
    """The real node's interfaces by name, MTU, MAC and address; what is no bridge becomes an uplink.

    The node's ends of pods' veths are left out, and so are interfaces without an address that nothing can be on.
    """
    return [_alike(link, net) for link in net.links.values() if _counts(link)]


def _counts(link: Real) -> bool:
    if link.name == "lo" or (link.kind == "veth" and not _own(link)):
        return False
    return bool(_own(link)) or link.kind in ("", "bridge", "bond", "vlan")


def _own(link: Real) -> list[str]:
    """Without link-local ones, which the kernel makes."""
    return [address for address in link.addresses if not ip_interface(address).is_link_local]


def _alike(link: Real, net: NodeNet) -> Link:
    own = [
        route
        for route in net.routes
        if route.dst == "default" and route.device == link.name and route.gateway
    ]
    gateways = {route.gateway: _with_prefix(route.gateway, link.addresses) for route in own}
    return Link(
        name=link.name,
        mac=link.mac,
        mtu=link.mtu,
        is_bridge=link.kind == "bridge",
        addresses=_own(link),
        gateways=list(gateways.values()) if link.kind != "bridge" else [],
    )


def _with_prefix(gateway: str, addresses: Sequence[str]) -> str:
    """The gateway with the prefix length of the subnet that it is in; of a subnet of its own where it is in none."""
    wanted = ip_address(gateway)
    for address in addresses:
        network = ip_interface(address).network
        if wanted in network:
            return f"{gateway}/{network.prefixlen}"
    return f"{gateway}/{64 if wanted.is_link_local else wanted.max_prefixlen}"
