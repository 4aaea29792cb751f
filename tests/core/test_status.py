"""The status annotations of a pod: conformance C46-C54, C58, D26, X13, X26."""

import json

import pytest

from genie_core.model import Result
from genie_core.status import NetworkEntry, multi_ip_preferences, network_status

SANDBOX = "/run/netns/blue"


def result(*addresses):
    return Result(ips=[{"address": address} for address in addresses])


def status(given, **more):
    (only,) = json.loads(network_status([NetworkEntry("ns/net", "net1", given, **more)]))
    return only


# --- multi-ip-preferences


def preferences(*parts):
    return json.loads(multi_ip_preferences(parts) or "null")


def test_d26_the_first_address_of_each_network():
    assert preferences(("eth0", result("10.0.0.1/24", "fd00::1/64")), ("eth1", result("fd01::1/64"))) == {
        "multi_entry": 2,
        "ips": {
            "ip1": {"ip": "10.0.0.1", "interface": "eth0"},
            "ip2": {"ip": "fd01::1", "interface": "eth1"},
        },
    }


@pytest.mark.parametrize("parts", [[], [("eth0", result("10.0.0.1/24"))]])
def test_d26_one_network_writes_no_preferences(parts):
    assert multi_ip_preferences(parts) is None


def test_x13_a_network_without_address_takes_no_other_entry_away():
    assert preferences(
        ("eth0", result("10.0.0.1/24")), ("l2", result()), ("eth2", result("10.2.0.1/24"))
    ) == {
        "multi_entry": 2,
        "ips": {
            "ip1": {"ip": "10.0.0.1", "interface": "eth0"},
            "ip2": {"ip": "10.2.0.1", "interface": "eth2"},
        },
    }


def test_x13_no_addresses_at_all():
    assert preferences(("eth0", result()), ("eth1", result())) == {
        "multi_entry": 0,
        "ips": {},
    }


# --- network-status


def test_c46_every_field():
    given = Result(
        interfaces=[
            {"name": "cni0", "mac": "0a:00:00:00:00:01", "mtu": 9000},
            {"name": "net1", "mac": "0a:00:00:00:00:05", "sandbox": SANDBOX, "mtu": 1450},
        ],
        ips=[{"address": "10.1.0.5/24", "interface": 1}, {"address": "fd00::5/64", "interface": 1}],
        routes=[
            {"dst": "0.0.0.0/0", "gw": "10.1.0.1"},
            {"dst": "10.0.0.0/8", "gw": "10.1.0.2"},
            {"dst": "::/0", "gw": "fd00::1"},
        ],
        dns={"nameservers": ["10.1.0.10"], "domain": "d", "search": ["s"], "options": ["o"]},
    )
    device = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": "0000:3b:02.1"}}
    assert status(given, default=True, device_info=device) == {
        "name": "ns/net",
        "interface": "net1",
        "ips": ["10.1.0.5", "fd00::5"],
        "mac": "0a:00:00:00:00:05",
        "mtu": 1450,
        "default": True,
        "dns": {"nameservers": ["10.1.0.10"], "domain": "d", "search": ["s"], "options": ["o"]},
        "device-info": device,
        "gateway": ["10.1.0.1", "fd00::1"],
    }


def test_c47_c51_the_empty_result_has_the_minimal_entry():
    assert status(Result()) == {"name": "ns/net", "interface": "net1", "dns": {}}


def test_c49_the_first_interface_in_the_sandbox_stands_for_the_attachment():
    links = [
        {"name": "host0", "mac": "0a:00:00:00:00:01"},
        {"name": "bond0", "mac": "0a:00:00:00:00:02", "sandbox": SANDBOX},
        {"name": "slave", "mac": "0a:00:00:00:00:03", "sandbox": SANDBOX},
    ]
    ips: list[dict[str, object]] = [
        {"address": "10.1.0.1/24", "interface": 0},
        {"address": "10.1.0.2/24", "interface": 1},
        {"address": "10.1.0.3/24", "interface": 2},
        {"address": "10.1.0.4/24"},
    ]
    got = status(Result(interfaces=links, ips=ips))
    assert (got["interface"], got["mac"]) == ("bond0", "0a:00:00:00:00:02")
    assert got["ips"] == ["10.1.0.2", "10.1.0.4"]


def test_c50_a_result_without_interfaces_still_has_its_addresses():
    assert status(result("10.1.0.5/32", "fd00::5/128")) == {
        "name": "ns/net",
        "interface": "net1",
        "ips": ["10.1.0.5", "fd00::5"],
        "dns": {},
    }


def test_c50_host_interfaces_alone_never_appear_but_the_addresses_do():
    given = Result(
        interfaces=[{"name": "cali1", "mac": "ee:ee:ee:ee:ee:ee"}],
        ips=[{"address": "10.1.0.5/32", "interface": 0}],
    )
    assert status(given) == {"name": "ns/net", "interface": "net1", "ips": ["10.1.0.5"], "dns": {}}


@pytest.mark.parametrize(
    "ips, gateways",
    [
        ([{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}], ["10.1.0.1"]),
        ([{"address": "10.1.0.5/24"}], None),
        ([{"address": "fd00::5/64", "gateway": "fd00::1"}], None),
    ],
)
def test_c52_a_default_route_without_gateway(ips, gateways):
    assert status(Result(ips=ips, routes=[{"dst": "0.0.0.0/0"}])).get("gateway") == gateways


def test_c11_an_entry_for_each_attachment_in_order():
    entries = [
        NetworkEntry("default-net", "eth0", result("10.1.0.5/24"), default=True),
        NetworkEntry("ns/a", "net1", result("10.2.0.5/24")),
        NetworkEntry("ns/a", "net2", result("10.2.0.6/24")),
    ]
    written = json.loads(network_status(entries))
    assert [(item["name"], item["interface"], item.get("default")) for item in written] == [
        ("default-net", "eth0", True),
        ("ns/a", "net1", None),
        ("ns/a", "net2", None),
    ]


@pytest.mark.parametrize("search", ['"', "\u0001", "\\", "é", "\u2028", "\U0001f600", "</script>"])
def test_c58_any_content_makes_valid_json(search):
    given = Result(interfaces=[{"name": search, "sandbox": SANDBOX}], dns={"search": [search]})
    written = network_status([NetworkEntry(search, "net1", given)])
    assert written.isascii()
    (only,) = json.loads(written)
    assert (only["name"], only["interface"], only["dns"]) == (search, search, {"search": [search]})
