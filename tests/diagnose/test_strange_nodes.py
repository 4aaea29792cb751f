"""Healthy nodes and clusters as other plugins, kernels and clouds make them, on facts made by hand."""

from dataclasses import replace

import pytest

from genie_core.checks import (
    duplicates,
    native_routing,
    overlay,
    policy_routing,
    services,
    tunnel_ends,
    underlay,
)
from genie_core.net.case import Case
from genie_core.net.fib import Fib, default_rules
from genie_core.net.flows import remote_targets, tunnel_of
from genie_core.net.prefixes import around, supernet
from genie_core.net.stack import Stack, conf_key
from genie_core.survey.cluster import OTHER_PROXY, Node, Pod
from genie_core.survey.facts import Cached, Facts, Files
from genie_core.survey.kernel import (
    Address,
    Firewall,
    Forwarding,
    Hop,
    Link,
    Neighbour,
    Netns,
    Route,
    RoutingRule,
)
from tests.diagnose.plain_pod import ETH0, HELD


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


def pooled(rules="", kind="ipip", **more):
    """The cluster of a plugin with pools of its own, whose tunnel sends to another node; `rules` are the node's."""
    facts = cluster(pod("a", "n2", "10.244.77.70"), pod("b", "n1", "10.244.9.3"))
    made = replace(Link(index=9, name="tun", kind=kind, up=True), **more)
    text = f"*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}\nCOMMIT"
    hop = "10.244.77.64" if made.kind == "vxlan" else "192.0.2.2"
    way = Route(dst="10.244.77.64/26", hops=(Hop(index=9, gateway=hop),))
    node = replace(
        facts.node, links=(facts.node.links[0], made), routes=(*facts.node.routes[:2], way),
        neighbours=(Neighbour(index=9, ip="10.244.77.64", mac="66:00:00:00:00:02", state="permanent"),),
        firewall=Firewall(iptables={"ip": text}),
    )  # fmt: skip
    return Case(replace(facts, node=node))


def test_the_blocks_of_a_pool_are_judged_by_their_routes():
    vxlan = {"kind": "vxlan", "data": {"vxlan_id": 1, "vxlan_port": 4789}}
    (remote,) = overlay.remotes(pooled(**vxlan))
    assert (remote.title, remote.end) == ("n2's pods 10.244.77.64/26", "192.0.2.2")
    assert list(tunnel_ends.tunnel_ends(pooled(**vxlan))) == []
    lost = pooled(**vxlan)
    lost = Case(replace(lost.facts, node=replace(lost.facts.node, forwarding=())))
    assert [finding.code for finding in tunnel_ends.tunnel_ends(lost)] == ["GN0703"]


@pytest.mark.parametrize(
    "kind, rule, text",
    [
        ("ipip", "[3:180] -A INPUT -p ipencap -j DROP", "protocol ipencap"),
        ("ipip", "[3:180] -A OUTPUT -p 4 -j DROP", "protocol ipencap"),
        ("ipip", "[3:180] -A INPUT -p ipv4 -j DROP", "protocol ipencap"),  # Fedora's name
        ("gre", "[3:180] -A INPUT -p 47 -j DROP", "protocol gre"),
        ("ipip", "[3:180] -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n[0:0] -A INPUT -j DROP", ""),
        ("wireguard", "[3:180] -A INPUT -p udp -j DROP", ""),  # its port is not read
    ],
)
def test_a_firewall_that_drops_a_tunnels_packets_without_ports(kind, rule, text):
    """Calico's IPIP needs IP protocol 4 between the nodes."""
    found = list(underlay.outer_filter(pooled(rule, kind=kind)))
    assert [text in finding.title for finding in found] == ([True] if text else [])
    if found:
        assert found[0].remedy is not None
        assert found[0].remedy.commands[0].argv[5:] == (
            "-p",
            {"ipip": "4", "gre": "47"}[kind],
            "-j",
            "ACCEPT",
        )


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
    rules = [*default_rules(4), RoutingRule(family=4, priority=150, table=100, src="10.244.9.3/32")]
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
    goto = RoutingRule(family=4, priority=100, action="goto", goto=300, dst="10.0.0.0/8")
    tos = RoutingRule(family=4, priority=120, table=100, narrow=True)
    other = RoutingRule(family=4, priority=200, table=100)
    ways = (
        Route(dst="0.0.0.0/0", table=100, hops=(Hop(index=1),)),
        Route(dst="0.0.0.0/0", hops=(Hop(index=2),)),
    )
    target = RoutingRule(family=4, priority=300, table=300)
    first, *rest = default_rules(4)
    fib = Fib(Netns(routes=ways, rules=(first, goto, tos, other, target, *rest)))
    assert (fib.lookup("10.9.9.9").hop.index, fib.lookup("198.51.100.1").hop.index) == (2, 1)
    lost = Fib(Netns(routes=ways, rules=(first, goto, tos, other, *rest)))  # `ip rule` calls it unresolved
    assert lost.lookup("10.9.9.9").hop.index == 1
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
