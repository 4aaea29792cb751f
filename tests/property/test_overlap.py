"""Overlapping logical networks: whatever there is in the cluster, the older one is attached, on every node alike."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.errors import InvalidConfig, NetworkNotFound
from genie_core.model import Selection
from genie_core.select.overlap import Claim, placement, read_logical, read_physical, refuse_overlap
from genie_core.select.underlay import parse_subnet, underlay_of, with_master
from genie_core.spec.conf import parse_network
from tests.manifests import logical, physical

pytestmark = pytest.mark.property

FILES = {
    name: parse_network(f'{{"name": "{name}", "type": "{type_}"}}', name)
    for name, type_ in (("lan", "bridge"), ("link", "ptp"), ("flat", "macvlan"), ("over", "weave-net"))
}
PHYSICAL = [
    physical("shared", "a", nic="eth1"),
    physical("own", "a", dedicatedNet=True, plugin="lan", subnet="10.0.0.0/13"),
    physical("shared", "b", nic="eth2"),
]
KNOWN = {
    (item["metadata"]["namespace"], item["metadata"]["name"]): read_physical(item, "", "")
    for item in PHYSICAL
}
SUBNETS = st.builds(
    lambda address, length: str(ip_network((f"10.{address}.0.0", length), strict=False)),
    st.integers(0, 15),
    st.sampled_from([12, 13, 14, 16, 24]),
)
NETWORKS = st.lists(
    st.builds(
        lambda namespace, name, day, plugin, subnet, net: logical(
            name, namespace, f"2026-01-0{day}T00:00:00Z", plugin=plugin, sub_subnet=subnet, physicalNet=net
        ),
        st.sampled_from("ab"),
        st.sampled_from("vwxyz"),
        st.integers(1, 3),
        st.sampled_from([*FILES, "elsewhere"]),
        SUBNETS,
        st.sampled_from(["", "", "shared", "own"]),
    ),
    max_size=6,
    unique_by=lambda item: (item["metadata"]["namespace"], item["metadata"]["name"]),
)


def find(selection):
    if selection.name not in FILES:
        raise NetworkNotFound(selection.name)
    return FILES[selection.name]


def claim_of(item):
    """The claim of a pod's ADD; None where the network cannot be attached on this node."""
    metadata = item["metadata"]
    network = read_logical(item, metadata["namespace"], metadata["name"])
    on = KNOWN.get((network.namespace, network.physical))
    plugin, subnet = placement(network, on)
    if plugin not in FILES or (network.physical and on is None):
        return None
    underlay = underlay_of(with_master(FILES[plugin], on.nic if on else ""))
    return Claim(network, parse_subnet(subnet, ""), underlay)


def is_refused(claim, items):
    try:
        refuse_overlap(claim, Selection("x", "", "x"), items, lambda: PHYSICAL, find)
    except InvalidConfig:
        return True
    return False


def meet(one, other):
    """Whether the two are on one underlying network, and overlap."""
    on_one = one.network.physical and one.network.namespace == other.network.namespace
    same = one.underlay == other.underlay or (on_one and one.network.physical == other.network.physical)
    return same and one.subnet.overlaps(other.subnet)


@given(NETWORKS)
def test_of_two_that_overlap_the_younger_is_refused(items):
    claims = [claim for item in items if (claim := claim_of(item))]
    for one in claims:
        rivals = [other for other in claims if other.network.age < one.network.age and meet(one, other)]
        assert is_refused(one, items) >= bool(rivals)
        if len(claims) == len(items):
            assert is_refused(one, items) == bool(rivals)


@given(NETWORKS, NETWORKS)
def test_what_is_created_later_changes_nothing(items, more):
    known = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items}
    later = [
        {**item, "metadata": {**item["metadata"], "creationTimestamp": "2026-02-01T00:00:00Z"}}
        for item in more
        if (item["metadata"]["namespace"], item["metadata"]["name"]) not in known
    ]
    for item in items:
        if claim := claim_of(item):
            assert is_refused(claim, items) == is_refused(claim, [*items, *later])


@given(NETWORKS, st.data())
def test_what_is_deleted_refuses_nothing(items, data):
    """A network that was attached stays so when others go."""
    kept = [item for item in items if data.draw(st.booleans())]
    for item in kept:
        if (claim := claim_of(item)) and not is_refused(claim, items):
            assert not is_refused(claim, kept)
