"""Addresses and prefixes, both as text: 10.244.1.10, 10.244.1.0/24."""

from __future__ import annotations

import ipaddress

from genie_core.survey.kernel import Address


def within(address: str, prefix: str) -> bool:
    """Whether an address lies in a prefix; families never mix."""
    return ipaddress.ip_address(address) in ipaddress.ip_network(prefix, strict=False)


def is_part(prefix: str, around: str) -> bool:
    """Whether a prefix is a part of another, or the same; families never mix."""
    address, _, length = prefix.partition("/")
    return within(address, around) and int(length) >= int(around.partition("/")[2])


def some_address(prefix: str) -> str:
    """An address inside a prefix: the second one, which is neither the network's nor usually a router's."""
    network = ipaddress.ip_network(prefix, strict=False)
    return str(network.network_address + (2 if network.num_addresses > 2 else 0))


def subnet(address: Address) -> str:
    """`10.244.1.0/24`: the prefix that an address puts on its link."""
    return str(ipaddress.ip_network(address.cidr, strict=False))
