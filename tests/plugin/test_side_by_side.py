"""`parallel_attachments`: networks of one pod that have no order between them, attached side by side.

The delegates have names of plugins that may run side by side, and are the tests' own.
"""

import json
import signal

import pytest

from genie_core.state import decode_plan
from tests.patience import wait_until
from tests.plugin.harness import HOLD
from tests.processes import has_ended

# A line for `Node.answer`: note that it has begun, and work until `others` have begun, too.
MEET = (
    'touch "$home/begun-$type"; tries=0; for other in {others}; do until [ -e "$home/begun-$other" ]; '
    'do [ $((tries += 1)) -gt 300 ] && echo "alone" && exit 1; sleep 0.05; done; done'
)
RESULT = {"cniVersion": "1.0.0", "ips": [{"address": "10.%d.0.2/24"}]}
TYPES = ("bridge", "ptp", "macvlan")


@pytest.fixture
def three(node):
    """Networks with nothing in common, of the types that they are named after."""
    node.config["parallel_attachments"] = True
    for number, name in enumerate(TYPES, 1):
        ipam = {"type": "host-local", "subnet": f"10.{number}.0.0/24"}
        node.network(name, {"type": name, "master": "up0", "ipam": ipam})
    return node


def meet(node, *names):
    """Let each of them work until all have begun."""
    for name in names:
        node.answer("ADD", name, shell=MEET.format(others=" ".join(names)), stdout=result_of(name))


def result_of(name):
    return json.dumps(RESULT) % (TYPES.index(name) + 1)


def addresses(result):
    return [ip["address"] for ip in result["ips"]]


@pytest.mark.parametrize("cni", ["bridge,ptp", "ptp,bridge,macvlan"])
def test_each_waits_until_all_have_begun(three, cni):
    names = cni.split(",")
    meet(three, *names)
    result = three.add(cni).result
    assert addresses(result) == [f"10.{TYPES.index(name) + 1}.0.2/24" for name in names]
    assert three.delete().is_silent_success
    assert [call.type for call in three.calls("DEL")] == names[::-1]
    assert three.leftovers() == []


def test_the_default_networks_run_side_by_side_as_well(three):
    meet(three, "bridge", "ptp")
    assert len(addresses(three.add(default_plugin="bridge,ptp").result)) == 2


@pytest.mark.parametrize("slow", ["bridge", "macvlan"])
def test_the_result_and_the_journal_are_those_of_one_after_the_other(three, slow):
    three.answer("ADD", slow, shell="sleep 0.2", stdout=result_of(slow))
    seen = []
    for beside in (False, True):
        result = three.add("bridge,ptp@x,macvlan", parallel_attachments=beside).result
        (file,) = three.states()
        seen.append((result, decode_plan(file.read_text())))
        assert three.delete().is_silent_success
    assert seen[0] == seen[1]


@pytest.mark.parametrize("settings", [{"parallel_attachments": False}, {"parallel_attachments": None}])
def test_with_the_key_off_they_run_one_after_the_other(three, settings):
    first = three.bin.parent / "first-ended"
    three.answer("ADD", "bridge", shell=f"sleep 0.2; touch {first}", stdout=result_of("bridge"))
    three.answer("ADD", "ptp", shell=f"[ -e {first} ] || exit 1", stdout=result_of("ptp"))
    assert three.add("bridge,ptp", **settings).result


def test_networks_of_the_standards_annotation_run_one_after_the_other(three, cluster):
    """It asks for that (NPWG 7.3)."""
    first = three.bin.parent / "first-ended"
    three.answer("ADD", "ptp", shell=f"sleep 0.2; touch {first}", stdout=result_of("ptp"))
    three.answer("ADD", "macvlan", shell=f"[ -e {first} ] || exit 1", stdout=result_of("macvlan"))
    for name in ("ptp", "macvlan"):
        cluster.nad(name, None)
    annotations = {"k8s.v1.cni.cncf.io/networks": "ptp,macvlan"}
    assert three.add(annotations=annotations, default_plugin="bridge").result


def test_a_type_that_is_not_known_runs_alone(three):
    three.network("other")
    first = three.bin.parent / "first-ended"
    three.answer("ADD", "bridge", shell=f"sleep 0.2; touch {first}", stdout=result_of("bridge"))
    three.answer("ADD", "other", shell=f"[ -e {first} ] || exit 1", stdout=result_of("bridge"))
    assert three.add("bridge,other").result


def test_the_log_says_which_run_side_by_side(three):
    reply = three.add("bridge,ptp", log_level="debug")
    assert [event["network"] for event in reply.events("side by side")] == ["bridge", "ptp"]
    assert sorted(event["network"] for event in reply.events("delegate")) == ["bridge", "ptp"]


# --- failures


@pytest.mark.parametrize("failing", ["bridge", "ptp"])
def test_one_fails_the_other_ends_and_both_are_undone_in_reverse(three, failing):
    other = "ptp" if failing == "bridge" else "bridge"
    three.fail("ADD", failing, code=123, msg="here")
    three.answer("ADD", other, shell="sleep 0.3", stdout=result_of(other))
    document = three.add("bridge,ptp").error(123)
    assert f'plugin type="{failing}" failed (add): here' in document["msg"]
    assert all(call.ended for call in three.calls("ADD"))
    undone = three.calls("DEL")
    assert [call.type for call in undone] == ["ptp", "bridge"]
    previous = {call.type: call.config.get("prevResult") for call in undone}
    assert previous[failing] is None
    assert previous[other]["ips"] == json.loads(result_of(other))["ips"]
    assert three.leftovers() == []


def test_both_fail(three):
    three.fail("ADD", "bridge", code=123, msg="one")
    three.fail("ADD", "ptp", code=124, msg="two")
    document = three.add("bridge,ptp").error(123)
    assert 'plugin type="bridge" failed (add): one' in document["msg"]
    assert 'also failed: network "ptp" (eth1): plugin type="ptp" failed (add): two' in document["details"]
    assert [call.type for call in three.calls("DEL")] == ["ptp", "bridge"]
    assert three.leftovers() == []


def test_after_a_failure_no_plugin_of_a_chain_is_started(three):
    three.network("ptp", {"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.2.0.0/24"}}, "tuning")
    three.fail("ADD", "bridge")
    three.answer("ADD", "ptp", shell="sleep 0.3", stdout=result_of("ptp"))
    three.add("bridge,ptp").error(7)
    assert sorted(call.type for call in three.calls("ADD")) == ["bridge", "ptp"]  # as each gets the processor
    assert [call.type for call in three.calls("DEL")] == ["tuning", "ptp", "bridge"]
    assert three.leftovers() == []


def test_a_plugin_that_cannot_be_executed_beside_one_that_runs(three):
    (three.bin / "ptp").unlink()
    (three.bin / "ptp").write_text("#!/bin/sh\n")
    document = three.add("bridge,ptp").error(101)
    assert "it is not executable" in document["msg"]
    assert [call.type for call in three.calls("DEL")] == ["bridge"]


def test_a_plugin_that_cannot_be_executed_keeps_those_behind_it_from_running(three):
    (three.bin / "ptp").unlink()
    (three.bin / "ptp").write_text("#!/bin/sh\n")
    assert "it is not executable" in three.add("ptp,bridge,macvlan").error(101)["msg"]
    assert three.calls("ADD") == []


def test_a_key_that_is_missing_is_the_plugins_to_report(three):
    ipam = {"type": "static", "addresses": [{"gateway": "10.1.0.1"}]}
    three.network("bridge", {"type": "bridge", "ipam": ipam})
    three.fail("ADD", "bridge", code=123, msg="no address")
    assert 'plugin type="bridge" failed (add): no address' in three.add("bridge,ptp").error(123)["msg"]


def test_one_that_hangs_is_killed_at_its_deadline_and_the_other_is_undone(three):
    three.answer("ADD", "ptp", shell="sleep 1000")
    document = three.add("bridge,ptp", delegate_timeout_seconds=2).error(11)
    assert 'network "ptp" (eth1)' in document["msg"]
    assert "no answer after 2 seconds" in document["msg"]
    assert [call.type for call in three.calls("DEL")] == ["ptp", "bridge"]
    assert three.leftovers() == []


def test_one_that_prints_too_much_is_killed_and_the_other_is_undone(three):
    three.answer("ADD", "bridge", shell="head -c 20000000 /dev/zero; sleep 1000")
    assert "printed more than 16 MiB" in three.add("bridge,ptp").error(101)["msg"]
    assert three.leftovers() == []


def test_a_signal_ends_all_and_undoes_them(three):
    pids = 'echo $$ >"$home/pid-$type"; sleep 1000'
    three.answer("ADD", shell=pids)
    running = three.start("ADD", annotations={"cni": "bridge,ptp,macvlan"}).feed()
    files = [three.root / f"pid-{name}" for name in TYPES]
    wait_until(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files))
    running.signal(signal.SIGTERM).wait().error(11)
    assert all(has_ended(int(file.read_text())) for file in files)
    assert [call.type for call in three.calls("DEL")] == ["macvlan", "ptp", "bridge"]
    assert three.leftovers() == []


# --- killed


def test_killed_while_two_run_the_del_waits_for_both(three):
    three.answer("ADD", shell=f"{HOLD}; echo '{{}}'")
    running = three.start("ADD", annotations={"cni": "bridge,ptp"}).feed()
    wait_until(lambda: len(three.calls("ADD")) == 2)
    running.process.kill()
    running.wait()
    deleting = three.start("DEL").feed()
    three.release()
    assert deleting.wait().is_silent_success
    added, deleted = three.calls("ADD"), three.calls("DEL")
    assert [call.type for call in deleted] == ["ptp", "bridge"]
    assert max(call.ended for call in added) <= min(call.started for call in deleted)
    assert three.leftovers() == []


@pytest.mark.parametrize("victim", TYPES)
def test_killed_by_each_of_them_while_the_others_run(three, victim):
    """Whatever has ended by then, was begun, or was not."""
    three.answer("ADD", victim, shell="kill -9 $PPID; kill -9 $$")
    assert three.start("ADD", annotations={"cni": ",".join(TYPES)}).wait().status == -signal.SIGKILL
    assert three.delete().is_silent_success
    assert [call.type for call in three.calls("DEL")] == ["macvlan", "ptp", "bridge"]
    assert three.leftovers() == []


def test_killed_after_one_has_ended_its_result_is_recorded(three):
    three.answer("ADD", "bridge", shell=f"{HOLD}; echo '{{}}'")
    running = three.start("ADD", annotations={"cni": "bridge,ptp"}).feed()
    wait_until(lambda: any('"attached":1' in file.read_text().replace(" ", "") for file in three.states()))
    running.process.kill()
    running.wait()
    three.release()
    assert three.delete().is_silent_success
    previous = {call.type: call.config.get("prevResult") for call in three.calls("DEL")}
    assert previous["bridge"] is None
    assert previous["ptp"]
    assert three.leftovers() == []
