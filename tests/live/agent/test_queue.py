"""The agent's queue: each key once, none lost, none hot; with a clock of the test's own."""

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from genie_core.tasks.agent.queue import LONGEST_SECONDS, Queue, RunOutcome


def make():
    """A queue without chance: each back-off is the middle one."""
    return Queue(lambda low, high: (low + high) / 2)


def test_a_key_is_queued_once_and_leaves_when_done():
    queue = make()
    queue.add("a", 0)
    queue.add("a", 1)
    assert (queue.depth(), queue.oldest(5)) == (1, 5)
    assert queue.take(5) == "a"
    assert queue.take(5) is None
    queue.finish("a", RunOutcome.DONE, 6)
    assert queue.depth() == 0
    assert "a" not in queue


def test_the_one_that_waits_longest_goes_first():
    queue = make()
    for at, key in enumerate("cab"):
        queue.add(key, at)
    assert [queue.take(9), queue.take(9), queue.take(9)] == ["c", "a", "b"]


def test_a_change_during_the_run_makes_it_due_again():
    queue = make()
    queue.add("a", 0)
    queue.take(0)
    queue.add("a", 1)
    queue.finish("a", RunOutcome.DONE, 2)
    assert queue.take(2) == "a"


def test_failures_are_repeated_for_ever_at_growing_intervals():
    queue = make()
    queue.add("a", 0)
    now, pauses = 0.0, []
    for _ in range(20):
        assert queue.take(now) == "a"
        pauses.append(queue.finish("a", RunOutcome.RETRY, now))
        assert queue.take(now + pauses[-1] - 0.01) is None
        now += pauses[-1]
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == LONGEST_SECONDS
    assert queue.oldest(now) == now


def test_a_change_ends_the_back_off():
    queue = make()
    queue.add("a", 0)
    for now in (0, 1, 3):
        queue.take(now)
        queue.finish("a", RunOutcome.RETRY, now)
    queue.add("a", 4)
    assert queue.take(4) == "a"
    assert queue.finish("a", RunOutcome.RETRY, 5) == 1


def test_a_parked_pod_waits_for_a_change():
    queue = make()
    queue.add("a", 0)
    queue.take(0)
    queue.finish("a", RunOutcome.PARK, 1)
    assert queue.take(1e9) is None
    assert (queue.parked(), queue.depth(), queue.oldest(9), queue.next_due()) == (["a"], 0, 0, None)
    queue.add("a", 10)
    assert queue.oldest(12) == 2
    assert queue.take(10) == "a"


def test_a_dropped_key_is_forgotten_also_while_it_runs():
    queue = make()
    for key in "ab":
        queue.add(key, 0)
    assert queue.take(0) == "a"
    queue.add("a", 1)
    queue.drop("a")
    queue.drop("b")
    queue.drop("nothing")
    queue.finish("a", RunOutcome.DONE, 2)
    assert queue.take(9) is None


def test_those_that_wait_can_be_hastened():
    queue = make()
    queue.add("a", 0)
    for now in (0, 100, 300):
        queue.take(now)
        queue.finish("a", RunOutcome.RETRY, now)
    queue.hasten(300, 1)
    assert queue.next_due() == 300.5


class Pods(RuleBasedStateMachine):
    """Any sequence of changes, runs and ends, beside a model of what must be true of it."""

    def __init__(self):
        super().__init__()
        self.queue: Queue[str] = Queue(random.Random(0).uniform)
        self.now = 0.0
        self.owed: set[str] = set()  # changed since the begin of their last run, and not dropped
        self.running: set[str] = set()
        self.parked: set[str] = set()
        self.retry: set[str] = set()

    keys = st.sampled_from("abc")

    @rule(key=keys)
    def change(self, key):
        self.queue.add(key, self.now)
        self.owed.add(key)
        self.parked.discard(key)
        self.retry.discard(key)

    @rule(seconds=st.floats(0, 400))
    def time_goes_by(self, seconds):
        self.now += seconds

    @rule()
    def run(self):
        key = self.queue.take(self.now)
        if key is None:
            assert self.owed <= self.running
            return
        assert key not in self.running
        assert key in self.owed | self.retry
        self.owed.discard(key)
        self.retry.discard(key)
        self.running.add(key)

    @rule(key=keys, outcome=st.sampled_from(RunOutcome))
    def end(self, key, outcome):
        if key not in self.running:
            return
        pause = self.queue.finish(key, outcome, self.now)
        self.running.remove(key)
        if key in self.owed or outcome is RunOutcome.DONE:
            assert pause == 0
        elif outcome is RunOutcome.PARK:
            self.parked.add(key)
        else:
            assert 1 <= pause <= LONGEST_SECONDS
            self.retry.add(key)

    @rule(key=keys)
    def drop(self, key):
        self.queue.drop(key)
        for those in (self.owed, self.parked, self.retry):
            those.discard(key)

    @invariant()
    def nothing_is_lost_and_nothing_is_there_twice(self):
        assert set(self.queue.running()) == self.running
        assert set(self.queue.parked()) == self.parked
        assert self.queue.depth() == len((self.owed | self.retry) - self.running)
        for key in "abc":
            assert (key in self.queue) == (key in self.owed | self.retry | self.running | self.parked)


@pytest.mark.property
def test_any_sequence_of_changes_and_ends():
    run_state_machine_as_test(Pods, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))
