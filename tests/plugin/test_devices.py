"""Devices that kubelet has allocated to a pod, for networks whose definition names a resource (C24, C54)."""

import json

import pytest

from tests.manifests import nad
from tests.plugin.cluster import NPWG

RESOURCE = "intel.com/sriov"
VF = [f"0000:03:02.{number}" for number in range(4)]
CHAIN = {
    "cniVersion": "1.0.0",
    "plugins": [{"type": "x"}, {"type": "y", "capabilities": {"deviceID": True}}],
}


class Kubelet:
    """Kubelet's directory."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "device-plugins").mkdir(parents=True)
        self.checkpoint = folder / "device-plugins/kubelet_internal_checkpoint"

    def allocate(self, *entries):
        """(pod UID, container, resource, device IDs), as kubelet's device manager writes them."""
        keys = ("PodUID", "ContainerName", "ResourceName", "DeviceIDs")
        found = [dict(zip(keys, entry, strict=True)) | {"AllocResp": "CgA="} for entry in entries]
        data = {"PodDeviceEntries": found, "RegisteredDevices": {RESOURCE: VF}}
        self.checkpoint.write_text(json.dumps({"Data": data, "Checksum": 1906577937}))

    def claim(self, *claims):
        """Claims as kubelet's DRA manager writes them: JSON inside JSON."""
        data = {
            "kind": "DRACheckpoint",
            "apiVersion": "checkpoint.dra.kubelet.k8s.io/v1",
            "ClaimInfoStateList": claims,
        }
        (self.folder / "dra_manager_state").write_text(json.dumps({"Data": json.dumps(data), "Checksum": 1}))


def definition(name="vf", config=None, resource=RESOURCE):
    manifest = nad(name, CHAIN if config is None else config)
    manifest["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/resourceName": resource}
    return manifest


@pytest.fixture
def kubelet(node, cluster, tmp_path):
    """A node with a default network, a cluster with the definition `vf`, and kubelet's directory."""
    node.networks("a")
    node.install("x", "y")
    cluster.add(definition())
    kubelet = Kubelet(tmp_path / "kubelet")
    node.config["kubelet_dir"] = str(kubelet.folder)
    return kubelet


def add(node, value):
    text = value if isinstance(value, str) else json.dumps(value)
    return node.call("ADD", annotations={NPWG: text})


def devices(node, verb="ADD", type_="x"):
    calls = [call.config for call in node.calls(verb) if call.type == type_]
    assert all(config.get("deviceID") == config.get("pciBusID") for config in calls)
    return [config.get("deviceID") for config in calls]


@pytest.mark.parametrize(
    "ids", [{"-1": [VF[1]]}, {"0": [VF[1]]}, [VF[1]]], ids=["no NUMA", "NUMA", "before 1.20"]
)
def test_the_allocated_device_where_the_standard_puts_it(node, kubelet, ids):
    other = ("another", "c", RESOURCE, {"-1": [VF[0]]})
    kubelet.allocate(other, ("u1", "c", "example.com/gpu", {"-1": ["g0"]}), ("u1", "c", RESOURCE, ids))
    assert add(node, "vf").result
    x, y = (call for call in node.calls("ADD") if call.type in "xy")
    assert (x.config["deviceID"], x.config["pciBusID"]) == (VF[1], VF[1])
    assert "runtimeConfig" not in x.config
    assert (y.config["deviceID"], y.config["pciBusID"]) == (VF[1], VF[1])
    assert y.config["runtimeConfig"] == {"deviceID": VF[1]}
    assert devices(node, type_="a") == [None]


def test_each_device_once_in_order_over_the_pods_networks(node, kubelet, cluster):
    """An init container shares its devices with the containers after it."""
    cluster.add(definition("other", resource="example.com/other"))
    kubelet.allocate(
        ("u1", "init", RESOURCE, {"0": [VF[2]]}),
        ("u1", "c", RESOURCE, {"10": [VF[3]], "0": [VF[2]], "1": [VF[0]]}),
        ("u1", "c", "example.com/other", {"-1": ["0000:05:00.1"]}),
    )
    assert add(node, "vf,other,vf@my0,vf").result
    assert devices(node) == [VF[2], "0000:05:00.1", VF[0], VF[3]]


def test_del_has_the_device_of_the_add_whatever_kubelet_says_by_then(node, kubelet):
    kubelet.allocate(("u1", "c", RESOURCE, {"-1": [VF[1]]}))
    assert add(node, "vf").result
    kubelet.checkpoint.unlink()
    assert node.check().is_silent_success
    assert node.delete().is_silent_success
    assert devices(node, "CHECK") == devices(node, "DEL") == [VF[1]]


def test_none_allocated_is_a_clear_error_before_anything_runs(node, kubelet):
    kubelet.allocate(("another", "c", RESOURCE, {"-1": [VF[0]]}))
    error = add(node, "vf").error(7)
    assert error["msg"] == (
        'annotation k8s.v1.cni.cncf.io/networks, item 1 ("vf"): NetworkAttachmentDefinition ns/vf takes a device of '
        f"resource {RESOURCE}, and kubelet has allocated none of it to pod ns/p (UID u1)"
    )
    assert f"resources.limits, {RESOURCE}: 1" in error["details"]
    assert node.said() == []
    assert node.states() == []


def test_fewer_devices_than_networks(node, kubelet):
    kubelet.allocate(("u1", "c", RESOURCE, {"-1": [VF[0]]}))
    error = add(node, "vf,vf").error(7)
    assert 'item 2 ("vf")' in error["msg"]
    assert "there is none left of the 1 that kubelet has allocated to pod ns/p (UID u1)" in error["msg"]
    assert node.said() == []


def test_a_pods_own_device_must_be_one_that_kubelet_gave_it(node, kubelet):
    kubelet.allocate(("u1", "c", RESOURCE, {"-1": VF[:2]}), ("another", "c", RESOURCE, {"-1": VF[2:]}))
    error = add(node, [{"name": "vf", "deviceID": VF[2]}]).error(7)
    assert f"'{VF[2]}' is not among the 2 that kubelet has allocated" in error["msg"]
    assert add(node, [{"name": "vf", "deviceID": VF[1]}, {"name": "vf"}]).result
    assert devices(node) == [VF[1], VF[0]]


def test_a_device_of_the_definition_stays_where_kubelet_gave_none(node, kubelet, cluster):
    """As definitions were written by hand while the annotation was not read; what kubelet gave wins."""
    chain = {"cniVersion": "1.0.0", "plugins": [{"type": "x", "pciBusId": "0000:0a:00.0"}]}
    cluster.add(definition("own", chain))
    assert add(node, "own").result  # also without a checkpoint
    (call,) = (call for call in node.calls("ADD") if call.type == "x")
    assert call.config["pciBusId"] == "0000:0a:00.0"
    assert "deviceID" not in call.config
    assert node.delete().is_silent_success
    node.forget_calls()
    kubelet.allocate(("u1", "c", RESOURCE, {"-1": [VF[0]]}))
    assert add(node, "own").result
    assert devices(node) == [VF[0]]


def test_a_default_network_takes_a_device_too(node, kubelet):
    kubelet.allocate(("u1", "c", RESOURCE, {"-1": [VF[0]]}))
    assert node.call("ADD", annotations={"v1.multus-cni.io/default-network": "ns/vf"}).result
    assert devices(node) == [VF[0]]


@pytest.mark.parametrize(
    "text, says",
    [
        (None, "device-plugins/kubelet_internal_checkpoint does not exist"),
        ("{", "is not what kubelet writes"),
        ("[]", "is not what kubelet writes: an object was expected"),
        (
            '{"Data": {"PodDeviceEntries": 3}}',
            "is not what kubelet writes: Data.PodDeviceEntries must be an array",
        ),
        (
            '{"Data": {"PodDeviceEntries": [{"PodUID": "u1", "ResourceName": "r", "DeviceIDs": {"x": ["a"]}}]}}',
            "is not what kubelet writes",
        ),
        (
            '{"Data": {"PodDeviceEntries": [{"PodUID": "u1", "ResourceName": "r", "DeviceIDs": [7]}]}}',
            "is not what kubelet writes: DeviceIDs[0] must be a string",
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_named(node, kubelet, text, says):
    if text is not None:
        kubelet.checkpoint.write_text(text)
    error = add(node, "vf").error(7)
    assert says in error["msg"]
    assert str(kubelet.folder) in error["msg"]
    assert f"NetworkAttachmentDefinition ns/vf takes a device of resource {RESOURCE}" in error["msg"]
    assert node.said() == []


def test_a_device_that_could_leave_its_directory_is_refused(node, kubelet):
    kubelet.allocate(("u1", "c", RESOURCE, {"-1": ["../../etc"]}))
    assert "cannot be a device's name" in add(node, "vf").error(7)["msg"]
    assert node.said() == []


def test_a_runtime_that_does_not_say_the_pods_uid(node, kubelet):
    kubelet.allocate(("u1", "c", RESOURCE, {"-1": [VF[0]]}))
    args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p"
    reply = node.call("ADD", annotations={NPWG: "vf"}, env={"CNI_ARGS": args})
    assert "the runtime does not say its UID" in reply.error(7)["msg"]


def test_other_pods_read_nothing_of_kubelets(node, kubelet, cluster):
    """A checkpoint that would fail the call if it were read."""
    kubelet.checkpoint.write_text("{")
    cluster.nad("plain", ["x"])
    assert add(node, "plain").result


def test_the_copy_of_a_definition_knows_its_resource(node, kubelet, cluster):
    kubelet.allocate(("u1", "c", RESOURCE, {"-1": [VF[0]]}))
    assert add(node, "vf").result
    assert node.delete().is_silent_success
    node.forget_calls()
    cluster.close()
    node.config["api_timeout_seconds"] = 0.3
    assert add(node, "vf").events("API server away, last good copy used")
    assert devices(node) == [VF[0]]


@pytest.mark.parametrize("resource", ["nic-claim", "nic-claim/vf"])
def test_a_device_of_a_claim(node, kubelet, cluster, resource):
    cluster.add(definition("dra", resource=resource))
    device = {
        "PoolName": "n1",
        "DeviceName": "vf-0",
        "RequestNames": ["vf"],
        "CDIDeviceIDs": [f"k8s.io/nic={VF[2]}"],
    }
    plain = {"PoolName": "n1", "DeviceName": "vf-1", "RequestNames": ["vf"]}
    state = {"DriverState": {"nic.example.com": {"Devices": [device, plain]}}, "Namespace": "ns"}
    kubelet.claim(
        {"ClaimName": "other", "PodUIDs": {"u1": {}}, "DriverState": {}},
        {"ClaimName": "nic-claim", "PodUIDs": {"u1": {}}, **state},
        {"ClaimName": "nic-claim", "PodUIDs": {"another": {}}, **state},
    )
    assert add(node, "dra,dra").result
    assert devices(node) == [VF[2], "vf-1"]
