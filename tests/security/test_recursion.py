"""Genie never takes a delegate's configuration for its own: what it calls, and what that calls, carries a mark, and a
Genie called with the mark ends before it has read anything (conformance B15)."""

import json
import shutil

import pytest

from genie_core.spec.request import DELEGATE_MARK

MARKED = {DELEGATE_MARK: "1"}
VERBS = ["ADD", "CHECK", "GC", "STATUS", "NONSENSE"]


@pytest.fixture
def hostile(tmp_path):
    """A configuration for Genie by another author, and the directory where it would write and read."""
    place = tmp_path / "hostile"
    place.mkdir()
    return place, json.dumps(
        {
            "cniVersion": "1.1.0",
            "name": "n",
            "type": "bridge",
            "ipam": {"Type": "genie"},
            "log_file": str(place / "log"),
            "metrics_file": str(place / "metrics"),
            "state_dir": str(place / "state"),
            "conf_dirs": [str(place)],
            "prevResult": {"cniVersion": "1.1.0"},
        }
    )


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("stdin", ["", "{", "hostile"])
def test_a_marked_call_ends_before_anything_is_read(node, hostile, verb, stdin):
    place, config = hostile
    reply = node.call(verb, env=MARKED, stdin=(config if stdin == "hostile" else stdin).encode())
    document = reply.error(7)
    assert "the network leads back to Genie" in document["msg"]
    assert list(place.iterdir()) == []


def test_a_marked_del_does_nothing_and_keeps_no_pod_in_terminating(node, hostile):
    place, config = hostile
    node.networks("a")
    assert node.add().result
    assert node.delete(env=MARKED).is_silent_success
    assert node.delete(env=MARKED, stdin=config.encode()).is_silent_success
    assert node.delete(env=MARKED, stdin=b"{").events("nothing released")
    assert list(place.iterdir()) == []
    assert node.said() == ["ADD a@eth0"]
    assert len(node.states()) == 1


def test_a_marked_version_is_answered(node):
    assert "1.1.0" in node.call("VERSION", env=MARKED, stdin=b"").result["supportedVersions"]


@pytest.mark.parametrize("name", ["genie", "another-name"])
def test_a_delegate_that_calls_genie_gets_that_error_and_passes_it_on(node, hostile, installed, name):
    """As bridge does with its IPAM plugin: its own environment, and the configuration that it was given."""
    place, config = hostile
    file = place.parent / "given.json"
    file.write_text(config)
    binary = place.parent / name
    shutil.copy(installed.launcher, binary)
    node.networks("a")
    node.answer("ADD", "a", shell=f"{binary} <{file}; exit")
    node.answer("DEL", "a", shell=f"{binary} <{file}; exit")
    document = node.add("a").error(7)
    assert 'network "a" (eth0): plugin type="a" failed (add)' in document["msg"]
    assert "the network leads back to Genie" in document["msg"]
    assert list(place.iterdir()) == []
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]
    assert node.states() == []


@pytest.mark.parametrize("link", [True, False])
@pytest.mark.parametrize("key", ["type", "TYPE"])
def test_genie_under_another_name_is_no_ipam_plugin(node, installed, link, key):
    """It is refused before anything runs."""
    other = node.bin / "my-ipam"
    if link:
        other.symlink_to(installed.launcher)
    else:
        other.hardlink_to(installed.launcher)
    node.network("a", {"type": "a", "ipam": {key: "my-ipam"}})
    document = node.add("a").error(7)
    assert f"10-a.conflist: plugin my-ipam: {other} is Genie itself" in document["msg"]
    assert node.said() == []


def test_an_ipam_plugin_that_is_not_there_is_for_its_caller_to_miss(node):
    node.network("a", {"type": "a", "ipam": {"type": "nosuch"}, "x": {"type": "../x"}})
    assert node.add("a").result
