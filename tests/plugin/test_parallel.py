"""Calls at the same time (conformance B52, A82, B68, lessons 25)."""

import pytest

from tests.patience import wait_until
from tests.plugin.harness import HOLD, listens


def test_b52_b68_different_pods_at_once(node):
    """Six containers, two interfaces with two networks each: none waits for another, and nothing is lost."""
    node.networks("a", "b")
    node.answer("ADD", shell=f"{HOLD}; echo '{{}}'")
    pods = [(f"cid{number}", ifname) for number in range(6) for ifname in ("eth0", "net0")]
    running = [
        node.start(
            "ADD",
            annotations={"cni": "a,b"},
            max_parallel_adds=12,
            env={"CNI_CONTAINERID": container, "CNI_IFNAME": ifname},
        ).feed()
        for container, ifname in pods
    ]
    wait_until(lambda: len(node.calls()) == 12)
    node.release()
    for call in running:
        assert call.wait().result
    assert len(node.states()) == 12
    deleting = [node.start("DEL", env={"CNI_CONTAINERID": c, "CNI_IFNAME": i}).feed() for c, i in pods]
    for call in deleting:
        assert call.wait().is_silent_success
    assert len(node.calls("DEL")) == 24
    assert node.leftovers() == []


def test_b52_calls_for_one_container_wait_for_each_other(node):
    node.networks("a")
    node.answer("ADD", "a", shell="sleep 0.3; echo '{}'")
    adding = node.start("ADD", annotations={}).feed()
    wait_until(node.calls)
    assert node.delete().is_silent_success
    assert adding.wait().result
    add, delete = node.calls()
    assert (add.verb, delete.verb) == ("ADD", "DEL")
    assert add.ended <= delete.started
    assert node.leftovers() == []


def test_two_adds_of_one_interface_attach_once(node):
    node.networks("a")
    node.answer("ADD", "a", shell="sleep 0.2; echo '{}'")
    statuses = sorted(
        call.wait().status for call in [node.start("ADD", annotations={}).feed() for _ in range(3)]
    )
    assert statuses == [0, 1, 1]
    assert node.said() == ["ADD a@eth0"]


def test_two_interfaces_of_one_container_do_not_share_a_state(node):
    """B68."""
    node.networks("a", "b")
    assert node.add("a").result
    assert node.add("b", env={"CNI_IFNAME": "net1"}).result
    assert node.delete().is_silent_success
    assert node.said() == ["ADD a@eth0", "ADD b@net1", "DEL a@eth0"]
    assert node.delete(env={"CNI_IFNAME": "net1"}).is_silent_success
    assert node.said("DEL") == ["DEL a@eth0", "DEL b@net1"]


@pytest.mark.parametrize("second", ["c-d@x", "c"])
def test_b67_names_that_look_alike_are_not_mixed_up(node, second):
    """The file's name is never taken apart: `c` + `d-x` is not `c-d` + `x`."""
    node.networks("a")
    container, _, ifname = second.partition("@")
    one = {"CNI_CONTAINERID": "c-d", "CNI_IFNAME": "y"}
    other = {"CNI_CONTAINERID": container, "CNI_IFNAME": ifname or "d-y"}
    assert node.add(env=one).result
    assert node.add(env=other).result
    assert len(node.states()) == 2


def test_a_call_that_waits_for_another_ends_when_it_is_asked_to(node):
    node.networks("a")
    node.answer("ADD", "a", shell=f"{HOLD}; echo '{{}}'")
    adding = node.start("ADD", annotations={}).feed()
    wait_until(node.calls)
    deleting = node.start("DEL").feed()
    wait_until(lambda: listens(deleting.process.pid))
    deleting.process.terminate()
    deleting.wait().error(11)
    assert adding.process.poll() is None  # it did not wait for the other one
    node.release()
    assert adding.wait().result
    assert node.delete().is_silent_success
    assert node.leftovers() == []
