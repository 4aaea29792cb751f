"""Logical networks on physical ones (conformance D19-D24, X22, X27, X28)."""

import json
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.edges.kube_errors import Unreachable
from genie_core.errors import InvalidConfig
from genie_core.select.logical import parse_subnet, with_subnet
from genie_core.spec.conf import parse_network

SHARED = {"dedicatedNet": False}


@pytest.fixture
def node(desk):
    desk.file("weave", {"type": "weave-net", "ipam": {"type": "weave-ipam", "extra": 1}})
    desk.file("flannel", {"type": "flannel"}, {"type": "portmap"})
    return desk


def refusal(desk, value, kind=InvalidConfig):
    with pytest.raises(kind) as caught:
        desk.plan({"networks": value})
    assert str(caught.value).startswith("annotation networks, item ")
    return str(caught.value)


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
    node.logical("net", physicalNet="phy", plugin="flannel", sub_subnet="10.244.0.0/24")
    assert subnet_of(node) == ("flannel", "10.244.0.0/24")


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


@pytest.mark.parametrize("part", ["10.32.0.0/33", "x", "10.0/8", "10.0.0.0/24 "])
def test_d24_what_is_no_subnet(node, part):
    node.logical("net", plugin="weave", sub_subnet=part)
    assert "no subnet" in refusal(node, "net")


@pytest.mark.parametrize("theirs", ["10.1.0.0/24", "10.1.0.128/25", "10.0.0.0/8"])
def test_d24_an_overlap_is_named(node, theirs):
    node.physical("phy", **SHARED)
    node.logical("net", physicalNet="phy", plugin="weave", sub_subnet="10.1.0.0/24")
    node.logical("theirs", physicalNet="phy", plugin="flannel", sub_subnet=theirs)
    text = refusal(node, "net")
    assert "ns/theirs" in text
    assert theirs in text


@pytest.mark.parametrize(
    "theirs",
    [
        {"physicalNet": "phy", "sub_subnet": "10.2.0.0/24"},
        {"physicalNet": "other", "sub_subnet": "10.1.0.0/24"},
        {"physicalNet": "phy", "sub_subnet": "fd00::/64"},
        {"physicalNet": "phy", "sub_subnet": "broken"},
        {"physicalNet": "phy"},
        {"plugin": "weave", "sub_subnet": "10.1.0.0/24"},
    ],
)
def test_d24_what_is_no_overlap(node, theirs):
    node.physical("phy", **SHARED)
    node.logical("net", physicalNet="phy", plugin="weave", sub_subnet="10.1.0.0/24")
    node.logical("theirs", **theirs)
    assert subnet_of(node) == ("weave-net", "10.1.0.0/24")


def test_d24_without_the_right_to_list_a_pod_starts_all_the_same(node):
    node.physical("phy", **SHARED)
    node.logical("net", physicalNet="phy", plugin="weave", sub_subnet="10.1.0.0/24")
    node.api.forbidden.add(("list", "logicalnetworks"))
    assert subnet_of(node) == ("weave-net", "10.1.0.0/24")
    assert node.warnings() == ["other logical networks not compared"]


# --- odd objects


@pytest.mark.parametrize("spec", [{"plugin": 5}, {"physicalNet": {}}, {"plugin": "weave", "sub_subnet": 24}])
def test_x28_odd_objects_are_told_and_no_crash(node, spec):
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


# --- where the subnet goes


def ipam_with(subnet, ipam):
    """A configuration's ipam with the subnet put in."""
    body = {"type": "x", "name": "n"} if ipam is None else {"type": "x", "name": "n", "ipam": ipam}
    network = with_subnet(parse_network(json.dumps(body), "f"), parse_subnet(subnet, "s"))
    return json.loads(network.plugins[0].text)["ipam"]


@pytest.mark.parametrize(
    "ipam, expected",
    [
        (None, {"subnet": "10.1.0.0/24"}),
        ({}, {"subnet": "10.1.0.0/24"}),
        (
            {"type": "host-local", "subnet": "10.9.0.0/16", "routes": [{"dst": "0.0.0.0/0"}]},
            {"type": "host-local", "subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]},
        ),
        (
            {
                "type": "host-local",
                "ranges": [[{"subnet": "10.9.0.0/16"}], [{"subnet": "fd00::/64"}]],
                "dataDir": "/x",
            },
            {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "dataDir": "/x"},
        ),
        (
            {"type": "host-local", "subnet": "10.9.0.0/16", "ranges": [[{"subnet": "10.8.0.0/16"}]]},
            {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]},
        ),
        (
            {"type": "host-local", "subnet": "10.9.0.0/16", "rangeStart": "10.9.0.5", "gateway": "10.9.0.1"},
            {"type": "host-local", "subnet": "10.1.0.0/24"},
        ),
        (
            {"type": "host-local", "subnet": "10.1.0.0/16", "rangeStart": "10.1.0.5", "gateway": "10.1.0.1"},
            {"type": "host-local", "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5", "gateway": "10.1.0.1"},
        ),
        ({"type": "calico-ipam"}, {"type": "calico-ipam", "ipv4_pools": ["10.1.0.0/24"]}),
        ({"type": "whereabouts", "range": "10.9.0.0/16"}, {"type": "whereabouts", "range": "10.1.0.0/24"}),
    ],
)
def test_d22_the_subnet_in_every_form_of_ipam(ipam, expected):
    assert ipam_with("10.1.0.0/24", ipam) == expected


def test_d22_ipv6():
    assert ipam_with("fd00::/64", {"type": "calico-ipam"}) == {
        "type": "calico-ipam",
        "ipv6_pools": ["fd00::/64"],
    }
    assert ipam_with("fd00::/64", {"type": "host-local"}) == {"type": "host-local", "subnet": "fd00::/64"}


@pytest.mark.parametrize("ipam", [[], "x", 5])
def test_d22_x28_an_ipam_that_is_no_object(ipam):
    with pytest.raises(InvalidConfig, match="ipam must be an object"):
        ipam_with("10.1.0.0/24", ipam)


def test_d22_a_null_ipam_is_none():
    assert ipam_with("10.1.0.0/24", None) == {"subnet": "10.1.0.0/24"}


def test_d22_only_the_first_plugin_and_nothing_else_of_it():
    text = '{"name": "n", "plugins": [{"type": "x", "big": 9007199254740993}, {"type": "y", "ipam": {}}]}'
    network = parse_network(text, "f")
    changed = with_subnet(network, parse_subnet("10.1.0.0/24", "s"))
    assert changed.plugins[1] == network.plugins[1]
    assert "9007199254740993" in changed.plugins[0].text


@pytest.mark.property
@given(st.ip_addresses(), st.integers(0, 128), st.sampled_from(["subnet", "ranges", "range", "other"]))
def test_d22_one_subnet_and_no_other(address, length, key):
    """Whatever was in there, the plugin is left with exactly this subnet."""
    subnet = ip_network((address, min(length, address.max_prefixlen)), strict=False)
    before = [[{"subnet": "10.9.0.0/16"}]] if key == "ranges" else "10.9.0.0/16"
    found = json.dumps(ipam_with(str(subnet), {"type": "host-local", key: before}))
    assert str(subnet) in found
    assert ("10.9.0.0/16" in found) is (key in {"range", "other"} or str(subnet) == "10.9.0.0/16")
