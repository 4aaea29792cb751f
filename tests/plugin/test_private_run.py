"""What is read and written outside the state directory: devices (C54) and the runtime's own attachments (A81).

Each call runs in a mount namespace of its own, where /run and /var/lib are empty, so the machine's stay as they are.
"""

import json

import pytest

from tests.plugin.cluster import NPWG
from tests.plugin.test_devices import RESOURCE, VF, Kubelet, definition

pytestmark = pytest.mark.root

DEVICES = "run/k8s.cni.cncf.io/devinfo/cni"
DEVICE = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": "0000:03:02.0"}}


@pytest.fixture
def private(node, tmp_path):
    """A node whose calls see other folders at /run and /var/lib/cni; `wrap` starts them so."""
    for name in ("run", "cni"):
        (tmp_path / "private" / name).mkdir(parents=True)
    home = tmp_path / "private"
    script = f"mkdir -p /var/lib/cni && mount --bind {home}/run /run && mount --bind {home}/cni /var/lib/cni"
    node.wrap = [
        "/usr/bin/unshare",
        "--mount",
        "/bin/sh",
        "-ec",
        f'export PATH=/usr/bin:/bin; mount -t tmpfs t /var/lib; {script}; exec "$@"',
        "sh",
    ]
    node.private = home
    return node


def call(node, verb, **options):
    return node.call(verb, wrap=node.wrap, **options)


@pytest.fixture
def device(private, cluster):
    """A network whose plugin describes its device, and one whose plugin does not."""
    private.networks("a")
    cluster.nad("device", [{"type": "x", "capabilities": {"CNIDeviceInfoFile": True}}])
    cluster.nad("plain", ["y"])
    folder = private.private / DEVICES
    name = "ns-device-cid1_net1"
    body = json.dumps(DEVICE)
    private.answer("ADD", "x", shell=f"mkdir -p /{DEVICES}; echo '{body}' >/{DEVICES}/{name}; echo '{{}}'")
    return folder / name


def test_c54_the_device_in_the_status_and_its_file_gone_after_del(private, cluster, device):
    assert call(private, "ADD", annotations={NPWG: "device,plain"}).result
    assert [entry.get("device-info") for entry in cluster.status()] == [None, DEVICE, None]
    given = [step.config.get("runtimeConfig") for step in private.calls("ADD")]
    assert given == [
        None,
        {"CNIDeviceInfoFile": "/var/run/k8s.cni.cncf.io/devinfo/cni/ns-device-cid1_net1"},
        None,
    ]
    assert device.exists()
    assert call(private, "DEL").is_silent_success
    assert not device.exists()


def test_c54_what_the_device_plugin_has_written_of_the_device(private, cluster):
    """Its file is copied for the network's plugins; it is in the status also where none of them reads it."""
    private.networks("a")
    private.install("x", "y")
    cluster.add(definition("device", {"cniVersion": "1.0.0", "type": "x"}))
    kubelet = Kubelet(private.private / "cni/kubelet")
    kubelet.allocate(("u1", "c", RESOURCE, {"-1": VF[:2]}))
    folder = private.private / DEVICES
    (folder.parent / "dp").mkdir(parents=True)
    (folder.parent / f"dp/intel.com-sriov-{VF[0]}-device.json").write_text(json.dumps(DEVICE))
    where = {"kubelet_dir": "/var/lib/cni/kubelet"}
    assert call(private, "ADD", annotations={NPWG: "device,device"}, **where).result
    assert [entry.get("device-info") for entry in cluster.status()] == [None, DEVICE, None]
    assert "runtimeConfig" not in private.calls("ADD")[1].config
    assert [path.name for path in folder.iterdir()] == ["ns-device-cid1_net1"]
    assert call(private, "DEL").is_silent_success
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_c54_an_unreadable_description_counts_as_absent(private, cluster, device, content):
    private.answer(
        "ADD", "x", shell=f"mkdir -p /{DEVICES}; printf '{content}' >/{DEVICES}/{device.name}; echo '{{}}'"
    )
    assert call(private, "ADD", annotations={NPWG: "device"}).result
    assert [entry.get("device-info") for entry in cluster.status()] == [None, None]
    assert call(private, "DEL").is_silent_success
    assert not device.exists()


def test_c54_a_failed_add_leaves_no_description(private, cluster, device):
    private.fail("ADD", "y")
    assert call(private, "ADD", annotations={NPWG: "device,plain"}).error(7)
    assert not device.exists()


# --- GC of a network that the runtime uses by itself, too


def collected(node):
    (gc,) = node.calls("GC")
    return {(item["containerID"], item["ifname"]) for item in gc.config["cni.dev/valid-attachments"]}


def cache(node, name, text=None, **fields):
    folder = node.private / "cni" / "results"
    folder.mkdir(exist_ok=True)
    entry = {"kind": "cniCacheV1", "networkName": "a", "containerId": "direct", "ifName": "eth0", **fields}
    (folder / name).write_text(json.dumps(entry) if text is None else text)


def test_a81_what_the_runtime_attached_by_itself_is_kept(private):
    private.network("a", version="1.1.0")
    cache(private, "a-direct-eth0")
    cache(private, "genie-cid1-eth0", networkName="genie", containerId="cid1")
    assert call(private, "ADD", annotations={}).result
    valid = [{"containerID": "cid1", "ifname": "eth0"}]
    assert call(private, "GC", **{"cni.dev/valid-attachments": valid}).is_silent_success
    assert collected(private) == {("cid1", "eth0"), ("direct", "eth0")}


def test_a81_an_unknown_network_is_not_collected(private):
    private.network("a", version="1.1.0")
    cache(private, "a-direct-eth0", text="{")
    reply = call(private, "GC", **{"cni.dev/valid-attachments": []})
    assert reply.is_silent_success
    assert reply.events("network not collected")
    assert private.calls("GC") == []


def test_a81_a_network_that_just_lost_its_last_pod_is_collected_too(private, cluster):
    private.network("a", version="1.0.0")
    cluster.nad("net", {"cniVersion": "1.1.0", "type": "x"})
    assert call(private, "ADD", annotations={NPWG: "net"}).result
    private.forget_calls()
    assert call(private, "GC", **{"cni.dev/valid-attachments": []}).is_silent_success
    assert private.said() == ["DEL x@net1", "DEL a@eth0", "GC x@"]
    assert collected(private) == set()
