"""GN1404: firewall rules of the reference plugins for containers that are gone, as `genie gc` finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, on_node, seen, subject
from genie_core.findings import Code, Finding
from genie_core.net.addresses import subnet, within
from genie_core.net.case import Case
from genie_core.net.firewall.owned import OwnedChain, owned_chains
from genie_core.net.firewall.rules import Chain, FirewallRule
from genie_core.survey.sandboxes import known_containers

ACCEPTING = "CNI-FORWARD"  # the firewall plugin's chain, two rules for each address
HOST = re.compile(r"-[sd] (?P<address>[0-9a-fA-F.:]+)/(?:32|128)\b")
PORTS = re.compile(r"--dports? (?P<ports>[0-9,:]+)")
SHOWN = 4

GN1404 = Code("GN1404", "firewall rules of pods that are gone",
    cause="a sandbox vanished without DEL (a reboot, a killed runtime): its hostPort, masquerading and accepting rules "
    "stay",
    confirm="iptables-save | grep CNI-; genie gc --dry-run", fix="genie gc, which checks twice")  # fmt: skip


@check(
    "rules-leaked", GN1404, title="plugins' firewall rules belong to pods", needs=("node", "node firewall")
)
def leaked(case: Case) -> Iterator[Finding]:
    known, used = known_containers(case.facts), _used(case)
    if known is None:
        return
    for owned in owned_chains(case.node.rules.chains):
        if owned.container not in known and not set(owned.addresses) & used:
            yield _chain(owned)
    yield from _accepting(case, used)


def _used(case: Case) -> set[str]:
    """Addresses that something on the node has: interfaces, records, leases."""
    facts = case.facts
    held = {a.ip for t in facts.tenants for a in t.addresses} | set(case.node.local)
    held |= {a.ip for a in (facts.pod.addresses if facts.pod else ())}
    held |= {ip for cached in facts.files.cached for ip in cached.addresses}
    return held | {lease.ip for lease in facts.files.leases} | {ip for pod in case.pods for ip in pod.ips}


def _chain(owned: OwnedChain) -> Finding:
    chain = owned.chain
    rules = [*chain.rules, *(rule for _, rule in owned.jumps)]
    ports = sorted({m["ports"] for rule in rules if (m := PORTS.search(rule.text))})
    what = (
        f"hostPort {', '.join(ports)}"
        if ports
        else f"masquerading of {', '.join(owned.addresses) or 'its address'}"
    )
    return GN1404.warning(
        f"{chain.place} is of container {owned.container} (network {owned.network}), which nothing here knows: its "
        f"{what} is left over",
        subject("firewall", chain.place),
        *(seen("firewall", rule.text, chain.listing) for rule in rules[:SHOWN]),
        remedy=fix("`genie gc` checks again and removes it", on_node("genie", "gc", "--dry-run")),
    )


def _accepting(case: Case, used: set[str]) -> Iterator[Finding]:
    """The firewall plugin's rules for addresses of this node's bridges that nothing has."""
    near = [
        subnet(a)
        for link in case.facts.node.links
        if link.kind == "bridge"
        for a in case.node.addresses(link)
    ]
    lost: dict[str, list[tuple[Chain, FirewallRule]]] = {}
    for chain in case.node.rules.chains:
        for rule in chain.rules if chain.name == ACCEPTING else ():
            found = HOST.search(rule.text)
            ip = found["address"] if found and rule.action.kind == "accept" else ""
            if ip and ip not in used and any(within(ip, prefix) for prefix in near):
                lost.setdefault(ip, []).append((chain, rule))
    for ip, rules in lost.items():
        chain = rules[0][0]
        yield GN1404.warning(
            f"{chain.place} accepts packets of {ip}, which nothing on this node has: rules of a pod that is gone",
            subject("firewall", chain.place),
            *(seen("firewall", rule.text, chain.listing) for chain, rule in rules[:SHOWN]),
            remedy=fix("a DEL of the container deletes them; where its sandbox is gone, delete them by hand"),
        )
