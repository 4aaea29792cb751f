"""Networks that are attached side by side: what is done, failed and killed at every step, whatever ends first."""

import pytest

from genie_core import attach
from genie_core.errors import Cancelled, DelegateFailed, GenieError
from genie_core.jsontext import decode
from genie_core.state import decode_plan
from genie_core.steps import First, Invoke
from tests.core.test_attach import RESULT, ROUTED, Killed, World, failing, is_finished_by_a_del, make_plan

ENDS = {"the first ends first": 0, "the last ends first": -1}


class Beside(World):
    """The same, with plugins that are begun before they are waited for; `ends` is the place of what ends first."""

    def __init__(self, broken=lambda step: None, ends=0):
        super().__init__(broken)
        self.ends = ends
        self.outcomes = {}  # of what was begun
        self.most = 0  # how many ran at once
        self.unstartable = set()  # types whose binaries cannot be executed

    def write(self, step, error):
        if not isinstance(step, First):
            return super().write(step, error)
        if error is not None:
            self.outcomes.clear()
            raise error
        for place, call in enumerate(step.calls if step.start else ()):
            if call not in self.outcomes:
                self.outcomes[call] = self._outcome(call)
                if call.type in self.unstartable:
                    return str(place)
        running = [place for place, call in enumerate(step.calls) if call in self.outcomes]
        self.most = max(self.most, len(running))
        return str(running[self.ends % len(running)] if running else -1)

    def _outcome(self, call):
        if call.type in self.unstartable:
            return DelegateFailed(f"cannot execute {call.type}")
        try:
            return super().invoke(call, self.broken(call))
        except GenieError as error:
            return error

    def invoke(self, step, error):
        outcome = self.outcomes.pop(step, None)
        if isinstance(outcome, GenieError):
            raise outcome
        return super().invoke(step, error) if outcome is None else outcome


def beside_plan(batches=((0, 1, 2),)):
    return make_plan().replace(batches=batches)


def added(world):
    world.drive(attach.add(beside_plan()))
    return world


STEPS = added(Beside()).steps
EVERYWHERE = [
    pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS),
    pytest.mark.parametrize("effect_first", [False, True]),
    pytest.mark.parametrize("number", range(STEPS)),
]


def everywhere(test):
    for mark in EVERYWHERE:
        test = mark(test)
    return test


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_all_first_plugins_run_at_once_and_each_chain_in_order(ends):
    world = added(Beside(ends=ends))
    assert world.most == 3
    assert world.log[:3] == ["ADD a1@eth0", "ADD b1@eth1", "ADD c1@eth2"]
    assert sorted(world.log[3:]) == ["ADD b2@eth1", "ADD c2@eth2"]
    assert world.delete() == []
    assert world.is_clean
    assert [line[4:6] for line in world.log[5:]] == ["c2", "c1", "b2", "b1", "a1"]


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_the_results_and_the_journal_are_those_of_one_after_the_other(ends):
    printed = {name: RESULT % number for number, name in enumerate(("a1", "b1", "b2", "c1", "c2"))}
    alone, beside = World(), Beside(ends=ends)
    alone.printed = beside.printed = printed
    one = alone.drive(attach.add(make_plan()))
    other = beside.drive(attach.add(beside_plan()))
    assert [item.text for item in one] == [item.text for item in other]
    assert decode_plan(alone.disk) == decode_plan(beside.disk)


def test_a_batch_begins_when_the_one_before_it_has_ended():
    world = Beside(ends=-1)
    world.drive(attach.add(beside_plan(((0,), (1, 2)))))
    assert world.log[:3] == ["ADD a1@eth0", "ADD b1@eth1", "ADD c1@eth2"]
    assert world.most == 2


def test_default_routes_are_settled_once_all_are_there():
    world = Beside(ends=-1)
    world.printed = dict.fromkeys(["a1", "b2", "c2"], ROUTED)
    added(world)
    recorded = decode_plan(world.disk).attachments
    assert ["routes" in decode(item.result) for item in recorded] == [True, False, False]


@everywhere
def test_an_add_that_is_killed_at_any_step_leaves_nothing_after_a_del(number, effect_first, ends):
    world = Beside(ends=ends)
    world.needs_result = {"b2", "c2"}
    world.kill_after(number, effect_first=effect_first)
    with pytest.raises(Killed):
        added(world)
    assert world.delete() == []
    assert world.is_clean


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("type_", ["a1", "b1", "b2", "c1", "c2"])
def test_the_first_failure_lets_the_others_end_and_undoes_all_in_reverse(type_, ends):
    world = Beside(failing("ADD", type_), ends)
    world.needs_result = {"b2", "c2"}
    with pytest.raises(DelegateFailed, match=f"{type_} does not want to") as caught:
        added(world)
    assert caught.value.details == ""
    undone = [line[4:6] for line in world.log if line.startswith("DEL")]
    assert undone == ["c2", "c1", "b2", "b1", "a1"]
    assert world.is_clean


def test_after_a_failure_no_plugin_is_started():
    world = Beside(failing("ADD", "a1"))
    with pytest.raises(DelegateFailed):
        added(world)
    assert [line for line in world.log if line.startswith("ADD")] == [
        "ADD a1@eth0",
        "ADD b1@eth1",
        "ADD c1@eth2",
    ]


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("type_, runs", [("a1", []), ("b1", ["a1"]), ("c1", ["a1", "b1"]), ("b2", None)])
def test_after_one_that_cannot_be_started_no_plugin_is(type_, runs, ends):
    world = Beside(ends=ends)
    world.unstartable = {type_}
    with pytest.raises(DelegateFailed, match=f"cannot execute {type_}") as caught:
        added(world)
    assert caught.value.details == ""
    begun = [line[4:6] for line in world.log if line.startswith("ADD")]
    assert runs is None or begun == runs
    assert type_ not in begun
    assert world.is_clean


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_of_several_failures_the_first_in_the_plan_is_the_error_and_its_details_name_the_others(ends):
    world = Beside(failing("ADD", "a1", "c1"), ends)
    with pytest.raises(DelegateFailed, match="a1 does not want to") as caught:
        added(world)
    assert caught.value.code == 123
    assert caught.value.details == "also failed: c1 does not want to"
    assert world.is_clean


@pytest.mark.parametrize("number", range(2 * STEPS))
@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_a_failing_add_that_is_killed_at_any_step_of_its_undoing_is_finished_by_a_del(number, ends):
    is_finished_by_a_del(Beside(failing("ADD", "b2"), ends), beside_plan(), number)


def test_a_signal_ends_all_of_them():
    waits = []

    def broken(step):
        if isinstance(step, First):
            waits.append(step)
        return Cancelled("stopped") if isinstance(step, First) and len(waits) == 2 else None

    world = Beside(broken, -1)
    with pytest.raises(Cancelled):
        added(world)
    assert world.is_clean


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_an_undoing_that_fails_leaves_the_rest_to_the_next_del(ends):
    world = Beside(ends=ends)
    world.broken = lambda step: failing("ADD", "a1")(step) or failing("DEL", "b1")(step)
    with pytest.raises(DelegateFailed, match="a1"):
        added(world)
    assert world.held == {("b1", "eth1")}
    world.broken = lambda step: None
    assert world.delete() == []
    assert world.is_clean


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_a_plugin_whose_look_at_the_kernel_was_interrupted_is_run_again_beside_the_others(ends):
    interrupted = [DelegateFailed("interrupted system call")]

    def broken(step):
        first = isinstance(step, Invoke) and (step.verb, step.type) == ("ADD", "b2") and interrupted
        return interrupted.pop() if first else None

    world = added(Beside(broken, ends))
    assert [line for line in world.log if "b" in line] == [
        *("ADD b1@eth1", "ADD b2@eth1", "DEL b2@eth1", "DEL b1@eth1", "ADD b1@eth1", "ADD b2@eth1")
    ]
    assert world.delete() == []
    assert world.is_clean
