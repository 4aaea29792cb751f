"""Logical networks whose subnets overlap: the older network stays, the younger is refused (conformance D24)."""

import pytest

from genie_core.edges.kube_errors import APIError, Unreachable
from genie_core.errors import TRY_AGAIN, TryAgain
from tests.core.select.conftest import SHARED, refusal

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


@pytest.mark.parametrize("theirs", ["10.1.0.0/24", "10.1.0.128/25", "10.0.0.0/8"])
def test_d24_an_overlap_is_named(node, theirs):
    node.physical("phy", **SHARED)
    node.logical("net", created=NEW, physicalNet="phy", plugin="weave", sub_subnet="10.1.0.0/24")
    node.logical("theirs", created=OLD, physicalNet="phy", plugin="flannel", sub_subnet=theirs)
    text = refusal(node, "net")
    assert "ns/theirs" in text
    assert theirs in text


@pytest.fixture
def underlays(node):
    """Networks beside weave: two bridges, a ptp and two macvlans on one parent, one on another."""
    for name, bridge in (("bridge", "cni0"), ("bridge2", "cni1")):
        node.file(name, {"type": "bridge", "bridge": bridge})
    node.file("ptp", {"type": "ptp"})
    for name, master in (("macvlan", "lo"), ("macvlan2", "lo"), ("macvlan3", "eth9")):
        node.file(name, {"type": "macvlan", "master": master})
    return node


def rivals(node, mine, theirs, created=OLD, subnet="10.1.0.0/24"):
    """The network `net`, and one of another tenant that is created then, with the same subnet unless given."""
    node.logical("net", created=NEW, sub_subnet="10.1.0.0/24", **mine)
    node.logical("x", "other", created=created, sub_subnet=subnet, **theirs)


ONE_UNDERLAY = [
    ({"plugin": "weave"}, {"plugin": "weave"}),
    ({"plugin": "weave"}, {"plugin": "weave-net"}),  # the same configuration by another name
    ({"plugin": "bridge"}, {"plugin": "bridge2"}),  # both in the node's routing table
    ({"plugin": "bridge"}, {"plugin": "ptp"}),
    ({"plugin": "macvlan"}, {"plugin": "macvlan2"}),
    ({"physicalNet": "one", "plugin": "weave"}, {"physicalNet": "two", "plugin": "weave"}),
    ({"physicalNet": "mine", "plugin": ""}, {"physicalNet": "two", "plugin": "weave"}),
    ({"physicalNet": "mine"}, {"physicalNet": "dedicated"}),
    ({"physicalNet": "on-lo", "plugin": "macvlan3"}, {"plugin": "macvlan"}),
]


@pytest.mark.parametrize("mine, theirs", ONE_UNDERLAY)
def test_an_overlap_on_one_underlying_network(underlays, mine, theirs):
    node = underlays
    node.physical("one", **SHARED)
    node.physical("mine", dedicatedNet=True, plugin="weave", subnet="10.1.0.0/16")
    node.physical("on-lo", nic="lo", **SHARED)
    node.physical("two", "other", **SHARED)
    node.physical("dedicated", "other", dedicatedNet=True, plugin="weave", subnet="10.1.0.0/16")
    rivals(node, mine, theirs)
    text = refusal(node, "net")
    assert "other/x" in text
    assert "older" in text
    rivals(node, mine, theirs, created="2026-03-01T00:00:00Z")
    assert node.plan({"networks": "net"})  # the younger object does not make the older one fail


def test_a_dedicated_networks_whole_subnet_counts(node):
    node.physical("whole", "other", dedicatedNet=True, plugin="weave", subnet="10.1.0.0/16")
    node.logical("net", created=NEW, plugin="weave", sub_subnet="10.1.7.0/24")
    node.logical("x", "other", created=OLD, physicalNet="whole")
    assert "overlaps 10.1.0.0/16 of Logicalnetwork other/x" in refusal(node, "net")


@pytest.mark.parametrize(
    "mine, theirs, subnet",
    [
        ({"plugin": "weave"}, {"plugin": "weave"}, "10.2.0.0/24"),
        ({"plugin": "weave"}, {"plugin": "weave"}, "fd00::/64"),
        ({"plugin": "weave"}, {"plugin": "weave"}, "broken"),
        ({"plugin": "weave"}, {"plugin": "weave"}, ""),
        ({"plugin": "weave"}, {"plugin": "ovs"}, "10.1.0.0/24"),
        ({"plugin": "weave"}, {"plugin": "bridge"}, "10.1.0.0/24"),
        ({"plugin": "weave"}, {"plugin": "not-installed"}, "10.1.0.0/24"),
        ({"plugin": "weave"}, {"physicalNet": "not-there"}, "10.1.0.0/24"),
        ({"plugin": "macvlan"}, {"plugin": "macvlan3"}, "10.1.0.0/24"),
        ({"plugin": "macvlan"}, {"plugin": "macvlan", "physicalNet": "on-eth9"}, "10.1.0.0/24"),
        ({"plugin": "weave"}, {"plugin": 5}, "10.1.0.0/24"),
    ],
)
def test_d24_subnets_that_do_not_overlap(underlays, mine, theirs, subnet):
    node = underlays
    node.physical("on-eth9", "other", nic="eth9", **SHARED)
    rivals(node, mine, theirs, subnet=subnet)
    assert node.plan({"networks": "net"})


@pytest.mark.parametrize("namespace, name, wins", [("aa", "zz", True), ("ns", "a", True), ("ns", "z", False)])
def test_of_one_age_the_name_decides(node, namespace, name, wins):
    """Timestamps have whole seconds. Of each pair exactly one is refused, on every node the same."""
    node.logical("net", plugin="weave", sub_subnet="10.1.0.0/24")
    node.logical(name, namespace, plugin="weave", sub_subnet="10.1.0.0/24")
    if wins:
        assert f"{namespace}/{name}" in refusal(node, "net")
    else:
        assert node.plan({"networks": "net"})


def lists(node):
    return [asked.target for asked in node.api.requests if "?limit=" in asked.target]


def test_one_list_for_all_networks_of_a_pod(node):
    for number in range(3):
        node.logical(f"net{number}", plugin="weave", sub_subnet=f"10.1.{number}.0/24")
    node.plan({"networks": "net0,net1,net2"})
    assert lists(node) == ["/apis/alpha.network.k8s.io/v1/logicalnetworks?limit=500"]
    node.logical("plain", plugin="weave")
    node.plan({"networks": "plain"})
    assert len(lists(node)) == 1  # without a subnet there is nothing to compare


def test_every_page_is_read_and_no_more_than_twenty(node):
    node.logical("net", created=NEW, plugin="weave", sub_subnet="10.1.0.0/24")
    for number in range(600):
        node.logical(f"n{number}", "many", created=OLD, plugin="weave", sub_subnet="10.2.0.0/24")
    node.logical("z", "many", created=OLD, plugin="weave", sub_subnet="10.1.0.0/24")
    assert "many/z" in refusal(node, "net")
    assert len(lists(node)) == 2
    for number in range(600, 10000):
        node.logical(f"n{number}", "many", created=OLD, plugin="weave", sub_subnet="10.2.0.0/24")
    with pytest.raises(APIError, match="more than 10000 logicalnetworks") as caught:
        node.plan({"networks": "net"})
    assert caught.value.code == TRY_AGAIN


@pytest.mark.parametrize("plural", ["logicalnetworks", "physicalnetworks"])
def test_d24_without_the_right_to_list_no_pod_starts(node, plural):
    """A network that may take another one's addresses is not attached; the error says what to grant."""
    node.physical("phy", **SHARED)
    node.logical("net", created=NEW, physicalNet="phy", plugin="weave", sub_subnet="10.1.0.0/24")
    node.logical("x", "other", created=OLD, physicalNet="phy", plugin="weave", sub_subnet="10.1.0.0/24")
    node.api.forbidden.add(("list", plural))
    text = refusal(node, "net", TryAgain)
    assert plural in text
    assert "kubectl apply -k deploy" in text


def test_while_the_server_is_away_an_earlier_comparison_holds(node):
    node.timeout = 0.1
    node.logical("net", plugin="weave", sub_subnet="10.1.0.0/24")
    assert node.plan({"networks": "net"})
    node.api.fail(503, times=999)
    assert node.plan({"networks": "net"})
    assert "API server unreachable, overlap not compared again" in [event for _, event, _ in node.log.lines]


def test_while_the_server_is_away_nothing_new_is_attached(node):
    """Its objects are cached, but this version of it was not compared yet."""
    node.logical("net", plugin="weave", sub_subnet="10.1.0.0/24")
    assert node.plan({"networks": "net"})
    node.logical("net", plugin="weave", sub_subnet="10.2.0.0/24")
    node.api.forbidden.add(("list", "logicalnetworks"))
    refusal(node, "net", TryAgain)
    node.api.fail(503, times=999)
    node.timeout = 0.1
    assert refusal(node, "net", Unreachable)
