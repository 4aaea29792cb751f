"""The interfaces of a private node: one uplink of addresses that belong to nobody, or a likeness of the real node's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from genie_core.survey.nodenet import Link as Real
from genie_core.survey.nodenet import NodeNet


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One interface. `gateways`, with prefix length, are on the other end of an uplink; each gives a default route."""

    name: str
    mac: str = ""
    mtu: int = 1500
    is_bridge: bool = False
    addresses: Sequence[str] = ()
    gateways: Sequence[str] = ()


# RFC 5737 (TEST-NET-1), RFC 3849.
UPLINK = Link(
    name="eth0",
    addresses=("192.0.2.2/24", "2001:db8::2/64"),
    gateways=("192.0.2.1/24", "2001:db8::1/64"),
)


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
