"""Firewall rules inside the pod that no trace passes: on lo, and on its secondary interfaces."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.firewall_drops import GN0510, delete_rule
from genie_core.checks.parts import fix, seen, the_pod
from genie_core.findings import Finding, Severity
from genie_core.net.addresses import subnet
from genie_core.net.case import Case
from genie_core.net.firewall.evaluate import PacketOutcome, at_hook
from genie_core.net.firewall.rules import Packet
from genie_core.net.flows import served_ports
from genie_core.spec.addresses import version

SURE = 0.99
OUT, IN = ("output", "postrouting"), ("prerouting", "input")


@check(
    "loopback-filter",
    GN0510,
    title="no rule in the pod drops its traffic to itself",
    needs=("pod", "pod firewall"),
)
def loopback(case: Case) -> Iterator[Finding]:
    for family in case.families if not case.narrowed else ():
        address = "127.0.0.1" if family == 4 else "::1"
        base = Packet(family=family, source=address, target=address, source_local=True, target_local=True)
        for protocol, port in (("tcp", 33333), *served_ports(case)):
            packet = base.with_(protocol=protocol, dport=port)
            ways = (
                *((hook, packet.with_(oif="lo")) for hook in OUT),
                *((hook, packet.with_(iif="lo")) for hook in IN),
            )
            found = _dropped(case, ways)
            if found is not None:
                yield _finding(case, found, f"{protocol} to the pod's own {address}", "lo", Severity.ERROR)
                return


@check(
    "further-filter",
    GN0510,
    title="no rule in the pod blocks a secondary interface",
    needs=("pod", "pod firewall"),
)
def secondary(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        judged = attachment is not case.primary and not case.narrowed
        for own in case.addresses(attachment)[:1] if judged else ():
            other = _neighbour_of(own.ip, subnet(own))
            name, family = attachment.link.name, version(own.ip)
            if not other:
                continue
            into = Packet(
                family=family, source=other, target=own.ip, dport=33333, iif=name, target_local=True
            )
            out = Packet(family=family, source=own.ip, target=other, dport=33333, oif=name, source_local=True)
            for title, packet, hooks in (
                (f"what arrives on {name}", into, IN),
                (f"what leaves by {name}", out, OUT),
            ):
                found = _dropped(case, tuple((hook, packet) for hook in hooks))
                if found is not None:
                    # Policy engines for several networks filter there too.
                    yield _finding(case, found, title, name, Severity.WARNING)


def _neighbour_of(ip: str, prefix: str) -> str:
    """Another host of the subnet, "" where there is none."""
    hosts = ipaddress.ip_network(prefix).hosts()
    return next((str(h) for _, h in zip(range(3), hosts, strict=False) if str(h) != ip), "")


def _dropped(case: Case, ways: tuple[tuple[str, Packet], ...]) -> PacketOutcome | None:
    """The first outcome that surely stops the packet, unless the traces report that rule already; None without one."""
    reported = {_key(b.outcome) for w in case.walks for b in w.blocks if b.outcome is not None}
    for hook, packet in ways:
        for outcome in at_hook(case.pod.rules, hook, packet) if case.pod else ():
            if outcome.verdict != "accept" and outcome.chance > SURE and _key(outcome) not in reported:
                return outcome
    return None


def _key(outcome: PacketOutcome) -> tuple[str, int]:
    return (outcome.chain.place if outcome.chain else "", outcome.rule.number if outcome.rule else 0)


def _finding(case: Case, outcome: PacketOutcome, what: str, name: str, severity: Severity) -> Finding:
    chain, rule = outcome.chain, outcome.rule
    assert chain is not None
    text = rule.text if rule else f"policy {chain.policy}"
    place = f"{chain.place} rule {rule.number}" if rule else chain.place
    return GN0510.found(
        severity,
        f"inside the pod's namespace, {place} {outcome.verdict}s {what}: {text}",
        the_pod(case, name),
        seen("firewall", f"{place}: {text}"),
        seen("model", str(outcome.packet)),
        remedy=fix(
            "delete the rule, and correct what added it (a sidecar, an init container)",
            *((delete_rule("pod", chain, rule),) if rule else ()),
        ),
    )
