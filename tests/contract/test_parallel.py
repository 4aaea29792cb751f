"""Plugins that run side by side, as processes: which has ended, and that none outlives the call that began it."""

import os
from contextlib import nullcontext

import pytest

from genie_core.edges.cancel import Cancel
from genie_core.edges.delegates import Delegates
from genie_core.edges.log import JSONLog
from genie_core.edges.parallel import end_begun, first_ended
from genie_core.errors import DelegateFailed, IOFailure
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
    end_begun(made)


@pytest.mark.parametrize("script, status", [("echo $$", 0), ("echo $$; exit 3", 3)])
@pytest.mark.parametrize("reaps", [True, False])
def test_who_waits_for_a_plugin_that_has_ended(call, tmp_path, script, status, reaps):
    """Where the caller does, one that failed is waited for too: its own children are killed first."""
    delegates = Delegates({}, [], 30, JSONLog(), Cancel(), reaps=reaps)
    with nullcontext() if not status else pytest.raises(DelegateFailed):
        delegates.invoke(call("ends", f"echo $$ >{tmp_path}/pid; {script}"))
    pid = int((tmp_path / "pid").read_text())
    if reaps or status:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, 0)
    else:
        assert os.waitpid(pid, 0) == (pid, 0)


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


def test_without_a_durable_plan_none_is_started(call, tmp_path):
    """The disk refuses the plan once; the second plugin must not get its configuration after that."""
    refusals = [IOFailure("full")]

    def ready():
        if refusals:
            raise refusals.pop()

    delegates = Delegates({}, [], 30, JSONLog(), Cancel(), ready=ready)
    calls = [call(name, f"cat >/dev/null; : >{tmp_path}/{name}-ran") for name in ("one", "two")]
    with pytest.raises(IOFailure, match="full"):
        first_ended(delegates, calls)
    assert not [*tmp_path.glob("*-ran")]
    assert delegates.begun == {}


def test_what_still_runs_is_killed_with_what_it_started(call, delegates, tmp_path):
    hangs = call("hangs", f"sleep 1000 & echo $! >{tmp_path}/child; touch {tmp_path}/begun; wait")
    quick = call("quick", f"until [ -e {tmp_path}/begun ]; do sleep 0.05; done")
    assert first_ended(delegates, [hangs, quick]) == 1
    pids = [delegates.begun[hangs].pid, int((tmp_path / "child").read_text())]
    end_begun(delegates)
    wait_until(lambda: all(has_ended(pid) for pid in pids))  # the second one is not this process's child
    assert delegates.begun == {}
