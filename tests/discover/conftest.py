"""A node of files for one test, and `genie discover` on it."""

import json
from typing import Any

import pytest

from genie_core.checks.registry import FILES
from genie_core.checks.runner import selection
from genie_core.tasks.discover import DiscoverOptions, discover
from tests import warm
from tests.apiserver import API, APIServer, Objects
from tests.discover import nodes


class Node:
    """A node below a temporary directory: conf, bin, ipam, cache and state, all asked for by name."""

    def __init__(self, path):
        self.path = path
        self.conf, self.bin = path / "conf", path / "bin"
        self.ipam, self.cache, self.state = path / "ipam", path / "cache", path / "state"
        for directory in (self.conf, self.bin, self.ipam, self.cache):
            directory.mkdir()
        nodes.add_plugins(self.bin, "bridge", "host-local", "portmap")

    def configure(self, name, content):
        return nodes.write(self.conf / name, content)

    def discover(self, **options):
        wanted: dict[str, Any] = {
            "conf_dirs": (str(self.conf),),
            "bin_dirs": (str(self.bin),),
            "ipam_dir": str(self.ipam),
            "cache_dir": str(self.cache),
            "state_dir": str(self.state),
            "sandbox_dirs": (),  # whatever else runs on this machine
            "api": False,
        }
        only = [options.pop("only")] if "only" in options else []
        return discover(DiscoverOptions(**wanted | options), selection(only, [], FILES))


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


class Lab:
    """A node with a bridge that its network uses, an overlay's /32 address in it, and a pod."""

    def __init__(self, namespace, pod, node):
        self.namespace, self.node = namespace, node
        for line in (
            "link add cni0 type bridge",
            "addr add 100.99.0.1/24 dev cni0",
            "link set cni0 up",
            "link add eth0 type veth peer name e0",
            "addr add 192.0.2.10/24 dev eth0",
            "link set eth0 up",
            "route add default via 192.0.2.1",
            "link add ov0 type bridge",
            "addr add 100.99.0.0/32 dev ov0",
            f"link add veth1 type veth peer name eth0 netns {pod.name}",
            "link set veth1 master cni0",
        ):
            self.ip(line)
        node.configure("10-net.conflist", nodes.bridge("net", "100.99.0.0/24", bridge="cni0"))

    def ip(self, line):
        self.namespace.run("ip", *line.split())

    def findings(self):
        flags = [
            "--only",
            "subnet|bridge|conf",
            "--conf-dir",
            str(self.node.conf),
            "--bin-dir",
            str(self.node.bin),
        ]
        asked = ["discover", "--no-api", "-o", "json", "--fail-on", "never", *flags]
        return json.loads(warm.run(*asked, netns=str(self.namespace.path)).stdout)["findings"]


@pytest.fixture
def lab(netns, node):
    return Lab(netns(), netns(), node)


@pytest.fixture
def server(authority):
    with APIServer(API(Objects(), {"good-token": "genie"}), authority=authority) as running:
        yield running


def install(node, server, token="good-token"):
    """Genie's configuration with a kubeconfig for the server."""
    kubeconfig = server.write_kubeconfig(node.path / "genie.kubeconfig", user={"token": token})
    kubeconfig.chmod(0o600)
    nodes.install_genie(node, kubernetes={"kubeconfig": str(kubeconfig)})


def codes(report):
    """The codes of what was found, worst first."""
    return [finding.code for finding in report.findings]


def the(report, code):
    """The one finding with this code."""
    found = [finding for finding in report.findings if finding.code == code]
    assert len(found) == 1, [(f.code, f.title) for f in report.findings]
    return found[0]
