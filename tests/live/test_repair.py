"""Repair of running pods: real plugins, real namespaces, real packets.

One node, and one pod with a bridge, a point-to-point link and a macvlan, each with IPv4 and IPv6, for all of the
faults; each test leaves the pod well.
"""

import json
import shutil
import socket
import subprocess
import sys
import time

import pytest

from genie_core.edges.netns import inside
from tests.live.conftest import ROOT, Live
from tests.live.test_sync import events
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


def kinds(lines):
    return [f"{one['interface']} {one['kind']} {one['result']}" for one in lines]


def test_only_told_in_report_mode_and_once(ward):
    ward.node.pod.run("ip", "link", "set", "net2", "down")
    before = told(ward)
    for _ in range(3):
        assert {one["result"] for one in ward.repair("report")} == {"found"}
    assert [event["reason"] for event in told(ward)[len(before) :]] == ["NetworkFault"]
    assert json.loads(ward.node.pod.run("ip", "-json", "link", "show", "net2").stdout)[0]["flags"] == [
        "BROADCAST",
        "MULTICAST",
    ]
    ward.repair("fix")
    (event,) = told(ward)[len(before) + 1 :]
    assert (event["reason"], event["type"]) == ("NetworkRepaired", "Normal")
    assert "interface net2 is down; put back" in event["message"]


def told(ward):
    return sorted(events(ward), key=lambda event: int(event["metadata"]["resourceVersion"]))


def test_what_comes_back_a_third_time_is_left(ward):
    for result in ("mended", "mended", "left", "left"):
        before = told(ward)
        ward.host.run("ip", "link", "set", ward.end("eth0"), "nomaster")
        assert kinds(ward.repair("fix")) == [f"eth0 bridge-port {result}"]
    assert told(ward) == before  # the second "left" is no news
    assert [event["reason"] for event in before[-3:]] == [
        "NetworkRepaired",
        "NetworkRepaired",
        "NetworkFault",
    ]


def test_what_others_added_stays(ward):
    pod = ward.node.pod
    for words in (
        "link add tun9 type veth peer name tun8",
        "link set tun9 up",
        "link set tun8 up",
        "address add 10.66.0.1/24 dev tun9",
        "address add 10.1.9.9/16 dev eth0",
        "route add 10.77.0.0/16 via 10.1.0.1",
        "route add default via 10.66.0.2 dev tun9 metric 50",
        "route add 0.0.0.0/1 via 10.66.0.2 dev tun9",
        "link set eth0 mtu 1400",
    ):
        pod.run("ip", *words.split())
    before = [pod.run("ip", *words).stdout for words in (["route"], ["-6", "route"], ["address"])]
    assert ward.repair("fix") == []
    pod.run("ip", "link", "set", "net2", "down")
    assert {one["result"] for one in ward.repair("fix")} == {"mended"}
    assert sorted(pod.run("ip", "route").stdout.splitlines()) == sorted(before[0].splitlines())
    pod.run("ip", "route", "del", "default", "via", "10.1.0.1")
    pod.run("ip", "route", "add", "default", "via", "10.66.0.2", "dev", "tun9")
    (line,) = ward.repair("fix")
    assert (line["kind"], line["result"]) == ("default-route", "left")
    assert "through tun9" in line["message"]
    for words in ("link del tun9", "address del 10.1.9.9/16 dev eth0", "route del 10.77.0.0/16"):
        pod.run("ip", *words.split())


def test_the_parent_goes_down_and_comes_up(ward):
    ward.host.run("ip", "link", "set", "up0", "down")
    (line,) = ward.repair("fix")
    assert (line["interface"], line["kind"], line["result"]) == ("net2", "link", "left")
    assert "parent up0 is down" in line["message"]
    ward.host.run("ip", "link", "set", "up0", "up")
    assert "failed" not in {one["result"] for one in ward.repair("fix")}
    wait_until(lambda: not ward.works(), 10)


def test_the_parent_is_deleted_and_comes_back(ward):
    before = ward.links()
    ward.host.run("ip", "link", "del", "up0")
    (line,) = ward.repair("fix")
    assert (line["interface"], line["kind"], line["result"]) == ("net2", "interface", "left")
    assert "its parent up0 is not there" in line["message"]
    assert "10.3.0.2" in ward.node.held()
    ward.host.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
    ward.connect()
    (line,) = ward.repair("fix")
    assert line["result"] == "mended", line
    assert ward.links() == before
    wait_until(lambda: not ward.works(), 10)


def test_a_bridge_that_was_made_anew_by_hand(ward):
    ward.host.run("ip", "link", "del", "br0")
    ward.host.run("ip", "link", "add", "br0", "type", "bridge")
    assert kinds(ward.repair("fix")) == ["eth0 bridge-port mended", "eth0 link mended", "eth0 address mended"]
    wait_until(lambda: not ward.works(), 10)


def test_pods_that_are_never_touched(ward):
    ward.node.pod.run("ip", "link", "set", "net2", "down")
    before = ward.pod()
    for change in (
        {"annotations": {**before["metadata"]["annotations"], "genie.cni.dev/live": "false"}},
        {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        {"uid": "another"},
    ):
        ward.cluster.objects.add({**before, "metadata": {**before["metadata"], **change}})
        assert ward.repair("fix") == []
    ward.cluster.objects.add(before)
    ward.write_configuration(live=False)
    assert ward.repair("fix") == []
    ward.write_configuration()
    ward.cluster.server.api.forbidden = {("get", "pods")}
    assert {one["result"] for one in ward.repair("fix")} == {"left"}
    ward.cluster.server.api.forbidden = set()
    assert {one["result"] for one in ward.repair("fix")} == {"mended"}


@pytest.fixture
def second(ward):
    """Another pod: what it does with it is undone."""
    namespace = ward.node.add_pod()
    before = ward.node.held()
    ward.start("c2", netns=namespace.path, cni="blue,green@net2")
    yield namespace
    ward.node.binaries = ward.node.binaries[-1:]
    ward.node.delete("c2", netns=namespace.path)
    assert ward.node.held() == before
    assert not [name for name in ward.node.state_files() if name.startswith("c2")]


def begin(ward, mode="fix"):
    return subprocess.Popen(ward.argv(mode), stdout=subprocess.PIPE, text=True, env=environment())


@pytest.mark.parametrize("verb", ["DEL", "ADD"])
def test_killed_in_the_middle_of_a_repair(ward, second, verb):
    """SIGKILL while a plugin runs; the next look goes on, and the address is the same."""
    before, held = second.links(), ward.node.held()
    root = ward.node.root
    (root / "go").unlink(missing_ok=True)
    (root / "waits").unlink(missing_ok=True)
    hold = f"touch {root}/waits; until [ -e {root}/go ]; do sleep 0.05; done"
    use(ward, "bridge", f'[ "$CNI_COMMAND" != {verb} ] || {{ {hold}; }}; exec "$REAL"')
    second.run("ip", "link", "del", "eth0")
    running = begin(ward)
    wait_until((root / "waits").exists)
    running.kill()
    running.communicate()
    (root / "go").touch()
    assert kinds(ward.repair("fix")) == ["eth0 interface mended"]
    assert second.links() == before
    assert ward.node.held() == held
    assert ward.repair("report") == []


def use(ward, plugin, script):
    """Put a script in front of a plugin that pods were attached with: the journal says where it was found."""
    ward.node.wrap(plugin, script)
    for file in (ward.node.state / "containers").glob("c2@*"):
        text = file.read_text().replace(f'"/usr/lib/cni/{plugin}"', f'"{ward.node.root}/wrapped/{plugin}"')
        file.write_text(text)


def test_the_runtimes_del_in_the_middle_of_a_repair(ward, second):
    root = ward.node.root
    (root / "go").unlink(missing_ok=True)
    (root / "waits").unlink(missing_ok=True)
    hold = f"touch {root}/waits; until [ -e {root}/go ]; do sleep 0.05; done"
    use(ward, "macvlan", f'[ "$CNI_COMMAND" != ADD ] || {{ {hold}; }}; exec "$REAL"')
    second.run("ip", "link", "del", "net2")
    running = begin(ward)
    wait_until((root / "waits").exists)
    deletion = ward.node.start(ward.node.env("DEL", "c2", second.path), ward.node.stdin())
    time.sleep(0.3)
    (root / "go").touch()
    deletion.communicate(timeout=60)
    assert deletion.returncode == 0
    out, _ = running.communicate(timeout=60)
    assert out == ""
    assert "c2@eth0" not in ward.node.state_files()


def test_an_attachment_that_cannot_be_made_again(ward, second):
    """It is tried twice, released each time, told, and made again by the next change of the pod."""
    use(ward, "macvlan", '[ "$CNI_COMMAND" = ADD ] && exit 1; exec "$REAL"')
    address = second.links()["net2"][0]
    second.run("ip", "link", "del", "net2")
    for result in ("failed", "failed", "left"):
        assert kinds(ward.repair("fix")) == [f"net2 interface {result}"]
    assert address.partition("/")[0] not in ward.node.held()
    use(ward, "macvlan", 'exec "$REAL"')
    code, report = ward.sync(name="c2")
    assert (code, report["status"]) == (0, "unchanged"), report
    assert second.links()["net2"][0] == address
