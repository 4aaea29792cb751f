"""The reference plugins, written in Go against the reference library, judge our conversions (conformance B42).

Each of them runs in a namespace that stands for the host: no bridge and no firewall rule of the machine itself.
"""

import json
import subprocess

import pytest

from genie_core.model import Result
from genie_core.spec import result as results

pytestmark = [pytest.mark.root, pytest.mark.system]

# Everything that plugins of 2022 know; later fields of routes and interfaces they would drop.
RESULT = Result(
    interfaces=[
        {"name": "cni0", "mac": "0a:58:0a:01:00:01"},
        {"name": "eth0", "mac": "0a:58:0a:01:00:05", "sandbox": "/run/netns/blue"},
    ],
    ips=[
        {"address": "10.1.0.5/24", "gateway": "10.1.0.1", "interface": 1},
        {"address": "fd00::5/64", "gateway": "fd00::1", "interface": 1},
        {"address": "10.2.0.5/24"},
    ],
    routes=[
        {"dst": "0.0.0.0/0", "gw": "10.1.0.1"},
        {"dst": "10.96.0.0/12"},
        {"dst": "::/0", "gw": "fd00::1"},
    ],
    dns={"nameservers": ["10.1.0.10"], "domain": "d", "search": ["s.d"], "options": ["ndots:5"]},
)


class Node:
    """A namespace for the host, one for a pod, and the plugins between them."""

    def __init__(self, host, pod, cni_bin):
        self.host = host
        self.pod = pod
        self.cni_bin = cni_bin

    def run(self, verb, plugin, conf=None):
        """A plugin's standard output; fails when the plugin does."""
        variables = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": self.pod.name,
            "CNI_NETNS": str(self.pod.path),
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.cni_bin),
        }
        into_host = ["ip", "netns", "exec", self.host.name, "env", "-i"]
        argv = [
            *into_host,
            *(f"{name}={value}" for name, value in variables.items()),
            str(self.cni_bin / plugin),
        ]
        stdin = json.dumps({"name": "test", "type": plugin, **(conf or {})})
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, f"{plugin} {verb} {stdin}: {done.stdout}{done.stderr}"
        return done.stdout

    def versions(self, plugin):
        return json.loads(self.run("VERSION", plugin))["supportedVersions"]


@pytest.fixture
def node(netns, cni_bin):
    return Node(netns(), netns(), cni_bin)


@pytest.mark.parametrize("plugin", ["tuning", "portmap", "bandwidth", "firewall"])
def test_b42_chained_plugins_read_our_prev_result_as_it_was_meant(node, plugin):
    """They print the previous result as they read it: the same, in every version that they support."""
    newest = json.dumps(results.encode(RESULT, "1.1.0"))
    supported = node.versions(plugin)
    assert "1.0.0" in supported
    for version in supported:
        previous = results.convert(newest, version, version, "test").text
        printed = node.run("ADD", plugin, {"cniVersion": version, "prevResult": json.loads(previous)})
        assert results.parse(printed, "", plugin) == results.parse(previous, "", "test")


def test_a33_to_a40_we_convert_as_the_reference_library_does(node):
    """The `static` plugin prints one and the same result in each version through Go's converters."""
    ipam = {
        "type": "static",
        "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}, {"address": "FD00:0::5/64"}],
        "routes": [
            {"dst": "0.0.0.0/0"},
            {"dst": "10.0.0.0/8", "gw": "10.1.0.2"},
            {"dst": "::/0", "gw": "FD00::1"},
        ],
        "dns": RESULT.dns,
    }
    spoken = node.versions("static")
    printed = {v: node.run("ADD", "static", {"cniVersion": v, "ipam": ipam}) for v in spoken}
    for source in spoken:
        for target in spoken:
            ours = results.encode(results.parse(printed[source], "", "static")[1], target)
            assert ours == json.loads(printed[target]), f"{source} -> {target}"


BRIDGE = {"bridge": "cni0", "isGateway": True, "mtu": 1400}


@pytest.fixture
def ipam(tmp_path):
    ranges = [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    return {"type": "host-local", "dataDir": str(tmp_path), "ranges": ranges, "routes": routes}


def test_b42_a_chain_of_real_plugins_in_any_two_versions(node, ipam):
    """bridge in one version, then tuning in another, with our conversion between them."""
    between = node.versions("tuning")
    for version in node.versions("bridge"):
        conf = {"cniVersion": version, "ipam": ipam, **BRIDGE}
        text = node.run("ADD", "bridge", conf)
        for other in between:
            previous = results.convert(text, other, version, "bridge").text
            printed = node.run("ADD", "tuning", {"cniVersion": other, "prevResult": json.loads(previous)})
            read = results.parse(printed, "", "tuning")[1]
            assert read == results.parse(previous, "", "test")[1]
            assert [ip["gateway"] for ip in read.ips] == ["10.1.0.1", "fd00::1"]
        node.run("DEL", "bridge", conf)
    assert node.pod.links() == {}


@pytest.mark.parametrize("version", ["0.4.0", "1.0.0"])
def test_b66_check_passes_with_a_result_that_went_through_our_canonical_form(node, ipam, version):
    """bridge compares the namespace with its prevResult: addresses, interfaces and indexes must be right."""
    conf = {"cniVersion": version, "ipam": ipam, **BRIDGE}
    read = results.parse(node.run("ADD", "bridge", conf), "", "bridge")[1]
    by_way_of_newest = json.dumps(results.encode(read, "1.1.0"))
    previous = json.loads(results.convert(by_way_of_newest, version, "", "test").text)
    node.run("CHECK", "bridge", {**conf, "prevResult": previous})
    pod_end = read.interfaces[read.ips[0]["interface"]]
    assert (pod_end["name"], pod_end["sandbox"]) == ("eth0", str(node.pod.path))
    assert sorted(ip["address"] for ip in read.ips) == sorted(
        address for address in node.pod.links()["eth0"] if not address.startswith("fe80")
    )
    node.run("DEL", "bridge", conf)
