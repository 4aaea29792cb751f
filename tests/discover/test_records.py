"""Genie's state beside the runtime's sandboxes and host-local's leases: which of it is left over."""

import json
import os
import subprocess
import time

import pytest

from genie_core.edges.store import Store, boot_id
from genie_core.findings import Severity
from genie_core.model import Attachment, NetConf, Plan, PluginConf, PodRef
from genie_core.survey.rootfs import Root
from genie_core.survey.stores import read_stores
from tests.discover import nodes
from tests.discover.conftest import codes, the

pytestmark = pytest.mark.root

GONE, LIVING, NEW = "gone", "alive", "new"


def record(node, container, *, label="net", network="net", subnet="100.99.0.0/24", age=3600.0, netns=""):
    """A container in Genie's state, with one attachment of host-local."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": subnet}]]}
    plugin = PluginConf("bridge", json.dumps({"type": "bridge", "ipam": ipam}))
    conf = NetConf(network, "1.0.0", [plugin], "where")
    plan = Plan(
        container,
        "eth0",
        netns or f"/run/netns/none-{container}",
        ["/bin"],
        PodRef("shop", container),
        boot_id(),
        [Attachment(conf, "eth0", label)],
    )
    store = Store(str(node.state))
    store.prepare()
    store.save(plan)
    old(node.state / "containers" / f"{container}@eth0", age)


def lease(node, address, container, network="net", age=3600.0):
    old(nodes.write(node.ipam / network / address, f"{container}\r\neth0"), age)


def old(path, age):
    when = time.time() - age
    os.utime(path, (when, when))


@pytest.fixture
def sandboxes(node):
    """A runtime's directory of sandboxes, which has the living container only."""
    directory = node.path / "sandboxes"
    (directory / LIVING).mkdir(parents=True)
    return (str(directory),)


def test_a_record_without_a_sandbox_is_reported_and_its_leases_are_leaked(node, sandboxes):
    node.configure("10-net.conflist", nodes.bridge())
    for number, container in enumerate((LIVING, GONE), 2):
        record(node, container)
        lease(node, f"100.99.0.{number}", container)
    report = node.discover(sandbox_dirs=sandboxes)
    finding = the(report, "GN1613")
    assert finding.severity is Severity.WARNING
    assert finding.title.startswith("1 container in Genie's state without a sandbox")
    assert "pod shop/gone" in finding.evidence[0].value
    assert [fact.value for fact in the(report, "GN1301").evidence] == ["gone eth0"]
    (network,) = report.as_json()["networks"]
    assert [item["leaked"] for item in network["leases"]] == [False, True]


def test_a_container_that_starts_or_runs_is_not_reported(node, sandboxes):
    """The runtime lists a sandbox after its network was made; other programs' containers are in no list of it."""
    node.configure("10-net.conflist", nodes.bridge())
    record(node, NEW, age=1)
    record(node, "nerdctl", netns=f"/proc/{os.getpid()}/ns/net")
    lease(node, "100.99.0.2", NEW, age=1)
    lease(node, "100.99.0.3", "nerdctl")
    assert codes(node.discover(sandbox_dirs=sandboxes)) == []


def test_without_a_runtime_the_namespace_decides(node):
    node.configure("10-net.conflist", nodes.bridge())
    record(node, LIVING, netns=f"/proc/{os.getpid()}/ns/net")
    record(node, GONE)
    assert "pod shop/gone" in the(node.discover(), "GN1613").evidence[0].value


@pytest.mark.parametrize("label", ["shop/orders", "shop/storage"])
def test_leases_of_networks_from_the_api_server_are_no_leftovers(node, sandboxes, label):
    """A logical network's subnet is not the file's; an attachment's network is in no file at all."""
    network = "net" if label == "shop/orders" else "storage"
    node.configure("10-net.conflist", nodes.bridge())
    record(node, LIVING, label=label, network=network, subnet="100.77.0.0/24")
    lease(node, "100.77.0.9", LIVING, network=network)
    assert codes(node.discover(sandbox_dirs=sandboxes)) == []


def test_a_file_whose_subnet_changed_while_pods_ran_is_reported(node, sandboxes):
    node.configure("10-net.conflist", nodes.bridge())
    record(node, LIVING, subnet="100.77.0.0/24")
    lease(node, "100.77.0.9", LIVING)
    assert codes(node.discover(sandbox_dirs=sandboxes)) == ["GN1304"]


def test_leases_of_a_network_without_a_file_are_reported(node, sandboxes):
    node.configure("10-net.conflist", nodes.bridge())
    lease(node, "100.77.0.9", LIVING, network="old")
    assert codes(node.discover(sandbox_dirs=sandboxes)) == ["GN1305"]


def namespace_of_runtime(number):
    return f"cni-{number:08x}-0000-4000-8000-{os.getpid():012x}"


@pytest.fixture
def empty_namespace():
    """A namespace as a runtime makes it, in which no process is."""
    name = namespace_of_runtime(1)
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield f"/run/netns/{name}"
    subprocess.run(["ip", "netns", "delete", name], check=True)


def test_the_namespace_of_a_pod_on_its_way_is_not_stale(node, sandboxes, empty_namespace):
    """kubelet repeats a failed ADD once a second, and the runtime lists a sandbox after its ADD only."""
    record(node, NEW, netns=empty_namespace, age=1)
    assert codes(node.discover(sandbox_dirs=sandboxes, only="netns-stale")) == []


def test_a_namespace_that_nothing_uses_is_left_to_gc(node, sandboxes, empty_namespace):
    finding = the(node.discover(sandbox_dirs=sandboxes, only="netns-stale"), "GN1402")
    assert [command.argv for command in finding.remedy.commands] == [("genie", "gc", "--dry-run")]
    assert "ago" in finding.evidence[0].value


def test_many_cached_results_of_gone_containers_are_one_finding(node, sandboxes):
    for number in range(19):
        document = {
            "kind": "cniCacheV1",
            "containerId": f"c{number}",
            "ifName": "lo",
            "networkName": "cni-loopback",
        }
        result = {"cniVersion": "1.0.0", "ips": [{"address": "127.0.0.1/8"}]}
        nodes.write(node.cache / f"cni-loopback-c{number}-lo", document | {"result": result})
    finding = the(node.discover(sandbox_dirs=sandboxes), "GN1401")
    assert finding.title == "19 cached results have no sandbox: their containers are gone"
    assert len(finding.evidence) == 5


def test_directories_that_take_nothing(tmp_path):
    """A missing directory is made by ADD, in the nearest one that is there."""
    (tmp_path / "cni/blue/lock").mkdir(parents=True)
    (tmp_path / "cni/green").write_text("")
    (tmp_path / "cni/red").mkdir()
    places = [(f"/cni/{name}", "leases") for name in ("blue", "green", "red", "new/deep")]
    found = read_stores(places, Root(str(tmp_path)))
    assert {(store.path, store.problem) for store in found} == {
        ("/cni/blue", "its file `lock` is a directory"),
        ("/cni/green", "it is not a directory"),
    }
