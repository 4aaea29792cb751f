"""An API server that answers late: a change of a running pod, and a look at all of them, have time for each part."""

import pytest

from tests import warm
from tests.apiserver.faults import slow_headers
from tests.live.live import NPWG
from tests.live.test_repair import events_of, kinds
from tests.live.test_sync import STATUS, events
from tests.live.ward import environment
from tests.patience import wait_until

pytestmark = [pytest.mark.root, pytest.mark.system]


def slow(live, seconds, answers=60):
    live.cluster.server.faults = [slow_headers(seconds)] * answers


def test_a_change_is_made_and_written(live):
    """It asks nine times: that takes longer than its first question may take."""
    live.cluster.nad("x", {"type": "macvlan", "master": "up0", "ipam": live.node.ipam("10.4.0.0/24")})
    live.start()
    live.annotate(**{NPWG: "x@one"})
    slow(live, 0.5)
    code, report = live.sync()
    assert (code, report["status"]) == (0, "changed"), report
    assert "warnings" not in report
    assert STATUS in live.pod()["metadata"]["annotations"]
    assert [event["reason"] for event in events(live)] == ["NetworkAttached"]


def test_every_pod_is_repaired_in_one_look(ward):
    """Each is asked about: all of them together take longer than the first question may take."""
    namespace = ward.node.add_pod()
    ward.start("c2", netns=namespace.path, cni="blue,green@net2")
    try:
        for pod in (ward.node.pod, namespace):
            pod.run("ip", "link", "set", "net2", "down")
        slow(ward, 0.7)
        assert {one["result"] for one in ward.repair("fix")} == {"mended"}
    finally:
        ward.cluster.server.faults = []
        ward.node.delete("c2", netns=namespace.path)
        namespace.remove()
        ward.node.pods.remove(namespace)


def test_a_look_that_is_killed_before_it_has_reported(ward):
    """The next one reports what was found."""
    server = ward.cluster.server
    before = events_of(ward)
    ward.node.pod.run("ip", "route", "del", "10.103.0.0/16")
    server.api.forbidden = {("create", "events")}
    server.faults = [None, None, slow_headers(60)]
    server.api.requests.clear()
    running = ward.begin("report")
    wait_until(lambda: any(one.method == "POST" for one in server.api.requests))
    running.kill()
    running.communicate()
    server.faults, server.api.forbidden = [], set()
    assert kinds(ward.repair("report")) == ["net2 route found"]
    assert [event["reason"] for event in events_of(ward)[len(before) :]] == ["NetworkFault"]
    assert {one["result"] for one in ward.repair("fix")} == {"mended"}


def test_a_whole_cluster_is_listed(live):
    """Policies are judged by objects of seven kinds, and each kind has its own time."""
    slow(live, 0.6)
    code, report = live.genie("policy", "list")
    assert (code, report["kind"]) == (0, "PolicyList"), report


def test_a_change_that_is_killed_before_it_has_reported(live):
    """The next one, which has nothing to change, writes the events, once."""
    go, waits = live.node.root / "go", live.node.root / "waits"
    hold = f"touch {waits}; until [ -e {go} ]; do sleep 0.05; done"
    live.node.wrap("ptp", f'[ "$CNI_COMMAND" != ADD ] || {{ {hold}; }}; exec "$REAL"')
    live.start(cni="blue,green@net1")
    live.annotate(cni="blue,red@net2")
    words = ("sync", "pod", "ns/c1", "--yes", "--conf-dir", live.node.conf)
    running = warm.start("genie_cli", *words, netns=live.node.host.path, env=environment())
    wait_until(waits.exists)
    port = live.cluster.server.port
    live.cluster.server.close()
    go.touch()
    wait_until(lambda: live.journal() == [("eth0", "blue"), ("net2", "red")] and not is_changing(live))
    running.kill()
    running.communicate()
    live.cluster.serve(port)
    assert events(live) == []
    for _ in range(2):
        code, report = live.sync()
        assert (code, report["status"]) == (0, "unchanged")
        said = {event["reason"]: event["message"] for event in events(live)}
        assert said == {
            "NetworkDetached": "network green on net1",
            "NetworkAttached": "network red on net2: 10.2.0.2",
        }
        assert len(events(live)) == 2


def test_a_repair_that_is_killed_before_it_has_reported(live):
    """The next sync writes the event, once; that of one that was not killed is not written again."""
    go, waits, holds = (live.node.root / name for name in ("go", "waits", "holds"))
    hold = f"touch {waits}; until [ -e {go} ]; do sleep 0.05; done"
    live.node.wrap("ptp", f'[ "$CNI_COMMAND" != ADD ] || [ ! -e {holds} ] || {{ {hold}; }}; exec "$REAL"')
    live.start(cni="blue,red@net1")
    assert live.sync()[1]["status"] == "unchanged"
    holds.touch()
    live.node.pod.run("ip", "link", "del", "net1")
    running = repair(live)
    wait_until(waits.exists)
    port = live.cluster.server.port
    live.cluster.server.close()
    go.touch()
    wait_until(lambda: not is_changing(live))
    running.kill()
    running.communicate()
    live.cluster.serve(port)
    live.sync()
    assert [(one["reason"], one["message"]) for one in events(live)] == [
        ("NetworkRepaired", "network red on net1: 10.2.0.2")
    ]
    live.node.pod.run("ip", "link", "del", "net1")
    repair(live).communicate()
    live.sync()
    assert [event["reason"] for event in events(live)] == ["NetworkRepaired"] * 2


def repair(live):
    """Begin one."""
    words = ("--mode", "fix", "--conf-dir", live.node.conf)
    return warm.start("genie_core.tasks.repair", *words, netns=live.node.host.path, env=environment())


def is_changing(live):
    (file,) = (live.node.state / "containers").glob("c1@*")
    return "changing" in file.read_text().splitlines()[0]


def test_events_that_could_not_be_written_are_written_later(live):
    live.start(cni="blue")
    live.annotate(cni="blue,red@net1")
    live.cluster.server.api.forbidden = {("create", "events")}
    code, report = live.sync()
    assert (code, report["status"], len(report["warnings"])) == (0, "changed", 1)
    live.cluster.server.api.forbidden = set()
    live.sync()
    assert [event["reason"] for event in events(live)] == ["NetworkAttached"]


def test_an_event_that_was_written_before_the_kill_is_not_written_again(live):
    live.start(cni="blue")
    live.annotate(cni="blue,red@net1")
    words = ("sync", "pod", "ns/c1", "--yes", "--conf-dir", live.node.conf)
    live.cluster.server.api.requests.clear()
    slow(live, 0.3)  # each answer comes late, after the server has done what was asked
    running = warm.start("genie_cli", *words, netns=live.node.host.path, env=environment())
    wait_until(lambda: events(live))
    running.kill()
    running.communicate()
    live.cluster.server.faults = []
    live.sync()
    assert [event["reason"] for event in events(live)] == ["NetworkAttached"]


def test_what_was_rolled_back_is_no_event_later(live):
    fails = live.node.root / "fails"
    live.node.wrap("macvlan", f'[ "$CNI_COMMAND" = ADD ] && [ -e {fails} ] && exit 1; exec "$REAL"')
    live.start(cni="blue,red@net1")
    fails.touch()
    live.annotate(cni="blue,green@net2")
    live.cluster.server.api.forbidden = {("create", "events")}
    assert live.sync()[1]["status"] == "failed"
    live.cluster.server.api.forbidden = set()
    live.annotate(cni="blue,red@net1")
    assert live.sync()[1]["status"] == "unchanged"
    assert events(live) == []
