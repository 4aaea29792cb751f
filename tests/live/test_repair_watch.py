"""Faults of running pods are seen as soon as they happen."""

import json
import os
import queue
import threading
import time

import pytest

from genie_core.edges.netns import inside
from genie_core.edges.store import boot_id
from genie_core.model import Attachment, NetConf, Plan, PluginConf
from genie_core.tasks.node_state import open_context
from genie_core.tasks.repair import watch as watching
from genie_core.tasks.repair.watch import NOISY, Watcher
from tests.live.test_repair import AGAIN, PUT_BACK

pytestmark = [pytest.mark.root, pytest.mark.system]


class Watch:
    """A watcher at work in the node's namespace; `seen` has what it says, with the time."""

    def __init__(self, ward):
        self.context = open_context(json.loads(ward.node.stdin()))
        self.seen: queue.Queue[tuple[set[str], float]] = queue.Queue()
        self.ready = threading.Event()
        self.ended = threading.Event()
        self.seconds = 0.0
        self.thread = threading.Thread(target=inside, args=(str(ward.host.path), self.work))
        self.thread.start()
        assert self.ready.wait(100)

    def work(self):
        with Watcher(self.context) as watcher:
            self.ready.set()
            while not self.ended.is_set():
                found = watcher.wait(0.2)
                self.seconds = time.thread_time()
                if found:
                    self.seen.put((found, time.monotonic()))

    def end(self):
        self.ended.set()
        self.thread.join()


@pytest.fixture
def watch(ward):
    made = Watch(ward)
    yield made
    made.end()


SOME = (
    "out of its bridge",
    "bridge down",
    "bridge deleted",
    "bridge: host end deleted",
    "macvlan: interface deleted",
    "macvlan: address",
    "ptp: host end down",
    "ptp: routes",
    "default routes",
)


@pytest.mark.parametrize("breaks, kind, words", [one for one in (*PUT_BACK, *AGAIN) if one.id in SOME])
def test_seen_soon(ward, watch, breaks, kind, words):
    began = time.monotonic()
    breaks[-1](ward)
    containers, at = watch.seen.get(timeout=240)
    assert containers == {"c1"}
    assert at - began < 20  # two, on a machine that does nothing else
    ward.repair("fix")


def test_nothing_is_seen_where_nothing_went(ward, watch):
    before = watch.seconds
    ward.node.pod.run("ip", "address", "add", "10.66.0.1/24", "dev", "lo")
    ward.node.pod.run("ip", "address", "del", "10.66.0.1/24", "dev", "lo")
    time.sleep(2)
    assert watch.seen.empty()
    assert watch.seconds - before < 0.2


def test_what_comes_and_goes_is_left_to_the_timer(ward, watch, monkeypatch):
    """A process with the right to can set an interface of its pod down and up all day."""
    for _ in range(NOISY):
        ward.node.pod.run("ip", "link", "set", "net2", "down")
        assert watch.seen.get(timeout=240)[0] == {"c1"}
        ward.node.pod.run("ip", "link", "set", "net2", "up")
    ward.node.pod.run("ip", "link", "set", "net2", "down")
    monkeypatch.setattr(watching, "NOISY_SECONDS", 0.0)  # that much later
    ward.node.pod.run("ip", "link", "set", "net1", "down")
    containers, _ = watch.seen.get(timeout=240)
    assert (containers, watch.seen.empty()) == ({"c1"}, True)
    ward.repair("fix")


def test_a_pod_that_came_later(ward, watch):
    namespace = ward.node.add_pod()
    ward.start("c3", netns=namespace.path, cni="green")
    namespace.run("ip", "link", "set", "eth0", "down")
    containers, _ = watch.seen.get(timeout=240)
    assert containers == {"c3"}
    ward.node.delete("c3", netns=namespace.path)
    namespace.remove()
    time.sleep(0.5)
    assert watch.seen.empty()


def test_a_journal_that_could_not_be_read_is_read_later(ward):
    """Also where its time is the same then, and what was known of the pod stays meanwhile."""
    inside(str(ward.host.path), lambda: _read_later(ward))
    ward.repair("fix")


def test_a_definition_that_no_plugin_would_take_ends_no_watcher(tmp_path):
    """Its journal is there while its ADD fails."""
    context = open_context({"state_dir": str(tmp_path / "state")})
    context.store.prepare()
    network = NetConf("odd", "1.0.0", [PluginConf("bridge", '{"type": "bridge", "bridge": ["br0"]}')], "")
    items = [Attachment(network, "eth0", "odd")]
    context.store.save(Plan("c1", "eth0", "/nowhere", [], None, boot_id(), items))
    with Watcher(context) as watcher:
        assert watcher.wait(0.1) == set()


def _read_later(ward):
    (journal,) = (ward.node.state / "containers").glob("c1@*")
    whole = journal.read_bytes()
    journal.write_bytes(b"?" * len(whole))
    with Watcher(open_context(json.loads(ward.node.stdin()))) as watcher:
        at = journal.stat().st_mtime_ns
        journal.write_bytes(whole)
        os.utime(journal, ns=(at, at))
        watcher.refresh()
        ward.node.pod.run("ip", "link", "set", "net1", "down")
        assert watcher.wait(20) == {"c1"}
