"""What the runtime attached by itself, from libcni's cache (conformance B57, B58, A81; lessons 5)."""

import json

import pytest

from genie_core.edges.libcni_cache import UnknownAttachment, direct_attachments, entries_of


class Cache:
    """A cache directory."""

    def __init__(self, directory):
        self.directory = directory

    def add(self, network, container, ifname="eth0"):
        entry = {"kind": "cniCacheV1", "containerId": container, "ifName": ifname, "networkName": network}
        entry |= {"config": "e30=", "result": {}}
        (self.directory / f"{network}-{container}-{ifname}").write_text(json.dumps(entry))


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path)


def pairs(cache, network="blue"):
    return direct_attachments(network, str(cache.directory))


def test_the_networks_own_and_no_others(cache):
    cache.add("blue", "one")
    cache.add("blue", "two", "net1")
    cache.add("blue-green", "three")
    cache.add("red", "four")
    assert pairs(cache) == {("one", "eth0"), ("two", "net1")}
    assert pairs(cache, "blue-green") == {("three", "eth0")}


def test_no_cache(tmp_path):
    assert direct_attachments("blue", str(tmp_path / "none")) == set()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"networkName": "blue"}'])
def test_an_entry_that_cannot_be_read_may_be_any_containers(cache, text):
    (cache.directory / "blue-one-eth0").write_text(text)
    with pytest.raises(UnknownAttachment):
        pairs(cache)
    assert pairs(cache, "red") == set()


def test_an_entry_without_a_container(cache):
    cache.add("blue", 5)
    with pytest.raises(UnknownAttachment):
        pairs(cache)


def test_a_directory_that_cannot_be_read(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnknownAttachment):
        direct_attachments("blue", str(tmp_path / "file"))


def test_the_entries_of_a_container_are_no_others(cache):
    """A DEL of `a` would release, and forget, what `a-b` and `c-a` have."""
    cache.add("blue", "a")
    cache.add("red", "a", "net1")
    cache.add("blue", "a-b")
    cache.add("blue", "c-a")
    found = entries_of("a", [str(cache.directory)])
    assert [(entry.network, entry.ifname, entry.config) for entry in found] == [
        ("blue", "eth0", "{}"),
        ("red", "net1", "{}"),
    ]
