"""What the runtime attached by itself, from libcni's cache (conformance B57, B58, A81; lessons 5)."""

import json

import pytest

from genie_core.edges.libcni_cache import UnknownAttachment, direct_attachments


@pytest.fixture
def cache(tmp_path):
    def entry(network, container, ifname="eth0", file=None, **changes):
        data = {
            "kind": "cniCacheV1",
            "containerId": container,
            "ifName": ifname,
            "networkName": network,
            **changes,
        }
        (tmp_path / (file or f"{network}-{container}-{ifname}")).write_text(json.dumps(data))

    entry.directory = tmp_path
    return entry


def pairs(cache, network="blue"):
    return direct_attachments(network, str(cache.directory))


def test_the_networks_own_and_no_others(cache):
    cache("blue", "one")
    cache("blue", "two", "net1")
    cache("blue-green", "three")
    cache("red", "four")
    assert pairs(cache) == {("one", "eth0"), ("two", "net1")}
    assert pairs(cache, "blue-green") == {("three", "eth0")}


def test_no_cache(tmp_path):
    assert direct_attachments("blue", str(tmp_path / "none")) == set()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"networkName": "blue"}'])
def test_an_entry_that_cannot_be_read_may_be_anybodys(cache, text):
    (cache.directory / "blue-one-eth0").write_text(text)
    with pytest.raises(UnknownAttachment):
        pairs(cache)
    assert pairs(cache, "red") == set()


def test_an_entry_without_a_container(cache):
    cache("blue", 5)
    with pytest.raises(UnknownAttachment):
        pairs(cache)


def test_a_directory_that_cannot_be_read(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnknownAttachment):
        direct_attachments("blue", str(tmp_path / "file"))
