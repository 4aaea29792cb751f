"""Known failures of other programs that change the networks of running pods, a test for each."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from genie_core.edges.store import Store
from tests import warm
from tests.live.live import NPWG, cni_args, pod_object
from tests.live.test_sync import STATUS, actions, default_device, events
from tests.live.ward import environment
from tests.patience import wait_until
from tests.system.node import finish

pytestmark = [pytest.mark.root, pytest.mark.system]


@pytest.fixture
def attached(live):
    """Definitions x (macvlan with addresses to ask for), y (ptp), and a pod that asks for none."""
    live.cluster.nad("x", [{**macvlan(live), "capabilities": {"ips": True}}])
    live.cluster.nad("y", {"type": "ptp", "ipam": live.node.ipam("10.5.0.0/24")})
    live.start()
    return live


def macvlan(live):
    return {"type": "macvlan", "master": "up0", "ipam": live.node.ipam("10.4.0.0/24")}


def ask(live, networks):
    live.annotate(**({NPWG: networks} if networks else {}))
    return live.sync()


def status_of(live):
    """(network, interface, addresses) of the status annotation."""
    status = json.loads(live.pod()["metadata"]["annotations"].get(STATUS, "[]"))
    return [(entry["name"], entry["interface"], entry.get("ips", [])) for entry in status]


def is_right(live, names):
    """Whether interfaces, journal, status and leases agree on these networks, beside the default one."""
    assert set(live.links()) == {"eth0", *names}
    assert {name for name, _ in live.journal()} == {"eth0", *names}
    if status_of(live):
        assert {name for _, name, _ in status_of(live)} == {"eth0", *names}
    addresses = [ip.partition("/")[0] for ips in live.links().values() for ip in ips]
    assert sorted(addresses) == sorted(name for name in live.node.held() if name[0].isdigit())


def test_plug_unplug_plug_of_one_name(attached):
    for networks in ("x@one", "", "x@one", "y@one", "", "y@one"):
        code, report = ask(attached, networks)
        assert (code, report["status"]) == (0, "changed")
        is_right(attached, ["one"] if networks else [])


def test_unnamed_elements_keep_their_names(attached):
    ask(attached, "x,y,x")
    is_right(attached, ["net1", "net2", "net3"])
    report = ask(attached, "y,x")[1]
    assert actions(report) == ["keep blue@eth0", "keep ns/y@net2", "keep ns/x@net1", "detach ns/x@net3"]
    assert ask(attached, "y,x,x")[0] == 0
    is_right(attached, ["net1", "net2", "net3"])
    assert [entry[:2] for entry in status_of(attached)] == [
        ("blue", "eth0"), ("ns/y", "net2"), ("ns/x", "net1"), ("ns/x", "net3")
    ]  # fmt: skip


def test_other_addresses_under_the_same_name(attached):
    ask(attached, '[{"name": "x", "interface": "one", "ips": ["10.4.0.40/24"]}]')
    assert attached.links()["one"] == ["10.4.0.40/24"]
    report = ask(attached, '[{"name": "x", "interface": "one", "ips": ["10.4.0.50/24"]}]')[1]
    assert actions(report) == ["keep blue@eth0", "replace ns/x@one"]
    assert attached.links()["one"] == ["10.4.0.50/24"]
    is_right(attached, ["one"])


def test_what_was_never_there_is_forgotten_with_its_network(attached):
    """As with a device in user space, whose interface the kernel does not have, and then another network there."""
    ask(attached, "x@one")
    (file,) = (attached.node.state / "containers").iterdir()
    file.write_text(f'{file.read_text()}\n{{"absent": ["one link one"]}}\n')
    ask(attached, "y@one")
    plan = Store(str(attached.node.state)).load("c1", "eth0")
    assert plan is not None
    assert plan.absent == []


def test_add_and_remove_together(attached):
    ask(attached, "x@one")
    assert actions(ask(attached, "y@two")[1]) == ["keep blue@eth0", "attach ns/y@two", "detach ns/x@one"]
    is_right(attached, ["two"])


def test_an_order_alone_rewrites_the_status(attached):
    ask(attached, "x@one,y@two")
    code, report = ask(attached, "y@two,x@one")
    assert (code, report["status"]) == (0, "unchanged")
    assert [name for name, _, _ in status_of(attached)] == ["blue", "ns/y", "ns/x"]


def test_an_edited_definition_changes_nothing(attached):
    ask(attached, "x@one")
    before = attached.links()
    attached.cluster.nad("x", {"type": "ptp", "ipam": attached.node.ipam("10.9.0.0/24")})
    assert attached.sync()[1]["status"] == "unchanged"
    assert attached.links() == before
    ask(attached, "")
    is_right(attached, [])


def test_a_deleted_definition_is_still_released(attached):
    ask(attached, "x@one")
    kind = attached.cluster.objects.find_kind("k8s.cni.cncf.io", "v1", "network-attachment-definitions")
    attached.cluster.objects.remove(kind, "ns", "x")
    code, report = attached.sync()
    assert (code, report["status"]) == (1, "refused")
    assert "one" in attached.links()
    ask(attached, "")
    is_right(attached, [])


def test_a_definition_without_a_name(attached):
    attached.cluster.objects.add(
        {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": "z", "namespace": "ns"},
            "spec": {"config": json.dumps({"cniVersion": "1.0.0", **macvlan(attached)})},
        }
    )
    ask(attached, "z@one")
    assert ("one", "z") in attached.journal()
    ask(attached, "")
    is_right(attached, [])


def test_the_second_fails_after_the_first_succeeded(attached):
    attached.cluster.nad("bad", {"type": "macvlan", "master": "nothere0"})
    before = status_of(attached)
    code, report = ask(attached, "x@one,bad@two")
    assert (code, report["status"]) == (1, "failed")
    is_right(attached, [])
    assert status_of(attached) == before


def test_interface_names_of_fifteen_characters(attached):
    ask(attached, "x@abcdefghijklmno")
    is_right(attached, ["abcdefghijklmno"])
    ask(attached, "y@abcdefghijklmno")
    is_right(attached, ["abcdefghijklmno"])


def test_the_status_may_not_be_written(attached):
    attached.cluster.server.api.forbidden = {("patch", "pods/status"), ("create", "events")}
    code, report = ask(attached, "x@one")
    assert (code, report["status"]) == (0, "changed")
    assert len(report["warnings"]) == 2
    attached.cluster.server.api.forbidden = set()
    attached.sync()
    assert [name for name, _, _ in status_of(attached)] == ["blue", "ns/x"]


def test_another_writer_changes_the_pod_all_the_time(attached):
    """The change stays, whether or not its status could be written; later it is, and the writer loses nothing."""
    objects, over = attached.cluster.objects, threading.Event()
    kind = objects.kind_of(attached.pod())
    written = 0

    def write():
        nonlocal written
        while not over.is_set():
            written += 1
            objects.patch(kind, "ns", "c1", {"metadata": {"labels": {"turn": str(written)}}})
            time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        code, report = ask(attached, "x@one")
    finally:
        over.set()
        writer.join()
    assert (code, report["status"]) == (0, "changed")
    assert 409 in {one.status for one in attached.cluster.server.api.requests}
    assert attached.sync()[1]["status"] == "unchanged"
    is_right(attached, ["one"])
    assert [name for name, _, _ in status_of(attached)] == ["blue", "ns/x"]
    assert attached.pod()["metadata"]["labels"]["turn"] == str(written)


def test_a_plugin_that_refuses_del(live):
    live.node.wrap(
        "ptp", f'[ "$CNI_COMMAND" = DEL ] && [ -e {live.node.root}/refuse ] && exit 1; exec "$REAL"'
    )
    live.start(cni="blue,red@net1,green@net2")
    (live.node.root / "refuse").touch()
    live.annotate(cni="blue,green@net2")
    code, report = live.sync()
    assert (code, report["status"]) == (5, "partial")
    assert report["left"][0].startswith("red (net1)")
    assert ("net1", "red") in live.journal()
    assert [one["interface"] for one in preferences(live)] == ["eth0", "net2"]
    (live.node.root / "refuse").unlink()
    assert live.sync()[1]["status"] in ("changed", "unchanged")
    is_right(live, ["net2"])


def preferences(live):
    """The entries of the status annotation of pods that ask by name."""
    return list(json.loads(live.pod()["metadata"]["annotations"]["multi-ip-preferences"])["ips"].values())


def test_what_came_back_with_another_address_is_in_the_status(live, any_ipam):
    entry = {"type": "macvlan", "master": "up0", "ipam": any_ipam("10.7.0.0/24")}
    live.node.configure("50-odd.conf", {"cniVersion": "1.0.0", "name": "odd", **entry})
    live.node.configure("50-bad.conf", {"cniVersion": "1.0.0", "name": "bad", **entry, "master": "nothere0"})
    live.start(cni="blue,odd@net1")
    live.annotate(cni="blue,bad@net1")
    code, report = live.sync()
    assert (code, report["status"]) == (1, "failed"), report
    (address,) = live.links()["net1"]
    assert report["warnings"] == [f"odd (net1) came back with {address}, not 10.7.0.2/24"]
    assert preferences(live)[1] == {"ip": address.partition("/")[0], "interface": "net1"}


def test_a_chained_plugin_that_fails_where_the_interface_is_gone(attached):
    """sbr does in DEL; it makes nothing outside of the pod, so the network can be released, and attached again."""
    attached.cluster.nad("s", [macvlan(attached), {"type": "sbr"}])
    ask(attached, "s@one")
    attached.node.pod.run("ip", "link", "del", "one")
    code, report = ask(attached, "")
    assert (code, report["status"]) == (0, "changed"), report
    is_right(attached, [])
    assert ask(attached, "s@one")[1]["status"] == "changed"
    is_right(attached, ["one"])


def test_a_rollback_whose_del_is_refused(live):
    """An attachment that could not be rolled back is not attached for the next change."""
    flag = live.node.root / "refuse"
    gone = 'ip netns exec "${CNI_NETNS##*/}" ip link delete "$CNI_IFNAME"'
    script = f'[ "$CNI_COMMAND" = DEL ] && [ -e {flag} ] && {{ {gone}; exit 1; }}; exec "$REAL"'
    live.node.wrap("macvlan", script)
    live.node.configure(
        "50-bad.conf", {"cniVersion": "1.0.0", "name": "bad", "type": "ptp", "ipam": {"type": "x"}}
    )
    live.start(cni="blue")
    flag.touch()
    live.annotate(cni="blue,green@net1,bad@net2")
    code, report = live.sync()
    assert (code, report["status"]) == (5, "partial"), report
    flag.unlink()
    live.annotate(cni="blue,green@net1")
    code, report = live.sync()
    assert (code, report["status"]) == (0, "changed"), report
    is_right(live, ["net1"])


def test_a_plugin_that_hangs_is_ended_and_all_is_rolled_back(live):
    live.write_configuration(delegate_timeout_seconds=3)
    live.node.wrap("macvlan", '[ "$CNI_COMMAND" = ADD ] && sleep 300; exec "$REAL"')
    live.start(cni="blue,red@net1")
    live.annotate(cni="blue,green@net1")
    code, report = live.sync()
    assert (code, report["status"], report["error"]["code"]) == (1, "failed", 11), report
    assert report["reason"] == "PluginFailed"
    assert "no answer after 3 seconds" in report["error"]["msg"]
    is_right(live, ["net1"])
    assert ("net1", "red") in live.journal()


@pytest.fixture
def chained(live):
    """A pod whose first interface a plugin before Genie has made; `far` would take its default route."""
    pod = live.node.pod
    live.node.host.run(
        "ip", "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", pod.name
    )
    for words in ("address add 10.9.0.2/24 dev eth0", "link set eth0 up", "route add default via 10.9.0.1"):
        pod.run("ip", *words.split())
    ipam = {**live.node.ipam("10.6.0.0/24"), "routes": [{"dst": "0.0.0.0/0"}]}
    live.node.configure("50-far.conf", {"cniVersion": "1.0.0", "name": "far", "type": "ptp", "ipam": ipam})
    live.previous = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "sandbox": str(pod.path)}],
        "ips": [{"interface": 0, "address": "10.9.0.2/24", "gateway": "10.9.0.1"}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.9.0.1"}],
    }
    live.cluster.nad("x", {"type": "ptp", "ipam": live.node.ipam("10.4.0.0/24")})
    asked = {NPWG: '[{"name": "x", "default-route": ["10.4.0.1"]}]'}
    live.cluster.objects.add(pod_object("c1", asked))
    done = live.node.call("ADD", "c1", env=cni_args("c1"), annotations=asked, prevResult=live.previous)
    assert done.status == 0, done
    return live


def gateways(live):
    """Of each interface in the pod's status."""
    status = json.loads(live.pod()["metadata"]["annotations"][STATUS])
    return {entry["interface"]: entry.get("gateway") for entry in status}


def test_behind_another_plugin_in_a_chain(chained):
    """The first interface is not Genie's: it stays, with the default route that is its own."""
    assert default_device(chained) == ["net1"]
    assert gateways(chained) == {"eth0": None, "net1": ["10.4.0.1"]}
    code, report = chained.sync()
    assert (code, report["status"], actions(report)) == (0, "unchanged", ["keep ns/x@net1"]), report
    assert gateways(chained) == {"eth0": None, "net1": ["10.4.0.1"]}
    assert [entry[:2] for entry in status_of(chained)] == [("genie", "eth0"), ("ns/x", "net1")]
    for asked, names in (({"cni": "far"}, ["eth1"]), ({}, []), ({"cni": "far,red@net7"}, ["eth1", "net7"])):
        chained.annotate(**asked)
        code, report = chained.sync()
        assert (code, report["status"]) == (0, "changed"), report
        assert [name for name, _ in chained.journal()] == names
        assert chained.links().keys() == {"eth0", *names}
        assert default_device(chained) == ["eth0"]
        assert gateways(chained)["eth0"] == ["10.9.0.1"]
    checked = chained.node.call("CHECK", env=cni_args("c1"), prevResult=chained.previous)
    assert (checked.status, checked.reply) == (0, None)


def test_check_right_after(attached):
    ask(attached, "x@one,y@two")
    checked = attached.node.call("CHECK", env=cni_args("c1"), prevResult={"cniVersion": "1.0.0"})
    assert (checked.status, checked.reply) == (0, None)


def test_del_after_changes(attached):
    ask(attached, "x@one,y@two")
    ask(attached, "y@two,x")
    attached.node.delete(env=cni_args("c1"))
    assert attached.node.held() == []
    assert attached.node.state_files() == []


def test_gc_leaves_what_was_plugged(attached):
    ask(attached, "x@one")
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    done = attached.node.call("GC", version="1.1.0", **{"cni.dev/valid-attachments": valid})
    assert done.status == 0, done
    is_right(attached, ["one"])
    done = attached.node.call("GC", version="1.1.0", **{"cni.dev/valid-attachments": []})
    assert done.status == 0, done
    assert attached.node.held() == []


def begin(live, *words):
    """Start a sync in the background."""
    argv = ["sync", "pod", "ns/c1", "--yes", "-o", "json", *words, "--conf-dir", live.node.conf]
    return warm.start("genie_cli", *argv, netns=live.node.host.path, env=environment())


@pytest.fixture
def held(live):
    """A pod whose macvlan's ADD waits until `go` exists; `waits` is there once it does."""
    root = live.node.root
    hold = f"touch {root}/waits; until [ -e {root}/go ]; do sleep 0.05; done"
    live.node.wrap("macvlan", f'[ "$CNI_COMMAND" != ADD ] || {{ {hold}; }}; exec "$REAL"')
    live.start(cni="blue")
    live.annotate(cni="blue,green@net1,red@net2")
    return live


def meanwhile(held, action):
    """Start a sync, and the action while it is in the middle; (exit code, report) of the sync, and the action's."""
    running = begin(held)
    wait_until((held.node.root / "waits").exists)
    other = action()
    (held.node.root / "go").touch()
    out, _ = running.communicate(timeout=240)
    return running.returncode, json.loads(out), other


def test_the_runtimes_del_in_the_middle(held):
    code, report, deletion = meanwhile(held, lambda: held.node.start(held.node.env("DEL"), held.node.stdin()))
    done = finish(deletion)
    assert (done.status, done.reply) == (0, None), done
    assert code == 3, report
    assert held.node.held() == []
    assert held.node.state_files() == []


def a_call_waits(live, name="c1@eth0"):
    """Whether a call of the runtime has queued up for the container's lock."""
    inode = (live.node.state / "locks" / name).stat().st_ino
    locks = Path("/proc/locks").read_text().splitlines()
    return any("OFDLCK" in line and f":{inode} " in line for line in locks)


def test_a_gc_in_the_middle(held):
    """It waits for the change, and leaves what that has attached."""
    valid = {"version": "1.1.0", "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}
    code, report, collection = meanwhile(
        held, lambda: held.node.start(held.node.env("GC"), held.node.stdin(**valid))
    )
    done = finish(collection)
    assert (done.status, done.reply) == (0, None), done
    assert (code, report["status"]) == (0, "changed"), report
    is_right(held, ["net1", "net2"])


def test_check_in_the_middle(held):
    """The sync gives way, finishes then what it had begun, and says what it did."""

    def check():
        env = {**held.node.env("CHECK"), **cni_args("c1")}
        checking = held.node.start(env, held.node.stdin(prevResult={"cniVersion": "1.0.0"}))
        wait_until(lambda: a_call_waits(held))
        return checking

    code, report, checking = meanwhile(held, check)
    assert finish(checking).status == 0
    assert (code, report["status"]) == (0, "changed")
    assert [change["interface"] for change in report["changes"] if change["action"] == "attach"] == [
        "net1",
        "net2",
    ]
    is_right(held, ["net1", "net2"])


def test_another_request_while_it_gives_way(held):
    """What was begun for the first one is undone, and not reported as done."""

    def check():
        env = {**held.node.env("CHECK"), **cni_args("c1")}
        checking = held.node.start(env, held.node.stdin(prevResult={"cniVersion": "1.0.0"}))
        wait_until(lambda: a_call_waits(held))
        held.annotate(cni="blue")
        return checking

    code, report, checking = meanwhile(held, check)
    assert finish(checking).status == 0
    assert (code, actions(report)) == (0, ["keep blue@eth0", "detach green@net1"])
    assert [event["reason"] for event in events(held)] == ["NetworkDetached"]
    is_right(held, [])


def test_another_pod_of_the_name_in_the_middle(held):
    """As after a deletion by force: what was done is not the new pod's, which may be on another node."""
    asked = {"cni": held.pod()["metadata"]["annotations"]["cni"]}
    other = pod_object("c1", asked)
    other["metadata"]["uid"] = "u2"
    code, report, _ = meanwhile(held, lambda: held.cluster.objects.add(other))
    assert (code, report["status"]) == (0, "changed")
    assert held.pod()["metadata"]["annotations"] == asked
    assert "conditions" not in (held.pod().get("status") or {})


def test_two_at_once(held):
    code, report, other = meanwhile(held, lambda: begin(held))
    out, _ = other.communicate(timeout=240)
    assert (code, report["status"]) == (0, "changed")
    assert (other.returncode, json.loads(out)["status"]) == (0, "unchanged")
    is_right(held, ["net1", "net2"])


def test_the_sandbox_is_replaced_in_the_middle(held):
    code, report, deletion = meanwhile(held, lambda: held.node.start(held.node.env("DEL"), held.node.stdin()))
    assert finish(deletion).status == 0
    assert code == 3, report
    held.start("c1", cni="blue")
    assert held.links().keys() == {"eth0"}
    assert held.sync()[1]["status"] == "unchanged"


def test_another_sandbox_while_it_waits_for_the_lock(live):
    """Its ADD is at work when the sync gets the old one's lock: that is left alone until its own lock is free."""
    root = live.node.root
    hold = f"touch {root}/waits.$id; until [ -e {root}/go.$id ]; do sleep 0.05; done"
    held = "DEL:c1 | ADD:d1"
    live.node.wrap(
        "macvlan", f'id=$CNI_CONTAINERID; case "$CNI_COMMAND:$id" in {held}) {hold};; esac; exec "$REAL"'
    )
    live.start(cni="blue,green@net1")
    live.annotate(cni="blue,green@net1,red@net2")
    deletion = live.node.start({**live.node.env("DEL"), **cni_args("c1")}, live.node.stdin())
    wait_until((root / "waits.c1").exists)
    running = begin(live)
    wait_until(lambda: str(live.node.state / "locks") in files_of(running.pid))
    second = live.node.add_pod()
    env = {**live.node.env("ADD", "d1", second.path), **cni_args("c1")}
    adding = live.node.start(env, live.node.stdin(annotations={"cni": "blue,green@net1"}))
    wait_until((root / "waits.d1").exists)
    (root / "go.c1").touch()
    assert finish(deletion).status == 0
    with pytest.raises(subprocess.TimeoutExpired):
        running.communicate(timeout=2)
    (root / "go.d1").touch()
    assert finish(adding).status == 0
    out, _ = running.communicate()
    assert (running.returncode, json.loads(out)["status"]) == (0, "changed"), out
    assert {*second.links()} - {"lo"} == {"eth0", "net1", "net2"}
    assert [path.name for path in (live.node.state / "locks").iterdir()] == ["d1@eth0"]


def files_of(pid):
    """What the process has open; nothing where it closes one of them meanwhile."""
    try:
        return {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}
    except FileNotFoundError:
        return set()


@pytest.mark.parametrize("after", [0, 40, 120])
def test_killed_somewhere(live, after):
    """SIGKILL so many milliseconds after its first plugin began; then the next one ends it."""
    live.node.wrap("macvlan", f'touch {live.node.root}/begun; exec "$REAL"')
    live.start(cni="blue,red@net1")
    live.annotate(cni="blue,green@net1,red@net2")
    running = begin(live)
    wait_until(lambda: (live.node.root / "begun").exists() or running.poll() is not None)
    time.sleep(after / 1000)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert live.sync()[0] == 0
    is_right(live, ["net1", "net2"])
    live.node.delete(env=cni_args("c1"))
    assert live.node.held() == []


@pytest.fixture
def half_replaced(live):
    """A pod whose sync was killed while `two`, asked for the same address, took the first interface over from `one`."""
    root = live.node.root
    hold = f"touch {root}/waits; until [ -e {root}/go ]; do sleep 0.05; done"
    live.node.wrap(
        "bridge",
        f'[ "$CNI_COMMAND:$(ls {root}/hold)" = "ADD:{root}/hold" ] && {{ {hold}; }}\n'
        f'conf=$(cat); case "$CNI_COMMAND $(ls {root}/broken) $conf" in "ADD {root}/broken "*br-two*) exit 1; esac\n'
        'printf %s "$conf" | "$REAL"',
    )
    for name in ("one", "two"):
        plugin = {"type": "bridge", "bridge": f"br-{name}", "capabilities": {"ips": True}}
        plugin["ipam"] = live.node.ipam("10.7.0.0/24")
        live.node.configure(f"50-{name}.conflist", {"cniVersion": "1.0.0", "name": name, "plugins": [plugin]})
    live.start(cni="one")
    live.before = live.links()
    live.annotate(cni="two")
    (root / "hold").touch()
    running = begin(live, "--primary")
    wait_until((root / "waits").exists)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    (root / "hold").unlink()
    (root / "go").touch()
    return live


def test_killed_while_the_first_interface_is_replaced(half_replaced):
    """The next one gives the pod the same address, which the network was asked for."""
    code, report = half_replaced.sync("--primary")
    assert (code, report["status"]) == (0, "unchanged"), report
    assert half_replaced.links() == half_replaced.before
    assert half_replaced.journal() == [("eth0", "two")]


def test_check_while_the_first_interface_is_half_replaced(half_replaced):
    """The old network was released: its interface is not expected."""
    checked = half_replaced.node.call("CHECK", env=cni_args("c1"), prevResult={"cniVersion": "1.0.0"})
    assert (checked.status, checked.reply) == (0, None)


def test_a_replacement_that_was_killed_can_be_taken_back(half_replaced):
    """`two` cannot be attached any more, and the annotation asks for `one` again."""
    (half_replaced.node.root / "broken").touch()
    half_replaced.annotate(cni="one")
    code, report = half_replaced.sync("--primary")
    assert (code, report["status"]) == (0, "unchanged"), report
    assert half_replaced.links() == half_replaced.before
    assert half_replaced.journal() == [("eth0", "one")]


def test_a_node_that_was_rebooted(live):
    live.start(cni="blue")
    (file,) = (live.node.state / "containers").iterdir()
    first, _, rest = file.read_text().partition("\n")
    file.write_text(json.dumps({**json.loads(first), "bootId": "another"}) + "\n" + rest)
    live.annotate(cni="blue,red@net1")
    assert live.sync()[0] == 3


def test_an_annotation_that_flaps(attached):
    for networks in ("x@one", "y@one", "x@one,y@two", ""):
        attached.annotate(**({NPWG: networks} if networks else {}))
        assert attached.sync()[0] == 0
    is_right(attached, [])
