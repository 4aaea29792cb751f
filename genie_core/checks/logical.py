"""GN1620, GN1621: what of the cluster's logical networks this node cannot do, or does wrong."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.node_wording import fix
from genie_core.errors import GenieError
from genie_core.findings import Evidence, Finding, Severity, Subject
from genie_core.model import Wish
from genie_core.select.overlap import placement
from genie_core.select.underlay import has_master, parse_subnet, repeats_on_nodes, with_subnet
from genie_core.survey.node_facts import NodeFacts
from genie_core.survey.own import finder_of


def missing_nics(facts: NodeFacts) -> Iterator[Finding]:
    """GN1620: a physical network names an interface that this node does not have."""
    networks = facts.genie.networks
    links = facts.net.links if facts.net else {}
    for label, physical in networks.physical.items() if networks else ():
        if networks and physical.nic in networks.absent:
            yield Finding(
                code="GN1620",
                severity=Severity.WARNING,
                title=f'Physicalnetwork {label} names the interface "{physical.nic}", which this node does not have',
                object=Subject(kind="network", name=label),
                evidence=(Evidence(source="netlink", command="ip -br link", value=" ".join(sorted(links))),),
                remedy=fix(
                    "correct spec.refer_nic, or keep its pods on nodes that have the interface: "
                    "those of macvlan, ipvlan and vlan do not start here"
                ),
            )


def repeated_addresses(facts: NodeFacts) -> Iterator[Finding]:
    """GN1621: a logical network on a LAN gives out the same addresses on every node."""
    networks = facts.genie.networks
    finder = finder_of(facts)
    for logical in networks.logical if networks else ():
        physical = networks.physical.get(f"{logical.namespace}/{logical.physical}") if networks else None
        plugin, subnet = placement(logical, physical)
        try:
            file = finder.find(Wish(plugin, "", "")) if plugin and subnet else None
            if file is None or not has_master(file):
                continue
            if not repeats_on_nodes(with_subnet(file, parse_subnet(subnet, ""))):
                continue
        except GenieError:
            continue  # a plugin of other nodes, or a subnet that no pod gets
        yield Finding(
            code="GN1621",
            severity=Severity.WARNING,
            title=f"Logicalnetwork {logical.label}: host-local gives out the same addresses of {subnet} on every node",
            object=Subject(kind="network", name=logical.label, file=file.source),
            remedy=fix(
                "use whereabouts in the network's file, or give each node's file a rangeStart and rangeEnd of its own"
            ),
        )
