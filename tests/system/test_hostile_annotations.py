"""Hostile values in every text that an annotation can carry, with the real plugins: a clear error before anything runs,
and nothing of the node is changed: links, addresses, routes, firewall, sysctls, leases, files."""

import json

import pytest

from tests.system import audit
from tests.system.cluster import Cluster

pytestmark = [pytest.mark.root, pytest.mark.system]

CAPABILITIES = ("ips", "mac", "portMappings", "bandwidth", "infinibandGUID")
MAC = "c2:b0:57:49:47:f1"
# For nft's and iptables' command lines, a shell, a path. All others: tests/security/test_names.py.
HOSTILE = [
    "tcp; add table ip pwned",
    'tcp"\nflush ruleset\n',
    "$(touch /tmp/pwned)",
    "../../etc/shadow",
    "0.0.0.0/0",
]
MAPPING = {"hostPort": 8080, "containerPort": 80}
# A text of the annotation -> an entry with the value in its place.
PLACES = {
    "name": lambda text: {"name": text},
    "namespace": lambda text: {"namespace": text},
    "interface": lambda text: {"interface": f"{text}/"},
    "ips": lambda text: {"ips": [text]},
    "mac": lambda text: {"mac": text},
    "infiniband-guid": lambda text: {"infiniband-guid": text},
    "deviceID": lambda text: {"deviceID": f"{text}/"},
    "default-route": lambda text: {"default-route": [text]},
    "protocol": lambda text: {"portMappings": [{**MAPPING, "protocol": text}]},
    "hostIP": lambda text: {"portMappings": [{**MAPPING, "hostIP": f"{text}/24"}]},
    "hostPort": lambda text: {"portMappings": [{**MAPPING, "hostPort": text}]},
    "Protocol": lambda text: {"portMappings": [{**MAPPING, "protocol": "tcp", "Protocol": text}]},
    "HostIP": lambda text: {"portMappings": [{**MAPPING, "HostIP": text}]},
    "ho\u017ftPort": lambda _: {"portMappings": [{**MAPPING, "ho\u017ftPort": 22}]},
    "further key of a mapping": lambda text: {"portMappings": [{**MAPPING, text: text}]},
    "rate": lambda text: {"bandwidth": {"ingressRate": text}},
    "further key of a rate": lambda text: {"bandwidth": {"ingressRate": 1, text: 1}},
    "cni-args ips": lambda text: {"cni-args": {"ips": [text]}},
    "cni-args mac": lambda text: {"cni-args": {"mac": text}},
    "cni-args sysctl": lambda text: {"cni-args": {"sysctl": {text: text}}},
    "cni-args Promisc": lambda _: {"cni-args": {"Promisc": True}},
}


@pytest.fixture
def cluster(node):
    """A definition that offers everything, with the plugins that read it."""
    running = Cluster(node)
    on = dict.fromkeys(CAPABILITIES, True)
    bridge = {"type": "bridge", "bridge": "br7", "isGateway": True, "ipMasq": True, "capabilities": on}
    chain = [
        {**bridge, "ipam": node.ipam("10.7.0.0/16")},
        {"type": "tuning", "capabilities": on},
        {"type": "portmap", "capabilities": on, "snat": True},
        {"type": "firewall", "capabilities": on},
    ]
    running.nad("net", chain)
    yield running
    running.close()


def whole(node):
    """The node's traces, with its routes and its network's sysctls."""
    looks = (
        ["ip", "route", "show", "table", "all"],
        ["ip", "-6", "route", "show", "table", "all"],
        ["ip", "rule"],
        ["sysctl", "-a", "--pattern", r"^net\.(ipv[46]|bridge|netfilter)\.(conf|ip_forward|.*_call_|.*_max)"],
    )
    lines = {line for look in looks for line in audit.output(node.host, *look).splitlines()}
    # The kernel makes link-local routes when it has tried the addresses; the definition's copy is no harm.
    return {line for line in audit.trace(node) | lines if "fe80:" not in line and "state objects" not in line}


def test_a_hostile_text_is_a_clear_error_before_anything_runs(cluster):
    node = cluster.node
    before = whole(node)
    assert node.state_files() == []
    for place, make in PLACES.items():
        for text in HOSTILE:
            outcome = cluster.call("ADD", [{"name": "net", **make(text)}])
            assert (outcome.status, outcome.reply["code"]) == (1, 7), (place, text, outcome)
            assert outcome.reply["msg"].startswith("annotation k8s.v1.cni.cncf.io/networks, entry 1"), outcome
            assert outcome.reply["msg"].isprintable()
            assert not [event for event in outcome.events if event["event"] == "delegate"], (place, text)
    assert audit.difference(before, whole(node)) == ""


def test_a_pod_cannot_take_an_address_of_the_node(cluster):
    """The gateway's, which the bridge has, draws what the other pods send; an uplink's cuts the node off."""
    node = cluster.node
    node.host.run("ip", "address", "add", "198.51.100.7/24", "dev", "up0")
    node.host.run("ip", "address", "add", "2001:db8::7/64", "dev", "up0")
    cluster.add("net", container="other")
    before = audit.trace(node)
    for address in ("10.7.0.1/16", "198.51.100.7", "2001:DB8:0::7/64", "10.1.0.1"):
        if address == "10.1.0.1":  # blue's bridge, which the first pod has made
            assert "10.1.0.1/16" in json.dumps(node.host.links())
        outcome = cluster.call(
            "ADD", [{"name": "net", "ips": [address]}], container="c2", netns=node.add_pod().path
        )
        assert (outcome.status, outcome.reply["code"]) == (1, 7), outcome
        assert "is an address of this node" in outcome.reply["msg"]
        before |= {line for line in audit.trace(node) if line.startswith(node.pods[-1].name)}
    assert audit.left(node, before) == ""


def test_a_pod_cannot_take_the_gateways_address_of_a_network_that_nothing_uses_yet(cluster):
    node = cluster.node
    on = {"ips": True}
    static = {"type": "static", "addresses": [{"address": "10.8.0.2/24", "Gateway": "10.8.0.254"}]}
    cluster.nad("fixed", [{"type": "bridge", "bridge": "br8", "capabilities": on, "ipam": static}])
    ranges = [[{"subnet": "10.9.0.0/24", "gateway": "10.9.0.254"}]]
    pool = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "10.0.0.0/8", "gw": "10.9.0.253"}]}
    cluster.nad("pool", [{"type": "bridge", "bridge": "br9", "capabilities": on, "ipam": pool}])
    before = audit.trace(node)
    for name, address in (("fixed", "10.8.0.254/24"), ("pool", "10.9.0.254/24"), ("pool", "10.9.0.253")):
        for keys in ({"ips": [address]}, {"cni-args": {"IPs": [address]}}):
            outcome = cluster.call("ADD", [{"name": name, **keys}])
            assert (outcome.status, outcome.reply["code"]) == (1, 7), outcome
            assert f"ips: {address} is the gateway of network {name}" in outcome.reply["msg"]
    found = audit.difference(before, audit.trace(node)).splitlines()
    assert [line for line in found if "state objects" not in line] == []


def test_ordinary_values_work(cluster):
    """The same definition and the same places, with values as people use them."""
    entry = {
        "name": "net",
        "interface": "data0",
        "ips": ["10.7.0.9/16"],
        "mac": MAC,
        "portMappings": [{**MAPPING, "protocol": "UDP", "hostIP": "198.51.100.7"}],
        "cni-args": {"label": "x"},
    }
    outcome = cluster.call("ADD", [entry])
    assert outcome.status == 0, outcome
    assert "10.7.0.9/16" in json.dumps(cluster.node.pod.links())
    rules = audit.output(cluster.node.host, "iptables-save", "-t", "nat")
    assert "-d 198.51.100.7/32 -p udp -m udp --dport 8080 -j DNAT --to-destination 10.7.0.9:80" in rules
    assert cluster.call("DEL").status == 0
