"""`metrics_file`: calls and delegates' runs are counted, and counting never fails a call."""

import os

from prometheus_client.parser import text_string_to_metric_families


def read(file):
    """Sample name and its distinguishing labels -> value."""
    families = text_string_to_metric_families(file.read_text())
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_calls_are_counted_by_verb_and_code(node):
    file = node.root / "genie.prom"
    node.networks("a", "b")
    assert node.add("a,b", metrics_file=str(file)).result
    assert node.delete(metrics_file=str(file)).is_silent_success
    node.add("nowhere", metrics_file=str(file)).error(7)
    found = read(file)
    assert found["genie_calls_total", "0", "ADD"] == 1
    assert found["genie_calls_total", "0", "DEL"] == 1
    assert found["genie_calls_total", "7", "ADD"] == 1
    assert found["genie_plugin_seconds_count", "ADD", "a", "a"] == 1
    assert found["genie_plugin_seconds_count", "DEL", "b", "b"] == 1
    assert 0 < found["genie_plugin_seconds_sum", "ADD", "a", "a"] < 60
    assert file.stat().st_mode & 0o777 == 0o644


def test_failures_and_their_rollback_are_counted(node):
    file = node.root / "genie.prom"
    node.networks("a", "b")
    node.fail("ADD", "b", code=101)
    node.add("a,b", metrics_file=str(file)).error(101)
    found = read(file)
    assert found["genie_calls_total", "101", "ADD"] == 1
    assert found["genie_plugin_seconds_count", "ADD", "b", "b"] == 1
    assert found["genie_plugin_seconds_count", "DEL", "a", "a"] == 1


def test_calls_side_by_side_are_all_counted(node):
    file = node.root / "genie.prom"
    node.networks("a")
    calls = [
        node.start("ADD", annotations={}, env={"CNI_CONTAINERID": f"c{number}"}, metrics_file=str(file))
        for number in range(12)
    ]
    replies = [call.wait() for call in calls]
    missed = sum(len(reply.events("call not counted")) for reply in replies)
    assert all(reply.result for reply in replies)
    assert read(file)["genie_calls_total", "0", "ADD"] == 12 - missed
    assert missed < 3


def test_a_file_that_cannot_be_written_fails_no_call(node):
    node.networks("a")
    (node.root / "folder").mkdir()
    for file in ("/proc/nothing", str(node.root / "folder")):
        reply = node.add(metrics_file=file)
        assert reply.result
        assert reply.events("call not counted"), file
        assert node.delete().is_silent_success


def test_a_link_in_its_place_is_replaced_and_not_followed(node):
    file, victim = node.root / "genie.prom", node.root / "victim"
    file.symlink_to(victim)
    node.networks("a")
    assert node.add(metrics_file=str(file)).result
    assert not file.is_symlink()
    assert not victim.exists()


def test_a_file_that_another_user_could_have_written_is_not_read(node):
    file = node.root / "genie.prom"
    file.write_text("genie_calls_total 9\n")
    file.chmod(0o666)
    node.networks("a")
    (event,) = node.add(metrics_file=str(file)).events("call not counted")
    assert "others may write to it" in event["problem"]


def test_a_lock_that_is_kept_does_not_keep_a_call(node):
    import fcntl

    file = node.root / "genie.prom"
    node.networks("a")
    with open(f"{file}.lock", "w") as lock:
        os.chmod(f"{file}.lock", 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        reply = node.add(metrics_file=str(file))
    assert reply.result
    assert "not counted" in reply.events("call not counted")[0]["problem"]
    assert not file.exists()


def test_a_plugin_whose_name_is_not_ascii_is_counted(node):
    file = node.root / "genie.prom"
    node.network("a", "br\u00fccke")
    for container in ("c1", "c2"):
        assert node.add("a", env={"CNI_CONTAINERID": container}, metrics_file=str(file)).result
    assert read(file)["genie_plugin_seconds_count", "ADD", "a", "br\u00fccke"] == 2
