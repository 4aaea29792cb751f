"""How many ADDs run at once, and that DEL does not queue behind them (max_parallel_adds; lessons 7)."""

import time

import pytest

from genie_core.edges.store import Store
from genie_core.errors import TryAgain
from tests.patience import wait_until
from tests.plugin.harness import HOLD


def start(node, number, verb="ADD", **options):
    options.setdefault("annotations", {})
    return node.start(verb, env={"CNI_CONTAINERID": f"cid{number}"}, **options).feed()


def most_at_once(calls):
    """How many of these ran at the same moment."""
    return max(sum(other.started <= call.started < other.ended for other in calls) for call in calls)


def test_no_more_adds_than_places(node):
    node.networks("a")
    node.answer("ADD", "a", shell=f"{HOLD}; echo '{{}}'")
    adding = [start(node, number, max_parallel_adds=2) for number in range(6)]
    wait_until(lambda: sum(call.started is not None for call in node.calls("ADD")) == 2)
    node.release()
    for running in adding:
        assert running.wait().result
    assert most_at_once(node.calls("ADD")) == 2


def test_del_comes_first(node):
    """A DEL does not wait for ADDs that wait for a free place."""
    node.networks("a")
    assert node.add(env={"CNI_CONTAINERID": "old"}).result
    node.answer("ADD", "a", shell=f"{HOLD}; echo '{{}}'")
    adding = [start(node, number, max_parallel_adds=1) for number in range(3)]
    wait_until(lambda: len(node.calls("ADD")) == 2)
    assert node.delete(env={"CNI_CONTAINERID": "old"}, max_parallel_adds=1).is_silent_success
    assert len(node.calls("ADD")) == 2  # two of the three wait
    node.release()
    for running in adding:
        assert running.wait().result


def test_a_place_is_free_again_when_its_add_was_killed(node):
    node.networks("a")
    node.answer("ADD", "a", shell=HOLD)
    killed = start(node, 1, max_parallel_adds=1)
    wait_until(lambda: node.calls("ADD"))
    killed.process.kill()
    killed.process.communicate()
    node.heal()
    assert node.add(env={"CNI_CONTAINERID": "cid2"}, max_parallel_adds=1).result
    node.release()


def test_the_wait_for_a_place_ends(tmp_path):
    store = Store(str(tmp_path / "state"))
    store.prepare()
    with store.lock_slot(1, time.monotonic() + 1):
        with pytest.raises(TryAgain) as caught:
            store.lock_slot(1, time.monotonic() + 0.05)
        assert "max_parallel_adds" in caught.value.hint
    store.lock_slot(1, time.monotonic()).__exit__()
