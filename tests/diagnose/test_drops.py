"""Filters that have dropped packets, on hand-made facts: which traffic is traced for them, and what is reported."""

import time

import pytest

from genie_core.checks import packet_path
from genie_core.checks.runner import EVERYTHING
from genie_core.net import policy_verdicts
from genie_core.net.case import Case
from genie_core.net.flows import Flow, filtered_targets
from genie_core.survey.facts import Facts
from genie_core.survey.kernel import Address, Firewall, Hop, Link, Netns, Route
from genie_core.tasks.debug.checks import OfFiles, diagnose

HOST = "198.51.100.1"
DENY = {
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny", "namespace": "default"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
}


def to(prefix, index):
    return Route(dst=prefix, hops=(Hop(index=index),))


def saved(*rules):
    """What iptables-save prints of rules with hits; a chain is declared where a rule is in it or jumps to it."""
    words = {word for rule in rules for word in (rule.split()[1], rule.split()[-1])}
    chains = {"FORWARD", "INPUT"} | {w for w in words if w not in ("DROP", "REJECT", "ACCEPT", "DENY")}
    heads = [f":{name} {'ACCEPT' if name in ('FORWARD', 'INPUT') else '-'} [0:0]" for name in sorted(chains)]
    return "\n".join(["*filter", *heads, *(f"[3:180] {rule}" for rule in rules), "COMMIT"])


def case(*rules, default=True, objects=(), nat="", pod="", flows=None):
    """A pod on a bridge of a node with these filter rules; without `default` the node has no default route."""
    node = Netns(
        links=(
            Link(index=1, name="cni0", kind="bridge", up=True),
            Link(index=2, name="veth1", kind="veth", up=True, master=1, peer=5, peer_nsid=0),
            Link(index=3, name="eth0", kind="dummy", up=True, arp=True),
        ),
        addresses=(Address(index=1, ip="10.0.0.1", prefix=24), Address(index=3, ip="192.0.2.9", prefix=24)),
        routes=(*((to("0.0.0.0/0", 3),) if default else ()), to("10.0.0.0/24", 1), to("192.0.2.0/24", 3)),
        nsids={"0": "/run/netns/p"},
        sysctls={"ipv4/conf/cni0/forwarding": "1", "ipv4/conf/eth0/forwarding": "1"},
        firewall=Firewall(iptables={"ip": f"{saved(*rules)}\n{nat}"}),
    )
    inside = Netns(
        path="/run/netns/p",
        links=(Link(index=5, name="eth0", kind="veth", up=True, peer=2, peer_nsid=0),),
        addresses=(Address(index=5, ip="10.0.0.5", prefix=24),),
        routes=(Route(dst="0.0.0.0/0", hops=(Hop(index=5, gateway="10.0.0.1"),)), to("10.0.0.0/24", 5)),
        firewall=Firewall(iptables={"ip": pod}),
    )
    facts = Facts(
        node=node, pod=inside, netns_path="/run/netns/p", namespace="default", pod_name="p", objects=objects
    )
    return Case(facts, flows)


def found(model):
    return [(f.code, f.severity.value) for f in packet_path.filters(model)]


def test_a_policy_engines_deny_of_what_nothing_needs_is_information():
    rule = f"-A cali-po-x -d {HOST} -j DROP"
    assert found(case("-A FORWARD -j cali-po-x", rule)) == [("GN0508", "info")]
    assert found(case(f"-A FORWARD -d {HOST} -j DROP")) == [("GN0507", "warning")]


REJECT = "-p tcp -m tcp --dport 5432 -j REJECT"


@pytest.mark.parametrize(
    "chain, match",
    [
        ("KUBE-SERVICES", "-d 10.96.7.7/32"),
        ("KUBE-EXTERNAL-SERVICES", "-d 203.0.113.9/32"),
        ("KUBE-NODEPORTS", "-m addrtype --dst-type LOCAL"),
    ],
)
def test_what_kube_proxy_refuses_is_no_fault_of_its_rule(chain, match):
    bases = [f"-A FORWARD -j {chain}", f"-A INPUT -j {chain}"]
    assert found(case(*bases, f"-A {chain} {match} {REJECT}")) == []


def test_a_rule_that_kube_proxy_restores_is_not_to_be_deleted():
    rules = ("-A FORWARD -j KUBE-SERVICES", f"-A KUBE-SERVICES -d 10.96.7.7/32 {REJECT}")
    asked = Flow(role="outside", target="10.96.7.7", protocol="tcp", port=5432)
    (finding,) = packet_path.filters(case(*rules, flows=[asked]))
    assert (finding.code, finding.severity.value) == ("GN0507", "error")
    assert finding.remedy is not None
    assert (finding.remedy.commands, "restores it" in finding.remedy.text) == ((), True)


def test_a_filtered_prefix_on_a_node_without_a_default_route_is_not_a_missing_route():
    isolated = case("-A FORWARD -s 203.0.113.0/24 -j DROP", default=False)
    assert "203.0.113.1" in {w.flow.target for w in isolated.walks}
    named = [f.title for f in packet_path.refused_routes(isolated)]
    assert [title for title in named if "203.0.113" in title] == []


def test_many_rules_for_one_port_of_the_node_do_not_hide_another():
    bans = [f"-A INPUT -s 203.0.113.{n} -p tcp -m tcp --dport 22 -j DROP" for n in range(9)]
    model = case(*bans, "-A INPUT -p udp -m udp --dport 53 -j DROP")
    assert ("udp", 53) in {(w.flow.protocol, w.flow.port) for w in model.walks if w.flow.role == "node"}
    assert ("GN0507", "warning") in found(model)


@pytest.mark.parametrize("port, passes", [(443, True), (8443, False)])
def test_an_answer_has_the_port_that_the_pod_asked(port, passes):
    """The node translates the service's port 443 to the endpoint's 8443."""
    only = f"*filter\n:INPUT DROP [0:0]\n-A INPUT -s {HOST} -p tcp -m tcp --sport {port} -j ACCEPT\nCOMMIT"
    rule = f"-A PREROUTING -d {HOST} -p tcp -m tcp --dport 443 -j DNAT --to-destination 192.0.2.7:8443"
    flow = Flow(role="service", target=HOST, protocol="tcp", port=443, name="default/web")
    nat = f"*nat\n:PREROUTING ACCEPT [0:0]\n{rule}\nCOMMIT"
    (walk,) = case(nat=nat, pod=only, flows=[flow]).walks
    assert walk.target == "192.0.2.7"
    assert (not [b for b in walk.blocks if b.place == "pod"]) == passes


def nft(protocol, right):
    rule = {
        "match": {"op": "==", "left": {"payload": {"protocol": protocol, "field": "saddr"}}, "right": right}
    }
    where = {"family": "inet", "table": "t", "chain": "c", "handle": 1}
    chain = {"family": "inet", "table": "t", "name": "c", "hook": "forward", "type": "filter", "prio": 0}
    counted = {"counter": {"packets": 3, "bytes": 180}}
    return ({"chain": chain}, {"rule": {**where, "expr": [rule, counted, {"drop": None}]}})


@pytest.mark.parametrize(
    "protocol, right, family, target, prefix",
    [
        ("ip", {"range": ["203.0.113.250", "203.0.114.5"]}, 4, "203.0.113.250", "203.0.113.250/31"),
        ("ip", {"prefix": {"addr": "203.0.113.0", "len": 24}}, 4, "203.0.113.1", "203.0.113.0/24"),
        ("ip6", {"prefix": {"addr": "2001:db8::", "len": 32}}, 6, "2001:db8::1", "2001:db8::/32"),
        ("ip6", "::5", 6, None, None),  # reserved, and no IPv4 address
    ],
)
def test_a_filter_is_met_by_an_address_that_it_names(protocol, right, family, target, prefix):
    facts = Facts(node=Netns(firewall=Firewall(nft=nft(protocol, right))))
    targets = {f: {t[:2] for t in filtered_targets(Case(facts), f)} for f in (4, 6)}
    assert targets == {4: set(), 6: set(), **({family: {(target, prefix)}} if target else {})}


def service(endpoints):
    """A service with this many endpoints, each of them a pod."""
    ips = [f"10.1.{n // 250}.{n % 250 + 1}" for n in range(endpoints)]
    meta = {"name": "web", "namespace": "default"}
    return (
        {"kind": "Service", "metadata": meta, "spec": {"clusterIP": HOST, "ports": [{"port": 443}]}},
        {
            "kind": "EndpointSlice", "metadata": {**meta, "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [{"addresses": [ip]} for ip in ips], "ports": [{"port": 8443}],
        },
        *(
            {"kind": "Pod", "metadata": {"name": f"p{n}", "namespace": "default"}, "status": {"podIP": ip}}
            for n, ip in enumerate(ips)
        ),
    )  # fmt: skip


def test_endpoints_are_matched_with_pods_once():
    """A search of all pods for each endpoint takes some 20 times as long."""
    flow = Flow(role="service", target=HOST, protocol="tcp", port=443, name="default/web")
    model = case(objects=(*service(1000), DENY), flows=[flow])
    started = time.process_time()
    every = [list(policy_verdicts.denials(model, flow)) for _ in range(2)]
    assert time.process_time() - started < 1
    assert [len(one) for one in every] == [1000, 1000]
    assert list(policy_verdicts.connections(case(objects=service(9), flows=[flow]), flow)) == []


def test_where_conversations_stop_is_computed_until_the_time_is_up():
    flow = Flow(role="outside", target=HOST, protocol="tcp")
    model = case(f"-A FORWARD -d {HOST} -j DROP", flows=[flow])
    whole = diagnose(model, EVERYTHING, files=OfFiles())
    late = diagnose(model, EVERYTHING, until=0.0, files=OfFiles())
    assert (list(whole.stops), whole.late) == ([f"outside: {HOST}"], False)
    assert (late.stops, late.late) == ({}, True)
