"""GC (conformance A79-A82, B73, B74, lessons: Multus' GC can reclaim nothing)."""

import json
import os
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from genie_core.verbs import gc
from tests.patience import wait_until

VALID, ALSO = "cni.dev/valid-attachments", "cni.dev/attachments"
ONE = {"containerID": "one", "ifname": "eth0"}


@pytest.fixture
def pods(node):
    """Three containers with two networks each; of the delegates, b knows GC."""
    node.network("a", version="1.0.0")
    node.network("b", version="1.1.0")
    for name in ("one", "two", "three"):
        assert node.add("a,b@net1", env={"CNI_CONTAINERID": name}).result
    node.forget_calls()
    return node


def containers(calls):
    return [(call.type, call.env["CNI_CONTAINERID"], call.ifname) for call in calls]


@pytest.mark.parametrize("key", [VALID, ALSO])
def test_a79_both_keys_are_read(pods, key):
    listed = [{"containerID": name, "ifname": "eth0"} for name in ("one", "two")]
    assert pods.call("GC", **{key: listed}).is_silent_success
    assert containers(pods.calls("DEL")) == [("b", "three", "net1"), ("a", "three", "eth0")]


@pytest.mark.parametrize("key", [VALID, ALSO])
def test_a79_null_is_the_empty_set(pods, key):
    stdin = pods.stdin(**{key: "?"}).replace(b'"?"', b"null")
    assert pods.call("GC", stdin=stdin).is_silent_success
    assert len(pods.calls("DEL")) == 6
    assert pods.leftovers() == []


@pytest.mark.parametrize("other", [None, [], [{"containerID": "two", "ifname": "eth0"}]])
def test_a79_what_either_list_names_is_valid(pods, other):
    """A runtime that fills one of the two, and writes the other as null, loses no pod."""
    for keys in ((VALID, ALSO), (ALSO, VALID)):
        lists = dict(zip(keys, (other, [ONE]), strict=True))
        stdin = json.dumps({**json.loads(pods.stdin()), **lists}).encode()
        assert pods.call("GC", stdin=stdin).is_silent_success
        assert "one@eth0" in [path.name for path in pods.states()]
    assert ("two@eth0" in [path.name for path in pods.states()]) == bool(other)


def test_a79_without_a_list_nothing_is_collected(pods):
    assert VALID in pods.call("GC").error(7)["msg"]
    assert pods.said() == []
    assert len(pods.states()) == 3


@pytest.mark.parametrize("bad", [{}, "x", [1], ["one"], [None], [{"containerID": 1}], [{"ifname": []}]])
def test_a79_a_list_that_cannot_be_read_collects_nothing(pods, bad):
    pods.call("GC", **{VALID: bad}).error(7)
    assert pods.said() == []


@pytest.mark.parametrize(
    "incomplete",
    [{}, {"containerID": "two"}, {"ifname": "eth0"}, {"containerID": "", "ifname": "eth0"}, {"id": "two"}],
)
def test_a79_an_attachment_without_container_or_interface_collects_nothing(pods, incomplete):
    """It may be any of those that are not listed otherwise."""
    assert f"{VALID}[1]" in pods.call("GC", **{VALID: [ONE, incomplete]}).error(7)["msg"]
    assert pods.said() == []
    assert len(pods.states()) == 3


def test_a79_the_keys_of_an_attachment_are_read_in_any_case(pods):
    """As plugins written in Go do."""
    listed = [{"containerId": name, "IfName": "eth0"} for name in ("one", "two")]
    assert pods.call("GC", **{VALID: listed}).is_silent_success
    assert {call.env["CNI_CONTAINERID"] for call in pods.calls("DEL")} == {"three"}


def test_a80_unlisted_containers_are_released_and_the_rest_is_untouched(pods):
    before = {path.name: path.read_bytes() for path in pods.states()}
    assert pods.gc(("one", "eth0"), ("three", "eth0"), ("two", "net1")).is_silent_success
    assert containers(pods.calls("DEL")) == [("b", "two", "net1"), ("a", "two", "eth0")]
    del before["two@eth0"]
    assert {path.name: path.read_bytes() for path in pods.states()} == before


def test_a80_no_configuration_directory_is_needed(pods):
    """What was recorded with `disableGC` stays."""
    pods.network("kept", disableGC=True)
    assert pods.add("kept", env={"CNI_CONTAINERID": "kept"}).result
    file = pods.root / "file"
    file.touch()
    assert pods.gc(conf_dirs=[str(file)]).is_silent_success
    assert [state.name for state in pods.states()] == ["kept@eth0"]


def test_a80_the_container_of_another_interface_is_another_attachment(pods):
    assert pods.add("a", env={"CNI_CONTAINERID": "one", "CNI_IFNAME": "eth7"}).result
    pods.forget_calls()
    assert pods.gc(("one", "eth0"), ("two", "eth0"), ("three", "eth0")).is_silent_success
    assert containers(pods.calls("DEL")) == [("a", "one", "eth7")]


def valid_pairs(call):
    return {(item["containerID"], item["ifname"]) for item in call.config[VALID]}


def test_a81_b74_delegates_hear_of_their_own_interfaces(pods):
    assert pods.gc(("one", "eth0"), ("two", "eth0")).is_silent_success
    [call] = pods.calls("GC")
    assert call.type == "b"
    assert {("one", "net1"), ("two", "net1")} <= valid_pairs(call)
    assert not any(container == "three" for container, _ in valid_pairs(call))
    assert set(call.config) == {"type", "name", "cniVersion", VALID, ALSO}
    assert call.config[VALID] == call.config[ALSO]
    assert [call.env[f"CNI_{name}"] for name in ("CONTAINERID", "NETNS", "IFNAME", "ARGS")] == [""] * 4


def test_a81_a_container_that_the_runtime_lists_is_never_given_up(node):
    """Its state may be lost, as after a restore; its address must still not be taken from it."""
    node.network("b", version="1.1.0")
    assert node.gc(("elsewhere", "eth0")).is_silent_success
    assert ("elsewhere", "eth0") in valid_pairs(node.calls("GC")[0])


def test_a81_while_a_state_is_damaged_delegates_collect_nothing(pods):
    """It is not known which of the delegates' interfaces that container holds."""
    pods.states()[0].write_text("{")
    reply = pods.gc(*((name, "eth0") for name in ("one", "two", "three")))
    assert reply.events("state damaged")
    assert pods.said("GC") == []


def test_a81_errors_are_joined_and_nothing_is_left_out(pods):
    pods.fail("DEL", "b", msg="b is stuck")
    pods.fail("GC", "b", msg="b cannot collect")
    document = pods.gc(("one", "eth0")).error(7)
    assert document["msg"].count("b is stuck") == 2
    assert "b cannot collect" in document["msg"]
    assert len(pods.calls("DEL")) == 4
    pods.heal()
    assert pods.gc(("one", "eth0")).is_silent_success
    assert [path.name for path in pods.states()] == ["one@eth0"]


def test_b73_disable_gc_and_old_lists(node):
    node.network("old", version="1.0.0")
    node.network("quiet", version="1.1.0", disableGC="True")
    node.network("chain", "x", "y", version="1.1.0")
    assert node.add("old,quiet,chain").result
    node.forget_calls()
    assert node.gc(("cid1", "eth0")).is_silent_success
    assert node.said() == ["GC x@", "GC y@"]


@pytest.mark.parametrize("value", [True, "true"])
@pytest.mark.parametrize("since", ["the ADD", "now"])
def test_b73_a_network_with_disable_gc_is_left_alone_with_its_dels(node, value, since):
    """Another runtime may share it. The container's other networks are released."""
    shared = {"version": "1.1.0", "disableGC": value}
    node.network("a", version="1.1.0")
    node.network("shared", **(shared if since == "the ADD" else {"version": "1.1.0"}))
    assert node.add("a,shared").result
    node.network("shared", **shared)
    node.forget_calls()
    assert node.gc().is_silent_success
    assert node.said() == ["DEL a@eth0", "GC a@"]
    assert len(node.states()) == 1
    node.forget_calls()
    assert node.delete().is_silent_success  # a DEL for the container itself releases it
    assert node.said() == ["DEL shared@eth1"]
    assert node.leftovers() == []


def test_b73_nor_does_a_damaged_state_release_it(node):
    node.network("a", version="1.0.0")
    node.network("shared", version="1.1.0", disableGC=True)
    assert node.add("a,shared").result
    node.states()[0].write_text("{")
    node.forget_calls()
    assert node.gc().is_silent_success
    assert {call.type for call in node.calls()} == {"a"}


def test_a81_each_network_hears_of_its_own_attachments_alone(node):
    """Networks of one name share their records, whichever files they are in."""
    for name in ("a", "b"):
        node.network(name, version="1.1.0")
    node.network("a", "other", file="20-a-too.conflist", version="1.1.0")
    assert node.add("a,b@net1").result
    assert node.add("a-too", env={"CNI_CONTAINERID": "cid2"}).result
    assert node.gc(("cid1", "eth0"), ("cid2", "eth0"), ("unknown", "eth0")).is_silent_success
    valid = {call.type: valid_pairs(call) - {("unknown", "eth0")} for call in node.calls("GC")}
    of_a = {("cid1", "eth0"), ("cid2", "eth0")}
    assert valid == {"a": of_a, "other": of_a, "b": {("cid1", "net1")}}


def test_b73_every_plugin_of_a_chain_is_asked(node):
    node.network("chain", "x", "y", version="1.1.0")
    node.fail("GC", "x", code=17)
    node.gc().error(17)
    assert node.said() == ["GC x@", "GC y@"]


def test_a82_gc_waits_for_an_add_that_is_on_its_way(node):
    """The pod is not in the runtime's list yet, and its addresses must stay."""
    node.network("a", version="1.1.0")
    node.answer("ADD", "a", shell="sleep 0.5; echo '{}'")
    adding = node.start("ADD", annotations={}).feed()
    wait_until(lambda: node.calls("ADD"))
    assert node.gc(("cid1", "eth0")).is_silent_success
    assert adding.wait().result
    add, collect = node.calls()
    assert (add.verb, collect.verb) == ("ADD", "GC")
    assert add.ended <= collect.started
    assert ("cid1", "eth0") in valid_pairs(collect)


def test_a82_an_add_that_ran_when_the_gc_began_is_in_no_list(node):
    """Its attachment is kept, and is valid for the delegates; the next GC, whose list lacks it too, releases it."""
    node.network("a", version="1.1.0")
    node.answer("ADD", "a", shell="sleep 0.5; echo '{}'")
    adding = node.start("ADD", annotations={}).feed()
    wait_until(lambda: node.calls("ADD"))
    assert node.gc().is_silent_success
    assert adding.wait().result
    assert node.said() == ["ADD a@eth0", "GC a@"]
    assert ("cid1", "eth0") in valid_pairs(node.calls("GC")[0])
    assert node.gc().is_silent_success
    assert node.said()[2:] == ["DEL a@eth0", "GC a@"]


def test_a82_an_add_waits_for_a_gc(node):
    node.network("a", version="1.1.0")
    node.answer("GC", "a", sleep=0.5)
    collecting = node.start("GC", **{VALID: []}).feed()
    wait_until(lambda: node.calls("GC"))
    assert node.add().result
    assert collecting.wait().is_silent_success
    collect, add = node.calls()
    assert collect.ended <= add.started


def test_gc_reclaims_what_a_killed_add_left(node):
    node.networks("a", "b")
    node.answer("ADD", "b", shell="kill -9 $PPID; sleep 0.2; echo '{}'")
    running = node.start("ADD", annotations={"cni": "a,b"})
    running.process.communicate(node.stdin(annotations={"cni": "a,b"}), timeout=240)
    assert running.process.returncode == -9
    assert node.gc().is_silent_success
    assert node.said() == ["ADD a@eth0", "ADD b@eth1", "DEL b@eth1", "DEL a@eth0"]
    assert node.leftovers() == []


# A delegate ends when eight of them have begun.
EIGHT = """\
: >"$home/begun.$n"; tries=0
until set -- "$home"/begun.*; [ $# -ge 8 ] || [ $((tries += 1)) -gt 2000 ]; do sleep 0.05; done
"""


def test_containers_are_released_several_at_once_and_the_oldest_first(node):
    """CRI-O gives a GC 30 seconds for all of them."""
    node.network("a")
    for number in range(12):
        name = f"cid{number:02}"
        assert node.add(env={"CNI_CONTAINERID": name}).result
        age = 100 - number
        os.utime(node.state / "containers" / f"{name}@eth0", (time.time() - age,) * 2)
    node.forget_calls()
    node.answer("DEL", shell=EIGHT)
    assert node.gc().is_silent_success
    calls = sorted(node.calls("DEL"), key=lambda call: call.started)
    first, last = calls[:8], calls[8:]
    assert {call.env["CNI_CONTAINERID"] for call in first} == {f"cid{number:02}" for number in range(8)}
    assert max(call.started for call in first) <= min(call.ended for call in first)
    assert len(last) == 4
    assert node.leftovers() == []


def test_a_failure_in_one_of_many_is_reported_and_the_others_are_released(node):
    node.network("a")
    for number in range(12):
        assert node.add(env={"CNI_CONTAINERID": f"cid{number}"}).result
    failing = """[ "$CNI_CONTAINERID" != cid7 ] || { echo '{"code": 9, "msg": "stuck"}'; exit 1; }"""
    node.answer("DEL", "a", shell=failing)
    assert "stuck" in node.gc().error(9)["msg"]
    assert [path.name for path in node.states()] == ["cid7@eth0"]


def test_a_defect_in_a_thread_is_not_lost(monkeypatch):
    """The GC reported success, and printed a traceback where no runtime reads it."""
    together = threading.Barrier(gc.AT_ONCE)
    plans: list[Any] = [*range(gc.AT_ONCE)]
    released = []

    def release(plan, *_):
        released.append(plan)
        together.wait(60)
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a defect")
        return []

    monkeypatch.setattr(gc, "_release", release)
    context: Any = SimpleNamespace(store=SimpleNamespace(age=int))
    with pytest.raises(RuntimeError, match="a defect"):
        gc._release_all(plans, lambda _: False, context)
    assert sorted(released) == plans


def test_a_node_that_has_no_more_threads(monkeypatch):
    monkeypatch.setattr(gc, "_release", lambda *_: [])

    def refused(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    context: Any = SimpleNamespace(store=SimpleNamespace(age=int))
    plans: list[Any] = [1, 2, 3]
    assert gc._release_all(plans, lambda _: False, context) == []
