"""GN1620, GN1621: the cluster's logical and physical networks on this node."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, seen
from genie_core.errors import GenieError
from genie_core.findings import Code, Finding, Subject
from genie_core.model import Selection
from genie_core.select.overlap import placement
from genie_core.select.underlay import has_master, parse_subnet, repeats_on_nodes, with_subnet
from genie_core.survey.facts import Facts
from genie_core.survey.genie import finder_of

GN1620 = Code("GN1620", "a physical network's interface is missing",
    cause="refer_nic names an interface that this node does not have",
    confirm="ip -br link", fix="correct spec.refer_nic, or keep the pods on nodes that have it")  # fmt: skip


@check("logical-nics", GN1620, title="the interfaces of physical networks exist", needs=("networks", "node"))
def missing_nics(facts: Facts) -> Iterator[Finding]:
    networks = facts.genie.networks
    links = [link.name for link in facts.node.links]
    for label, physical in networks.physical.items() if networks else ():
        if networks and physical.nic in networks.absent:
            yield GN1620.warning(
                f'Physicalnetwork {label} names the interface "{physical.nic}", which this node does not have',
                Subject(kind="network", name=label),
                seen("netlink", " ".join(sorted(links)), "ip -br link"),
                remedy=fix(
                    "correct spec.refer_nic, or keep its pods on nodes that have the interface: "
                    "pods on macvlan, ipvlan and vlan do not start here"
                ),
            )


GN1621 = Code("GN1621", "a logical network gives out the same addresses on every node",
    cause="host-local keeps its leases on one node, so each node gives out the same addresses of the "
    "subnet",
    confirm="genie explain network NAMESPACE/NAME",
    fix="whereabouts, or a rangeStart and rangeEnd for each node")  # fmt: skip


@check(
    "logical-addresses",
    GN1621,
    title="each node gives out other addresses of a logical network",
    needs=("conf", "networks"),
)
def repeated_addresses(facts: Facts) -> Iterator[Finding]:
    networks = facts.genie.networks
    finder = finder_of(facts)
    for logical in networks.logical if networks else ():
        physical = networks.physical.get(f"{logical.namespace}/{logical.physical}") if networks else None
        plugin, subnet = placement(logical, physical)
        try:
            file = finder.find(Selection(plugin, "", "")) if plugin and subnet else None
            if file is None or not has_master(file):
                continue
            if not repeats_on_nodes(with_subnet(file, parse_subnet(subnet, ""))):
                continue
        except GenieError:
            continue  # a plugin of other nodes, or a subnet that no pod gets
        yield GN1621.warning(
            f"Logicalnetwork {logical.label}: host-local gives out the same addresses of {subnet} on every node",
            Subject(kind="network", name=logical.label, file=file.source),
            remedy=fix(
                "use whereabouts in the network's file, or give each node's file a rangeStart and rangeEnd of its own"
            ),
        )
