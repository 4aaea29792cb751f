"""What looks alike and is not the same: addresses as text, ports, settings of one link and of all, parts of a path."""

import fcntl
from dataclasses import replace
from typing import Any

import pytest

from genie_core.checks import (
    conntrack,
    gateway,
    kernel,
    limits,
    links,
    overlay,
    resolv_conf,
    services,
    stores,
    underlay,
)
from genie_core.net import path
from genie_core.net.arp import silence
from genie_core.net.case import Case
from genie_core.net.fib import default_rules
from genie_core.net.firewall import iptables, nft
from genie_core.net.firewall.evaluate import at_hook
from genie_core.net.firewall.rules import Packet, ruleset
from genie_core.net.flows import Flow
from genie_core.net.stack import Stack
from genie_core.survey import cluster, held, netlink, sysctls
from genie_core.survey.facts import Facts, Files
from genie_core.survey.kernel import Address, Firewall, Hop, Link, Neighbour, Netns, Qdisc, Route, RoutingRule
from genie_core.survey.objects import lean
from genie_core.survey.obstacles import HeldLock
from tests.diagnose.plain_pod import ETH0, HELD
from tests.diagnose.test_strange_nodes import pooled
from tests.diagnose.test_towards import behind

WEB = {"name": "http", "port": 80}


def published(**more):
    """The ports by which clients outside reach a service with one endpoint."""
    spec = {"clusterIP": "10.96.0.10", "ports": [WEB], "type": "LoadBalancer"} | more.pop("spec", {})
    item = {"kind": "Service", "metadata": {"namespace": "shop", "name": "web"}, "spec": spec, **more}
    found = cluster.published((item, behind("web", "10.244.1.10", {"name": "http", "port": 8080})), "n1")
    return [(front.ip, front.port) for front in found]


@pytest.mark.parametrize(
    "ingress, spec, found",
    [
        ([{"ip": "203.0.113.7"}], {}, [("203.0.113.7", 80)]),
        ([{"ip": "203.0.113.7", "ipMode": "VIP"}], {}, [("203.0.113.7", 80)]),
        ([{"ip": "203.0.113.7", "ipMode": "Proxy"}, {"hostname": "lb.example"}], {}, []),
        ([{"ip": "203.0.113.7"}], {"type": "ClusterIP"}, []),  # it was one
        ([{"ip": "203.0.113.7"}], {"externalIPs": ["203.0.113.7"]}, [("203.0.113.7", 80)]),
        (None, {}, []),
    ],
)
def test_the_addresses_of_a_load_balancer(ingress, spec, found):
    assert published(spec=spec, status={"loadBalancer": {"ingress": ingress} if ingress else {}}) == found


def routed(nat="", ip="10.244.9.3", gateway_="169.254.1.1", objects=(), addresses=(), **node):
    """A pod behind a veth of the node, and the node's rules."""
    link = Link(index=2, name="cali1", kind="veth", up=True, carrier=True, peer=5, peer_nsid=0)
    uplink = Link(index=3, name="eth0", up=True, carrier=True, mac="02:00:00:00:00:03")
    ways = (
        Route(dst="0.0.0.0/0", hops=(Hop(index=3, gateway="192.0.2.254"),)),
        Route(dst=f"{ip}/32", hops=(Hop(index=2),)),
    )
    text = f"*nat\n:PREROUTING ACCEPT [0:0]\n{nat}\nCOMMIT"
    made: dict[str, Any] = {
        "links": (link, uplink), "nsids": {"0": "/p"}, "routes": ways,
        "firewall": Firewall(iptables={"ip": text}),
        "addresses": (Address(index=3, ip="192.0.2.1", prefix=24), *addresses), **node,
    }  # fmt: skip
    default = Route(dst="::/0" if ":" in gateway_ else "0.0.0.0/0", hops=(Hop(index=5, gateway=gateway_),))
    inner = Netns(
        links=(ETH0,), addresses=(replace(HELD, ip=ip, prefix=128 if ":" in ip else 32),), routes=(default,)
    )
    return Case(
        Facts(
            node=Netns(**made), pod=inner, netns_path="/p", namespace="shop", pod_name="me", objects=objects
        )
    )


SERVICE = (
    {"kind": "Service", "metadata": {"namespace": "shop", "name": "web"},
     "spec": {"clusterIP": "10.96.0.10", "ports": [WEB]}},
    behind("web", "10.0.0.1", WEB),
)  # fmt: skip
STALE = "-A PREROUTING -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.9:80"


@pytest.mark.parametrize(
    "behind_it, commands",
    [
        ("-A PREROUTING -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:80", 1),
        ("-A PREROUTING -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8080", 2),
        ("-A PREROUTING -d 10.96.0.99/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:80", 2),
        (
            "-A PREROUTING -p tcp -j WEB\n-A WEB -d 10.96.0.10/32 -p tcp -j DNAT --to-destination 10.0.0.1:80",
            1,
        ),
        ("", 2),
    ],
)
def test_what_translates_a_service_once_a_stale_rule_is_deleted(behind_it, commands):
    """The remedy adds a rule where none is left: `10.0.0.1:80` was found in the text `10.0.0.1:8080`."""
    rules = f":WEB - [0:0]\n{STALE}\n{behind_it}"
    (found,) = services.translation(routed(rules, objects=SERVICE))
    assert found.code == "GN0602"
    assert found.remedy is not None
    assert len(found.remedy.commands) == commands


@pytest.mark.parametrize(
    "listener, count",
    [
        ("tcp 0.0.0.0:9999", 0),
        ("tcp 127.0.0.1:9999", 1),
        ("udp 0.0.0.0:9999", 1),
        ("tcp 0.0.0.0:19999", 1),
        ("tcp :::9999", 0),
    ],
)
def test_a_redirect_leads_to_an_address_of_the_interface(listener, count):
    """Its packets come to the first address of the interface that they came in by, not to 127.0.0.1."""
    rule = "-A PREROUTING -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9999"
    own = (Address(index=2, ip="10.244.9.1", prefix=32),)
    case = routed(rule, objects=SERVICE, addresses=own, listeners=(listener,))
    assert len(list(services.translation(case))) == count


# Lock

XTABLES = HeldLock(path=held.XTABLES, pid=7, program="iptables-restor", state="S")


@pytest.mark.parametrize(
    "family, waiting, severity", [("ip-legacy", 0, "error"), ("ip", 0, "warning"), ("ip", 1, "error")]
)
def test_the_lock_of_iptables(family, waiting, severity):
    node = Netns(firewall=Firewall(iptables={family: ""}))
    (found,) = stores.kept(Facts(node=node, files=Files(locks=(replace(XTABLES, waiting=waiting),))))
    assert (found.code, found.severity.value) == ("GN1115", severity)
    assert "process 7 (iptables-restor) keeps the lock of iptables (/run/xtables.lock)" in found.title


@pytest.mark.root
def test_iptables_legacy_alone_waits_for_its_lock(netns, tmp_path):
    """What the finding says of the two back ends."""
    namespace, lock = netns(), tmp_path / "lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        results = [
            namespace.run(
                "env", f"XTABLES_LOCKFILE={lock}", tool, "-A", "INPUT", "-j", "ACCEPT", check=False
            ).returncode
            for tool in ("iptables-legacy", "iptables-nft")
        ]
    assert results == [4, 0]


# ARP


def arp(level=0, filtering=0, *, asked="10.0.0.1", asker="10.0.0.9", on="eth0", scope="global", back=2):
    link = Link(index=2, name="eth0", up=True)
    own = (
        Address(index=2, ip="10.0.0.1", prefix=24, scope=scope),
        Address(index=1, ip="10.9.0.1", prefix=32),
    )
    ways = (Route(dst="10.0.0.0/24", hops=(Hop(index=back),)),)
    settings = {f"ipv4/conf/{on}/arp_ignore": str(level), f"ipv4/conf/{on}/arp_filter": str(filtering)}
    return silence(
        Stack(Netns(links=(link,), addresses=own, routes=ways, sysctls=settings)), link, asked, asker
    )


@pytest.mark.parametrize(
    "asked, said",
    [
        ({}, ""),
        ({"level": 1}, ""),
        ({"level": 1, "asked": "10.9.0.1"}, "net.ipv4.conf.eth0.arp_ignore=1"),
        ({"level": 2}, ""),
        ({"level": 2, "asker": "10.0.1.9"}, "net.ipv4.conf.eth0.arp_ignore=2"),
        ({"level": 3, "scope": "host"}, "net.ipv4.conf.eth0.arp_ignore=3"),
        ({"level": 3}, ""),
        ({"level": 5, "asked": "10.9.0.1"}, ""),
        ({"level": 8, "on": "all"}, "net.ipv4.conf.all.arp_ignore=8"),
        ({"level": 8, "asked": "10.7.0.1"}, ""),  # not its own: proxy ARP
        ({"filtering": 1}, ""),
        ({"filtering": 1, "back": 3}, "net.ipv4.conf.eth0.arp_filter=1"),
    ],
)  # fmt: skip
def test_settings_by_which_a_host_answers_no_arp(asked, said):
    """As the kernel's functions arp_ignore and arp_filter have them (net/ipv4/arp.c)."""
    assert arp(**asked) == said


def test_a_gateway_that_is_on_another_link_of_the_node_answers_no_arp():
    own = (Address(index=1, ip="10.9.0.1", prefix=32), Address(index=2, ip="10.244.9.1", prefix=32))
    case = routed(gateway_="10.9.0.1", addresses=own, sysctls={"ipv4/conf/all/arp_ignore": "1"})
    (found,) = links.node_answers(case)
    assert "(net.ipv4.conf.all.arp_ignore=1)" in found.title
    assert list(links.node_answers(routed(gateway_="10.244.9.1", addresses=own))) == []


# Reverse path


def back(rules=(), **settings):
    """Whether strict filters drop what a pod sends out by eth0: its address, the route back, rules."""
    ways = (
        Route(dst="10.244.9.3/32", hops=(Hop(index=4), Hop(index=2))), Route(dst="0.0.0.0/0", hops=(Hop(index=3),)),
        Route(dst="0.0.0.0/0", table=200, hops=(Hop(index=3),)),
    )  # fmt: skip
    case = routed(routes=ways, sysctls={"ipv4/conf/all/rp_filter": "1", **settings}, rules=rules)
    walker = path._Walker(case, Flow(role="outside", target="198.51.100.1", protocol="tcp"))
    walker.reverse_path(Packet(source="10.244.9.3", target="198.51.100.1", mark=9), case.primary.entry)
    return [block.kind for block in walker.walk.blocks]


def policy(**more):
    return tuple(
        sorted(
            [*default_rules(4), RoutingRule(family=4, priority=90, table=200, **more)],
            key=lambda r: r.priority,
        )
    )


@pytest.mark.parametrize(
    "rules, settings, blocks",
    [
        ((), {}, []),  # one of several next hops
        (
            policy(iif="cali1"),
            {},
            [],
        ),  # the way back is looked up as if it came in by eth0 (fib_validate_source)
        (policy(iif="eth0"), {}, ["reverse-path"]),
        (policy(mark=9), {}, []),
        (policy(mark=9), {"ipv4/conf/cali1/src_valid_mark": "1"}, ["reverse-path"]),
    ],
)
def test_the_way_back_that_the_reverse_path_filter_asks_for(rules, settings, blocks):
    assert back(rules, **settings) == blocks


def test_dead_next_hops_are_not_used():
    hops = [{"oif": 2, "flags": netlink.RTNH_F_DEAD, "attrs": []}, {"oif": 3, "flags": 0, "attrs": []}]
    assert [hop.index for hop in netlink._hops({"flags": 0}, {"RTA_MULTIPATH": hops})] == [3]


# Neighbours


@pytest.mark.parametrize(
    "ip, state, count", [("10.0.0.{}", "stale", 1), ("fd00::{}", "stale", 1), ("10.0.0.{}", "permanent", 0)]
)
def test_entries_that_count_for_the_limit(ip, state, count):
    """flannel's permanent ones do not (neigh_alloc counts gc_entries), and each family has a table of its own."""
    table = tuple(Neighbour(index=2, ip=ip.format(n), state=state) for n in range(1, 11))
    limits = {"ipv4/neigh/default/gc_thresh3": "10", "ipv6/neigh/default/gc_thresh3": "10"}
    found = list(kernel.neighbour_table(Case(Facts(node=Netns(neighbours=table, sysctls=limits)))))
    assert len(found) == count
    assert all(f"ipv{6 if ':' in ip else 4}." in one.object.name for one in found)


# Tunnels


@pytest.mark.parametrize(
    "data, mtu, codes",
    [
        ({"vxlan_local6": "fd00::1", "vxlan_link": 3}, 1430, []),
        ({"vxlan_local6": "fd00::1", "vxlan_link": 3}, 1450, ["GN0709"]),  # IPv6's header has 20 bytes more
        ({"vxlan_local6": "fd00::9", "vxlan_link": 3}, 1430, ["GN0707"]),
        ({"vxlan_local": "192.0.2.1", "vxlan_link": 3}, 1450, []),
    ],
)
def test_a_tunnel_over_ipv6(data, mtu, codes):
    uplink = Link(index=3, name="eth0", up=True, carrier=True, mtu=1500)
    tunnel = Link(index=9, name="flannel-v6.1", kind="vxlan", up=True, mtu=mtu, data=data)
    held_ = (Address(index=3, ip="fd00::1", prefix=64), Address(index=3, ip="192.0.2.1", prefix=24))
    node = Netns(
        links=(uplink, tunnel), addresses=held_, routes=(Route(dst="10.9.0.0/24", hops=(Hop(index=9),)),)
    )
    assert [one.code for one in underlay.underlay(Case(Facts(node=node)))] == codes


# nftables


def ruled(*expressions, **sets):
    table = {"family": "inet", "table": "t"}
    document = (
        {"chain": table | {"name": "f", "hook": "forward", "type": "filter", "prio": 0}},
        *({"set": table | {"name": name, "elem": elements}} for name, elements in sets.items()),
        {"rule": table | {"chain": "f", "handle": 1, "expr": list(expressions)}},
    )
    return ruleset(nft.parse(document, set()))


PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
TARGET = {"payload": {"protocol": "ip", "field": "daddr"}}


@pytest.mark.parametrize(
    "expressions",
    [
        ({"vmap": {"key": PORT, "data": {"set": [[53, {"drop": None}]]}}},),
        (
            {
                "match": {
                    "op": "==",
                    "left": {"concat": [TARGET, PORT]},
                    "right": {"set": [{"concat": ["10.0.0.1", 53]}]},
                }
            },
            {"drop": None},
        ),
    ],
)
def test_a_map_of_tcp_ports_is_for_tcp(expressions):
    """nft does not list the condition on the protocol that such a key implies."""
    for protocol, verdict in (("tcp", "drop"), ("udp", "accept")):
        packet = Packet(source="10.0.0.2", target="10.0.0.1", protocol=protocol, dport=53)
        (outcome,) = at_hook(ruled(*expressions), "forward", packet)
        assert (protocol, outcome.verdict) == (protocol, verdict)


def test_a_map_of_masked_marks():
    key = {"&": [{"meta": {"key": "mark"}}, 0xFF]}
    rules = ruled({"vmap": {"key": key, "data": {"set": [[9, {"drop": None}]]}}})
    (outcome,) = at_hook(rules, "forward", Packet(source="10.0.0.2", target="10.0.0.1", mark=0x109))
    assert outcome.verdict == "drop"


# Forms of addresses


def test_addresses_are_compared_in_one_form():
    """An operator who makes an object by hand writes them in any of them."""
    item = {"kind": "Node", "metadata": {"name": "n"}, "spec": {"podCIDRs": ["FD00:0:0:1::/64"]},
            "status": {"addresses": [{"type": "InternalIP", "address": "FD00:0:0::9"}]}}  # fmt: skip
    assert (cluster.node(item).addresses, cluster.node(item).cidrs) == (("fd00::9",), ("fd00:0:0:1::/64",))
    pod = {"metadata": {"name": "p"}, "status": {"podIPs": [{"ip": "::ffff:10.0.0.1"}, {"ip": "FD00::0A"}]}}
    assert cluster.pod(pod).ips == ("10.0.0.1", "fd00::a")
    service = {
        "kind": "Service",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"clusterIPs": ["FD00::0B"], "ports": [WEB]},
    }
    (front,) = cluster.frontends((service, behind("web", "FD00::0C", WEB)))
    assert (front.ip, front.endpoints) == ("fd00::b", (("fd00::c", 80),))


def test_a_socket_of_both_families_is_one_of_ipv4(tmp_path, monkeypatch):
    head = "  sl  local_address rem_address   st\n"
    line = "   0: 0000000000000000FFFF00000100000A:1F90 00000000000000000000000000000000:0000 0A\n"
    (tmp_path / "tcp6").write_text(head + line)
    monkeypatch.setattr(sysctls, "NET", str(tmp_path))
    assert sysctls.listeners() == ("tcp 10.0.0.1:8080",)


@pytest.mark.parametrize("held_, count", [("fe80::1", 0), ("fe80::2", 1)])
def test_the_link_local_gateway_of_a_routed_pod(held_, count):
    own = (Address(index=2, ip=held_, prefix=64, scope="link"),)
    case = routed(ip="fd00::3", gateway_="fe80::1", addresses=own)
    assert len(list(gateway.gateway_exists(case))) == count


# Limits, queues, names


@pytest.mark.parametrize(
    "node, pod, names", [(10, 1, [""]), (1, 10, ["of the pod's own namespace"]), (1, 1, [])]
)
def test_the_table_of_connections_of_each_namespace(node, pod, names):
    limits = {"netfilter/nf_conntrack_max": "10"}
    parts = [Netns(sysctls=limits | {"netfilter/nf_conntrack_count": str(n)}) for n in (node, pod)]
    found = list(conntrack.full_table(Case(Facts(node=parts[0], pod=parts[1]))))
    assert [one.title.partition("table ")[2].partition("is full")[0].strip() for one in found] == names


@pytest.mark.parametrize(
    "kind, dropped, severity",
    [("tbf", 0, None), ("htb", 9, "warning"), ("netem", 0, "error"), ("fq", 9, None)],
)
def test_queues_of_an_uplink(kind, dropped, severity):
    """Shaping what leaves the node is common: a queue there matters where it loses something."""
    queue = Qdisc(index=3, kind=kind, dropped=dropped)
    found = list(kernel.queues(routed(qdiscs=(queue,))))
    assert [one.severity.value for one in found] == ([severity] if severity else [])
    assert all("eth0" in one.title for one in found)


@pytest.mark.parametrize(
    "invert, verdicts", [("", ["drop", "drop", "accept"]), ("! ", ["accept", "accept", "drop"])]
)
def test_ports_of_either_side(invert, verdicts):
    rule = f"[0:0] -A FORWARD -p tcp -m multiport {invert}--ports 80,8080:8090 -j DROP"
    rules = ruleset(iptables.parse(f"*filter\n:FORWARD ACCEPT [0:0]\n{rule}\nCOMMIT", "iptables", {}))
    packets = [
        Packet(source="10.0.0.1", target="10.0.0.2", sport=s, dport=d)
        for s, d in ((40000, 80), (8085, 40000), (1, 2))
    ]
    assert [at_hook(rules, "forward", one)[0].verdict for one in packets] == verdicts


@pytest.mark.parametrize(
    "text, spec, words",
    [
        ("search shop.svc.cluster.local svc.cluster.local", {}, ""),
        ("search corp.example", {}, "no search domain of the cluster (shop.svc...)"),
        ("", {}, "no search domain"),
        ("search corp.example", {"dnsPolicy": "None"}, ""),
        ("search corp.example", {"dnsConfig": {"searches": ["corp.example"]}}, ""),
    ],
)
def test_search_domains_that_kubelet_writes(text, spec, words):
    spec_ = {"clusterIP": "10.96.0.10", "ports": [{"port": 53}]}
    dns = ({"kind": "Service", "metadata": {"name": "dns"}, "spec": spec_},)
    held_ = Facts(
        namespace="shop", objects=dns, resolv_conf=f"{text}\nnameserver 10.96.0.10\n",
        pod_object=lean({"kind": "Pod", "spec": {"dnsPolicy": "ClusterFirst", "containers": [], **spec}}),
    )  # fmt: skip
    found = [one.title for one in resolv_conf.resolver(Case(held_))]
    assert len(found) == bool(words)
    assert all(words in title for title in found)


@pytest.mark.parametrize(
    "server, listed, words",
    [
        ("169.254.20.10", "", "no interface of this node has"),
        ("169.254.169.253", "", ""),  # a cloud's
        (
            "169.254.20.10",
            "-A PREROUTING -d 169.254.20.10/32 -p udp -j DNAT --to-destination 10.0.0.1:53",
            "",
        ),
        ("192.0.2.1", "", ""),
    ],
)
def test_a_cache_of_the_node_that_is_not_there(server, listed, words):
    case = routed(listed)
    case = Case(replace(case.facts, resolv_conf=f"nameserver {server}\n"))
    found = [one.title for one in resolv_conf.resolver(case)]
    assert len(found) == bool(words)
    assert all(words in title for title in found)


def test_a_balancers_addresses_are_kept_of_an_object():
    status = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}
    assert lean({"kind": "Service", "metadata": {}, "spec": {}, "status": status})["status"] == status


@pytest.mark.parametrize(
    "listener, count",
    [("0.0.0.0:80", 1), (":::80", 1), ("10.244.9.3:80", 1), ("127.0.0.1:80", 0), ("0.0.0.0:8080", 0)],
)
def test_the_queue_of_a_listener_that_the_service_does_not_reach(listener, count):
    """An admin port on localhost that hangs says nothing of the one that the service sends to."""
    case = routed(objects=(SERVICE[0], behind("web", "10.244.9.3", WEB)))
    inner = replace(case.facts.pod, hung=(f"tcp {listener} (6 of 5)",))
    assert len(list(limits.full_queues(Case(replace(case.facts, pod=inner))))) == count


@pytest.mark.parametrize("length", [26, 31, 32])
def test_a_single_address_in_a_tunnel_is_looked_up_itself(length):
    """Calico borrows single addresses of other nodes' blocks: the one after the next was looked up instead."""
    facts = pooled(kind="ipip").facts
    way = Route(
        dst=f"10.244.77.{64 if length == 26 else 70}/{length}", hops=(Hop(index=9, gateway="192.0.2.2"),)
    )
    case = Case(replace(facts, node=replace(facts.node, routes=(*facts.node.routes[:2], way))))
    assert [remote.cidr for remote in overlay.remotes(case)] == [way.dst]
    assert list(overlay.remote_routes(case)) == []
