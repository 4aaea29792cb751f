"""The collected texts of both tools -> one Ruleset."""

from __future__ import annotations

from dataclasses import replace

from genie_core.net.firewall import ipsets, iptables, nft, queues
from genie_core.net.firewall.rules import Chain, Ruleset, ruleset
from genie_core.survey.kernel import Firewall

TOOLS = {
    "ip": "iptables",
    "ip6": "ip6tables",
    "ip-legacy": "iptables-legacy",
    "ip6-legacy": "ip6tables-legacy",
}


def ruleset_of(firewall: Firewall) -> Ruleset:
    """All chains. iptables' own tables are read from iptables-save, which alone prints its extensions."""
    chains: list[Chain] = []
    sets = ipsets.parse(firewall.ipsets)
    for family, text in firewall.iptables.items():
        chains += iptables.parse(text, TOOLS[family], sets)
    # The nft back end keeps its tables in nftables under the same names: do not read them twice.
    shown = {(chain.family, chain.table) for chain in chains if not chain.tool.endswith("legacy")}
    if firewall.nft is not None:
        chains += nft.parse(firewall.nft, shown)
    result = ruleset([queues.judged(chain, firewall.queues) for chain in chains])
    known = firewall.nft is not None or bool(firewall.iptables)
    return replace(result, known=known)
