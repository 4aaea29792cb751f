"""A change of a running pod, or a repair, that gives way to a call of the runtime and goes on after it."""

import json

import pytest

from tests.live.live import cni_args
from tests.live.test_breaks import a_call_waits, begin
from tests.live.test_sync import events
from tests.patience import wait_until
from tests.system.node import finish

pytestmark = [pytest.mark.root, pytest.mark.system]


@pytest.fixture
def held(live):
    """A node whose plugins wait: `hold` says which, in which verb, and gives the files by which they wait and go on."""
    root = live.node.root

    def hold(plugin, verb):
        waits, go = root / f"{plugin}.waits", root / f"{plugin}.go"
        wait = f"touch {waits}; until [ -e {go} ]; do sleep 0.05; done"
        live.node.wrap(plugin, f'[ "$CNI_COMMAND" != {verb} ] || {{ {wait}; }}; exec "$REAL"')
        return waits, go

    live.hold = hold
    return live


def check_meanwhile(live, waits, go):
    """CHECK by the runtime, which comes while the plugin runs: its outcome."""
    wait_until(waits.exists)
    env = {**live.node.env("CHECK"), **cni_args("c1")}
    checking = live.node.start(env, live.node.stdin(prevResult={"cniVersion": "1.0.0"}))
    wait_until(lambda: a_call_waits(live))
    go.touch()
    return finish(checking)


def messages(live):
    return sorted(event["message"] for event in events(live))


def test_check_does_not_ask_for_what_was_just_released(held):
    waits, go = held.hold("macvlan", "DEL")
    held.start(cni="blue,green@net1")
    held.annotate(cni="blue")
    running = begin(held)
    checked = check_meanwhile(held, waits, go)
    assert (checked.status, checked.reply) == (0, None)
    assert json.loads(running.communicate()[0])["status"] == "changed"
    assert messages(held) == ["network green on net1"]


def test_events_of_an_earlier_change_are_not_forgotten(held):
    """They could not be written then; the change that comes after it gives way."""
    waits, go = held.hold("macvlan", "ADD")
    held.start(cni="blue")
    held.cluster.server.api.forbidden = {("create", "events")}
    held.annotate(cni="blue,red@net2")
    assert held.sync()[1]["status"] == "changed"
    held.cluster.server.api.forbidden = set()
    held.annotate(cni="blue,red@net2,green@net1")
    running = begin(held)
    assert check_meanwhile(held, waits, go).status == 0
    running.communicate()
    assert messages(held) == ["network green on net1: 10.3.0.2", "network red on net2: 10.2.0.2"]


def test_killed_after_it_has_given_way(held):
    """The next one writes the events of what was attached before that, too."""
    waits, go = held.hold("macvlan", "ADD")
    also_waits, also_go = held.hold("ptp", "ADD")
    held.start(cni="blue")
    held.annotate(cni="blue,green@net1,red@net2")
    running = begin(held)
    assert check_meanwhile(held, waits, go).status == 0
    wait_until(also_waits.exists)
    running.kill()
    running.communicate()
    also_go.touch()
    assert held.sync()[0] == 0
    assert [message.partition(":")[0] for message in messages(held)] == [
        "network green on net1",
        "network red on net2",
    ]
