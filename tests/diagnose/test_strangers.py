"""Healthy pods as other plugins, kernels and clouds make them, on facts made by hand."""

import json

import pytest

from genie_core.checks import duplicates, links
from genie_core.checks.parts import in_netns
from genie_core.checks.registry import NETWORK
from genie_core.checks.runner import run
from genie_core.dialects import NETWORK_STATUS
from genie_core.net.case import Case
from genie_core.net.flows import Flow
from genie_core.net.model import FALLBACKS
from genie_core.survey.cluster import network_status
from genie_core.survey.facts import Cached, Facts, Files, Lease
from genie_core.survey.kernel import (
    Address,
    Firewall,
    Hop,
    Link,
    Netns,
    Route,
    Tenant,
)
from genie_core.survey.records import lean_result
from genie_core.survey.whole_cluster import pod_row
from genie_core.tasks.status.asked import attached_to
from tests.diagnose.plain_pod import ETH0, HELD


def test_the_devices_that_tunnel_modules_make_are_no_interfaces_of_the_pod():
    """Where a node uses IPIP, each of its pods has a tunl0, which is down and does no ARP."""
    made = tuple(
        Link(index=20 + n, name=name, kind="ipip", mac="00:00:00:00", arp=False)
        for n, name in enumerate(FALLBACKS)
    )
    case = Case(Facts(pod=Netns(links=(ETH0, *made), addresses=(HELD,))))
    assert [one.link.name for one in case.attachments] == ["eth0"]
    assert [*links.link_up(case), *links.arp_enabled(case)] == []


@pytest.mark.parametrize("kind", ["dummy", "bond", "bridge"])
def test_an_interface_of_any_kind_is_there(kind):
    """The plugins dummy and bond make such interfaces."""
    result = {"ips": [{"address": "192.0.2.5/24"}]}
    cached = Cached(file="/c", network="second", ifname="net1", netns="/p", result=result)
    pod = Netns(links=(ETH0, Link(index=6, name="net1", kind=kind, up=True)), addresses=(HELD,))
    facts = Facts(pod=pod, netns_path="/p", files=Files(cached=(cached,)))
    assert list(links.present(Case(facts))) == []


def resolved(node=(), pod=(), family="ip"):
    """Where the packets of a pod on a macvlan of the node stop: (place, chain). `node`, `pod` are rules for nft."""
    six = family == "ip6"
    net, hop = ("2001:db8::", "2001:db8::1") if six else ("192.0.2.", "192.0.2.1")
    own, prefix = Address(index=5, ip=f"{net}9", prefix=64 if six else 24), "::/0" if six else "0.0.0.0/0"
    eth0 = Link(index=5, name="eth0", kind="macvlan", up=True, mac="02:00:00:00:00:05", peer=3, peer_nsid=0)
    parent = Link(index=3, name="eth1", up=True, carrier=True, mac="02:00:00:00:00:03")
    inside = Netns(links=(eth0,), addresses=(own,), routes=(Route(dst=prefix, hops=(Hop(index=5, gateway=hop),)),),
                   firewall=Firewall(nft=pod))  # fmt: skip
    facts = Facts(node=Netns(links=(parent,), firewall=Firewall(nft=node)), pod=inside, netns_path="/p")
    flow = Flow(
        role="outside",
        target="2001:db8:9::9" if six else "198.51.100.9",
        protocol="tcp",
        family=6 if six else 4,
    )
    return [
        (b.place, b.outcome.chain.name)
        for b in Case(facts, [flow]).walks[0].blocks
        if b.outcome and b.outcome.chain
    ]


def input_drop(family, *conditions):
    where = {"family": family, "table": "t"}
    chain = {**where, "name": f"{family}-in", "hook": "input", "type": "filter", "prio": 0}
    return (
        {"chain": chain},
        {"rule": {**where, "chain": f"{family}-in", "expr": [*conditions, {"drop": None}]}},
    )


ADVERT = {
    "match": {
        "op": "==",
        "left": {"payload": {"protocol": "icmpv6", "field": "type"}},
        "right": "nd-neighbor-advert",
    }
}


def test_the_nodes_rules_for_arp_are_not_those_of_a_macvlan():
    assert resolved(node=input_drop("arp")) == []
    assert resolved(pod=input_drop("arp")) == [("pod", "arp-in")]


def test_a_macvlan_pod_that_drops_neighbours_answers_reaches_nothing_by_ipv6():
    assert resolved(node=input_drop("ip6", ADVERT), family="ip6") == []
    assert set(resolved(pod=input_drop("ip6", ADVERT), family="ip6")) == {("pod", "ip6-in")}


def twice(one, other, held=(), kinds=("veth", "veth"), parent=0):
    """GN0203 of a pod whose net1 is on the bridge `one`, and another's with its address on the bridge `other`."""
    bridges = [Link(index=k, name=f"br{k}", kind="bridge", up=True) for k in (10, 11)]
    ports = [
        Link(index=2, name="va", kind="veth", up=True, master=one, peer=5, peer_nsid=0),
        Link(index=3, name="vb", kind="veth", up=True, master=other, peer=7, peer_nsid=1),
    ]  # fmt: skip
    mine = Link(index=5, name="net1", kind=kinds[0], up=True, peer=2, peer_nsid=0)
    number = 7 if kinds[1] == "veth" else 70
    theirs = Tenant(path="/q", nsid=1, links=(Link(index=number, name="net1", kind=kinds[1], peer=parent),),
                    addresses=(Address(index=number, ip="10.0.0.5", prefix=24),))  # fmt: skip
    node = Netns(links=(*bridges, *ports), nsids={"0": "/p", "1": "/q"}, addresses=held)
    inside = Netns(links=(mine,), addresses=(HELD,))
    return list(duplicates.duplicate(Case(Facts(node=node, pod=inside, netns_path="/p", tenants=(theirs,)))))


BOTH = tuple(Address(index=k, ip=f"10.0.0.{k}", prefix=24) for k in (10, 11))


@pytest.mark.parametrize(
    "one, other, more, count",
    [
        (10, 10, {}, 1),
        (10, 11, {}, 0),  # networks that are apart
        (10, 11, {"held": BOTH[:1]}, 0),
        (10, 11, {"held": BOTH}, 1),  # the node routes both
        (0, 0, {}, 1),  # it has one route to the address
        (0, 10, {}, 1),
        (0, 0, {"kinds": ("wireguard", "veth")}, 0),  # many VPN clients have the same one
        (10, 0, {"kinds": ("veth", "macvlan")}, 0),
        (10, 0, {"kinds": ("veth", "macvlan"), "parent": 10}, 1),  # whose parent is the bridge
        (10, 0, {"kinds": ("veth", "macvlan"), "parent": 2}, 1),
    ],
)
def test_one_address_on_networks_that_are_apart_is_no_duplicate(one, other, more, count):
    """The remedy took it from the other pod."""
    assert len(twice(one, other, **more)) == count


@pytest.mark.parametrize("gateways, count", [((), 0), (("10.9.9.1",), 1), (("10.0.0.10",), 1)])
def test_an_address_of_the_node_is_a_duplicate_where_the_node_routes_for_the_pod(gateways, count):
    """It drops packets that come from an address of its own; a bridge without an address leads past it."""
    links = (
        Link(index=3, name="eth0", up=True), Link(index=10, name="br10", kind="bridge", up=True),
        Link(index=2, name="va", kind="veth", up=True, master=10, peer=5, peer_nsid=0),
    )  # fmt: skip
    held = [Address(index=10, ip=ip, prefix=24) for ip in gateways]
    own = Address(index=3, ip="10.0.0.5", prefix=32)
    node = Netns(links=links, nsids={"0": "/p"}, addresses=(own, *held))
    facts = Facts(node=node, pod=Netns(links=(ETH0,), addresses=(HELD,)), netns_path="/p")
    assert len([*duplicates.duplicate(Case(facts))]) == count


def test_an_address_that_is_leased_to_another_pod_is_not_taken_from_that_one():
    cached = Cached(file="/c", network="n", ifname="eth0", container="mine", netns="/p",
                    result={"ips": [{"address": "10.0.0.5/24"}]})  # fmt: skip
    theirs = Tenant(path="/q", nsid=1, links=(Link(index=7, name="eth0"),),
                    addresses=(Address(index=7, ip="10.0.0.5", prefix=24),))  # fmt: skip
    ports = tuple(
        Link(index=k, name=f"v{k}", kind="veth", up=True, peer=peer, peer_nsid=number)
        for k, peer, number in ((2, 5, 0), (3, 7, 1))
    )
    for owner, commands in (("mine", 1), ("theirs", 0)):
        lease = Lease(network="n", ip="10.0.0.5", container=owner, ifname="eth0", file="/l")
        facts = Facts(
            node=Netns(links=ports, nsids={"0": "/p", "1": "/q"}), pod=Netns(links=(ETH0,), addresses=(HELD,)),
            netns_path="/p", tenants=(theirs,), files=Files(cached=(cached,), leases=(lease,)),
        )  # fmt: skip
        (finding,) = duplicates.duplicate(Case(facts))
        assert finding.remedy is not None
        assert len(finding.remedy.commands) == commands


ODD = [7, None, "x", {"address": 5, "gateway": 5}, {"address": "10.0.0.5/24", "interface": 9, "gateway": "x"}]


def test_a_damaged_result_costs_no_more_than_itself():
    """The whole diagnosis of a pod without a default route ended with an internal error."""
    result = lean_result(
        {"ips": ODD, "routes": ODD, "interfaces": {"name": "eth0"}, "dns": 5, "cniVersion": "1.0.0"}
    )
    assert result == {"ips": [{"address": "10.0.0.5/24", "interface": 9}], "routes": [{}, {}, {}, *ODD[3:]]}
    cached = Cached(file="/c", network="n", ifname="eth0", netns="/p", result=result)
    case = Case(
        Facts(pod=Netns(links=(ETH0,), addresses=(HELD,)), netns_path="/p", files=Files(cached=(cached,)))
    )
    assert [(i.ifname, i.ips, i.gateways) for i in case.intended] == [("eth0", ("10.0.0.5",), ())]
    assert lean_result({"ips": 5, "routes": "x"}) == {}


def test_an_annotation_of_the_pods_author_costs_no_more_than_itself():
    status = json.dumps(
        [{"interface": "eth0", "ips": [7, "10.0.0.9", "x"], "gateway": [5]}, {"ips": "10.0.0.5"}, 3]
    )
    metadata = {"annotations": {NETWORK_STATUS: status}}
    case = Case(
        Facts(pod=Netns(links=(ETH0,), addresses=(HELD,)), pod_object={"kind": "Pod", "metadata": metadata})
    )
    assert [(i.ifname, i.ips, i.gateways) for i in case.intended] == [("eth0", ("10.0.0.9",), ())]


def test_an_annotation_that_is_nested_too_deeply_costs_no_more_than_itself():
    """One pod's annotation ended `genie status` of the whole cluster with an internal error."""
    metadata = {"namespace": "shop", "name": "web", "annotations": {NETWORK_STATUS: "[" * 100_000}}
    item = {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": "n1"}, "status": {"podIP": "10.0.0.5"}}
    assert (network_status(item), attached_to(pod_row(item))) == ([], [])


@pytest.mark.parametrize(
    "path, argv",
    [
        ("/run/netns/cni-1", ("ip", "-n", "cni-1", "addr")),
        ("/run/docker/netns/1f", ("nsenter", "--net=/run/docker/netns/1f", "ip", "addr")),
        ("/proc/7/ns/net", ("nsenter", "--net=/proc/7/ns/net", "ip", "addr")),
    ],
)
def test_a_namespace_without_a_name_is_entered_by_its_path(path, argv):
    """`ip -n` knows those of /run/netns only."""
    assert in_netns(path, "addr").argv == argv


EVERYTHING = {"nft": (), "iptables": {"ip": "*filter"}}


EXTENDED = ({"rule": {"expr": [{"xt": {"type": "match", "name": "bpf"}}]}},)


@pytest.mark.parametrize(
    "parts, whole",
    [
        (EVERYTHING, True),
        (EVERYTHING | {"nft": None, "reason": "nft is not installed"}, False),
        ({"nft": ({"rule": {"expr": [{"drop": None}]}},), "reason": "iptables-save is not installed"}, True),
        ({"nft": EXTENDED, "reason": "iptables-save is not installed"}, False),
        (EVERYTHING | {"reason": "iptables-legacy-save: exit status 1"}, False),
        (EVERYTHING | {"reason": "ipset is not installed"}, False),
    ],
)
def test_nft_lists_every_rule_but_not_what_iptables_extensions_ask_for(parts, whole):
    assert Firewall(**parts).is_whole is whole


def test_a_check_that_could_not_see_everything_does_not_pass():
    """The namespaces of a full node may not all be read in time."""
    case = Case(
        Facts(
            node=Netns(links=(ETH0,)), pod=Netns(links=(ETH0,)), missing={"tenants": "no answer within 4 s"}
        )
    )
    _, outcomes = run(
        case, [check for check in NETWORK if check.id in ("address-duplicate", "mac-unique", "pod-arp")]
    )
    assert {one.id: (one.status.value, one.reason) for one in outcomes} == {
        "address-duplicate": ("skip", "not everything was read: no answer within 4 s"),
        "mac-unique": ("skip", "not everything was read: no answer within 4 s"),
        "pod-arp": ("pass", ""),
    }
