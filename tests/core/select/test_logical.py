"""Logical networks on physical ones (conformance D19-D24, X22, X27, X28)."""

import json

import pytest

from genie_core.edges.kube_errors import Unreachable
from genie_core.errors import InvalidConfig
from genie_core.select.underlay import bridge_name, is_own_bridge, parse_subnet
from tests.core.select.conftest import SHARED, refusal


def subnet_of(desk, name="net"):
    """The type of the plugin, and the subnet it would run with."""
    (found,) = desk.plan({"networks": name})
    body = json.loads(found.network.plugins[0].text)
    return body["type"], body.get("ipam", {}).get("subnet")


# --- what an annotation may say


@pytest.mark.parametrize(
    "value, names",
    [
        ("one", ["eth0"]),
        ("one, two", ["eth0", "eth1"]),
        ("one@eth0,two@eth4", ["eth0", "eth4"]),
        ("one:eth0,two:eth4", ["eth0", "eth4"]),
        ("one,one", ["eth0", "eth1"]),
    ],
)
def test_d19_in_order_each_with_its_interface(node, value, names):
    node.logical("one", plugin="weave")
    node.logical("two", plugin="flannel")
    assert [item.ifname for item in node.plan({"networks": value})] == names
    paths = [asked.target.rpartition("/")[2] for asked in node.api.requests]
    assert paths == [item.strip().partition("@")[0].partition(":")[0] for item in value.split(",")]


@pytest.mark.parametrize(
    "value", ["a/b", "../x", "A", "a_b", "a%2e", "a b", "a,,b", "@eth1", ":eth1", "a:b:c", "a@b:c", "a@b@c"]
)
def test_x22_x36_names(node, value):
    refusal(node, value)
    assert not any("/" in asked.target.partition("logicalnetworks/")[2] for asked in node.api.requests)


def test_d19_a_logical_network_that_does_not_exist(node):
    assert "Logicalnetwork ns/nobody does not exist" in refusal(node, "nobody")


def test_d19_while_the_server_fails(node):
    node.api.fail(500, times=99)
    refusal(node, "net", Unreachable)


# --- without a physical network


def test_d20_the_plugin_alone(node):
    node.logical("net", plugin="weave")
    assert subnet_of(node) == ("weave-net", None)


def test_d20_a_plugin_and_a_subnet(node):
    node.logical("net", plugin="weave", sub_subnet="10.1.0.0/24")
    assert subnet_of(node) == ("weave-net", "10.1.0.0/24")


@pytest.mark.parametrize("spec", [{}, {"plugin": ""}, {"plugin": None, "physicalNet": ""}])
def test_d20_neither(node, spec):
    node.logical("net", **spec)
    assert "failed to find physical network mapping in logical network net" in refusal(node, "net")


def test_d23_no_configuration_for_the_plugin(node):
    node.logical("net", plugin="romana")
    text = refusal(node, "net")
    assert "for user requested plugin: romana" in text
    assert "ns/net" in text


# --- dedicated


def test_d21_dedicated_the_physical_networks_plugin_and_subnet(node):
    node.physical("phy", dedicatedNet=True, plugin="weave", subnet="10.32.0.0/16")
    node.logical("net", physicalNet="phy", plugin="flannel")
    assert subnet_of(node) == ("weave-net", "10.32.0.0/16")


def test_d21_dedicated_a_part_of_the_subnet(node):
    node.physical("phy", dedicatedNet=True, plugin="weave", subnet="10.32.0.0/16")
    node.logical("net", physicalNet="phy", sub_subnet="10.32.5.0/24")
    assert subnet_of(node) == ("weave-net", "10.32.5.0/24")


def test_d21_dedicated_without_subnets_the_configurations_own_counts(node):
    node.physical("phy", dedicatedNet=True, plugin="weave")
    node.logical("net", physicalNet="phy")
    assert subnet_of(node) == ("weave-net", None)


def test_d21_dedicated_without_plugin(node):
    node.physical("phy", dedicatedNet=True)
    node.logical("net", physicalNet="phy", plugin="weave")
    assert "sharedStatus.plugin" in refusal(node, "net")


def test_d21_a_physical_network_that_does_not_exist(node):
    node.logical("net", physicalNet="nobody", plugin="weave")
    assert "Physicalnetwork ns/nobody does not exist" in refusal(node, "net")


# --- shared


@pytest.mark.parametrize("key", ["sharedStatus", "sharedStaus"])
def test_d21_x27_shared_the_logical_networks_plugin_and_subnet(node, key):
    node.physical("phy", key=key, **SHARED)
    node.logical("net", physicalNet="phy", plugin="ovs", sub_subnet="10.244.0.0/24")
    assert subnet_of(node) == ("ovs", "10.244.0.0/24")


@pytest.mark.parametrize(
    "spec, missing", [({"plugin": "weave"}, "sub_subnet"), ({"sub_subnet": "10.1.0.0/24"}, "plugin")]
)
def test_d24_shared_needs_a_plugin_and_a_subnet(node, spec, missing):
    node.physical("phy", **SHARED)
    node.logical("net", physicalNet="phy", **spec)
    assert f"spec.{missing}" in refusal(node, "net")


# --- subnets


@pytest.mark.parametrize("status", [SHARED, {"dedicatedNet": True, "plugin": "weave"}])
@pytest.mark.parametrize("part", ["10.33.0.0/24", "10.0.0.0/8", "fd00::/64"])
def test_d24_a_part_must_be_inside(node, status, part):
    node.physical("phy", subnet="10.32.0.0/16", **status)
    node.logical("net", physicalNet="phy", plugin="weave", sub_subnet=part)
    text = refusal(node, "net")
    assert part in text
    assert "10.32.0.0/16" in text


@pytest.mark.parametrize("part, better", [("10.32.0.1/24", "10.32.0.0/24"), ("fd00::1/64", "fd00::/64")])
def test_d22_d24_host_bits(node, part, better):
    node.logical("net", plugin="weave", sub_subnet=part)
    text = refusal(node, "net")
    assert "host bits" in text
    assert f"write {better}" in text


@pytest.mark.parametrize(
    "part, problem",
    [
        ("300.1.2.0/24", "Octet 300 (> 255) not permitted"),
        ("10.32.0.0/33", "'33' is not a valid netmask"),
        ("fd00::/129", "'129' is not a valid netmask"),
        ("x", "Expected 4 octets"),
        ("10.0/8", "Expected 4 octets"),
        ("10.0.0.0/24 ", "'24 ' is not a valid netmask"),
    ],
)
def test_d24_an_invalid_subnet(node, part, problem):
    """The message says which part of it is wrong, not how another subnet is written."""
    node.logical("net", plugin="weave", sub_subnet=part)
    text = refusal(node, "net")
    assert "is no subnet" in text
    assert problem in text


# --- a bridge of its own


@pytest.fixture
def bridges(node):
    ipam = {"type": "host-local", "subnet": "10.9.0.0/16"}
    node.file("bridge", {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipam": ipam}, "portmap")
    return node


def bridge_of(node, name):
    (found,) = node.plan({"networks": name})
    return json.loads(found.network.plugins[0].text)["bridge"]


def test_each_logical_network_has_a_bridge_of_its_own(bridges):
    bridges.logical("one", plugin="bridge", sub_subnet="10.1.0.0/24")
    bridges.logical("two", plugin="bridge", sub_subnet="10.2.0.0/24")
    names = {bridge_of(bridges, "one"), bridge_of(bridges, "two"), "cni0"}
    assert len(names) == 3
    assert all(len(name) <= 15 for name in names)
    assert bridge_of(bridges, "one") == "genieog8trabnsl"  # on every node, in every version


def test_it_depends_on_namespace_name_and_subnet(bridges):
    """A subnet that is changed has another bridge: the pods of before keep their gateway."""
    subnet = parse_subnet("10.1.0.0/24", "")
    names = {bridge_name(label, subnet) for label in ("a/bc", "ab/c", "a/b", "b/a")}
    names |= {bridge_name("a/bc", parse_subnet("10.2.0.0/24", ""))}
    assert len(names) == 5
    assert all(is_own_bridge(name) for name in names)


@pytest.mark.parametrize(
    "name", ["cni0", "genie", "genie0", "genie3g4ndchbk0x", "genie3g4ndchbkz", "xenie3g4ndchbk0"]
)
def test_other_interfaces_are_not_taken_for_one(name):
    assert not is_own_bridge(name)


def test_the_whole_subnet_of_the_file_is_the_files_network(bridges):
    """A second bridge would have the same gateway and route on the node."""
    bridges.physical("phy", dedicatedNet=True, plugin="bridge", subnet="10.9.0.0/16")
    bridges.logical("net", physicalNet="phy")
    assert bridge_of(bridges, "net") == "cni0"
    (found,) = bridges.plan({"networks": "net"})
    assert found.network.name == "bridge"
    assert not any("cut off" in event for event in bridges.warnings())


def test_without_a_subnet_it_is_the_network_by_another_name(bridges):
    bridges.logical("net", plugin="bridge")
    assert bridge_of(bridges, "net") == "cni0"


def test_it_keeps_its_leases_apart(bridges):
    """host-local continues after the last lease of a network's name: two networks of one name share their leases."""
    bridges.logical("net", plugin="bridge", sub_subnet="10.9.7.0/24")
    (found,) = bridges.plan({"networks": "net"})
    assert found.network.name == f"bridge.{bridge_of(bridges, 'net')[5:]}"


# --- what the node itself needs


def with_ranges(node, type_="ptp", **limits):
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.5.0.0/16", **limits}]]}
    node.file("other", {"type": type_, "ipam": ipam})


@pytest.mark.parametrize("plugin", ["bridge", "ptp"])
@pytest.mark.parametrize("subnet", ["10.5.7.0/24", "10.4.0.0/15"])
def test_a_range_of_another_network_of_the_node_is_not_taken(bridges, plugin, subnet):
    bridges.file("ptp", "ptp")
    with_ranges(bridges)
    bridges.logical("net", plugin=plugin, sub_subnet=subnet)
    text = refusal(bridges, "net")
    assert "overlaps 10.5.0.0/16 of network other" in text
    assert "10-other.conflist" in text


def test_what_the_other_network_does_not_give_out_is_free(bridges):
    with_ranges(bridges, rangeEnd="10.5.99.255")
    bridges.logical("net", plugin="bridge", sub_subnet="10.5.100.0/24")
    assert bridges.plan({"networks": "net"})
    with_ranges(bridges, type_="macvlan")
    bridges.logical("net", plugin="bridge", sub_subnet="10.5.7.0/24")
    assert bridges.plan({"networks": "net"})  # not in the node's routing table


@pytest.mark.parametrize("subnet, warned", [("10.9.7.0/24", True), ("10.8.7.0/24", False)])
def test_a_part_of_the_files_own_range_gets_a_warning(bridges, subnet, warned):
    bridges.logical("net", plugin="bridge", sub_subnet=subnet)
    assert bridges.plan({"networks": "net"})
    assert any("cut off from the node" in event for event in bridges.warnings()) is warned


# --- plugins that take no subnet


@pytest.mark.parametrize("type_", ["flannel", "cilium-cni", "multus"])
def test_what_takes_no_subnet_is_refused_with_the_reason(node, type_):
    node.file("agent", {"type": type_})
    node.logical("net", plugin="agent", sub_subnet="10.1.0.0/24")
    text = refusal(node, "net")
    assert "network agent cannot have the subnet 10.1.0.0/24" in text
    assert "leave the subnet out" in text
    node.logical("net", plugin="agent")
    assert subnet_of(node) == (type_, None)


# --- the same addresses on every node


@pytest.mark.parametrize(
    "ipam, warned",
    [
        ({"type": "host-local", "subnet": "10.9.0.0/16"}, True),
        ({"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/16"}]]}, True),
        ({"type": "host-local", "subnet": "10.1.0.0/16", "rangeStart": "10.1.0.9"}, True),
        (
            {
                "type": "host-local",
                "subnet": "10.1.0.0/16",
                "rangeStart": "10.1.0.9",
                "rangeEnd": "10.1.0.12",
            },
            False,
        ),
        (
            {
                "type": "host-local",
                "ranges": [[{"subnet": "10.1.0.0/16", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.12"}]],
            },
            False,
        ),
        ({"type": "whereabouts", "range": "10.9.0.0/16"}, False),
        ({}, False),
    ],
)
def test_a_warning_where_nodes_give_out_the_same_addresses(node, ipam, warned):
    node.file("lan", {"type": "macvlan", "ipam": ipam})
    node.logical("net", plugin="lan", sub_subnet="10.1.0.0/24")
    node.plan({"networks": "net"})
    assert node.warnings() == ["host-local gives out the same addresses on every node"] * warned


# --- refer_nic


@pytest.mark.parametrize("type_", ["macvlan", "ipvlan", "vlan"])
def test_refer_nic_is_the_parent(node, type_):
    node.file("lan", {"type": type_, "master": "eth9"})
    node.physical("phy", nic="lo", dedicatedNet=True, plugin="lan")
    node.logical("net", physicalNet="phy")
    (found,) = node.plan({"networks": "net"})
    assert json.loads(found.network.plugins[0].text)["master"] == "lo"


def test_a_refer_nic_that_the_node_lacks(node):
    node.file("lan", {"type": "macvlan"})
    node.physical("phy", nic="nic-not-here", dedicatedNet=True, plugin="lan")
    node.logical("net", physicalNet="phy")
    text = refusal(node, "net")
    assert "Physicalnetwork ns/phy: refer_nic 'nic-not-here' is no interface of this node" in text


def test_a_plugin_without_a_parent_does_not_need_it(node):
    node.physical("phy", nic="nic-not-here", dedicatedNet=True, plugin="weave")
    node.logical("net", physicalNet="phy")
    assert subnet_of(node) == ("weave-net", None)
    assert node.warnings() == ["interface not on this node"]


# --- odd objects


@pytest.mark.parametrize("spec", [{"plugin": 5}, {"physicalNet": {}}, {"plugin": "weave", "sub_subnet": 24}])
def test_x28_odd_objects_are_an_error_and_no_crash(node, spec):
    node.logical("net", **spec)
    with pytest.raises(InvalidConfig) as caught:
        node.plan({"networks": "net"})
    assert "ns/net" in caught.value.msg


@pytest.mark.parametrize(
    "status", [{"dedicatedNet": "maybe"}, {"plugin": [], "dedicatedNet": True}, {"subnet": 5}]
)
def test_x28_odd_physical_networks(node, status):
    node.physical("phy", **status)
    node.logical("net", physicalNet="phy", plugin="weave", sub_subnet="10.1.0.0/24")
    with pytest.raises(InvalidConfig) as caught:
        node.plan({"networks": "net"})
    assert "ns/phy" in caught.value.msg
