"""The paths of a diagnosis: what is called open answers, what is called blocked does not. Real plugins and packets."""

import re

import pytest

from tests import warm
from tests.diagnose import attached
from tests.diagnose.faults import PROBES
from tests.diagnose.lab import Lab

pytestmark = pytest.mark.root

TARGETS = ["node: the node", "remote: default/r1", "service: default/web"]


@pytest.fixture
def lab(tmp_path):
    with Lab(tmp_path / "files", tag="w") as built:
        yield built


def blocked(report):
    return {path["target"]: path["blocked"] for path in report["paths"]}


def attached_pod(lab, way, *extra):
    attached.add(lab, "px", way)
    return lab.debug("px", *extra)


@pytest.mark.parametrize("extra", [(), ("--no-probes",)])
def test_a_macvlan_without_a_default_route_reaches_nothing_beyond_its_link(lab, extra):
    code, report, _ = attached_pod(lab, "macvlan", *extra)
    assert code == 0  # as its configuration has it
    assert {blocked(report)[target] for target in (*TARGETS, "outside: the internet")} == {True}


def test_a_macvlan_beside_a_bridge_reaches_everything_through_that(lab):
    code, report, _ = attached_pod(lab, "macvlan, default route by a bridge")
    assert (code, {blocked(report)[target] for target in TARGETS}) == (0, {False})
    answers = {probe["role"]: probe["result"] for probe in report["probes"]}
    assert [answers[role] for role in ("node", "remote", "service")] == ["ok", "ok", "ok"]


def test_a_host_port_on_a_macvlan_is_found_dead(lab):
    code, report, _ = attached_pod(lab, "macvlan with a hostPort", "--no-probes")
    first = report["findings"][0]
    assert (code, first["code"]) == (1, "GN0607")
    assert "tcp/8099" in first["title"]
    assert "eth0 is a macvlan on eth1" in first["title"]


@pytest.mark.parametrize(
    "inject",
    [
        "N iptables -t nat -D PREROUTING -d 10.96.0.10 -p tcp --dport 80 -j DNAT --to 10.244.1.11:8080",
        "N iptables -t nat -I PREROUTING -d 10.96.0.10 -p tcp --dport 80 -j DNAT --to 10.244.1.77:8080",
    ],
)
def test_a_service_with_an_error_is_not_called_open(lab, inject):
    _, healthy, _ = lab.debug("p1", "--no-probes")
    assert blocked(healthy)["service: default/web"] is False
    lab.sh(inject)
    assert not PROBES["vip"](lab)
    _, report, _ = lab.debug("p1", "--no-probes")
    assert blocked(report)["service: default/web"] is True


def test_a_target_that_a_router_calls_unreachable_is_not_called_open(lab):
    """As of the other probes that the pod sends."""
    lab.sh("x route add unreachable 198.51.100.9")
    _, report, _ = lab.debug("p1", "--to", "198.51.100.9:80")
    assert "unreachable" in {probe["result"] for probe in report["probes"] if probe["role"] == "target"}
    assert set(blocked(report).values()) == {True}


def test_a_link_that_is_down_blocks_every_path(lab):
    """The paths were called open beside the finding that the link is down, which `genie trace` stops at."""
    lab.sh("n link set veth1 down")
    _, report, _ = lab.debug("p1", "--no-probes")
    assert (report["findings"][0]["code"], set(blocked(report).values())) == ("GN0401", {True})


def test_a_link_that_left_its_bridge_stops_packets_there(lab):
    lab.sh("n link set veth1 nomaster")
    argv = lab.arguments("p1")
    shown = warm.run(*argv[:-1], "mermaid", "--no-probes", netns=lab.netns("node")).stdout
    assert set(re.findall(r"  (n\d+) -\. \"GN0402\" \.->", shown)) == {
        re.findall(r'  (n\d+)\["veth1"\]', shown)[0]
    }


@pytest.mark.parametrize("asked", [True, False])
def test_an_annotation_is_blamed_for_a_default_route_only_if_it_asks(lab, asked):
    networks = '[{"name": "far", "default-route": ["172.30.0.1"]}]' if asked else "far"
    lab.objects[0]["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/networks": networks}
    lab.sh('eval "$NET1"; p route replace default via 172.30.0.1 dev net1')
    _, report, _ = lab.debug("p1", "--no-probes")
    finding = next(f for f in report["findings"] if f["code"] == "GN0303")
    assert ("default-route" in finding["title"] + finding["remedy"]["text"]) is asked
