"""Repair of running pods: real plugins, real namespaces, real packets.

One node, and one pod with a bridge, a point-to-point link and a macvlan, each with IPv4 and IPv6, for all of the
faults; each test leaves the pod well.
"""

import json
import shutil
import socket
import subprocess
import sys

import pytest

from genie_core.edges.netns import inside
from tests.live.conftest import ROOT, Live
from tests.patience import wait_until

pytestmark = [pytest.mark.root, pytest.mark.system]

WHERE_TO = {"eth0": ("10.1.0.1", "fd01::1"), "net1": ("10.2.0.1", "fd02::1"), "net2": ("10.3.0.1", "fd03::1")}


class Ward(Live):
    """A node whose pods can be looked after."""

    def __init__(self, root, plugins):
        super().__init__(root, plugins)
        self.host = self.node.host
        ranges = {
            net: {
                "type": "host-local",
                "dataDir": str(self.node.leases),
                "ranges": [[{"subnet": f"10.{net}.0.0/16"}], [{"subnet": f"fd0{net}::/64"}]],
                "routes": [{"dst": f"10.10{net}.0.0/16"}, {"dst": f"fd0{net}:1::/64"}],
            }
            for net in (1, 2, 3)
        }
        bridge = {"type": "bridge", "bridge": "br0", "isDefaultGateway": True, "ipMasq": True}
        for name, net, plugin in (
            ("10-blue", 1, bridge),
            ("20-red", 2, {"type": "ptp", "ipMasq": True}),
            ("30-green", 3, {"type": "macvlan", "master": "up0"}),
        ):
            document = {"cniVersion": "1.0.0", "name": name[3:], **plugin, "ipam": ranges[net]}
            self.node.configure(f"{name}.conf", document)
        self.connect()

    def connect(self):
        """The macvlan's parent, with somebody at its other end."""
        self.host.run("ip", "link", "set", "up0", "up")
        for address in ("10.3.0.1/16", "fd03::1/64"):
            self.host.run("ip", "address", "replace", address, "dev", "up1", "nodad")
        self.host.run("ip", "link", "set", "up1", "up")

    def argv(self, mode, *words):
        module = [sys.executable, "-m", "genie_core.tasks.repair"]
        return self.node.inside(*module, "--mode", mode, "--conf-dir", self.node.conf, *words)

    def repair(self, mode, *words):
        """One look: its lines."""
        done = subprocess.run(
            self.argv(mode, *words),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment(),
        )
        assert "Traceback" not in done.stderr, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def end(self, name):
        """The host's end of the pod's veth."""
        link = json.loads(self.node.pod.run("ip", "-json", "link", "show", name).stdout)[0]
        ends = json.loads(self.host.run("ip", "-json", "link").stdout)
        return next(one["ifname"] for one in ends if one["ifindex"] == link["link_index"])

    def forget_repairs(self):
        shutil.rmtree(self.node.state / "repairs", ignore_errors=True)

    def works(self):
        """Whether packets flow on all interfaces, of both families."""
        return {
            f"{name} to {target}"
            for name, targets in WHERE_TO.items()
            for target in targets
            if not reaches(self, name, target)
        }


def environment():
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}


def bound(family, address):
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.settimeout(2)
    return made


def reaches(ward, name, target):
    """Send a packet from the pod's address on the interface to the target on the node, and get one back."""
    v6 = ":" in target
    family = socket.AF_INET6 if v6 else socket.AF_INET
    addresses = ward.links().get(name, [])
    source = next((ip.partition("/")[0] for ip in addresses if (":" in ip) == v6), None)
    if source is None:
        return False
    try:
        client = inside(str(ward.node.pod.path), lambda: bound(family, source))
        server = inside(str(ward.host.path), lambda: bound(family, "::" if v6 else "0.0.0.0"))
    except OSError:
        return False
    with client, server:
        try:
            client.sendto(b"ask", (target, server.getsockname()[1]))
            server.sendto(b"answer", server.recvfrom(10)[1])
            return client.recv(10) == b"answer"
        except OSError:
            return False


@pytest.fixture(scope="module")
def node(tmp_path_factory, plugins):
    made = Ward(tmp_path_factory.mktemp("ward") / "node", plugins)
    try:
        made.start(cni="blue,red@net1,green@net2")
        wait_until(lambda: not made.works(), 10)
        yield made
    finally:
        made.close()


@pytest.fixture
def ward(node):
    node.forget_repairs()
    yield node
    node.connect()
    node.forget_repairs()
    node.repair("fix")
    assert node.repair("report") == []


def pod(*words):
    return lambda ward: ward.node.pod.run("ip", *words)


def host(*words):
    return lambda ward: ward.host.run(
        "ip", *(ward.end(word[1:]) if word.startswith("%") else word for word in words)
    )


# What breaks, and what is found: interface and kind.
PUT_BACK = [
    pytest.param(pod("link", "set", "eth0", "down"), {"eth0 link"}, id="bridge: interface down"),
    pytest.param(pod("link", "set", "net1", "down"), {"net1 link"}, id="ptp: interface down"),
    pytest.param(pod("link", "set", "net2", "down"), {"net2 link"}, id="macvlan: interface down"),
    pytest.param(pod("address", "del", "10.1.0.2/16", "dev", "eth0"), {"eth0 address"}, id="bridge: address"),
    pytest.param(pod("address", "del", "fd01::2/64", "dev", "eth0"), {"eth0 address"}, id="bridge: address v6"),
    pytest.param(pod("address", "del", "10.2.0.2/16", "dev", "net1"), {"net1 address"}, id="ptp: address"),
    pytest.param(pod("address", "del", "fd02::2/64", "dev", "net1"), {"net1 address"}, id="ptp: address v6"),
    pytest.param(pod("address", "flush", "dev", "net2"), {"net2 address"}, id="macvlan: addresses"),
    pytest.param(pod("route", "del", "10.1.0.0/16"), {"eth0 route"}, id="bridge: subnet's route"),
    pytest.param(pod("route", "del", "10.101.0.0/16"), {"eth0 route"}, id="bridge: route"),
    pytest.param(pod("-6", "route", "del", "fd01:1::/64"), {"eth0 route"}, id="bridge: route v6"),
    pytest.param(pod("route", "del", "10.2.0.1/32"), {"net1 route"}, id="ptp: route to the gateway"),
    pytest.param(pod("-6", "route", "del", "fd02::/64"), {"net1 route"}, id="ptp: subnet's route v6"),
    pytest.param(pod("route", "del", "10.103.0.0/16"), {"net2 route"}, id="macvlan: route"),
    pytest.param(pod("-6", "route", "del", "fd03::/64"), {"net2 route"}, id="macvlan: subnet's route v6"),
    pytest.param(pod("route", "del", "default"), {"eth0 default-route"}, id="default route"),
    pytest.param(pod("-6", "route", "del", "default"), {"eth0 default-route"}, id="default route v6"),
    pytest.param(host("link", "set", "%eth0", "nomaster"), {"eth0 bridge-port"}, id="out of its bridge"),
    pytest.param(host("link", "set", "%eth0", "down"), {"eth0 link"}, id="bridge: host end down"),
    pytest.param(host("link", "set", "%net1", "down"), {"net1 link"}, id="ptp: host end down"),
    pytest.param(host("address", "flush", "dev", "br0"), {"eth0 address"}, id="gateway gone"),
    pytest.param(host("link", "set", "br0", "down"), {"eth0 link"}, id="bridge down"),
    pytest.param(host("route", "del", "10.2.0.2"), {"net1 route"}, id="ptp: the node's route"),
]  # fmt: skip
AGAIN = [
    pytest.param(pod("link", "del", "eth0"), {"eth0 interface"}, id="bridge: interface deleted"),
    pytest.param(pod("link", "del", "net1"), {"net1 interface"}, id="ptp: interface deleted"),
    pytest.param(pod("link", "del", "net2"), {"net2 interface"}, id="macvlan: interface deleted"),
    pytest.param(host("link", "del", "%eth0"), {"eth0 interface"}, id="bridge: host end deleted"),
    pytest.param(host("link", "del", "%net1"), {"net1 interface"}, id="ptp: host end deleted"),
    pytest.param(host("link", "del", "br0"), {"eth0 bridge-port"}, id="bridge deleted"),
]


@pytest.mark.parametrize("break_it, found", [*PUT_BACK, *AGAIN])
def test_found_and_mended(ward, break_it, found):
    before = ward.links()
    break_it(ward)
    told = ward.repair("report")
    assert found <= {f"{one['interface']} {one['kind']}" for one in told}, told
    assert {one["result"] for one in told} == {"found"}
    assert {one["interface"] for one in told} == {name.split()[0] for name in found}
    done = ward.repair("fix")
    assert {one["result"] for one in done} == {"mended"}, done
    assert ward.links() == before
    wait_until(lambda: not ward.works(), 10)
    assert ward.repair("report") == []
