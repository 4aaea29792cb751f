"""Several networks' results as one: conformance A47-A51, D28, D29, X12."""

import copy

import pytest

from genie_core.merge import merge, merge_previous, with_gateways
from genie_core.model import Result

NETNS = "/run/netns/blue"


def bridge(ifname, subnet, **more):
    """What the reference bridge plugin returns: bridge, host end, pod end."""
    return Result(
        interfaces=[
            {"name": "cni0", "mac": "0a:58:0a:01:00:01"},
            {"name": f"veth-{ifname}", "mac": "5e:00:00:00:00:07"},
            {"name": ifname, "mac": "0a:58:0a:01:00:05", "sandbox": NETNS},
        ],
        ips=[{"address": f"{subnet}.5/24", "gateway": f"{subnet}.1", "interface": 2}],
        routes=[{"dst": "0.0.0.0/0"}],
        **more,
    )


def bare(address, **more):
    """What Calico returns: an address, on no interface in particular."""
    return Result(ips=[{"address": address}], **more)


def addresses_by_interface(result):
    """As containerd's go-cni sorts them: by name, and without an index under the default interface."""
    found: dict[str, list[str]] = {}
    for ip in result.ips:
        index = ip.get("interface")
        name = "eth0" if index is None else result.interfaces[index]["name"]
        found.setdefault(name, []).append(ip["address"])
    return found


def test_d28_everything_is_joined_in_order_and_indexes_follow_their_interfaces():
    merged = merge([("eth0", bridge("eth0", "10.1.0")), ("eth1", bridge("eth1", "10.2.0"))], NETNS)
    assert [link["name"] for link in merged.interfaces] == [
        "cni0",
        "veth-eth0",
        "eth0",
        "cni0",
        "veth-eth1",
        "eth1",
    ]
    assert [ip["interface"] for ip in merged.ips] == [2, 5]
    assert addresses_by_interface(merged) == {"eth0": ["10.1.0.5/24"], "eth1": ["10.2.0.5/24"]}


def test_one_network_is_itself():
    only = bridge("eth0", "10.1.0").replace(routes=[])
    assert merge([("eth0", only)], NETNS) == only


def test_a48_the_primary_gets_the_interface_it_did_not_report():
    merged = merge([("eth0", bare("10.1.0.5/32"))], NETNS)
    assert merged.interfaces == [{"name": "eth0", "sandbox": NETNS}]
    assert merged.ips == [{"address": "10.1.0.5/32", "interface": 0}]


def test_a49_bare_addresses_of_another_network_do_not_fall_to_eth0():
    merged = merge(
        [("eth0", bridge("eth0", "10.1.0")), ("eth1", bare("10.2.0.5/32")), ("n", bare("fd00::5/128"))], NETNS
    )
    assert addresses_by_interface(merged) == {
        "eth0": ["10.1.0.5/24"],
        "eth1": ["10.2.0.5/32"],
        "n": ["fd00::5/128"],
    }
    assert merged.interfaces[3:] == [{"name": "eth1", "sandbox": NETNS}, {"name": "n", "sandbox": NETNS}]


def test_a49_the_interface_that_was_reported_is_used():
    links = [{"name": "cali123"}, {"name": "eth1", "mac": "0a:00:00:00:00:01", "sandbox": NETNS}]
    part = Result(interfaces=links, ips=[{"address": "10.2.0.5/32"}])
    merged = merge([("eth1", part)], NETNS)
    assert merged.interfaces == links
    assert merged.ips == [{"address": "10.2.0.5/32", "interface": 1}]


def test_a49_a_host_interface_of_that_name_is_not_the_pods():
    part = Result(interfaces=[{"name": "eth0", "mac": "52:54:00:00:00:01"}], ips=[{"address": "10.2.0.5/32"}])
    merged = merge([("eth0", part)], NETNS)
    assert merged.interfaces[1] == {"name": "eth0", "sandbox": NETNS}
    assert merged.ips[0]["interface"] == 1


def test_a49_only_addresses_without_interface_are_attributed():
    part = bridge("eth0", "10.1.0")
    part.ips += [{"address": "10.9.0.5/32"}, {"address": "10.9.1.1/24", "interface": 0}]
    merged = merge([("eth0", part)], NETNS)
    assert [ip["interface"] for ip in merged.ips] == [2, 2, 0]
    assert len(merged.interfaces) == 3


def test_a_network_without_addresses_adds_none():
    layer2 = Result(interfaces=[{"name": "net1", "sandbox": NETNS}])
    merged = merge([("eth0", bridge("eth0", "10.1.0")), ("net1", layer2), ("net2", Result())], NETNS)
    assert [link["name"] for link in merged.interfaces] == ["cni0", "veth-eth0", "eth0", "net1"]
    assert len(merged.ips) == 1


def test_d29_each_networks_routes_keep_their_own_gateway():
    merged = merge([("eth0", bridge("eth0", "10.1.0")), ("eth1", bridge("eth1", "10.2.0"))], NETNS)
    assert merged.routes == [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "0.0.0.0/0", "gw": "10.2.0.1"}]


DUAL = [
    {"address": "10.1.0.5/24"},
    {"address": "10.1.1.5/24", "gateway": "10.1.1.1"},
    {"address": "10.1.2.5/24", "gateway": "10.1.2.1"},
    {"address": "fd00::5/64", "gateway": "fd00::1"},
]


@pytest.mark.parametrize(
    "route, gateway",
    [
        ({"dst": "0.0.0.0/0"}, "10.1.1.1"),
        ({"dst": "10.0.0.0/8"}, "10.1.1.1"),
        ({"dst": "::/0"}, "fd00::1"),
        ({"dst": "10.0.0.0/8", "gw": "10.1.2.1"}, "10.1.2.1"),
        ({"dst": "10.0.0.0/8", "scope": 0}, "10.1.1.1"),
        ({"dst": "10.0.0.0/8", "scope": 200}, "10.1.1.1"),
        ({"dst": "10.0.0.0/8", "scope": 253}, None),
        ({"dst": "10.0.0.0/8", "scope": 254}, None),
        ({"dst": "10.1.1.1/32"}, None),
        ({"dst": "fd00::1/128"}, None),
        ({"dst": "10.1.1.2/32"}, "10.1.1.1"),
    ],
)
def test_d29_a_route_without_gateway_gets_the_first_of_its_family(route, gateway):
    filled = with_gateways(Result(ips=DUAL, routes=[route])).routes
    assert filled == [route | ({"gw": gateway} if gateway else {})]


@pytest.mark.parametrize(
    "ips", [[], [{"address": "10.1.0.5/24"}], [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}]]
)
def test_x12_a_route_without_any_gateway_stays_and_is_no_error(ips):
    route = {"dst": "::/0"}
    assert merge([("eth0", Result(ips=ips, routes=[route]))], NETNS).routes == [route]


def test_d28_dns_lists_are_joined_without_repetition_and_the_first_domain_wins():
    parts = [
        ("eth0", Result(dns={"nameservers": ["10.1.0.10"], "search": ["a", "b"]})),
        (
            "eth1",
            Result(dns={"nameservers": ["10.2.0.10", "10.1.0.10"], "domain": "two", "search": ["b", "c"]}),
        ),
        ("eth2", Result(dns={"domain": "three", "options": ["ndots:5", "ndots:5"]})),
    ]
    assert merge(parts, NETNS).dns == {
        "nameservers": ["10.1.0.10", "10.2.0.10"],
        "domain": "two",
        "search": ["a", "b", "c"],
        "options": ["ndots:5"],
    }


def test_a51_the_result_of_the_plugins_before_stands_first_and_unchanged():
    previous = bridge("eth0", "10.1.0")
    previous.ips.append({"address": "10.9.0.5/32"})
    merged = merge_previous(previous, merge([("eth1", bridge("eth1", "10.2.0"))], NETNS))
    assert merged.interfaces[:3] == previous.interfaces
    assert merged.ips == [*previous.ips, {"address": "10.2.0.5/24", "gateway": "10.2.0.1", "interface": 5}]
    assert merged.routes[0] == {"dst": "0.0.0.0/0"}


def test_the_results_that_were_merged_stay_as_they_were():
    parts = [
        ("eth0", bridge("eth0", "10.1.0", dns={"search": ["a"]})),
        ("eth1", bare("10.2.0.5/32", dns={"search": ["b"]})),
    ]
    before = copy.deepcopy(parts)
    merge_previous(parts[0][1], merge(parts, NETNS))
    assert parts == before


def test_nothing_at_all():
    assert merge([], NETNS) == Result()
