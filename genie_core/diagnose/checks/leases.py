"""Leases of containers that are gone, where no runtime is there to ask: nobody on the node has their addresses."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.diagnose.checks.check import PodCheck
from genie_core.diagnose.facts import Lease
from genie_core.diagnose.model import Model, subnets
from genie_core.diagnose.say import seen
from genie_core.diagnose.stack import within
from genie_core.findings import Command, Confidence, Finding, Remedy, Severity, Subject

SHOWN = 5


def leaked(model: Model) -> Iterator[Finding]:
    """GN1301: leases whose container no cached result knows and whose address no namespace holds."""
    facts = model.facts
    containers = {c.container for c in facts.files.cached} | {s.id for s in facts.sandboxes or ()}
    held = {a.ip for t in facts.tenants for a in t.addresses} | {
        a.ip for a in (facts.pod.addresses if facts.pod else ())
    }
    if not held:
        return
    networks: dict[str, list[Lease]] = {}
    for lease in facts.files.leases:
        if lease.container not in containers and lease.ip not in held:
            networks.setdefault(lease.network, []).append(lease)
    for network, lost in sorted(networks.items()):
        yield _finding(model, network, lost)


def _finding(model: Model, network: str, lost: list[Lease]) -> Finding:
    return Finding(
        code="GN1301",
        severity=Severity.WARNING,
        title=f'network "{network}": {len(lost)} of {_size(model, network, lost)} leases belong to '
        "container IDs that nothing on this node knows, their addresses are on no interface",
        object=Subject(kind="network", name=network),
        evidence=tuple(
            seen("lease", f"{lease.ip} {lease.container} {lease.ifname}".rstrip()) for lease in lost[:SHOWN]
        ),
        remedy=Remedy(
            text="look again in a minute; if they are still there, let `genie gc` free them",
            commands=(Command(argv=("genie", "gc", "--dry-run")),),
            risk="an address that a running pod uses must not be freed: gc asks twice",
        ),
        confidence=Confidence.MEDIUM,
    )


def _size(model: Model, network: str, lost: list[Lease]) -> int:
    """How many addresses the network's range has, else how many leases there are."""
    import ipaddress

    for conf in model.facts.files.confs:
        for subnet in subnets(conf.plugins):
            if conf.name == network and within(lost[0].ip, subnet):
                return ipaddress.ip_network(subnet, strict=False).num_addresses - 2
    return sum(lease.network == network for lease in model.facts.files.leases)


CHECKS = (
    PodCheck(
        id="leases-known",
        title="every lease belongs to a container of this node",
        run=leaked,
        needs=("node",),
        node_wide=True,
    ),
)
