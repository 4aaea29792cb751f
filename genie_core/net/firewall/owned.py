"""Chains that the reference plugins make for one container each with iptables. Pure.

Their rules' comments name the network and the container (plugins, utils.FormatComment), as `genie gc` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from genie_core.net.firewall.rules import Chain, FirewallRule

OWNER = re.compile(r'name: "(?P<network>.*)" id: "(?P<container>[^"]+)"')
CHAIN = re.compile(r"CNI-(DN-)?[0-9a-f]+")
SOURCE = re.compile(r"(?:^| )-s (?P<address>[0-9a-fA-F.:]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedChain:
    """One chain, the rules that jump to it with their chains, its container, and the addresses that the jumps name."""

    chain: Chain
    jumps: tuple[tuple[Chain, FirewallRule], ...]
    container: str
    network: str
    addresses: tuple[str, ...]


def owned_chains(chains: Sequence[Chain]) -> Iterator[OwnedChain]:
    """Those whose own rules, or the jumps to them, name their container."""
    jumps_to: dict[
        tuple[str, str], list[tuple[Chain, FirewallRule]]
    ] = {}  # by the tool and the target's name
    for chain in chains:
        for rule in chain.rules:
            jumps_to.setdefault((chain.tool, rule.action.target), []).append((chain, rule))
    for chain in chains:
        if not CHAIN.fullmatch(chain.name):
            continue
        jumps = tuple(jumps_to.get((chain.tool, chain.name), ()))
        match = next(
            (m for rule in (*chain.rules, *(r for _, r in jumps)) if (m := OWNER.search(rule.comment))), None
        )
        if match is not None:
            sources = tuple(m["address"] for _, rule in jumps if (m := SOURCE.search(rule.text)))
            yield OwnedChain(
                chain=chain,
                jumps=jumps,
                container=match["container"],
                network=match["network"],
                addresses=sources,
            )
