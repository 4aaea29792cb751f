"""The key of a plugin's configuration that takes a logical network's subnet (conformance D22)."""

import json
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.errors import InvalidConfig
from genie_core.select.underlay import parse_subnet, with_subnet
from genie_core.spec.conf import parse_network


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
        (
            {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/16", "rangeStart": "10.1.0.5"}]]},
            {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5"}]]},
        ),
        (
            {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/16", "rangeEnd": "10.1.9.5"}], 5, [7]]},
            {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]},
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


def test_d22_a_null_ipam_counts_as_absent():
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
