"""Checks of faults that operators report, on facts made by hand, beside what looks alike and is right."""

from dataclasses import replace

import pytest

from genie_core.checks import (
    cluster_subnets,
    conntrack,
    kernel,
    native_routing,
    overlay,
    policy_routing,
    tunnel_ends,
)
from genie_core.net.case import Case
from genie_core.survey.conf_files import parse_conf
from genie_core.survey.facts import Facts
from genie_core.survey.kernel import Address, Hop, Link, Neighbour, Netns, Route, RoutingRule
from tests.diagnose.test_strange_nodes import api, cluster, pod, pooled


def found(check, facts):
    return [(one.code, one.severity.value) for one in check(Case(facts))]


@pytest.mark.parametrize(
    "name, seconds, severity",
    [
        ("udp_timeout", "0", "error"), ("udp_timeout", "10", ""), ("tcp_timeout_syn_sent", "1", "error"),
        ("tcp_timeout_established", "30", "warning"), ("tcp_timeout_established", "600", ""),
    ],
)  # fmt: skip
def test_timeouts_that_end_a_flow_before_its_answer(name, seconds, severity):
    node = Netns(sysctls={f"netfilter/nf_conntrack_{name}": seconds})
    assert found(conntrack.short_timeouts, Facts(node=node)) == ([("GN0528", severity)] if severity else [])


@pytest.mark.parametrize("size, count", [("0", 1), ("262144", 0)])
def test_no_room_for_one_datagram(size, count):
    limits = Netns(sysctls={"ipv4/ipfrag_high_thresh": size})
    assert len(found(kernel.fragments, Facts(node=limits))) == count
    assert len(found(kernel.fragments, Facts(node=limits, pod=limits, netns_path="/p"))) == 2 * count


@pytest.mark.parametrize("priority, count", [(0, 0), (100, 0), (None, 1)])  # Cilium moves it to 100
def test_the_rule_for_the_nodes_own_addresses(priority, count):
    main = RoutingRule(family=4, priority=32766, table=254)
    local = () if priority is None else (RoutingRule(family=4, priority=priority, table=255),)
    assert len(found(policy_routing.local_rules, Facts(node=Netns(rules=(*local, main))))) == count


@pytest.mark.parametrize(
    "accepts, forwards, held, way, count",
    [
        ("1", "1", "2001:db8::9", "", 1), ("2", "1", "2001:db8::9", "", 0), ("1", "0", "2001:db8::9", "", 0),
        ("1", "1", "192.0.2.9", "", 0), ("1", "1", "2001:db8::9", "2001:db8::1", 0),
    ],
)  # fmt: skip
def test_a_router_that_is_ignored(accepts, forwards, held, way, count):
    eth0 = Link(index=2, name="eth0", up=True, carrier=True)
    routes = (Route(dst="::/0", hops=(Hop(index=2, gateway=way),)),) if way else ()
    node = Netns(
        links=(eth0,), addresses=(Address(index=2, ip=held, prefix=64 if ":" in held else 24),), routes=routes,
        sysctls={"ipv6/conf/eth0/accept_ra": accepts, "ipv6/conf/all/forwarding": forwards},
    )  # fmt: skip
    assert found(native_routing.ignored_router, Facts(node=node)) == [("GN0513", "warning")] * count


def conf(name, subnet, number=10):
    ipam = f'{{"type": "host-local", "subnet": "{subnet}"}}'
    text = (
        f'{{"cniVersion": "1.0.0", "name": "{name}", "type": "bridge", "bridge": "{name}", "ipam": {ipam}}}'
    )
    return parse_conf(f"/etc/cni/net.d/{number}-{name}.conf", text)


PODS = (pod("a", "n2", "10.244.2.9"), pod("b", "n3", "10.244.3.9"), pod("me", "n1", "10.244.1.9"))


@pytest.mark.parametrize(
    "subnet, count",
    [
        ("10.244.1.0/24", 0), ("10.244.0.0/24", 1), ("10.244.0.0/16", 0), ("172.20.0.0/24", 0),
    ],
)  # fmt: skip
def test_a_network_with_a_prefix_that_was_the_nodes(subnet, count):
    facts = replace(cluster(*PODS), directories={"/etc/cni/net.d": [conf("cbr0", subnet)]})
    assert [code for code, _ in found(cluster_subnets.prefixes, facts)] == ["GN0716"] * count


def test_a_prefix_of_two_nodes_is_one_finding():
    """The other node's has no route of its own then, and none is missed."""
    twin = api("Node", "n4", spec={"podCIDR": "10.244.1.0/24"})
    facts = cluster(*PODS)
    facts = replace(facts, objects=(*facts.objects, twin))
    assert found(cluster_subnets.prefixes, facts) == [("GN0716", "error")]
    assert "n4" not in " ".join(one.title for one in overlay.remote_routes(Case(facts)))


def vxlan(**more):
    return pooled(
        **({"kind": "vxlan", "carrier": True, "data": {"vxlan_id": 1, "vxlan_port": 4789}} | more)
    ).facts


def test_a_tunnel_that_is_held_down():
    assert found(overlay.tunnel_up, vxlan()) == []
    assert found(overlay.tunnel_up, vxlan(carrier=False)) == [("GN0706", "error")]


def test_both_ends_of_a_tunnel_have_one_mac():
    """Of cloned machines, whose MACs systemd derives from one /etc/machine-id."""
    own = "66:00:00:00:00:02"
    assert found(tunnel_ends.tunnel_ends, vxlan(mac="66:00:00:00:00:01")) == []
    facts = vxlan(mac=own)
    assert isinstance(facts.node.neighbours[0], Neighbour)
    assert found(tunnel_ends.tunnel_ends, facts) == [("GN0705", "error")]
