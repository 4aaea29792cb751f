"""An ADD that fails leaves nothing (conformance B53-B56, X01, X05)."""

import pytest

from tests.plugin.harness import VERSIONS

CHAIN = ["a", "b", "c"]


@pytest.fixture
def node3(node):
    """Three networks of two plugins each."""
    for name in CHAIN:
        node.network(name, name, f"{name}2")
    return node


STEPS = ["a@eth0", "a2@eth0", "b@eth1", "b2@eth1", "c@eth2", "c2@eth2"]


@pytest.mark.parametrize("position", range(6))
def test_b53_b54_the_first_failure_stops_and_all_attempted_is_undone(node3, position):
    """Within the failing network every plugin is released, also those that never ran."""
    failing = STEPS[position].partition("@")[0]
    node3.fail("ADD", failing, code=123, msg="here")
    assert f'plugin type="{failing}" failed (add): here' in node3.add("a,b,c").error(123)["msg"]
    attempted = STEPS[: position // 2 * 2 + 2]
    assert node3.said() == [f"ADD {step}" for step in STEPS[: position + 1]] + [
        f"DEL {step}" for step in reversed(attempted)
    ]
    assert node3.leftovers() == []


def test_b54_the_undoing_knows_the_results_so_far(node3):
    node3.fail("ADD", "b")
    node3.add("a,b").error(7)
    previous = {call.type: call.config.get("prevResult") for call in node3.calls("DEL")}
    assert previous["a"] == previous["a2"] != None  # noqa: E711
    assert previous["b"] is None


@pytest.mark.parametrize("stuck", ["a", "b2"])
def test_b55_an_undoing_that_fails_masks_nothing_and_is_repeated_by_del(node3, stuck):
    node3.fail("ADD", "b2", code=123, msg="the reason")
    node3.fail("DEL", stuck, code=99, msg="cannot undo")
    document = node3.add("a,b,c").error(123)
    assert "the reason" in document["msg"]
    assert "cannot undo" not in document["msg"]
    assert len(node3.states()) == 1
    node3.heal()
    node3.forget_calls()
    assert node3.delete().is_silent_success
    chain = [stuck.rstrip("2") + end for end in ("2", "")]
    assert [call.type for call in node3.calls()] == chain  # nothing that is released, nothing never attempted
    assert node3.leftovers() == []


def test_b56_a_result_that_cannot_be_printed(node3):
    for name in ("a", "a2", "b", "b2"):
        node3.answer("ADD", name, stdout={"interfaces": [{"name": "x"}]})
    node3.add("a,b", cniVersion="0.2.0").error(7)
    assert len(node3.calls("DEL")) == 4
    assert node3.leftovers() == []


def test_nothing_is_begun_before_every_network_is_found(node3):
    for cni in ("a,nobody", "a,b@lo", "a,b,c@eth1,a@eth1"):
        node3.add(cni).error(7)
    (node3.bin / "c2").unlink()
    node3.add("a,b,c").error(7)
    assert node3.said() == []
    assert node3.leftovers() == []


def test_a_second_add_of_the_same_interface_is_refused_and_harms_nothing(node3):
    assert node3.add("a").result
    node3.add("a").error(100)
    node3.add("b").error(100)
    assert node3.said() == ["ADD a@eth0", "ADD a2@eth0"]
    assert node3.delete().is_silent_success
    assert node3.add("b").result


def test_an_add_after_a_failed_one_releases_what_was_left(node3):
    node3.fail("ADD", "b")
    node3.fail("DEL", "a")
    node3.add("a,b").error(7)
    node3.heal()
    node3.forget_calls()
    assert node3.add("c").result
    assert node3.said() == ["DEL a2@eth0", "DEL a@eth0", "ADD c@eth0", "ADD c2@eth0"]


def test_x05_every_add_is_complete(node):
    """Results are collected in order, never by chance: fifty ADDs of three networks."""
    node.networks("a", "b", "c")
    for name, third in zip("abc", (1, 2, 3), strict=True):
        node.answer("ADD", name, stdout={"ips": [{"address": f"10.{third}.0.2/24"}]})
    for number in range(50):
        result = node.add(
            "a,b,c", env={"CNI_CONTAINERID": f"cid{number}"}, cniVersion=VERSIONS[-1 - number % 5]
        ).result
        assert [ip["address"] for ip in result["ips"]] == ["10.1.0.2/24", "10.2.0.2/24", "10.3.0.2/24"]


INTERRUPTED = '{"code":999,"msg":"could not get list of IP addresses: interrupted system call"}'


def test_a_plugin_whose_look_at_the_kernel_was_interrupted_is_run_again(node3, tmp_path):
    """Many pods at once make it so; the pod has done nothing wrong."""
    once = f"if [ -e {tmp_path}/seen ]; then echo '{{}}'; else touch {tmp_path}/seen; echo '{INTERRUPTED}'; exit 1; fi"
    node3.answer("ADD", "b", shell=once)
    assert node3.add("a,b").result
    again = ["DEL b2@eth1", "DEL b@eth1", "ADD b@eth1", "ADD b2@eth1"]
    assert node3.said() == ["ADD a@eth0", "ADD a2@eth0", "ADD b@eth1", *again]


def test_a_del_that_misses_what_the_interrupted_add_had_not_made_is_run_again(node3, tmp_path):
    """bridge's: it has removed the interface when it misses its chain of masquerading."""
    broken = f"if [ -e {tmp_path}/%s ]; then echo '{{}}'; else touch {tmp_path}/%s; echo '%s'; exit 1; fi"
    missed = '{"code":999,"msg":"Chain CNI-0123 does not exist"}'
    node3.answer("ADD", "b", shell=broken % ("added", "added", INTERRUPTED))
    node3.answer("DEL", "b", shell=broken % ("deleted", "deleted", missed))
    assert node3.add("a,b").result
    cleared = ["DEL b2@eth1", "DEL b@eth1"] * 2
    assert node3.said()[3:] == [*cleared, "ADD b@eth1", "ADD b2@eth1"]


def test_a_del_after_a_kill_misses_what_the_add_had_not_made_and_is_run_again(node3, tmp_path):
    """The runtime's DEL of an ADD that was killed with its plugin, in the middle of the masquerading."""
    node3.answer("ADD", "b", shell="kill -9 $PPID; kill -9 $$")
    node3.start("ADD", annotations={"cni": "a,b"}).wait()
    broken = f"if [ -e {tmp_path}/deleted ]; then echo '{{}}'; else touch {tmp_path}/deleted; echo '%s'; exit 1; fi"
    missed = '{"code":999,"msg":"running [iptables -D]: exit status 2: Chain CNI-0123 does not exist"}'
    node3.answer("DEL", "b", shell=broken % missed)
    assert node3.delete().is_silent_success
    assert node3.said("DEL") == [*["DEL b2@eth1", "DEL b@eth1"] * 2, "DEL a2@eth0", "DEL a@eth0"]
    assert node3.leftovers() == []


def test_a_plugin_that_is_interrupted_every_time_fails_the_add(node3):
    node3.answer("ADD", "b", shell=f"echo '{INTERRUPTED}'; exit 1")
    assert "interrupted system call" in node3.add("a,b").error(999)["msg"]
    assert node3.said().count("ADD b@eth1") == 4
    assert node3.leftovers() == []
