"""Which pods come into the queue: with real journals, and pods as the API server sends them."""

import pytest

from genie_core.edges.store import Store, boot_id
from genie_core.model import Plan, PodRef
from genie_core.status import OBSERVED
from genie_core.tasks.agent.journals import Journals
from genie_core.tasks.agent.pods import view_of
from genie_core.tasks.agent.queue import Outcome, Queue
from genie_core.tasks.agent.work import Work
from genie_core.tasks.sync.observed import observed
from genie_core.tasks.sync.tell import CONDITION

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
        self.work.ended(KEY, Outcome.DONE)


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
