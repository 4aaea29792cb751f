"""Repair of running pods: real plugins, real namespaces, real packets.

One pod for all of the faults; each test leaves it well.
"""

import json
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.apiserver.faults import plainly
from tests.live.live import cni_args
from tests.live.test_breaks import a_call_waits
from tests.live.test_sync import events
from tests.patience import wait_until
from tests.system.node import finish

pytestmark = [pytest.mark.root, pytest.mark.system]


def pod(*words):
    return lambda ward: ward.node.pod.run("ip", *words)


def host(*words):
    return lambda ward: ward.host.run(
        "ip", *(ward.end(word[1:]) if word.startswith("%") else word for word in words)
    )


# What breaks, and what is found: interface, kind and words.
PUT_BACK = [
    pytest.param(
        [pod("link", "set", "eth0", "down")], "eth0 link", ["eth0 is down"], id="bridge: interface down"
    ),
    pytest.param(
        [pod("link", "set", "net1", "down")], "net1 link", ["net1 is down"], id="ptp: interface down"
    ),
    pytest.param(
        [pod("link", "set", "net2", "down")], "net2 link", ["net2 is down"], id="macvlan: interface down"
    ),
    pytest.param(
        [pod("address", "flush", "dev", "eth0")],
        "eth0 address",
        ["10.1.0.2/16", "fd01::2/64"],
        id="bridge: addresses",
    ),
    pytest.param(
        [pod("address", "flush", "dev", "net1")],
        "net1 address",
        ["10.2.0.2/16", "fd02::2/64"],
        id="ptp: addresses",
    ),
    pytest.param(
        [pod("address", "del", "10.3.0.2/16", "dev", "net2")],
        "net2 address",
        ["10.3.0.2/16"],
        id="macvlan: address",
    ),
    pytest.param(
        [
            pod("route", "del", "10.1.0.0/16"),
            pod("route", "del", "10.101.0.0/16"),
            pod("-6", "route", "del", "fd01:1::/64"),
        ],
        "eth0 route",
        ["10.1.0.0/16", "10.101.0.0/16", "fd01:1::/64"],
        id="bridge: routes",
    ),
    pytest.param(
        [
            pod("route", "del", "10.2.0.1/32"),
            pod("-6", "route", "del", "fd02::/64"),
            host("route", "del", "10.2.0.2"),
        ],
        "net1 route",
        ["10.2.0.1/32", "fd02::/64", "the node's route to 10.2.0.2"],
        id="ptp: routes",
    ),
    pytest.param(
        [pod("route", "del", "10.103.0.0/16"), pod("-6", "route", "del", "fd03::/64")],
        "net2 route",
        ["10.103.0.0/16", "fd03::/64"],
        id="macvlan: routes",
    ),
    pytest.param(
        [pod("route", "del", "default"), pod("-6", "route", "del", "default")],
        "eth0 default-route",
        ["via 10.1.0.1", "via fd01::1"],
        id="default routes",
    ),
    pytest.param(
        [host("link", "set", "%eth0", "nomaster")],
        "eth0 bridge-port",
        ["not a port of bridge br0"],
        id="out of its bridge",
    ),
    pytest.param(
        [host("link", "set", "%eth0", "down")], "eth0 link", ["host end"], id="bridge: host end down"
    ),
    pytest.param([host("link", "set", "%net1", "down")], "net1 link", ["host end"], id="ptp: host end down"),
    pytest.param(
        [host("address", "flush", "dev", "br0")],
        "eth0 address",
        ["10.1.0.1/16", "fd01::1/64"],
        id="gateway gone",
    ),
    pytest.param([host("link", "set", "br0", "down")], "eth0 link", ["bridge br0 is down"], id="bridge down"),
]
AGAIN = [
    pytest.param([pod("link", "del", "eth0")], "eth0 interface", ["is gone"], id="bridge: interface deleted"),
    pytest.param([pod("link", "del", "net1")], "net1 interface", ["is gone"], id="ptp: interface deleted"),
    pytest.param(
        [pod("link", "del", "net2")], "net2 interface", ["is gone"], id="macvlan: interface deleted"
    ),
    pytest.param(
        [host("link", "del", "%eth0")], "eth0 interface", ["is gone"], id="bridge: host end deleted"
    ),
    pytest.param([host("link", "del", "%net1")], "net1 interface", ["is gone"], id="ptp: host end deleted"),
    pytest.param(
        [host("link", "del", "br0")], "eth0 bridge-port", ["bridge br0 is gone"], id="bridge deleted"
    ),
]


@pytest.mark.parametrize("breaks, kind, words", [*PUT_BACK, *AGAIN])
def test_found_and_mended(ward, breaks, kind, words):
    before = ward.links()
    for break_it in breaks:
        break_it(ward)
    report = ward.repair("report")
    assert {one["result"] for one in report} == {"found"}
    assert {one["interface"] for one in report} == {kind.split()[0]}
    (message,) = [one["message"] for one in report if f"{one['interface']} {one['kind']}" == kind]
    assert not [word for word in words if word not in message], message
    done = ward.repair("fix")
    assert {one["result"] for one in done} == {"mended"}, done
    assert ward.links() == before
    wait_until(lambda: not ward.works())


def kinds(lines):
    return [f"{one['interface']} {one['kind']} {one['result']}" for one in lines]


def test_report_mode_only_reports_and_only_once(ward):
    ward.node.pod.run("ip", "link", "set", "net2", "down")
    before = events_of(ward)
    for _ in range(3):
        assert {one["result"] for one in ward.repair("report")} == {"found"}
    assert [event["reason"] for event in events_of(ward)[len(before) :]] == ["NetworkFault"]
    assert json.loads(ward.node.pod.run("ip", "-json", "link", "show", "net2").stdout)[0]["flags"] == [
        "BROADCAST",
        "MULTICAST",
    ]
    ward.repair("fix")
    (event,) = events_of(ward)[len(before) + 1 :]
    assert (event["reason"], event["type"]) == ("NetworkRepaired", "Normal")
    assert "interface net2 is down; put back" in event["message"]


def events_of(ward):
    return sorted(events(ward), key=lambda event: int(event["metadata"]["resourceVersion"]))


def test_a_fault_that_recurs_a_third_time_is_not_repaired(ward):
    for result in ("mended", "mended", "left", "left"):
        before = events_of(ward)
        ward.host.run("ip", "link", "set", ward.end("eth0"), "nomaster")
        assert kinds(ward.repair("fix")) == [f"eth0 bridge-port {result}"]
    assert events_of(ward) == before  # the second "left" is no news
    reasons = [event["reason"] for event in before[-3:]]
    assert reasons == ["NetworkRepaired", "NetworkRepaired", "NetworkFault"]
    ward.forget_repairs()
    assert kinds(ward.repair("fix")) == ["eth0 bridge-port mended"]


def test_a_fault_that_comes_and_goes_is_reported_three_times(ward):
    """A NIC that flaps would fill the API server with events of all its pods."""
    before = events_of(ward)
    for number in range(5):
        ward.node.pod.run("ip", "link", "set", "net2", "down")
        (found, *_) = ward.repair("report")
        assert (found["kind"], found["news"]) == ("link", number < 3)
        ward.node.pod.run("ip", "link", "set", "net2", "up")
        ward.repair("report")
    assert [event["reason"] for event in events_of(ward)[len(before) :]] == ["NetworkFault"] * 3
    assert {one["result"] for one in ward.repair("fix")} <= {"mended"}


def test_a_file_that_another_look_writes_is_left_to_it(ward):
    """That of a look that was killed goes with the next one that is written."""
    ward.node.pod.run("ip", "link", "set", "net2", "down")
    ward.repair("report")
    written, left = (ward.node.state / "repairs" / f".c1@eth0-{number}" for number in (1, 2))
    written.touch()
    assert {one["news"] for one in ward.repair("report")} == {False}
    assert written.exists()
    left.touch()
    assert {one["result"] for one in ward.repair("fix")} == {"mended"}
    assert not left.exists()


def test_links_and_addresses_of_others_stay(ward):
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
    assert kinds(ward.repair("fix")) == ["eth0 default-route mended"]


def test_the_parent_goes_down_and_comes_up(ward):
    ward.host.run("ip", "link", "set", "up0", "down")
    (line,) = ward.repair("fix")
    assert (line["interface"], line["kind"], line["result"]) == ("net2", "link", "left")
    assert "parent up0 is down" in line["message"]
    ward.host.run("ip", "link", "set", "up0", "up")
    assert "failed" not in {one["result"] for one in ward.repair("fix")}
    wait_until(lambda: not ward.works())


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
    wait_until(lambda: not ward.works())


def test_a_bridge_that_was_replaced_by_hand(ward):
    ward.host.run("ip", "link", "del", "br0")
    ward.host.run("ip", "link", "add", "br0", "type", "bridge")
    assert kinds(ward.repair("fix")) == ["eth0 bridge-port mended", "eth0 link mended", "eth0 address mended"]
    wait_until(lambda: not ward.works())


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


def test_a_fault_is_reported_once_the_server_is_back(ward):
    before = events_of(ward)
    ward.cluster.server.api.forbidden = {("create", "events")}
    ward.node.pod.run("ip", "link", "set", "net2", "down")
    ward.repair("report")
    assert events_of(ward) == before
    ward.cluster.server.api.forbidden = set()
    ward.repair("report")
    assert [event["reason"] for event in events_of(ward)[len(before) :]] == ["NetworkFault"]
    assert {one["result"] for one in ward.repair("fix")} == {"mended"}


def test_what_was_repaired_is_reported_where_the_status_may_not_be_written(ward):
    kind = ward.cluster.objects.kind_of(ward.pod())
    no_status = {"metadata": {"annotations": {"multi-ip-preferences": None}}}
    ward.cluster.objects.patch(kind, "ns", "c1", no_status)
    before = events_of(ward)
    ward.cluster.server.api.forbidden = {("patch", "pods/status")}
    ward.node.pod.run("ip", "route", "del", "10.103.0.0/16")
    assert kinds(ward.repair("fix")) == ["net2 route mended"]
    ward.cluster.server.api.forbidden = set()
    assert [event["reason"] for event in events_of(ward)[len(before) :]] == ["NetworkRepaired"]


@pytest.fixture
def second(ward):
    """A second pod, for tests that change its addresses or files; its end restores them."""
    namespace = ward.node.add_pod()
    before = ward.node.held()
    ward.start("c2", netns=namespace.path, cni="blue,green@net2")
    yield namespace
    ward.node.binaries = ward.node.binaries[-1:]
    ward.node.delete("c2", netns=namespace.path)
    assert ward.node.held() == before
    assert not [name for name in ward.node.state_files() if name.startswith("c2")]


def test_a_pod_that_ends_while_its_fault_is_reported(ward):
    """What was reported is noted only for a container that is still there."""
    server, answered = ward.cluster.server, threading.Event()

    def held(wire, answer):
        if answer.status == 201:  # the event
            answered.wait(60)
        return plainly(wire, answer)

    namespace = ward.node.add_pod()
    ward.start("c2", netns=namespace.path, cni="blue,green@net2")
    namespace.run("ip", "link", "set", "net2", "down")
    server.faults = [held] * 10
    server.api.requests.clear()
    running = ward.begin("report")
    wait_until(lambda: any(one.method == "POST" for one in server.api.requests))
    ward.node.delete("c2", netns=namespace.path)
    answered.set()
    out, err = running.communicate()
    server.faults = []
    assert ("net2 link found" in kinds([json.loads(line) for line in out.splitlines()]), err) == (True, "")
    assert not [path for path in ward.node.state.rglob("*") if path.name.startswith("c2")]


@pytest.fixture
def full_disk(ward):
    """Makes a folder of the state directory full: no file can be made there."""
    folders = []

    def fill(name):
        folder = ward.node.state / name
        ward.forget_repairs()
        folder.mkdir(mode=0o700, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=1,mode=700", "tmpfs", folder], check=True)
        folders.append(folder)
        return folder

    yield fill
    for folder in filter(Path.is_mount, folders):
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_does_not_end_the_look(ward, second, full_disk):
    """Each pod is looked at; a repair that cannot be counted is not begun, and says why."""
    folder = full_disk("repairs")
    before = events_of(ward)
    for namespace in (ward.node.pod, second):
        namespace.run("ip", "route", "del", "10.103.0.0/16")
    ward.repair("report")
    running = ward.begin("report")
    out, err = running.communicate()
    lines = [json.loads(line) for line in out.splitlines()]
    assert running.returncode == 0, err
    assert sorted((line["container"], line["result"]) for line in lines) == [("c1", "found"), ("c2", "found")]
    assert err.count("No space left on device") == 2
    assert [event["reason"] for event in events_of(ward)[len(before) :]] == ["NetworkFault"] * 2
    lines = ward.repair("fix")
    assert sorted((line["container"], line["result"]) for line in lines) == [
        ("c1", "failed"),
        ("c2", "failed"),
    ]
    assert all("No space left on device" in line["message"] for line in lines)
    subprocess.run(["umount", folder], check=True)
    assert {line["result"] for line in ward.repair("fix")} == {"mended"}


@pytest.fixture
def read_only(ward):
    """Remounts the state directory read-only, as the kernel does with a disk that fails; or writable again."""
    state = ward.node.state
    mounted: list[Path] = []

    def remount(how):
        if not mounted:
            subprocess.run(["mount", "--bind", state, state], check=True)
            mounted.append(state)
        subprocess.run(["mount", "-o", f"remount,bind,{how}", state], check=True)

    yield remount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_read_only_does_not_end_the_look(ward, second, read_only):
    (ward.node.state / "repairs").mkdir(mode=0o700, exist_ok=True)
    (ward.node.state / "repairs" / "gone@eth0").touch()
    for namespace in (ward.node.pod, second):
        namespace.run("ip", "-6", "route", "del", "fd03::/64")
    before = events_of(ward)
    read_only("ro")
    for _ in range(2):
        assert kinds(ward.repair("report")) == ["net2 route found"] * 2
    assert [event["reason"] for event in events_of(ward)[len(before) :]] == ["NetworkFault"] * 2
    lines = ward.repair("fix")
    assert [(line["container"], line["result"]) for line in lines] == [("c1", "failed"), ("c2", "failed")]
    assert all("Read-only file system" in line["message"] for line in lines)
    read_only("rw")
    assert {line["result"] for line in ward.repair("fix")} == {"mended"}
    assert not (ward.node.state / "repairs" / "gone@eth0").exists()


def test_nothing_is_attached_again_that_cannot_be_recorded(ward, second, full_disk):
    """Each pod is looked at, and nothing is released."""
    for namespace in (ward.node.pod, second):
        namespace.run("ip", "link", "del", "net2")
    held = ward.node.held()
    folder = full_disk("tmp")
    lines = ward.repair("fix")
    assert [(line["container"], line["result"]) for line in lines] == [("c1", "failed"), ("c2", "failed")]
    assert all("No space left on device" in line["message"] for line in lines)
    assert ward.node.held() == held
    subprocess.run(["umount", folder], check=True)
    assert {line["result"] for line in ward.repair("fix")} == {"mended"}


def test_repairs_that_an_earlier_version_counted(ward):
    """It named what was reported by another key."""
    (ward.node.state / "repairs").mkdir(mode=0o700, exist_ok=True)
    now = time.time()
    counted = {"tries": [["net2", "route", now], ["net2", "route", now]], "told": [["net2", "route", "left"]]}
    (ward.node.state / "repairs" / "c1@eth0").write_text(json.dumps(counted))
    ward.node.pod.run("ip", "route", "del", "10.103.0.0/16")
    (line,) = ward.repair("fix")
    assert (line["result"], line["news"]) == ("left", False)
    ward.forget_repairs()
    assert {line["result"] for line in ward.repair("fix")} == {"mended"}


def test_a_lease_that_another_container_has(ward, second):
    """The address is not safe any more: it is made again with another one, and the other's lease stays."""
    before = second.links()
    address = next(ip for ip in before["net2"] if ":" not in ip)
    lease = ward.node.leases / "green" / address.partition("/")[0]
    lease.write_text("another\r\neth0")
    (line,) = ward.repair("report")
    assert (line["interface"], line["kind"], line["result"]) == ("net2", "address", "found")
    assert f"{lease.name} is leased to container another" in line["message"]
    (line,) = ward.repair("fix")
    assert (line["kind"], line["result"]) == ("address", "mended"), line
    assert ward.repair("report") == []
    assert lease.read_text().startswith("another")
    now = second.links()
    assert address not in now["net2"]
    assert len(now["net2"]) == len(before["net2"])
    assert set(before["net2"]) - set(now["net2"]) == {address}
    status = ward.pod("c2")["metadata"]["annotations"]["multi-ip-preferences"]
    assert lease.name not in status
    lease.unlink()


def test_the_lease_of_the_pods_first_address(ward, second):
    """Its address cannot change, nor is it put back where it is gone: another pod may have it."""
    address = next(ip for ip in second.links()["eth0"] if ":" not in ip)
    lease = ward.node.leases / "blue" / address.partition("/")[0]
    own = lease.read_bytes()
    lease.write_text("another\r\neth0")
    second.run("ip", "address", "del", address, "dev", "eth0")
    assert "eth0 address left" in kinds(ward.repair("fix"))
    assert address not in second.links()["eth0"]
    lease.write_bytes(own)
    assert "failed" not in {one["result"] for one in ward.repair("fix")}
    assert address in second.links()["eth0"]


def test_a_network_that_is_attached_after_a_repair_has_a_mac_of_its_own(ward, second):
    """The repaired interface was asked to have its former MAC address; the other one is not."""
    second.run("ip", "link", "del", "eth0")
    assert kinds(ward.repair("fix")) == ["eth0 interface mended"]
    ward.annotate("c2", cni="blue,green@net2,green@net3")
    assert ward.sync(name="c2")[0] == 0
    links = json.loads(second.run("ip", "-json", "link").stdout)
    macs = [link["address"] for link in links if link["ifname"] != "lo"]
    assert len(macs) == len({*macs}) == 3


def repair_that_waits(ward, second, plugin, verb, link):
    """Begin a repair of a deleted link whose plugin waits in this verb until `go` exists."""
    root = ward.node.root
    (root / "go").unlink(missing_ok=True)
    (root / "waits").unlink(missing_ok=True)
    hold = f"touch {root}/waits; until [ -e {root}/go ]; do sleep 0.05; done"
    use(ward, plugin, f'[ "$CNI_COMMAND" != {verb} ] || {{ {hold}; }}; exec "$REAL"')
    second.run("ip", "link", "del", link)
    running = ward.begin("fix")
    wait_until((root / "waits").exists)
    return running


@pytest.mark.parametrize("verb", ["DEL", "ADD"])
def test_killed_in_the_middle_of_a_repair(ward, second, verb):
    """SIGKILL while a plugin runs; the next look goes on, and the address is the same."""
    before, held = second.links(), ward.node.held()
    root = ward.node.root
    running = repair_that_waits(ward, second, "bridge", verb, "eth0")
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
    running = repair_that_waits(ward, second, "macvlan", "ADD", "net2")
    deletion = ward.node.start(ward.node.env("DEL", "c2", second.path), ward.node.stdin())
    time.sleep(0.3)
    (root / "go").touch()
    deletion.communicate(timeout=240)
    assert deletion.returncode == 0
    out, _ = running.communicate(timeout=240)
    assert out == ""
    assert "c2@eth0" not in ward.node.state_files()


def test_a_repair_that_gives_way_is_counted_once(ward, second):
    """Else one that gives way twice would count as one that came back, and leave the pod without the interface."""
    running = repair_that_waits(ward, second, "macvlan", "ADD", "net2")
    env = {**ward.node.env("CHECK", "c2", second.path), **cni_args("c2")}
    checking = ward.node.start(env, ward.node.stdin(prevResult={"cniVersion": "1.0.0"}))
    wait_until(lambda: a_call_waits(ward, "c2@eth0"))
    (ward.node.root / "go").touch()
    finish(checking)
    out, _ = running.communicate(timeout=240)
    assert kinds([json.loads(line) for line in out.splitlines()]) == ["net2 interface mended"]
    counted = json.loads((ward.node.state / "repairs" / "c2@eth0").read_text())
    assert [one[:2] for one in counted["tries"]] == [["net2", "interface"]]


def test_an_attachment_that_cannot_be_released_holds_no_other_up(ward, second):
    use(ward, "macvlan", '[ "$CNI_COMMAND" = DEL ] && exit 1; exec "$REAL"')
    before = second.links()
    second.run("ip", "link", "del", "net2")
    assert kinds(ward.repair("fix")) == ["net2 interface failed"]
    second.run("ip", "link", "del", "eth0")
    assert kinds(ward.repair("fix")) == ["eth0 interface mended", "net2 interface failed"]
    assert second.links()["eth0"] == before["eth0"]
    use(ward, "macvlan", 'exec "$REAL"')
    assert kinds(ward.repair("fix")) == ["net2 interface left"]
    ward.forget_repairs()
    assert kinds(ward.repair("fix")) == ["net2 interface mended"]
    assert second.links() == before


def test_an_attachment_that_cannot_be_made_again(ward, second):
    """It is tried twice, released each time and reported; the next change of the pod attaches it again."""
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
