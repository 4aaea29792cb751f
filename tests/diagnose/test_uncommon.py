"""Checks that no fault of the bench reaches: in a lab where a kernel shows them, else on facts made by hand."""

import pytest

from genie_core.checks import kernel
from genie_core.findings import Severity
from genie_core.net.case import Case
from genie_core.survey.facts import Facts
from genie_core.survey.kernel import Firewall, Neighbour, Netns
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
        finding["title"]
        == "net.ipv4.conf.eth0.arp_announce is 2 in the pod, the network's tuning set it to 0"
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
