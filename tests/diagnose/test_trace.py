"""`genie trace`: the computed path beside what a real packet does; every form of output; the example of its page."""

import errno
import json
import re
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path

import jsonschema
import pytest

from genie_cli import schemas
from genie_core.errors import EXIT_DENIED, EXIT_FAILURE
from genie_core.survey import capture
from genie_core.survey.facts import Probe
from genie_core.tasks.trace import unwatched
from tests import warm
from tests.diagnose.lab import Lab
from tests.drawn import assert_readable

PAGE = (Path(__file__).parents[2] / "docs" / "trace-a-packet.md").read_text()
SCHEMA = json.loads(schemas.text("TraceReport"))

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with Lab(tmp_path_factory.mktemp("lab") / "files", tag="tr") as built:
        yield built


def trace(lab, target, *extra, pod="p1", output="json"):
    places = lab.arguments(pod)[3:-2]
    line = ["trace", f"default/{pod}", target, *places, "-o", output, *extra]
    return warm.run(
        *line,
        netns=lab.netns("node"),
        env={"NODE_NAME": "node", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "COLUMNS": "120"},
    )


def traced(lab, target, *extra, pod="p1"):
    done = trace(lab, target, *extra, pod=pod)
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    return done.returncode, document


def names(document):
    return [hop["name"] for hop in document["hops"]]


def said(document, kind):
    return [one["text"] for hop in document["hops"] for one in hop["decisions"] if one["kind"] == kind]


WAYS = {
    "default/p2:8080": (["pod eth0", "veth1", "cni0", "veth2", "default/p2 eth0"], "arrives", "ok"),
    "svc/web:80": (
        ["pod eth0", "veth1", "cni0", "node routing", "cni0", "veth2", "default/p2 eth0"],
        "arrives",
        "ok",
    ),
    "svc/web:dns/udp": (
        ["pod eth0", "veth1", "cni0", "node routing", "cni0", "veth2", "default/p2 eth0"],
        "arrives",
        "ok",
    ),
    "default/r1:8080": (
        ["pod eth0", "veth1", "cni0", "node routing", "flannel.1", "eth0", "default/r1"],
        "leaves",
        "ok",
    ),
    "node/node": (["pod eth0", "veth1", "cni0", "node"], "arrives", "ok"),
    "192.168.50.10:9999": (["pod eth0", "veth1", "cni0", "node"], "arrives", "refused"),
}


@pytest.mark.parametrize("target", WAYS)
def test_a_packet_goes_the_way_that_the_trace_says(lab, target):
    way, verdict, result = WAYS[target]
    for _ in range(3):  # on a busy machine an answer may take longer than the probe waits
        code, document = traced(lab, target, "--probe")
        if document["probe"]["result"] == result:
            break
    assert (names(document), document["verdict"], document["probe"]["result"]) == (way, verdict, result)
    assert (code, document["findings"]) == (0, [])
    watched = [hop["seen"]["request"] for hop in document["hops"] if "seen" in hop]
    assert len(watched) > 2
    assert all(watched)


def test_a_service_is_translated_and_its_answer_seen_at_the_pod(lab):
    _, document = traced(lab, "svc/web:80", "--probe")
    (change,) = said(document, "dnat")
    assert change.startswith(
        "destination becomes 10.244.1.11:8080, by iptables nat/PREROUTING rule 1 (-d 10.96.0.10/32"
    )
    assert document["hops"][-1]["seen"]["request"].endswith("> 10.244.1.11:8080")
    assert document["hops"][-1]["seen"]["answer"].startswith("10.244.1.11:8080 >")


def test_what_leaves_the_node_is_translated_and_goes_through_the_tunnel(lab):
    _, document = traced(lab, "default/r1:8080")
    assert said(document, "tunnel") == ["vxlan to 192.168.50.1"]
    _, document = traced(lab, "203.0.113.1:8080")
    assert "becomes" in said(document, "snat")[0]


def test_a_routed_pod(lab):
    code, document = traced(lab, "default/r1:8080", "--probe", pod="c1")
    assert names(document) == ["pod eth0", "cali1", "node routing", "flannel.1", "eth0", "default/r1"]
    assert (code, document["verdict"]) == (0, "leaves")


RULE = "-d 10.244.2.0/24 -j DROP"
FAULTS = {
    "a rule drops it": (
        "N iptables -A FORWARD -d 10.244.2.0/24 -j DROP", "N iptables -D FORWARD -d 10.244.2.0/24 -j DROP",
        "default/r1:8080", "node routing", f"forward: dropped by iptables filter/FORWARD rule 1 ({RULE})",
    ),
    "no forwarding": (
        "N sysctl -qw net.ipv4.conf.cni0.forwarding=0", "N sysctl -qw net.ipv4.conf.cni0.forwarding=1",
        "default/r1:8080", "node routing", "forwarding of IPv4 is off on cni0",
    ),
    "a refusing route": (
        "n route add unreachable 203.0.113.1", "n route del unreachable 203.0.113.1",
        "203.0.113.1:8080", "node routing", "unreachable 203.0.113.1/32",
    ),
    "no default route in the pod": (
        "p route del default", "p route add default via 10.244.1.1",
        "203.0.113.1:8080", "pod eth0", "no route leads to 203.0.113.1",
    ),
    "a port that is down": (
        "n link set veth2 down", "n link set veth2 up", "default/p2:8080", "veth2", "veth2 is down",
    ),
    "no ARP reply": (
        "N sysctl -qw net.ipv4.conf.cni0.arp_ignore=8; p neigh flush all",
        "N sysctl -qw net.ipv4.conf.cni0.arp_ignore=0; p neigh flush all",
        "default/r1:8080", "pod eth0", "no ARP reply for 10.244.1.1, by net.ipv4.conf.cni0.arp_ignore=8",
    ),
    "no forwarding entry of the tunnel": (
        "N bridge fdb del 02:00:00:00:02:02 dev flannel.1 dst 192.168.50.1",
        "N bridge fdb append 02:00:00:00:02:02 dev flannel.1 dst 192.168.50.1",
        "default/r1:8080", "flannel.1", "no forwarding entry says which node has 10.244.2.0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_where_it_stops_the_packet_is_not_seen_behind(lab, fault):
    inject, mend, target, hop, words = FAULTS[fault]
    lab.sh(inject)
    try:
        code, document = traced(lab, target, "--probe")
    finally:
        lab.sh(mend)
    stopping = [one["name"] for one in document["hops"] if one["state"] == "stops"]
    assert (document["verdict"], stopping) == ("stops", [hop])
    assert document["reason"] == f"stops at {hop}: {words}"
    behind = document["hops"][names(document).index(hop) + 1 :]
    assert [one["state"] for one in behind] == ["unreached"] * len(behind)
    assert not any(one.get("seen", {}).get("request") for one in behind)
    assert (code, document["findings"]) == (0, [])
    assert document["probe"]["result"] != "ok"


def test_a_probe_that_goes_another_way_is_a_finding(lab):
    """A queue that is too small for any packet is not in the trace."""
    lab.sh("N tc qdisc replace dev veth2 root tbf rate 8kbit burst 60 limit 60")
    try:
        code, document = traced(lab, "default/p2:8080", "--probe")
        shown = trace(lab, "default/p2:8080", "--probe", output="table").stdout
    finally:
        lab.sh("N tc qdisc del dev veth2 root")
    (found,) = document["findings"]
    assert (code, found["code"]) == (1, "GN0809")
    assert "not seen" in found["title"]
    assert "GN0809" in shown


def test_an_answer_that_stops_is_shown(lab):
    lab.sh("N iptables -A FORWARD -s 10.244.2.0/24 -j DROP")
    try:
        code, document = traced(lab, "default/r1:8080", "--probe")
    finally:
        lab.sh("N iptables -D FORWARD -s 10.244.2.0/24 -j DROP")
    assert (document["verdict"], document["answer"]["state"], code) == ("leaves", "stops", 0)
    assert "but its answer stops: forward: dropped" in document["reason"]
    tunnel = next(hop for hop in document["hops"] if hop["name"] == "flannel.1")
    assert tunnel["seen"]["answer"]
    assert not document["hops"][0]["seen"]["answer"]


def test_an_address_that_is_known_is_used_until_it_is_forgotten(lab):
    traced(lab, "default/r1:8080", "--probe")
    lab.sh("N sysctl -qw net.ipv4.conf.cni0.arp_ignore=8; P sysctl -qw net.ipv4.conf.eth0.arp_ignore=8")
    try:
        code, document = traced(lab, "default/r1:8080", "--probe")
    finally:
        lab.sh("N sysctl -qw net.ipv4.conf.cni0.arp_ignore=0; P sysctl -qw net.ipv4.conf.eth0.arp_ignore=0")
    assert (code, document["verdict"], document["findings"]) == (0, "unclear", [])
    assert any("until that is forgotten: no ARP reply" in text for text in said(document, "neighbour"))


def test_an_answer_that_does_not_find_the_pod(lab):
    lab.sh("P sysctl -qw net.ipv4.conf.eth0.arp_ignore=8; n neigh flush all")
    try:
        _, document = traced(lab, "default/r1:8080")
    finally:
        lab.sh("P sysctl -qw net.ipv4.conf.eth0.arp_ignore=0")
    assert "no ARP reply for 10.244.1.10, by net.ipv4.conf.eth0.arp_ignore=8" in document["reason"]


def test_without_probe_no_packet_is_sent(lab):
    def sent():
        names, values = (line.split() for line in lab.sh("C1 grep ^Ip: /proc/net/snmp").splitlines())
        return int(values[names.index("OutRequests")])

    before = sent()
    code, document = traced(lab, "default/r1:8080", pod="c1")
    assert (code, sent(), "probe" in document) == (0, before, False)


def lasting(hop):
    """The hop without neighbour entries, whose states move by themselves."""
    return hop | {"decisions": [one for one in hop["decisions"] if one["kind"] != "neighbour"]}


def test_saved_facts_give_the_same_path(lab, tmp_path):
    file = tmp_path / "facts.json"
    arguments = lab.arguments("p1")
    warm.run(*arguments, "--no-probes", "--save", str(file), netns=lab.netns("node"))
    _, here = traced(lab, "default/r1:8080")
    there = json.loads(
        warm.run("trace", "default/p1", "default/r1:8080", "--from", file, "-o", "json").stdout
    )
    assert [lasting(hop) for hop in there["hops"]] == [lasting(hop) for hop in here["hops"]]
    assert warm.run("trace", "default/p9", "10.0.0.1", "--from", file).returncode == 3
    assert warm.run("trace", "default/p1", "10.0.0.1", "--from", file, "--probe").returncode == 2


@pytest.mark.parametrize("target, code, words", [
    ("default/none", 3, "DST default/none: no pod or service default/none is known"),
    ("a/b/c", 2, "DST a/b/c: an address"),
    ("10.0.0.1:0", 2, "DST 10.0.0.1:0: the port must be a number"),
])  # fmt: skip
def test_a_target_that_is_unknown(lab, target, code, words):
    done = trace(lab, target, output="table")
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr


def test_the_pictures(lab):
    drawn = trace(lab, "svc/web:80", output="svg").stdout
    assert_readable(drawn)
    picture = ET.fromstring(drawn)
    shown = ["".join(element.itertext()) for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert [name for name in shown if name in ("pod eth0", "veth1", "node routing", "default/p2 eth0")]
    assert any("destination becomes 10.244.1.11:8080" in line for line in shown)
    page = trace(lab, "svc/web:80", output="html").stdout
    assert "<script" not in page
    assert "<ol><li><h3>pod eth0" in page
    assert trace(lab, "svc/web:80", output="mermaid").stdout.startswith("flowchart LR")
    assert trace(lab, "svc/web:80", output="name").stdout.split("\n")[1] == "veth1"


def test_the_example_of_the_page(lab):
    example = re.search(r"^```text\n(default/p1 to .*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert example
    shown = trace(lab, "service/web:80", "--probe", output="table").stdout
    words = [re.sub(r":[0-9]{5}\b", ":PORT", " ".join(text.split())) for text in (example[1], shown)]
    assert words[0] == words[1]


def test_an_interface_that_is_gone_is_no_missing_right():
    sent = partial(Probe, kind="tcp", target="192.0.2.1", role="target", result="ok")
    with pytest.raises(OSError, match="No such device") as gone:
        capture.watch([capture.Tap(netns="", iface="none-such")], sent, "tcp", "192.0.2.1", 80)
    error = unwatched(gone.value)
    assert (error.exit_code, "run it again" in error.hint) == (EXIT_FAILURE, True)
    refused = unwatched(PermissionError(errno.EPERM, "Operation not permitted"))
    assert (refused.exit_code, "root" in refused.hint) == (EXIT_DENIED, True)
