"""An API server that answers late: a change of a running pod, and a look at all of them, have time for each part."""

import pytest

from tests.apiserver.faults import slow_headers
from tests.live.live import NPWG
from tests.live.test_repair import events_of, kinds
from tests.live.test_sync import STATUS, events
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
