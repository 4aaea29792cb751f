"""Which pods come into the queue: with real journals, and pods as the API server sends them."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from genie_core.dialects import NETWORK_STATUS
from genie_core.edges.store import Store, boot_id
from genie_core.model import Attachment, NetConf, Plan, PluginConf, PodRef
from genie_core.status import NETWORK_NAME, OBSERVED
from genie_core.tasks.agent.journals import Journals
from genie_core.tasks.agent.pods import view_of
from genie_core.tasks.agent.queue import Queue, RunOutcome
from genie_core.tasks.agent.work import Work
from genie_core.tasks.sync.observed import observed
from genie_core.tasks.sync.publish import CONDITION
from genie_core.tasks.written_journals import journal_stamps

KEY = ("ns", "p")


class Node:
    """A pod whose author changes its annotation, and what its syncs write."""

    def __init__(self, folder):
        self.store = Store(str(folder))
        self.store.prepare()
        self.annotations = {"cni": "a"}
        self.ready = ""
        self.write("")
        self.queue: Queue = Queue()
        self.journals = Journals(self.store)
        self.journals.refresh()
        self.work = Work(self.journals, self.queue, lambda: 0.0)

    def write(self, request):
        """The journal, in line with a request."""
        self.store.save(Plan("c1", "eth0", "/n", [], PodRef("ns", "p", "u1"), boot_id(), [], request=request))

    def write_torn(self):
        """The journal, in the middle of a change."""
        network = NetConf("a", "1.0.0", [PluginConf("bridge", '{"type": "bridge"}')], "")
        items = [Attachment(network, "eth0", "a", binaries=["/bin/bridge"], changing=True)]
        self.store.save(Plan("c1", "eth0", "/n", [], PodRef("ns", "p", "u1"), boot_id(), items))

    def event(self, **annotations):
        self.annotations |= annotations
        conditions = [{"type": CONDITION, "status": self.ready}] if self.ready else []
        metadata = {"namespace": "ns", "name": "p", "uid": "u1", "annotations": self.annotations}
        self.work.update(view_of({"metadata": metadata, "status": {"conditions": conditions}}))

    def sync(self, *, during=lambda: None):
        """The run of the queue's one key, which succeeds."""
        assert self.queue.take(0.0) == KEY
        request = observed(self.annotations)
        self.write(request)
        self.ready = "True"
        self.event(**{OBSERVED: request})
        during()
        self.journals.refresh()
        self.work.ended(KEY, RunOutcome.DONE)


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path / "state")


def test_a_pod_is_synchronised_once(node):
    node.event()
    node.sync()
    node.event()
    assert KEY not in node.queue


def test_an_annotation_that_comes_back_is_a_change_each_time(node):
    """Each second change arrives before the end of the sync before it is seen."""
    node.event()
    node.sync()
    for _ in range(3):
        node.event(cni="b")
        node.sync(during=lambda: node.event(cni="a"))
        node.sync()
        assert KEY not in node.queue


def test_an_answer_of_before_does_not_hide_what_the_node_has(node):
    """A sync to b was killed before its answer, and the annotation is a again: the journal knows."""
    node.event()
    node.sync()
    node.write(observed({"cni": "b"}))
    later = Work(node.journals, node.queue, lambda: 0.0)
    node.journals.refresh()
    node.work = later
    node.event()
    assert KEY in node.queue


def test_an_earlier_pod_of_the_name_does_not_hold_the_change_up(node):
    """Its DEL fails and is repeated, so its journal is always the newer one, and never old enough to be a cut-off."""
    node.event()
    node.sync()
    network = NetConf("a", "1.0.0", [PluginConf("bridge", '{"type": "bridge"}')], "")
    items = [Attachment(network, "eth0", "a", binaries=["/bin/bridge"], releasing=True)]
    node.store.save(Plan("c0", "eth0", "/n", [], PodRef("ns", "p", "u0"), boot_id(), items))
    node.work.journals_changed()
    node.event(cni="b")
    assert KEY in node.queue


def test_a_change_that_was_seen_half_done_does_not_hold_the_next_one_up(node):
    """The journal is read once a second; a pod that changes in between is not judged by what was read."""
    node.event()
    assert node.queue.take(0.0) == KEY
    node.write_torn()
    node.work.journals_changed()
    node.write(observed(node.annotations))
    node.work.ended(KEY, RunOutcome.DONE)
    node.event(cni="b")
    assert node.queue.take(0.0) == KEY


def test_a_change_by_hand_that_was_seen_half_done_does_not_either(node):
    node.event()
    node.sync()
    node.write_torn()
    node.work.journals_changed()
    node.write(observed(node.annotations))
    node.event(cni="b")
    assert node.queue.take(0.0) == KEY


def test_two_writes_at_the_same_time_of_the_kernels_clock(node):
    """The folder's time is the same after the second, and the second pod is found."""
    node.journals.refresh()
    folder = f"{node.store.directory}/containers"
    seen = os.stat(folder).st_mtime_ns
    node.store.save(Plan("c2", "eth0", "/n", [], PodRef("ns", "q", "u2"), boot_id(), []))
    os.utime(folder, ns=(seen, seen))
    assert node.journals.refresh() == {("ns", "q")}


def test_a_journal_that_cannot_be_read_now(node):
    """What was known of the pod stays: its change waits for the next try, and its networks count."""
    node.event()
    assert node.queue.take(0.0) == KEY
    path = journal(node)
    whole = path.read_bytes()
    path.write_bytes(b"{")
    assert node.journals.refresh() == set()
    assert node.work.ended(KEY, RunOutcome.RETRY) > 0
    assert KEY in node.queue
    path.write_bytes(whole)
    os.utime(path, (1, 1))  # the kernel's clock may not have gone on since it was read
    assert node.journals.refresh() == {KEY}


def test_a_journal_that_can_never_be_read_is_the_only_one_that_is_looked_at(node):
    """The folder is listed again only where its time is another one."""
    journal(node).write_bytes(b"{")
    folder = journal(node).parent
    os.utime(folder, (1, 1))
    node.journals.refresh()
    node.store.save(Plan("c2", "eth0", "/n", [], PodRef("ns", "q", "u2"), boot_id(), []))
    os.utime(folder, (1, 1))
    assert node.journals.refresh() == set()
    os.utime(folder, (2, 2))
    assert node.journals.refresh() == {("ns", "q")}


def journal(node):
    """The file of the pod's journal."""
    (path,) = Path(node.store.directory, "containers").iterdir()
    return path


def test_journals_that_go_while_they_are_listed(node):
    """They are left out; the others are all there."""
    folder = journal(node).parent
    going = [folder / f"{number}@eth0" for number in range(2000)]
    for path in going:
        path.touch()
    remover = threading.Thread(target=lambda: [path.unlink() for path in going])
    remover.start()
    while remover.is_alive():
        assert journal_stamps(node.store).keys() >= {"c1@eth0"}
    remover.join()
    assert journal_stamps(node.store).keys() == {"c1@eth0"}


class Forbidden:
    """Pods whose status may not be written; `tried` are the syncs."""

    def __init__(self, folder, names="pqr"):
        self.store = Store(str(folder))
        self.store.prepare()
        for name in names:
            self.store.save(Plan(name, "eth0", "/n", [], PodRef("ns", name, "u1"), boot_id(), []))
        self.queue: Queue = Queue(lambda low, high: (low + high) / 2)
        self.now = 0.0
        self.work = Work(Journals(self.store), self.queue, lambda: self.now)
        self.work.journals_changed()
        for name in names:
            metadata = {"namespace": "ns", "name": name, "uid": "u1", "annotations": {"cni": "a"}}
            self.work.update(view_of({"metadata": metadata}))

    def run(self, seconds, *, forbidden=True):
        """The names of the pods whose syncs ran within that time."""
        tried, end = [], self.now + seconds
        while self.now < end:
            while key := self.queue.take(self.now):
                tried.append(key[1])
                outcome = RunOutcome.RETRY if forbidden else RunOutcome.DONE
                self.work.ended(key, outcome, is_forbidden=forbidden)
            self.now += 1
        return tried


def test_one_pod_is_tried_for_all_whose_status_may_not_be_written(tmp_path):
    node = Forbidden(tmp_path)
    assert sorted(set(node.run(1))) == ["p", "q", "r"]
    (probe,) = set(node.run(600))
    assert len(node.run(3600)) <= 13
    assert sorted(node.run(400, forbidden=False)) == ["p", "q", "r"]
    assert not any(("ns", name) in node.queue for name in "pqr")
    assert probe in "pqr"


def test_another_pod_is_tried_when_that_one_ends(tmp_path):
    node = Forbidden(tmp_path)
    node.run(1)
    (probe,) = set(node.run(600))
    node.work.forget(("ns", probe))
    left = set("pqr") - {probe}
    assert len(set(node.run(1)) & left) == 1
    assert set(node.run(600, forbidden=False)) == left


def test_another_pod_is_tried_when_that_one_waits_for_something_else(tmp_path):
    node = Forbidden(tmp_path)
    node.run(1)
    (probe,) = set(node.run(600))
    key = ("ns", probe)
    node.queue.add(key, node.now)
    assert node.queue.take(node.now) == key
    node.work.ended(key, RunOutcome.PARK, is_waiting=True)
    left = set("pqr") - {probe}
    assert len(set(node.run(1)) & left) == 1
    assert set(node.run(600, forbidden=False)) == left


def test_a_change_that_was_cut_off_before_the_clock_was_set_back(tmp_path):
    """It does not wait until the clock is where it was."""
    node = Node(tmp_path)
    node.write_torn()
    (file,) = (tmp_path / "containers").iterdir()
    os.utime(file, (time.time() + 3600,) * 2)
    node.journals.refresh()
    node.event()
    assert node.queue.take(0.0) == KEY


def test_policies_that_are_switched_on_need_the_networks_names(node):
    """Those of other nodes know the pod's networks from its status alone, which a sync writes."""
    on: list[bool] = []
    node.work = Work(node.journals, node.queue, lambda: 0.0, needs_names=lambda: bool(on))
    node.event()
    node.sync()
    assert KEY not in node.queue
    on.append(True)
    node.work.configuration_changed()
    status = json.dumps([{"name": "a", NETWORK_NAME: "cni/a"}])
    node.sync(during=lambda: node.event(**{NETWORK_STATUS: status}))
    node.work.resync()
    assert KEY not in node.queue


def test_a_configuration_that_changes_during_a_sync(node):
    """The sync has read the one of before: what it is refused for may be there now."""
    node.event()
    assert node.queue.take(0.0) == KEY
    node.work.configuration_changed()
    node.work.ended(KEY, RunOutcome.PARK)
    assert node.queue.take(0.0) == KEY
