"""Leases, cached results and network namespaces that no pod has any more (F94-F99)."""

import base64
import json
import shutil
import subprocess
import time

import pytest

from genie_core.findings import Severity
from tests.discover import nodes
from tests.discover.conftest import codes, the
from tests.netns import PREFIX


def lease(node, address, container, network="net"):
    path = nodes.write(node.ipam / network / address, f"{container}\r\neth0")
    age = time.time() - 3600
    import os

    os.utime(path, (age, age))


def cached(node, container, netns, name=None):
    document = {
        "kind": "cniCacheV1",
        "containerId": container,
        "ifName": "eth0",
        "networkName": "net",
        "netns": netns,
        "config": base64.b64encode(b'{"token":"s3cret"}').decode(),
        "result": {"cniVersion": "1.0.0", "ips": [{"address": "100.99.0.2/24"}]},
    }
    return nodes.write(node.cache / f"net-{name or container}-eth0", document)


@pytest.fixture
def namespace():
    """A named network namespace that lives as long as the test."""
    name = f"{PREFIX}-disc"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield f"/run/netns/{name}"
    subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.mark.root
def test_f94_leases_that_no_sandbox_has(node, namespace):
    node.configure("10-net.conflist", nodes.bridge())
    cached(node, "alive", namespace)
    lease(node, "100.99.0.2", "alive")
    for number in range(20, 61):
        lease(node, f"100.99.0.{number}", f"deadbeef{number}")
    finding = the(node.discover(), "GN1301")
    assert finding.severity is Severity.WARNING
    assert "41 of 253 addresses are leased to container IDs that no sandbox has" in finding.title


@pytest.mark.root
def test_f94_a_lease_of_the_last_minute_is_no_leak(node, namespace):
    node.configure("10-net.conflist", nodes.bridge())
    cached(node, "alive", namespace)
    nodes.write(node.ipam / "net" / "100.99.0.9", "on-its-way\r\neth0")
    assert codes(node.discover()) == []


def test_f94_is_skipped_where_the_containers_are_not_known(node):
    node.configure("10-net.conflist", nodes.bridge())
    lease(node, "100.99.0.9", "whoever")
    report = node.discover()
    assert codes(report) == []
    (check,) = [check for check in report.checks if check.id == "leases-leaked"]
    assert check.status == "skip"
    assert check.reason == "no container runtime answered"


@pytest.mark.parametrize("held,code", [(13, "GN1302"), (12, "GN1303"), (10, None)])
def test_f95_a_range_that_is_full_or_nearly(node, held, code):
    node.configure("10-net.conflist", nodes.bridge(subnet="100.99.0.0/28"))
    for number in range(2, 2 + held):
        lease(node, f"100.99.0.{number}", f"c{number}")
    report = node.discover()
    assert codes(report) == ([code] if code else [])
    if code == "GN1302":
        assert "13 of 13 addresses of 100.99.0.0/28 are leased" in report.findings[0].title
        assert report.findings[0].severity is Severity.FATAL


def dual(node, *second):
    """A network with a range set of one IPv4 address, and this other set."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": "100.99.0.0/30"}, *second[1:]], *second[:1]],
    }
    node.configure("10-net.conflist", nodes.bridge(ipam=ipam))
    lease(node, "100.99.0.2", "c1")


def test_a_pod_needs_an_address_of_each_range_set(node):
    """Free IPv6 addresses do not help where IPv4 is used up."""
    dual(node, [{"subnet": "fd99::/64"}])
    report = node.discover()
    assert codes(report) == ["GN1302"]
    (network,) = report.as_json()["networks"]
    assert network["free"] == 0
    assert [(item["subnets"], item["free"]) for item in network["sets"]] == [
        (["100.99.0.0/30"], 0),
        (["fd99::/64"], 2**64 - 2),
    ]


def test_the_ranges_of_one_set_stand_in_for_each_other(node):
    dual(node, [{"subnet": "fd99::/64"}], {"subnet": "100.99.1.0/28"})
    report = node.discover()
    assert codes(report) == []
    assert report.as_json()["networks"][0]["free"] == 13


@pytest.mark.root
def test_f94_the_runtime_s_own_directories_are_believed(node):
    node.configure("10-net.conflist", nodes.bridge())
    sandboxes = node.path / "sandboxes"
    (sandboxes / "alive").mkdir(parents=True)
    lease(node, "100.99.0.2", "alive")
    lease(node, "100.99.0.3", "dead")
    finding = the(node.discover(sandbox_dirs=(str(sandboxes),)), "GN1301")
    assert [fact.value for fact in finding.evidence] == ["dead eth0"]


@pytest.mark.root
def test_f98_a_cached_result_without_a_sandbox(node, namespace):
    node.configure("10-net.conflist", nodes.bridge())
    original = cached(node, "alive", namespace)
    shutil.copy(original, node.cache / "net-dead0000-eth0")
    cached(node, "gone", "/run/netns/cni-that-is-gone")
    report = node.discover()
    titles = [finding.title for finding in report.findings if finding.code == "GN1401"]
    assert len(titles) == 2
    assert any("net-dead0000-eth0" in title for title in titles)
    assert any("cni-that-is-gone is gone" in title for title in titles)
    assert "s3cret" not in json.dumps(report.as_json())


@pytest.mark.root
def test_f99_a_stale_namespace_is_named_with_the_veth_it_keeps(node):
    name, veth = f"cni-{PREFIX[2:]:0>8}-dead", f"{PREFIX}d"[:15]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        argv = ["ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", name]
        subprocess.run(argv, check=True)
        finding = the(node.discover(only="netns"), "GN1402")
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
    assert finding.severity is Severity.WARNING
    assert f"{name} has no process and no sandbox; it holds {veth}" in finding.title
