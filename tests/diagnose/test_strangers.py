"""Healthy pods and nodes as other plugins, kernels and clouds make them, on facts made by hand."""

import json
from dataclasses import replace

import pytest

from genie_core.checks import duplicates, links, native_routing, overlay, policy_routing, services
from genie_core.checks.parts import in_netns
from genie_core.checks.registry import NETWORK
from genie_core.checks.runner import run
from genie_core.net.case import Case
from genie_core.net.fib import Fib, default_rules
from genie_core.net.flows import remote_targets, tunnel_of
from genie_core.net.model import FALLBACKS
from genie_core.net.prefixes import around, supernet
from genie_core.net.stack import Stack, conf_key
from genie_core.status import NETWORK_STATUS
from genie_core.survey.cluster import OTHER_PROXY, Node, Pod, network_status
from genie_core.survey.facts import Cached, Facts, Files, Lease
from genie_core.survey.kernel import Address, Firewall, Forwarding, Hop, Link, Netns, Route, Rule, Tenant
from genie_core.survey.records import lean_result
from genie_core.survey.whole_cluster import pod_row
from genie_core.tasks.status.asked import attached_to

ETH0 = Link(index=5, name="eth0", kind="veth", up=True, mac="02:00:00:00:00:05", peer=2, peer_nsid=0)
HELD = Address(index=5, ip="10.0.0.5", prefix=24)


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


def api(kind, name, **more):
    return {"kind": kind, "metadata": {"namespace": "default", "name": name}, **more}


def pod(name, node, ip):
    return api("Pod", name, spec={"nodeName": node}, status={"podIP": ip, "phase": "Running"})


def cluster(*pods):
    """Three nodes with a prefix each, a tunnel that leads to all, and routes for the blocks that pods are really in."""
    nodes = [
        api("Node", f"n{k}", spec={"podCIDR": f"10.244.{k}.0/24"},
            status={"addresses": [{"type": "InternalIP", "address": f"192.0.2.{k}"}]})
        for k in (1, 2, 3)
    ]  # fmt: skip
    uplink = Link(index=3, name="eth0", up=True, carrier=True, mac="02:00:00:00:00:03")
    tunnel = Link(index=9, name="vxlan.calico", kind="vxlan", up=True, data={"vxlan_id": 4096})
    ways = [("0.0.0.0/0", 3, "192.0.2.254"), ("192.0.2.0/24", 3, ""), ("10.244.77.64/26", 9, "10.244.77.64")]
    return Facts(
        node_name="n1", objects=(*nodes, *pods),
        node=Netns(
            links=(uplink, tunnel), addresses=(Address(index=3, ip="192.0.2.1", prefix=24),),
            routes=tuple(Route(dst=dst, hops=(Hop(index=index, gateway=via),)) for dst, index, via in ways),
            forwarding=tuple(Forwarding(index=9, mac=f"66:00:00:00:00:0{k}", dst=f"192.0.2.{k}") for k in (2, 3)),
        ),
    )  # fmt: skip


def test_prefixes_of_nodes_that_no_pod_is_in_need_no_routes():
    """Calico's own address management leaves them unused: each was called unreachable."""
    case = Case(cluster(pod("a", "n2", "10.244.77.70"), pod("b", "n1", "10.244.9.3")))
    assert [*overlay.remote_routes(case), *native_routing.native_routes(case)] == []
    assert list(remote_targets(case, 4)) == [("10.244.77.70", "default/a", "10.244.77.70/32")]
    assert case.pod_cidrs == ("10.244.0.0/17",)


def test_prefixes_of_nodes_that_pods_are_in_need_routes():
    case = Case(
        cluster(pod("a", "n2", "10.244.2.70"), pod("b", "n2", "10.9.9.9"), pod("c", "n3", "10.244.3.1"))
    )
    assert [finding.code for finding in overlay.remote_routes(case)] == ["GN0701", "GN0701"]


def test_prefixes_of_nodes_that_some_pods_are_in_need_routes():
    """Most pods are on another network that Genie gave them; a few by chance in a prefix are none that need it."""
    others = [pod(f"o{k}", "n2", f"10.9.9.{k}") for k in range(1, 30)]
    some = [pod(f"s{k}", "n2", f"10.244.2.{k}") for k in range(1, 5)]
    found = [len([*overlay.remote_routes(Case(cluster(*others, *some[:n])))]) for n in (4, 1)]
    assert found == [2, 0]


@pytest.mark.parametrize("pods, codes", [(("10.244.77.70",), ["GN0504"]), ((), [])])
def test_a_rule_leads_packets_for_pods_out_of_another_uplink(pods, codes):
    """Between two uplinks the choice is the network's, but not for a route to pods, here to a block of Calico's."""
    facts = cluster(*(pod(f"p{ip}", "n2", ip) for ip in pods), pod("me", "n1", "10.244.9.3"))
    link = Link(index=2, name="cali1", kind="veth", up=True, carrier=True, peer=5, peer_nsid=0)
    second = Link(index=4, name="eth1", up=True, carrier=True)
    ways = [
        ("0.0.0.0/0", 254, 3, "192.0.2.254"), ("10.244.77.64/26", 254, 3, "192.0.2.2"),
        ("10.244.9.3/32", 254, 2, ""), ("0.0.0.0/0", 100, 4, "198.51.100.1"),
    ]  # fmt: skip
    rules = [*default_rules(4), Rule(family=4, priority=150, table=100, src="10.244.9.3/32")]
    node = replace(
        facts.node, links=(link, facts.node.links[0], second), nsids={"0": "/p"},
        addresses=(*facts.node.addresses, Address(index=4, ip="198.51.100.9", prefix=24)),
        routes=tuple(Route(dst=dst, table=table, hops=(Hop(index=to, gateway=via),)) for dst, table, to, via in ways),
        rules=tuple(sorted(rules, key=lambda rule: rule.priority)), sysctls={"ipv4/conf/cali1/forwarding": "1"},
    )  # fmt: skip
    gateway = "169.254.1.1"
    default = Route(dst="0.0.0.0/0", hops=(Hop(index=5, gateway=gateway),))
    inner = Netns(links=(ETH0,), addresses=(replace(HELD, ip="10.244.9.3", prefix=32),), routes=(default,))
    case = Case(replace(facts, node=node, pod=inner, netns_path="/p", namespace="default", pod_name="me"))
    assert [finding.code for finding in policy_routing.policy_rules(case)] == codes


def test_the_prefix_of_all_pods_has_no_node_in_it():
    pods = [Pod(name="a", ips=("10.1.0.5", "fd00::5")), Pod(name="b", ips=("10.1.3.9", "fd00::9"))]
    assert around(pods, []) == ["10.1.0.0/22", "fd00::/124"]
    assert around(pods, [Node(name="n", addresses=("10.1.1.1",))]) == ["fd00::/124"]
    assert (supernet([]), supernet(["1.0.0.1", "200.0.0.1"])) == ("", "")


def test_a_node_that_a_route_leads_to_needs_no_tunnel():
    """flannel's DirectRouting and Calico's CrossSubnet: nodes of one subnet are reached without the tunnel."""
    facts = cluster()
    ways = [
        ("10.244.2.0/24", 3, "192.0.2.2"),
        ("10.244.3.0/24", 9, "10.244.3.0"),
        ("10.244.4.0/24", 9, "10.244.4.0"),
    ]
    routes = tuple(Route(dst=dst, hops=(Hop(index=index, gateway=via),)) for dst, index, via in ways)
    case = Case(
        Facts(node_name="n1", objects=facts.objects, node=Netns(links=facts.node.links, routes=routes))
    )
    found = {cidr: tunnel_of(case, cidr) for cidr in ("10.244.2.0/24", "10.244.3.0/24")}
    assert {cidr: link and link.name for cidr, link in found.items()} == {
        "10.244.2.0/24": None, "10.244.3.0/24": "vxlan.calico",
    }  # fmt: skip


@pytest.mark.parametrize("nodes, severity", [(True, "warning"), (False, "error")])
def test_a_tunnel_that_leads_to_no_node_is_not_the_pods(nodes, severity):
    """An administrator's own tunnel; where the nodes are not known, it may be the pods'."""
    away = Link(index=12, name="gre1", kind="gre", mtu=1400)
    held = (Address(index=12, ip="172.16.0.1", prefix=30),)
    facts = Facts(objects=cluster().objects if nodes else (), node=Netns(links=(away,), addresses=held))
    assert [finding.severity.value for finding in overlay.tunnel_up(Case(facts))] == [severity]


@pytest.mark.parametrize("kind, name", [("ipip", "tunl0"), ("wireguard", "wireguard.cali")])
@pytest.mark.parametrize(
    "subnet", ["10.244.77", "10.244.2"]
)  # a pool of Calico's own, and the nodes' prefixes
def test_a_tunnel_of_the_pods_network_leads_to_pods_though_no_route_is_left(kind, name, subnet):
    """The kernel deletes its routes with it, and these kinds have no forwarding entries."""
    facts = cluster(pod("a", "n2", f"{subnet}.70"), pod("b", "n1", "10.244.9.3"))
    node = Netns(
        links=(facts.node.links[0], Link(index=9, name=name, kind=kind, mtu=1440)), routes=facts.node.routes[:2],
        addresses=(*facts.node.addresses, Address(index=9, ip="10.244.9.0", prefix=32)),
    )  # fmt: skip
    (finding,) = overlay.tunnel_up(Case(replace(facts, node=node)))
    assert (finding.severity.value, "pods of other nodes" in finding.title) == ("error", True)


def test_rules_that_are_skipped_or_for_other_packets_choose_no_table():
    goto = Rule(family=4, priority=100, action="goto", goto=300, dst="10.0.0.0/8")
    tos = Rule(family=4, priority=120, table=100, narrow=True)
    other = Rule(family=4, priority=200, table=100)
    ways = (
        Route(dst="0.0.0.0/0", table=100, hops=(Hop(index=1),)),
        Route(dst="0.0.0.0/0", hops=(Hop(index=2),)),
    )
    fib = Fib(Netns(routes=ways, rules=(default_rules(4)[0], goto, tos, other, *default_rules(4)[1:])))
    assert (fib.lookup("10.9.9.9").hop.index, fib.lookup("198.51.100.1").hop.index) == (2, 1)
    assert goto.named == ["priority", "100", "from", "all", "to", "10.0.0.0/8", "goto", "300"]


@pytest.mark.parametrize(
    "all_links, link, forced, forwards", [(1, 0, 0, True), (0, 1, 0, False), (0, 0, 1, True)]
)
def test_ipv6_is_forwarded_by_the_setting_of_all_links(all_links, link, forced, forwards):
    settings = {"all/forwarding": all_links, "eth0/forwarding": link, "eth0/force_forwarding": forced}
    stack = Stack(Netns(sysctls={f"ipv6/conf/{name}": str(value) for name, value in settings.items()}))
    assert stack.forwards("eth0", 6) is forwards


def test_a_dot_in_an_interfaces_name_is_a_slash_for_sysctl():
    assert conf_key("eth0.100", "rp_filter") == "net.ipv4.conf.eth0/100.rp_filter"


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


@pytest.mark.parametrize(
    "recorded, codes", [(("10.244.9.3",), []), (("10.244.9.3", "10.66.0.2"), []), ((), [])]
)
def test_an_address_that_another_node_gave_to_its_pod_as_well_is_the_pods(recorded, codes):
    """host-local gives the same ones on each node. The remedy took the pod's own address from it."""
    items = cluster(
        pod("other", "n2", "10.244.9.3"), pod("more", "n2", "10.66.0.2"), pod("me", "n1", "10.244.9.3")
    ).objects
    ips = [{"address": f"{ip}/24", "interface": k} for k, ip in enumerate(recorded)]
    result = {"interfaces": [{"name": "eth0"}, {"name": "net1"}], "ips": ips}
    held = {"10.244.9.3": 5} | ({"10.66.0.2": 6} if "10.66.0.2" in recorded else {})
    inner = Netns(
        links=(ETH0, Link(index=6, name="net1", kind="macvlan", up=True)),
        addresses=tuple(Address(index=index, ip=ip, prefix=24) for ip, index in held.items()),
    )
    cached = Cached(file="/c", network="n", ifname="eth0", container="mine", netns="/p", result=result)
    facts = Facts(pod=inner, netns_path="/p", objects=items, namespace="default", pod_name="me", node_name="n1",
                  files=Files(cached=(cached,) if recorded else ()))  # fmt: skip
    assert [finding.code for finding in duplicates.taken(Case(facts))] == codes


def test_an_address_of_several_nodes_may_be_on_this_one():
    """A virtual address that moves between the servers of a cluster; and one that no object gives to this node."""
    addresses = [{"type": "InternalIP", "address": ip} for ip in ("192.0.2.2", "192.0.2.100", "192.0.2.101")]
    nodes = (
        api("Node", "n2", status={"addresses": addresses}),
        api("Node", "n1", status={"addresses": addresses[1:2]}),
    )
    held = tuple(Address(index=5, ip=f"192.0.2.{k}", prefix=32) for k in (100, 101))
    facts = Facts(objects=nodes, node_name="n1", node=Netns(links=(ETH0,), addresses=held))
    (finding,) = duplicates.taken(Case(facts))
    assert "192.0.2.101 of node n2 is also on eth0 of the node" in finding.title


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


def service(labels=None, address_type="IPv4", **spec):
    """A service with one endpoint on each of two nodes, as node n1 sees it: its ports."""
    meta = {"namespace": "shop", "name": "web"}
    of = {"labels": {"kubernetes.io/service-name": "web"}}
    items = (
        {"kind": "Service", "metadata": meta | {"labels": labels},
         "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80}], **spec}},
        {"kind": "EndpointSlice", "metadata": meta | of, "addressType": address_type, "ports": [{"port": 8080}],
         "endpoints": [{"addresses": [f"10.244.{k}.9"], "nodeName": f"n{k}"} for k in (1, 2)]},
    )  # fmt: skip
    return Case(Facts(node_name="n1", objects=items))


def test_a_service_for_its_own_node_has_the_endpoints_of_that_one():
    """kube-proxy translates to no others: where there are none, it was said not to have synced the service."""
    both = (("10.244.1.9", 8080), ("10.244.2.9", 8080))
    assert [front.endpoints for front in service().frontends] == [both]
    (local,) = service(internalTrafficPolicy="Local").frontends
    assert (local.endpoints, local.local, local.known) == (both[:1], True, True)
    away = Case(replace(service(internalTrafficPolicy="Local").facts, node_name="n3"))
    assert [(front.endpoints, front.known) for front in away.frontends] == [((), True)]
    assert (
        "on this node, and its internalTrafficPolicy is Local"
        in services.no_endpoints(away.frontends[0]).title
    )


def test_a_service_of_another_proxy_is_none_of_kube_proxys():
    assert service(labels={OTHER_PROXY: "mine"}).frontends == ()
    assert [front.endpoints for front in service(address_type="FQDN").frontends] == [()]


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
