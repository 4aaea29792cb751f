"""VERSION, and which cniVersion allows what (conformance A25-A32)."""

import os

import pytest

from tests.plugin.harness import VERSIONS

UNKNOWN = ["1.0", "v1.0.0", "1.2.0", "foo", "1.1.0\n", "01.1.0", " 1.0.0", "2.0.0", "0.5.0"]


def test_a25_version(node):
    reply = node.call("VERSION", stdin=b'{"cniVersion":"0.4.0"}')
    assert reply.result == {"cniVersion": "1.1.0", "supportedVersions": list(VERSIONS)}


def test_a26_version_needs_nothing(node):
    """No variables, no configuration, no rights; what it loads is counted in tests/core/test_startup.py."""
    wrap = ("setpriv", "--reuid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    nothing = dict.fromkeys(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH", "CNI_ARGS"))
    assert node.call("VERSION", env=nothing, stdin=b"", wrap=wrap).result["supportedVersions"]


@pytest.mark.parametrize("absent", [None, "", "null"])
def test_a27_a29_no_version_means_the_first(node, absent):
    """A29: null counts as absent."""
    node.network("a", version="0.3.1")
    stdin = node.stdin(annotations={}, cniVersion=absent).replace(
        b'"cniVersion": "null"', b'"cniVersion": null'
    )
    result = node.call("ADD", stdin=stdin).result
    assert result["cniVersion"] == "0.1.0"
    assert result["ip4"]["ip"] == "10.0.0.2/24"


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
@pytest.mark.parametrize("version", UNKNOWN)
def test_a28_unknown_versions(node, verb, version):
    node.network("a")
    document = node.call(verb, cniVersion=version).error(1)
    assert document["msg"] == "incompatible CNI versions"
    assert 'plugin supports ["0.1.0" "0.2.0"' in document["details"]
    assert node.said() == []


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL", "GC", "STATUS"])
@pytest.mark.parametrize("version", [1, 1.1, True, ["1.0.0"], {}])
def test_a29_a_version_is_a_string(node, verb, version):
    node.call(verb, cniVersion=version).error(6)


@pytest.mark.parametrize("verb", ["CHECK", "GC", "STATUS"])
@pytest.mark.parametrize("version", ["foo", "v1.0.0", "1.1.0-rc1", "1.1.0.0"])
def test_a29_no_version_at_all_where_versions_are_compared(node, verb, version):
    node.call(verb, cniVersion=version).error(6)


@pytest.mark.parametrize("verb", ["CHECK", "GC", "STATUS"])
@pytest.mark.parametrize("version", ["1.2.0", "10.0.0"])
def test_a28_a_version_of_the_future(node, verb, version):
    assert node.call(verb, cniVersion=version).error(1)["msg"] == "incompatible CNI versions"


@pytest.mark.parametrize("version", [*VERSIONS[:4], None])
def test_a30_check_came_with_0_4_0(node, version):
    assert node.check(cniVersion=version).error(1)["msg"] == "config version does not allow CHECK"


@pytest.mark.parametrize("verb", ["GC", "STATUS"])
@pytest.mark.parametrize("version", [*VERSIONS[:6], None])
def test_a31_gc_and_status_came_with_1_1_0(node, verb, version):
    document = node.call(verb, cniVersion=version).error(1)
    assert document["msg"] == f"config version does not allow {verb}"


@pytest.mark.parametrize("version", VERSIONS)
def test_a32_results_and_errors_are_in_the_configurations_version(node, version):
    node.networks("a")
    assert node.add(cniVersion=version).result["cniVersion"] == version
    assert node.delete(cniVersion=version).is_silent_success
    assert node.add("nobody", cniVersion=version).error(7)["cniVersion"] == version


@pytest.mark.parametrize("version", VERSIONS)
def test_d30_the_form_is_the_one_of_the_configuration_not_of_the_delegate(node, version):
    node.network("a", version="0.2.0")
    node.answer(
        "ADD", "a", stdout={"cniVersion": "0.2.0", "ip4": {"ip": "10.9.0.7/16", "gateway": "10.9.0.1"}}
    )
    result = node.add(cniVersion=version).result
    address = result["ip4"]["ip"] if version < "0.3" else result["ips"][0]["address"]
    assert address == "10.9.0.7/16"
    assert ("interfaces" in result) == (version >= "0.3")
