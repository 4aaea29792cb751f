"""The real node's interfaces -> interfaces of a private node with the same names, MTUs and addresses."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_interface

from genie_core.sandbox.private_node_links import NodeLink
from genie_core.survey.kernel import EVERYTHING, Link, Netns


def likeness(node: Netns) -> list[NodeLink]:
    """The real node's interfaces by name, MTU, MAC and address; an interface that is no bridge becomes an uplink.

    The host ends of pods' veths are left out, and so are interfaces without an address that can be no parent.
    """
    return [_alike(link, node) for link in node.links if _counts(link, node)]


def _counts(link: Link, node: Netns) -> bool:
    own = _own(link, node)
    if link.name == "lo" or (link.kind == "veth" and not own):
        return False
    return bool(own) or link.kind in ("", "bridge", "bond", "vlan")


def _own(link: Link, node: Netns) -> list[str]:
    """The addresses without link-local ones, which the kernel adds."""
    return [one for one in node.prefixes_of(link) if not ip_interface(one).is_link_local]


def _alike(link: Link, node: Netns) -> NodeLink:
    hops = [hop for route in node.main_routes if route.dst in EVERYTHING for hop in route.hops]
    own = [hop.gateway for hop in hops if hop.index == link.index and hop.gateway]
    gateways = {gateway: _with_prefix(gateway, node.prefixes_of(link)) for gateway in own}
    return NodeLink(
        name=link.name,
        mac=link.mac,
        mtu=link.mtu,
        is_bridge=link.kind == "bridge",
        addresses=_own(link, node),
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
