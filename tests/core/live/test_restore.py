"""Attaching again what a pod has lost: done, failed and killed at every step."""

import itertools

import pytest

from genie_core import attach
from genie_core.errors import DelegateFailed, GenieError, IOFailure
from genie_core.live.exchange import addresses_of
from genie_core.live.restore import finish_interrupted, finish_restoring, restore
from genie_core.steps import Invoke, Save
from tests.core.live.test_exchange import BEFORE, has, started, steps_of, with_such_a_first
from tests.core.test_attach import Killed


def lost(plan):
    """b is gone from eth1."""
    return restore(plan, ["eth1"])


def killed(step, **how):
    pod = started()
    pod.kill_after(step, **how)
    with pytest.raises(Killed):
        pod.drive(lost(pod.plan))
    return pod


def test_it_is_released_and_attached_again():
    pod = started()
    assert pod.drive(lost(pod.plan)).error is None
    assert has(pod, BEFORE)
    assert pod.log[5:] == ["DEL b2@eth1", "DEL b1@eth1", "ADD b1@eth1", "ADD b2@eth1"]


@pytest.mark.parametrize("effect_first", [False, True])
@pytest.mark.parametrize("step", steps_of(lost))
def test_killed_then_the_runtime_releases_everything(step, effect_first):
    pod = killed(step, effect_first=effect_first)
    assert pod.drive(attach.delete(pod.plan, "/netns")) == []
    assert (pod.held, pod.links, pod.disk) == (set(), {}, "")


@pytest.mark.parametrize("end", [finish_restoring, lambda plan: finish_interrupted(plan, "/netns")])
def test_what_was_attached_before_the_kill_stays(end):
    """Its interface is not made a second time."""
    for step in steps_of(lost):
        pod = killed(step)
        (item,) = [item for item in pod.plan.attachments if item.ifname == "eth1"]
        pod.log.clear()
        pod.drive(end(pod.plan))
        assert has(pod, BEFORE)
        if item.result and not item.releasing:
            assert pod.log == []


@pytest.mark.parametrize("effect_first", [False, True])
@pytest.mark.parametrize("step", steps_of(lost))
def test_killed_then_the_next_repair_ends_it(step, effect_first):
    pod = killed(step, effect_first=effect_first)
    if any(item.restoring for item in pod.plan.attachments):
        assert pod.drive(finish_restoring(pod.plan)).error is None
    assert has(pod, BEFORE)


@pytest.mark.parametrize("step", steps_of(lost))
def test_killed_then_the_next_change_ends_it(step):
    pod = killed(step)
    assert pod.drive(finish_interrupted(pod.plan, "/netns")).error is None
    assert has(pod, BEFORE)


@pytest.mark.parametrize("verb, failing", [("DEL", "b1"), ("ADD", "b1"), ("ADD", "b2")])
def test_a_plugin_that_fails_is_called_again_at_the_next_repair(verb, failing):
    refuses = [True]
    pod = started(
        lambda step: (
            DelegateFailed("no")
            if refuses and isinstance(step, Invoke) and (step.verb, step.type) == (verb, failing)
            else None
        )
    )
    outcome = pod.drive(lost(pod.plan))
    assert [(item.ifname, error.msg) for item, error in outcome.left] == [("eth1", "no")]
    assert [item.restoring for item in pod.plan.attachments] == [False, True, False]
    refuses.clear()
    assert pod.drive(finish_restoring(pod.plan)).error is None
    assert has(pod, BEFORE)


def test_the_first_interface_is_not_let_go():
    """A new network on it would have another address, which kubelet does not read."""
    refuses = [True]
    pod = started(
        lambda step: (
            DelegateFailed("no")
            if refuses and isinstance(step, Invoke) and (step.verb, step.type) == ("ADD", "a1")
            else None
        )
    )
    pod.drive(restore(pod.plan, ["eth0"]))
    outcome = pod.drive(finish_interrupted(pod.plan, "/netns"))
    assert [item.ifname for item, _ in outcome.left] == ["eth0"]
    assert [item.ifname for item in pod.plan.attachments if item.restoring] == ["eth0"]
    refuses.clear()
    assert pod.drive(finish_interrupted(pod.plan, "/netns")).error is None
    assert has(pod, BEFORE)


def test_the_first_interface_is_not_let_go_where_another_one_was_not_released_at_once():
    """Both are restored, and the first DEL of b fails: b is released, for the change that follows to attach it."""
    refusals = [DelegateFailed("no")]
    pod = with_such_a_first()
    pod.kill_after(1)
    with pytest.raises(Killed):
        pod.drive(restore(pod.plan, ["eth0", "eth1"]))
    pod.broken = lambda step: (
        refusals.pop()
        if refusals and isinstance(step, Invoke) and (step.verb, step.type) == ("DEL", "b1")
        else None
    )
    address = addresses_of(pod.plan.attachments[0])
    assert pod.drive(finish_interrupted(pod.plan, "/netns")).error is None
    assert has(pod, {"eth0": "a", "eth2": "c"})
    assert addresses_of(pod.plan.attachments[0]) == address


def test_what_cannot_be_attached_is_let_go_by_the_next_change():
    pod = started(
        lambda step: (
            DelegateFailed("no")
            if isinstance(step, Invoke) and (step.verb, step.type) == ("ADD", "b1")
            else None
        )
    )
    pod.drive(lost(pod.plan))
    pod.drive(finish_interrupted(pod.plan, "/netns"))
    assert has(pod, {"eth0": "a", "eth2": "c"})


@pytest.mark.parametrize("step", steps_of(lost))
def test_a_step_that_fails_loses_nothing(step):
    count = itertools.count()
    pod = started()
    plan = pod.plan
    pod.broken = lambda _step: IOFailure("disk full") if next(count) == step else None
    try:
        pod.drive(lost(plan))
    except GenieError:
        pass
    pod.broken = lambda _step: None
    assert {name[0] for name, _ in pod.held} <= {item.network.name for item in pod.plan.attachments}
    if any(item.restoring for item in pod.plan.attachments):
        assert pod.drive(finish_restoring(pod.plan)).error is None
    assert has(pod, BEFORE)


@pytest.mark.parametrize("step", range(20))
def test_a_repair_and_a_change_that_were_both_cut_off(step):
    """What is torn stands before what is to be attached again; killed a second time while both are finished."""
    pod = started()
    items = pod.plan.attachments
    torn = items[0].replace(ifname="eth9", label="x", network=items[2].network, result="", changing=True)
    gone = items[1].replace(changing=True, restoring=True, releasing=True)
    pod.perform(Save(pod.plan.replace(attachments=[torn, items[0], gone, items[2]])))
    pod.links.pop("eth1")
    pod.kill_after(step)
    try:
        pod.drive(finish_interrupted(pod.plan, "/netns"))
    except Killed:
        pod.drive(finish_interrupted(pod.plan, "/netns"))
    assert pod.links == BEFORE
    assert {item.ifname: item.network.name for item in pod.plan.attachments} == BEFORE
