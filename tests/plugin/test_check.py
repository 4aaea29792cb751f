"""CHECK (conformance A70-A75, B72, X30)."""

import json

import pytest


@pytest.fixture
def attached(node):
    node.networks("a", "b")
    assert node.add("a,b").result
    node.forget_calls()
    return node


def test_a70_check_needs_prev_result(attached):
    assert "prevResult" in attached.call("CHECK").error(7)["msg"]
    assert attached.said() == []


def test_a70_an_empty_prev_result_is_one(attached):
    assert attached.check(prevResult={}).is_silent_success


def test_a71_prev_result_without_version_is_in_the_configurations(attached):
    assert attached.check(prevResult={"ips": [{"address": "10.0.0.2/24"}]}).is_silent_success


def test_a71_prev_result_in_another_version(attached):
    document = attached.check(prevResult={"cniVersion": "0.3.1"}).error(6)
    assert "result type supports" in document["msg"]
    assert "but unmarshalled CNIVersion is" in document["msg"]
    assert attached.said() == []


def test_a72_each_delegate_gets_its_own_result(node):
    for number, name in enumerate("ab", 1):
        node.network(name, version="0.4.0")
        node.answer(
            "ADD",
            name,
            stdout={"cniVersion": "0.3.1", "ips": [{"version": "4", "address": f"10.{number}.0.2/24"}]},
        )
    merged = node.add("a,b").result
    assert node.check(prevResult=merged).is_silent_success
    previous = [call.config["prevResult"] for call in node.calls("CHECK")]
    assert [result["ips"][0]["address"] for result in previous] == ["10.1.0.2/24", "10.2.0.2/24"]
    assert {result["cniVersion"] for result in previous} == {"0.4.0"}


def test_a72_it_stops_at_the_first_error(attached):
    attached.fail("CHECK", "a", code=105, msg="address gone")
    assert "address gone" in attached.check().error(105)["msg"]
    assert attached.said() == ["CHECK a@eth0"]


def test_a73_it_passes_after_every_add(node):
    node.networks("a", "b")
    for round_ in range(3):
        env = {"CNI_CONTAINERID": f"cid{round_}"}
        added = node.add("a,b", env=env).result
        for _ in range(2):
            assert node.check(env=env, prevResult=added).is_silent_success
    assert len(node.calls("CHECK")) == 12


def test_a74_x30_what_annotations_chose_is_checked_too(attached):
    assert attached.check().is_silent_success
    assert attached.said() == ["CHECK a@eth0", "CHECK b@eth1"]
    attached.fail("CHECK", "b", code=100, msg="interface eth1 is gone")
    assert "eth1" in attached.check().error(100)["msg"]


def test_a74_a_network_that_was_released_is_not_there(attached):
    """A DEL that failed half-way: what is gone cannot pass a CHECK."""
    attached.fail("DEL", "a")
    attached.delete().error(7)
    attached.forget_calls()
    assert "b" in attached.check().error(3)["msg"]
    assert attached.said("CHECK") == ["CHECK a@eth0"]


def test_a75_an_unknown_container(node):
    node.networks("a")
    assert "cid1" in node.check().error(3)["msg"]
    assert node.said() == []
    assert node.leftovers() == []


def test_a75_a_container_of_before_the_nodes_restart(node):
    """Its namespace is gone; without plugins that check, that would not be noticed."""
    node.network("quiet", disableCheck=True)
    assert node.add("quiet").result
    [state] = node.states()
    journal = state.read_text()
    state.write_text(journal.replace(json.loads(journal.partition("\n")[0])["bootId"], "an earlier boot"))
    assert "started again" in node.check().error(3)["msg"]
    assert node.said("CHECK") == []
    assert node.delete().is_silent_success


def test_a75_a_damaged_state(attached):
    attached.states()[0].write_text("{")
    assert attached.check().error(5)["msg"]
    assert attached.said() == []


def test_b72_old_lists_and_lists_that_say_so_are_not_checked(node):
    node.network("old", version="0.3.1")
    node.network("quiet", disableCheck=True)
    node.network("said", disableCheck="TRUE")
    node.network("chain", "x", "y", version="0.4.0")
    assert node.add("old,quiet,said,chain").result
    assert node.check().is_silent_success
    assert node.said("CHECK") == ["CHECK x@eth3", "CHECK y@eth3"]
