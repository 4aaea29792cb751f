"""Plugins that run side by side, as processes: which has ended, and that none outlives the call that began it."""

import pytest

from genie_core.edges.beside import first_ended
from genie_core.edges.cancel import Cancel
from genie_core.edges.delegates import Delegates
from genie_core.edges.log import JSONLog
from genie_core.errors import DelegateFailed
from genie_core.steps import Invoke, PluginMissing
from tests.patience import wait_until
from tests.processes import has_ended


@pytest.fixture
def call(tmp_path):
    """An ADD of a plugin that is this piece of shell."""

    def write(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return Invoke("ADD", name, "{}", name, path=[str(tmp_path)], ifname="eth0")

    return write


@pytest.fixture
def delegates():
    made = Delegates({}, [], 30, JSONLog(), Cancel())
    yield made
    made.end()


def test_the_first_that_ends_and_then_the_other(call, delegates, tmp_path):
    waits = call("waits", f"until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo waited")
    quick = call("quick", "echo quick")
    assert first_ended(delegates, [waits, quick]) == 1
    assert delegates.invoke(quick) == "quick\n"
    (tmp_path / "go").touch()
    assert first_ended(delegates, [waits]) == 0
    assert delegates.invoke(waits) == "waited\n"
    assert [(step.type, succeeded) for step, succeeded, _ in delegates.ran] == [
        ("quick", True),
        ("waits", True),
    ]


def test_one_that_cannot_be_started_has_ended(call, delegates):
    hangs = call("hangs", "exec sleep 1000")
    absent = Invoke("ADD", "absent", "{}", "absent", path=hangs.path)
    assert first_ended(delegates, [hangs, absent]) == 1
    with pytest.raises(PluginMissing):
        delegates.invoke(absent)


def test_one_that_cannot_be_started_keeps_those_behind_it_from_being_started(call, delegates):
    hangs, quick = call("hangs", "exec sleep 1000"), call("quick", "echo quick")
    absent = Invoke("ADD", "absent", "{}", "absent", path=hangs.path)
    assert first_ended(delegates, [absent, hangs]) == 0
    assert list(delegates.begun) == [absent]
    with pytest.raises(PluginMissing):
        delegates.invoke(absent)
    assert first_ended(delegates, [hangs], start=False) == -1
    assert first_ended(delegates, [quick]) == 0
    assert first_ended(delegates, [hangs, quick], start=False) == 1
    assert list(delegates.begun) == [quick]


def test_the_deadline_of_one_ends_it_alone(call, tmp_path):
    delegates = Delegates({}, [], 0.5, JSONLog(), Cancel())
    calls = [call("hangs", "exec sleep 1000"), call("fails", "exit 3")]
    assert first_ended(delegates, calls) == 1
    with pytest.raises(DelegateFailed, match="exit status 3"):
        delegates.invoke(calls[1])
    assert first_ended(delegates, calls[:1]) == 0
    with pytest.raises(DelegateFailed, match=r"no answer after 0\.5 seconds"):
        delegates.invoke(calls[0])
    assert delegates.begun == {}


def test_a_plugin_that_was_started_waits_for_its_configuration(call, delegates, tmp_path):
    echo = call("echo", f"touch {tmp_path}/up; cat")
    delegates.start(echo)
    wait_until((tmp_path / "up").exists)
    assert delegates.ran == []
    assert delegates.invoke(echo) == "{}"
    assert [(step, succeeded) for step, succeeded, _ in delegates.ran] == [(echo, True)]


def test_a_plugin_that_was_started_is_one_of_those_that_run_side_by_side(call, delegates):
    one, other = call("one", "cat"), call("other", "cat")
    delegates.start(one)
    ended = first_ended(delegates, [one, other])
    assert delegates.invoke([one, other][ended]) == "{}"
    assert set(delegates.begun) == {one, other} - {[one, other][ended]}


def test_a_plugin_that_was_started_gets_nothing_where_the_call_goes_no_further(call, delegates, tmp_path):
    waits = call("waits", f"echo $$ >{tmp_path}/up; cat >{tmp_path}/read; touch {tmp_path}/ran")
    delegates.start(waits)
    wait_until(lambda: (tmp_path / "up").exists() and (tmp_path / "up").read_text())
    delegates.end()
    assert has_ended(int((tmp_path / "up").read_text()))
    assert not (tmp_path / "ran").exists()
    assert (tmp_path / "read").read_text() == ""


def test_why_a_plugin_cannot_be_started_is_said_when_it_is_to_run(call, delegates):
    absent = Invoke("ADD", "absent", "{}", "absent", path=[])
    delegates.start(absent)
    with pytest.raises(PluginMissing):
        delegates.invoke(absent)


def test_a_plugin_with_a_configuration_that_fills_no_pipe_is_not_started_before_it_may_run(
    call, delegates, tmp_path
):
    """It would have its configuration at once."""
    small = call("large", f"touch {tmp_path}/ran; wc -c")
    large = Invoke("ADD", "large", "x" * 5000, "large", path=small.path, ifname="eth0")
    delegates.start(large)
    assert not (tmp_path / "ran").exists()
    assert delegates.invoke(large) == "5000\n"


def test_what_still_runs_is_killed_with_what_it_started(call, delegates, tmp_path):
    hangs = call("hangs", f"sleep 1000 & echo $! >{tmp_path}/child; touch {tmp_path}/begun; wait")
    quick = call("quick", f"until [ -e {tmp_path}/begun ]; do sleep 0.05; done")
    assert first_ended(delegates, [hangs, quick]) == 1
    pids = [delegates.begun[hangs].pid, int((tmp_path / "child").read_text())]
    delegates.end()
    wait_until(lambda: all(has_ended(pid) for pid in pids))  # the second one is not this process's child
    assert delegates.begun == {}
