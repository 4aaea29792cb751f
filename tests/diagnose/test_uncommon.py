"""Checks that no fault of the bench reaches: in a lab where a kernel shows them, else on facts made by hand."""

import json
from dataclasses import replace

import pytest

from genie_core.checks import as_asked, kernel, links, node_leases, rank, secondary_interfaces, underlay
from genie_core.checks.registry import NETWORK
from genie_core.checks.runner import EVERYTHING
from genie_core.findings import Severity
from genie_core.net.case import Case
from genie_core.net.flows import Flow
from genie_core.net.hops import path_of
from genie_core.survey.conf_files import parse_conf
from genie_core.survey.facts import Cached, Facts, Files, Lease, Sandbox
from genie_core.survey.kernel import Address, Firewall, Hop, Link, Neighbour, Netns, Route, Tenant
from genie_core.survey.objects import lean
from genie_core.tasks.debug.checks import OfFiles, judge
from tests.diagnose import traffic
from tests.diagnose.classes.kind import conf
from tests.diagnose.lab import Lab

RULE = "*filter\n:FORWARD ACCEPT [0:0]\n[3:180] -A FORWARD -s 10.244.1.0/24 -j ACCEPT\nCOMMIT"


@pytest.fixture
def lab(tmp_path):
    with Lab(tmp_path / "lab", tag="un") as built:
        yield built


def the(lab, code, *extra):
    """The one finding, of the check that reports it."""
    _, report, _ = lab.debug("p1", "--only", code, *extra)
    (finding,) = report["findings"]
    assert finding["code"] == code
    return finding


@pytest.mark.root
def test_a_rate_limit_that_has_dropped_packets(lab):
    lab.sh(
        "N iptables -I FORWARD -s 10.244.1.10 -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 1 "
        "--hashlimit-name g -j DROP"
    )
    for _ in range(3):
        traffic.udp(lab.netns("p1"), "10.244.2.2", 8080, wait=0.05)
    finding = the(lab, "GN0517", "--no-probes")
    assert (finding["severity"], "has dropped 2" in finding["title"]) == ("warning", True), finding["title"]
    assert finding["evidence"][0]["command"] == "iptables -t filter -S FORWARD"
    assert finding["evidence"][0]["value"].endswith(" (packets 2)")


@pytest.mark.root
def test_echoes_of_which_some_are_lost(lab):
    lab.sh(
        "N iptables -I FORWARD -s 10.244.1.10 -p icmp -m statistic --mode nth --every 2 --packet 0 -j DROP"
    )
    _, report, _ = lab.debug("p1", "--only", "GN0806")
    lost = [finding for finding in report["findings"] if finding["code"] == "GN0806"]
    assert any("10.244.2.2 (remote) were lost" in finding["title"] for finding in lost), report["findings"]


@pytest.mark.root
def test_a_sysctl_that_tuning_set_was_changed(lab):
    """The survey kept no sysctl of a configuration, so the check passed whatever the pod had."""
    conf(lab, lambda document: document["plugins"].append({"type": "tuning", "sysctl": {
        "net.ipv4.conf.IFNAME.arp_announce": "0"}}))  # fmt: skip
    lab.sh("P sysctl -qw net.ipv4.conf.eth0.arp_announce=2")
    finding = the(lab, "GN0110", "--no-probes")
    assert (
        finding["title"] == "net.ipv4.conf.eth0.arp_announce is 2 in the pod, the network's tuning asks for 0"
    )
    lab.sh("P " + " ".join(finding["remedy"]["commands"][0]["argv"]))
    _, report, _ = lab.debug("p1", "--only", "GN0110", "--no-probes")
    assert report["findings"] == []


@pytest.mark.root
def test_two_interfaces_of_the_pod_in_one_subnet(lab):
    lab.sh('eval "$NET1"; p addr add 10.244.1.99/24 dev net1')
    finding = the(lab, "GN0803", "--no-probes")
    assert "eth0 (10.244.1.10/24) and net1 (10.244.1.99/24) overlap" in finding["title"]


@pytest.mark.root
@pytest.mark.parametrize(
    "fault, severity, words",
    [
        ("i link set i0 down", "error", "eth1, the parent of the pod's net1, has no carrier"),
        ("n link set eth1 down", "error", "parent eth1 is DOWN"),
    ],
)
def test_the_parent_of_an_interface_is_down(lab, fault, severity, words):
    lab.sh(
        "n link add mv0 link eth1 type macvlan mode bridge; n link set mv0 netns $F-p1 name net1; "
        f"p addr add 203.0.113.50/24 dev net1; p link set net1 up; {fault}"
    )
    finding = the(lab, "GN0802", "--no-probes")
    assert (finding["severity"], words in finding["title"]) == (severity, True), finding["title"]


@pytest.mark.parametrize("count, severity", [(5, None), (9, Severity.WARNING), (10, Severity.ERROR)])
def test_a_table_of_neighbours_that_fills(count, severity):
    """The limit is the machine's, so no lab can lower it."""
    neighbours = tuple(Neighbour(index=2, ip=f"10.0.0.{number}", state="stale") for number in range(count))
    node = Netns(neighbours=neighbours, sysctls={"ipv4/neigh/default/gc_thresh3": "10"})
    found = list(kernel.neighbour_table(Case(Facts(node=node))))
    assert [finding.severity for finding in found] == ([severity] if severity else [])


@pytest.mark.parametrize("tables, count", [(("ip", "ip-legacy"), 1), (("ip",), 0), (("ip-legacy",), 0)])
def test_rules_of_both_iptables(tables, count):
    """Newer kernels have no legacy tables to put a rule into."""
    node = Netns(firewall=Firewall(iptables=dict.fromkeys(tables, RULE)))
    assert len(list(kernel.both_firewalls(Case(Facts(node=node))))) == count


@pytest.mark.parametrize("age, count", [(5, 0), (600, 1)])
def test_the_lease_of_a_pod_that_starts_is_not_leaked(age, count):
    """The lease is there before the interface, and the runtime lists a sandbox only after its ADD."""
    running = Tenant(path="/run/netns/b", addresses=(Address(index=2, ip="10.0.0.2", prefix=24),))
    lease = Lease(
        network="net", ip="10.0.0.3", container="starts", ifname="eth0", file="/n/10.0.0.3", age=age
    )
    facts = Facts(
        tenants=(running,), sandboxes=(Sandbox(id="b", pod="shop/b"),), files=Files(leases=(lease,))
    )
    assert len(list(node_leases.leaked(facts))) == count


def tuned(live, *asked, pod=None):
    """GN0110 of a pod with this ip_local_port_range, whose networks ask for others."""
    name = "net.ipv4.ip_local_port_range"
    networks = [
        {"cniVersion": "1.0.0", "name": f"n{n}", "plugins": [{"type": "tuning", "sysctl": {name: value}}]}
        for n, value in enumerate(asked)
    ]
    confs = tuple(parse_conf(f"/etc/cni/net.d/{n['name']}.conflist", json.dumps(n)) for n in networks)
    cached = tuple(
        Cached(file=f"/c/{n}", network=f"n{n}", ifname=f"net{n}", netns="/p") for n in range(len(asked))
    )
    settings = Netns(sysctls={"ipv4/ip_local_port_range": live})
    facts = Facts(
        pod=settings, netns_path="/p", files=Files(confs=confs, cached=cached), pod_object=lean(pod or {})
    )
    return list(as_asked.untuned(Case(facts)))


def test_a_sysctl_may_be_what_any_network_of_the_pod_asks_for():
    assert (
        tuned("1024\t65000", "1024 65000", "2000 3000") == tuned("2000 3000", "1024 65000", "2000 3000") == []
    )
    (finding,) = tuned("1 2", "1024 65000", "2000 3000")
    assert "the network's tuning asks for 2000 3000" in finding.title


def test_a_sysctl_of_the_pods_own_is_not_compared():
    """The runtime sets it after ADD."""
    own = [{"name": "net.ipv4.ip_local_port_range", "value": "1 2"}]
    pod = {"kind": "Pod", "spec": {"containers": [], "securityContext": {"sysctls": own}}}
    assert (len(tuned("1 2", "1024 65000")), tuned("1 2", "1024 65000", pod=pod)) == (1, [])


ETH0 = Link(index=2, name="eth0", mac="02:00:00:00:00:02", up=True)
IGNORES = {"ipv4/conf/all/arp_ignore": "8"}
IP4, IP6 = Address(index=2, ip="192.0.2.9", prefix=24), Address(index=2, ip="fd00::9", prefix=64)


@pytest.mark.parametrize("held, reached", [((IP6,), []), ((IP4, IP6), ["192.0.2.0/24"])])
def test_a_node_that_ignores_arp_is_still_reached_by_ipv6(held, reached):
    way = Route(dst="::/0" if len(held) == 1 else "0.0.0.0/0", hops=(Hop(index=2, gateway="::1"),))
    node = Netns(links=(ETH0,), addresses=held, sysctls=IGNORES, routes=(way,))
    found = list(underlay.uplinks(Case(Facts(node=node))))
    assert [one.title.rpartition(": ")[2] for one in found] == [f"{net} is not reached" for net in reached]
    assert all("net.ipv4.conf.all.arp_ignore=8" in one.evidence[0].value for one in found)


def on_bridge(address):
    """A pod on a bridge of the node which has this address."""
    nic = Link(index=5, name="eth0", kind="veth", mac="02:00:00:00:00:05", up=True, peer=3, peer_nsid=0)
    bridge = Link(index=4, name="cni0", kind="bridge", mac="02:00:00:00:00:04", up=True)
    peer = Link(index=3, name="veth1", kind="veth", up=True, master=4, peer=5, peer_nsid=0)
    node = Netns(
        links=(peer, bridge), nsids={"0": "/p"}, sysctls=IGNORES,
        addresses=(Address(index=4, ip=address, prefix=24),) if address else (),
    )  # fmt: skip
    return Case(Facts(node=node, pod=Netns(links=(nic,), sysctls=IGNORES), netns_path="/p"))


@pytest.mark.parametrize("address, count", [("10.0.0.1", 1), ("fd00::1", 0), ("", 0)])
def test_a_bridge_without_an_ipv4_address_has_no_arp_to_answer(address, count):
    found = list(links.node_answers(on_bridge(address)))
    assert len(found) == count
    assert all("net.ipv4.conf.all.arp_ignore=8" in one.evidence[0].value for one in found)
    assert list(links.arp_enabled(on_bridge(address))) == []  # the pod has no IPv4 address either


def on_parent(name="eth0", kind="macvlan", carrier=True, data=None, silent=(), **node):
    """A pod whose first interface is eth0, with one of this name on the node's eth1.

    The node's default route leaves by `silent`, an interface without ARP.
    """
    parent = Link(index=3, name="eth1", up=True, carrier=carrier)
    own = Link(index=7, name=name, kind=kind, up=True, peer=3, peer_nsid=0, data=data or {})
    first = (
        () if name == "eth0" else (Link(index=6, name="eth0", kind="veth", up=True, peer=99, peer_nsid=0),)
    )
    facts = Netns(
        links=(parent, *silent), addresses=(IP4, Address(index=3, ip="203.0.113.1", prefix=24)),
        routes=(Route(dst="0.0.0.0/0", hops=(Hop(index=2, gateway="192.0.2.1"),)),), **node,
    )  # fmt: skip
    pod = Netns(
        links=(*first, own), addresses=(Address(index=7, ip="172.31.0.5", prefix=24),),
        routes=(Route(dst="0.0.0.0/0", hops=(Hop(index=7, gateway="172.31.0.1"),)),),
    )  # fmt: skip
    return Facts(node=facts, pod=pod, netns_path="/p")


@pytest.mark.parametrize("name, severity", [("eth0", Severity.FATAL), ("net1", Severity.ERROR)])
def test_a_parent_without_carrier_is_one_fault(name, severity):
    case = Case(on_parent(name, carrier=False))
    found = rank.ranked([*underlay.carriers(case), *secondary_interfaces.parent_carrier(case)])
    assert [(one.code, one.severity, one.consequence_of) for one in found] == [
        ("GN0414", severity, ""),
        ("GN0802", Severity.WARNING, "GN0414"),
    ]
    (alone,) = secondary_interfaces.parent_carrier(case)
    assert alone.severity is severity


def judged(facts, check):
    """Code -> severity in a diagnosis with this check alone."""
    chosen = [one for one in NETWORK if one.id == check]
    return {
        one.code: one.severity for one in judge(Case(facts), chosen, EVERYTHING, files=OfFiles()).findings
    }


FULL = {
    "neighbours": tuple(Neighbour(index=2, ip=f"10.0.0.{number}", state="stale") for number in range(10)),
    "sysctls": {"ipv4/neigh/default/gc_thresh3": "10"},
}


def test_a_full_table_of_neighbours_concerns_a_macvlan_pod():
    assert judged(on_parent(**FULL), "neighbour-table") == {"GN0514": Severity.ERROR}


@pytest.mark.parametrize(
    "kind, data, text, clear",
    [
        (
            "macvlan",
            {"macvlan_mode": "bridge"},
            "macvlan in mode bridge: past the node's routes and rules",
            True,
        ),
        ("ipvlan", {"ipvlan_mode": 0}, "ipvlan in mode l2: past the node's routes and rules", True),
        (
            "ipvlan",
            {"ipvlan_mode": 2},
            "ipvlan in mode l3s: the node's routes may lead its packets elsewhere",
            False,
        ),
    ],
)
def test_an_ipvlan_that_its_node_routes_is_not_past_the_node(kind, data, text, clear):
    case = Case(
        on_parent(kind=kind, data=data),
        [Flow(role="outside", target="198.51.100.1", protocol="tcp", port=80)],
    )
    hop = path_of(case, case.walks[0]).hops[1]
    assert (hop.said[0].text, hop.state) == (text, "passes" if clear else "unclear")
    silent = on_parent(kind=kind, data=data, silent=(replace(ETH0, arp=False),))
    assert judged(silent, "uplinks") == {"GN0714": Severity.WARNING if clear else Severity.ERROR}
