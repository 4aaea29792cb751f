"""The pure parts on hand-made facts: routing, snapshots, ranking, explanations, limits."""

import json
import socket
from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.checks import addresses, limits, links, plugins, rank, resolv_conf
from genie_core.checks import conntrack as conntrack_checks
from genie_core.errors import DecodingFailure
from genie_core.findings import Finding, Severity, Subject
from genie_core.net import wording
from genie_core.net.case import Case
from genie_core.net.fib import Fib, default_rules
from genie_core.net.flows import Flow
from genie_core.net.hops import path_of
from genie_core.survey import codec
from genie_core.survey.binaries import Binary
from genie_core.survey.conf_files import parse_conf
from genie_core.survey.facts import Facts, Sandbox
from genie_core.survey.kernel import Address, Hop, Link, Netns, Route, RoutingRule
from genie_core.survey.sockets import LISTEN, NETLINK_SOCK_DIAG, dump
from genie_core.tasks.explain.codes import ALL


def routes(*lines):
    """`10.0.0.0/8 2` or `10.0.0.0/8 2 via 10.0.0.1 table 100`."""
    made = []
    for line in lines:
        words = line.split()
        options = dict(zip(words[2::2], words[3::2], strict=True))
        hop = (Hop(index=int(words[1]), gateway=options.get("via", "")),) if words[1].isdigit() else ()
        kind = "unicast" if words[1].isdigit() else words[1]
        made.append(
            Route(
                dst=words[0],
                hops=hop,
                type=kind,
                table=int(options.get("table", 254)),
                metric=int(options.get("metric", 0)),
            )
        )
    return tuple(made)


@pytest.mark.parametrize(
    "target, index",
    [("10.1.2.3", 3), ("10.2.0.1", 2), ("192.0.2.1", 1), ("10.1.2.200", 0)],
)
def test_the_longest_prefix_wins(target, index):
    fib = Fib(Netns(routes=routes("0.0.0.0/0 1", "10.0.0.0/8 2", "10.1.2.0/24 3", "10.1.2.200/32 blackhole")))
    assert fib.lookup(target).hop.index == index


def test_rules_choose_tables_and_throw_goes_on():
    rule = RoutingRule(family=4, priority=100, table=100, src="10.0.0.5/32")
    facts = Netns(
        routes=routes("0.0.0.0/0 1", "0.0.0.0/0 2 table 100", "10.9.0.0/16 throw table 100"),
        rules=(default_rules(4)[0], rule, *default_rules(4)[1:]),
    )
    fib = Fib(facts)
    assert fib.lookup("192.0.2.1", "10.0.0.5").hop.index == 2
    assert fib.lookup("10.9.0.1", "10.0.0.5").hop.index == 1
    assert fib.lookup("192.0.2.1", "10.0.0.6").hop.index == 1
    assert Fib(Netns()).lookup("192.0.2.1").type == "none"


def test_a_throw_route_of_table_main_refuses_where_no_other_table_has_a_route():
    fib = Fib(Netns(routes=routes("0.0.0.0/0 1", "10.9.0.0/16 throw", "10.9.1.0/24 2 table 253")))
    assert (fib.lookup("10.9.0.1").type, fib.lookup("10.9.0.1").refused) == ("throw", True)
    assert fib.lookup("10.9.1.1").hop.index == 2


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_default_route_is_used_where_no_other_matches(address, length):
    prefix = f"203.0.113.0/{max(length, 24)}"
    fib = Fib(Netns(routes=routes("0.0.0.0/0 1", f"{prefix} 2")))
    assert fib.lookup(str(address)).hop.index == (2 if address in ip_network(prefix) else 1)


def test_facts_survive_json():
    link = Link(index=2, name="eth0", kind="veth", data={"x": 1}, peer=5, peer_nsid=3)
    facts = Facts(
        node_name="n",
        pod=Netns(links=(link,), addresses=(Address(index=2, ip="fd00::1", prefix=64),)),
        missing={"a": "b"},
    )
    assert codec.decode(Facts, json.loads(json.dumps(codec.encode(facts)))) == facts
    with pytest.raises(DecodingFailure):
        codec.decode(Facts, {"pod": {"links": [{"index": 1, "nmae": "x"}, 7]}})


def finding(code, severity=Severity.ERROR, **more):
    return Finding(code=ALL[code], severity=severity, title=code, object=Subject(kind="pod"), **more)


def test_causes_come_before_consequences():
    ordered = rank.ranked(
        [
            finding("GN0805", Severity.WARNING),
            finding("GN0501"),
            finding("GN0102", Severity.FATAL),
            finding("GN0301"),
        ]
    )
    assert [f.code for f in ordered] == ["GN0102", "GN0501", "GN0301", "GN0805"]
    assert ordered[2].consequence_of == "GN0102"
    assert ordered[2].severity is Severity.WARNING


@pytest.mark.parametrize(
    "cause, consequence",
    [
        (finding("GN0209"), finding("GN1010", explained_by=("GN0209",))),
        (finding("GN0519", Severity.WARNING), finding("GN0807", explained_by=("GN0519",))),
        (finding("GN1302"), finding("GN0901", Severity.FATAL, explained_by=("GN1302",))),
        (
            finding("GN0506", breaks=("filter FORWARD",)),
            finding("GN0711", explained_by=("filter FORWARD",)),
        ),
    ],
)
def test_a_finding_says_itself_what_explains_it_whatever_its_title_is(cause, consequence):
    """Rewording a sentence must not change a diagnosis."""
    named = [rank.ranked([replace(f, title="any words") for f in (consequence, cause)])]
    other = [replace(consequence, explained_by=("filter INPUT",)), cause]
    assert [f.consequence_of for f in named[0]] == ["", cause.code]
    assert [f.consequence_of for f in rank.ranked(other)] == ["", ""]


def test_of_several_causes_the_one_is_named_that_nothing_else_explains():
    found = [finding("GN0805", Severity.WARNING), finding("GN0701"), finding("GN0706"), finding("GN0504")]
    named = {f.code: f.consequence_of for f in rank.ranked(found)}
    assert named == {"GN0504": "", "GN0706": "", "GN0701": "GN0504", "GN0805": "GN0504"}


@pytest.mark.parametrize("up", [True, False])
def test_a_missing_loopback_plugin_matters_where_lo_is_down(up):
    folder = "/etc/cni/net.d"
    conf = parse_conf(f"{folder}/10-net.conf", '{"cniVersion": "1.0.0", "name": "net", "type": "bridge"}')
    bridge = Binary(type="bridge", path="/opt/cni/bin/bridge", mode=0o755)
    lo = (Link(index=1, name="lo", up=up),), (Address(index=1, ip="127.0.0.1", prefix=8),)
    facts = Facts(
        pod=Netns(links=lo[0], addresses=lo[1]),
        directories={folder: (conf,)},
        binaries={"/opt/cni/bin": (bridge,)},
    )
    ranked = rank.ranked([*links.loopback(Case(facts)), *plugins.missing(facts)])
    assert [(f.code, f.consequence_of) for f in ranked] == (
        [] if up else [("GN1101", ""), ("GN0103", "GN1101")]
    )
    if not up:
        assert ranked[0].remedy is not None
        assert ranked[0].remedy.commands[-1].argv == ("ip", "link", "set", "lo", "up")


def conntrack(count, limit, **counters):
    sysctls = {"netfilter/nf_conntrack_count": str(count), "netfilter/nf_conntrack_max": str(limit)}
    return list(conntrack_checks.full_table(Case(Facts(node=Netns(sysctls=sysctls, counters=counters)))))


def test_saved_facts_with_any_range_of_ports_take_no_more_memory():
    settings = {"ipv4/ip_local_port_range": f"1 {10**15}", "ipv4/ip_local_reserved_ports": f"0-{10**15}"}
    (finding,) = limits.local_ports(Case(Facts(pod=Netns(sysctls=settings))))
    assert "is reserved" in finding.title


def test_a_full_connection_table_is_fatal_and_a_filling_one_a_warning():
    assert conntrack(100, 1000) == []
    assert conntrack(850, 1000)[0].severity is Severity.WARNING
    assert conntrack(1000, 1000)[0].severity is Severity.FATAL
    assert conntrack(950, 1000, conntrack_drop=7)[0].severity is Severity.FATAL
    assert "1000/1000 (100 %)" in conntrack(1000, 1000)[0].title


@pytest.mark.parametrize(
    "text, listeners, faults",
    [
        ("nameserver 8.8.8.8\n", (), 0),
        ("# nothing\nsearch a.b\n", (), 1),
        ("nameserver 127.0.0.53\n", ("udp 0.0.0.0:53",), 1),
        ("nameserver 127.0.0.1\n", ("udp 0.0.0.0:53",), 0),
        ("nameserver dns.example\n", (), 1),
        ("nameserver 8.8.8.8\n" * 4, (), 1),
        ("search a\n\tnameserver 8.8.8.8\n", (), 1),  # glibc wants keywords at the beginning of a line
        ("nameserver\t8.8.8.8 # ours\n", (), 0),
        ("nameserver 8.8.8.8\r\n", (), 1),
        ("nameserver 0.0.0.0\n", (), 1),
        ("nameserver 0.0.0.0\n", ("udp 0.0.0.0:53",), 0),
    ],
)
def test_resolv_conf(text, listeners, faults):
    facts = Facts(pod=Netns(listeners=listeners), resolv_conf=text)
    assert len(list(resolv_conf.resolver(Case(facts)))) == faults


def test_the_runtimes_addresses_count_as_what_add_promised():
    """Without an API server and without a cache it is the sandbox's status that an address has drifted from."""
    eth0 = Link(index=2, name="eth0", kind="veth", up=True)
    pod = Netns(links=(eth0,), addresses=(Address(index=2, ip="10.0.0.9", prefix=24),))
    mine = Sandbox(id="b", pod="shop/web", ips=("10.0.0.5",))
    ended = Sandbox(id="a", pod="shop/web", ready=False, ips=("10.0.0.4",))
    facts = Facts(namespace="shop", pod_name="web", pod=pod, sandboxes=(ended, mine))
    (promised,) = Case(facts).intended
    assert (promised.ifname, promised.ips) == ("eth0", ("10.0.0.5",))
    assert "sandbox" in promised.source


def test_an_address_has_drifted_when_no_interface_has_it():
    """CRI-O's sandbox status lists the addresses of all of a pod's networks."""
    links = (
        Link(index=2, name="eth0", kind="veth", up=True),
        Link(index=3, name="net1", kind="veth", up=True),
    )
    held = (Address(index=2, ip="10.0.0.5", prefix=24), Address(index=3, ip="10.9.0.5", prefix=24))
    sandbox = Sandbox(id="b", pod="shop/web", ips=("10.0.0.5", "10.9.0.5", "10.9.0.6"))
    facts = Facts(
        namespace="shop", pod_name="web", pod=Netns(links=links, addresses=held), sandboxes=(sandbox,)
    )
    (finding,) = addresses.drift(Case(facts))
    assert "10.9.0.6" in finding.title


def test_a_socket_on_every_ipv4_address_takes_no_ipv6_packets():
    (ipv4,) = wording.listener(["tcp 0.0.0.0:80"], "tcp", "10.0.0.5", 80)
    (ipv6,) = wording.listener(["tcp 0.0.0.0:80"], "tcp", "fd00::5", 80)
    (both,) = wording.listener(["tcp :::80"], "tcp", "10.0.0.5", 80)
    assert (ipv4.plain, ipv6.plain, both.plain) == (True, False, True)


def way_out(bridge="cni0", missing=None, **node):
    """The path of a packet from a pod on a bridge to the internet; `node` replaces parts of the node's facts."""
    links = (
        Link(index=1, name=bridge, kind="bridge", up=True),
        Link(index=2, name="veth1", kind="veth", up=True, master=1, peer=5, peer_nsid=0),
        Link(index=3, name="eth0", kind="dummy", up=True, arp=True),
    )
    held = (Address(index=1, ip="10.0.0.1", prefix=24), Address(index=3, ip="192.0.2.9", prefix=24))
    pod = Netns(
        path="/run/netns/p",
        links=(Link(index=5, name="eth0", kind="veth", up=True, peer=2, peer_nsid=0),),
        addresses=(Address(index=5, ip="10.0.0.5", prefix=24),),
        routes=routes("0.0.0.0/0 5 via 10.0.0.1", "10.0.0.0/24 5"),
    )
    ways = routes(
        "0.0.0.0/0 3 via 192.0.2.1", "0.0.0.0/0 3 via 192.0.2.2 table 100", "10.0.0.0/24 1", "192.0.2.0/24 3"
    )
    nsids = {} if missing else {"0": "/run/netns/p"}
    facts = Netns(links=links, addresses=held, routes=ways, nsids=nsids, **node)
    case = Case(
        Facts(node=facts, pod=pod, netns_path="/run/netns/p", missing=missing or {}),
        [Flow(role="outside", target="198.51.100.1", protocol="tcp", port=80)],
    )
    return path_of(case, case.walks[0])


def test_the_next_hop_is_that_of_the_route_that_was_chosen():
    chosen = RoutingRule(family=4, priority=100, table=100, iif="cni0")
    path = way_out(
        rules=(default_rules(4)[0], chosen, *default_rules(4)[1:]), sysctls={"ipv4/conf/cni0/forwarding": "1"}
    )
    (out,) = (hop for hop in path.hops if hop.name == "eth0")
    assert [said.text for said in out.said if said.kind == "neighbour"] == ["192.0.2.2 is asked for"]


def test_a_host_end_is_found_without_the_number_of_the_pods_namespace():
    """The numbers may not be read in time."""
    path = way_out(missing={"namespace numbers": "late"}, sysctls={"ipv4/conf/cni0/forwarding": "1"})
    assert "cni0" in [hop.name for hop in path.hops]


def test_a_bridge_is_not_taken_for_the_nodes_routing_by_its_name():
    path = way_out(bridge="nodes0", sysctls={"ipv4/conf/nodes0/forwarding": "0"})
    assert [hop.name for hop in path.hops if hop.state == "stops"] == ["node routing"]


def test_a_protocol_without_sock_diag_is_an_error_and_not_a_namespace_without_sockets():
    unheard_of = 99
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        list(dump(kernel, socket.AF_INET, socket.IPPROTO_TCP, 1 << LISTEN))
        with pytest.raises(OSError, match="sock_diag"):
            list(dump(kernel, socket.AF_INET, unheard_of, 1 << LISTEN))


def test_services_that_concern_the_pod_come_first():
    """Some checks, the traced paths and the probes stop after a number of them."""

    def service(namespace, name, port):
        spec = {"clusterIP": f"10.96.0.{port}", "ports": [{"port": port}]}
        return {"kind": "Service", "metadata": {"namespace": namespace, "name": name}, "spec": spec}

    many = [service("argo", f"s{n}", n) for n in range(1, 50)]
    objects = (
        *many,
        service("kube-system", "kube-dns", 53),
        service("shop", "db", 54),
        service("z", "z", 55),
    )
    fronts = [one.service for one in Case(Facts(namespace="shop", objects=objects)).frontends]
    assert fronts[:3] == ["shop/db", "kube-system/kube-dns", "argo/s1"]
    assert len(fronts) == 52
