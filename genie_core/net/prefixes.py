"""The prefixes of Node objects, and whether pods' addresses come from them.

Plugins with address management of their own (Calico, clouds) leave them unused: no route leads to them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import replace

from genie_core.net.addresses import within
from genie_core.spec.addresses import version
from genie_core.survey.cluster import Node, Pod

_MOST = 0.9  # this share of the addresses is elsewhere where the prefixes are unused


def used_prefixes(nodes: Sequence[Node], pods: Sequence[Pod]) -> tuple[Node, ...]:
    """The nodes; without their prefixes where nearly all pods have an address elsewhere.

    Some may be in one by chance, as one pool of Calico holds all prefixes. Where part of the pods are on a network of
    their own, the others need the prefixes' routes.
    """
    inside = list(_inside(nodes, pods))
    unused = inside.count(False) > _MOST * len(inside)
    return tuple(replace(node, cidrs=()) if unused else node for node in nodes)


def _inside(nodes: Sequence[Node], pods: Sequence[Pod]) -> Iterator[bool]:
    """For each address of a pod whose node has a prefix of that family: whether it is in one of them."""
    prefixes = {node.name: node.cidrs for node in nodes}
    for pod in pods:
        for ip in pod.ips:
            own = [cidr for cidr in prefixes.get(pod.node, ()) if version(cidr) == version(ip)]
            if own:
                yield any(within(ip, cidr) for cidr in own)


def around(pods: Sequence[Pod], nodes: Sequence[Node]) -> list[str]:
    """For each family the smallest prefix with all pods' addresses; none where a node's address is in it."""
    addresses = [ip for pod in pods for ip in pod.ips]
    found = (supernet([ip for ip in addresses if version(ip) == family]) for family in (4, 6))
    own = [ip for node in nodes for ip in node.addresses]
    return [prefix for prefix in found if prefix and not any(within(ip, prefix) for ip in own)]


def supernet(cidrs: Sequence[str]) -> str:
    """The smallest prefix with all of these in it, "" for none and where it is wider than a /8."""
    networks = [ipaddress.ip_network(c, strict=False) for c in cidrs]
    if not networks:
        return ""
    over = networks[0]
    while not all(
        int(over.network_address) <= int(n.network_address)
        and int(n.broadcast_address) <= int(over.broadcast_address)
        for n in networks
    ):
        if over.prefixlen <= 8:
            return ""
        over = over.supernet()
    return str(over)
