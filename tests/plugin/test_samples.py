"""The samples of CNI-Genie and of the standard work as they are (D02, D03, D19-D21, D26, C01-C11, C33-C35)."""

import json

import pytest

from tests import manifests
from tests.plugin.cluster import NPWG, PREFERENCES

PODS = {item["metadata"]["name"]: item for item in manifests.samples() if item["kind"] == "Pod"}
# What each pod gets: the delegates' interfaces, in order.
EXPECTED = {
    "without-cni": ["weave-net@eth0"],
    "with-weave": ["weave-net@eth0"],
    "multi-ip": ["canal@eth0", "flannel@eth1", "weave-net@eth2"],
    "with-ifname": ["flannel@eth0", "weave-net@eth4", "flannel@eth3"],
    "single-network": ["weave-net@eth0"],
    "multi-networks": [],
    "attachments-by-name": ["canal@eth0", "flannel@eth1", "weave-net@eth5", "portmap@eth5"],
    "attachments-by-json": ["canal@eth0", "flannel@eth1", "weave-net@eth5", "portmap@eth5"],
    "standard-short": ["canal@eth0", "macvlan@net1", "macvlan@net2"],
    "standard-json": ["canal@eth0", "macvlan@net1"],
}
# Flannel adds its own range to a subnet that is set: with CNI-Genie the pod got two addresses, one from each.
REFUSED = "multi-networks"


@pytest.fixture
def node(node, cluster):
    node.network("canal", "canal", file="05-canal.conflist")
    node.network("flannel", {"type": "flannel", "delegate": {"isDefaultGateway": True}})
    node.network("weave", {"type": "weave-net", "ipam": {"type": "weave-ipam", "subnet": "10.32.0.0/12"}})
    node.install("portmap", "macvlan")
    for item in manifests.samples():
        cluster.add({**item, "metadata": {"namespace": "default", "uid": "u1", **item["metadata"]}})
    return node


def add(node, name):
    args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={name};K8S_POD_UID=u1"
    return node.call("ADD", env={"CNI_ARGS": args}, smart_selection={"candidates": ["canal", "weave"]})


def test_every_pod_is_expected():
    assert set(EXPECTED) == set(PODS)


@pytest.mark.parametrize("name", [name for name in PODS if name not in ("standard-json", REFUSED)])
def test_the_networks_of_each_pod(node, cluster, name):
    reply = add(node, name)
    assert reply.result
    assert [said.removeprefix("ADD ") for said in node.said()] == EXPECTED[name]
    assert node.check().is_silent_success
    assert node.delete().is_silent_success
    assert [left for left in node.leftovers() if not left.startswith("objects/")] == []
    written = cluster.annotations(name, "default")
    annotations = PODS[name]["metadata"]["annotations"]
    if NPWG in annotations:
        names = [entry["name"] for entry in cluster.status(name=name, namespace="default")]
        assert names[0] == "canal"
    elif len(EXPECTED[name]) > 1:
        assert json.loads(written[PREFERENCES])["multi_entry"] == len(EXPECTED[name])


def test_d21_the_subnet_of_a_logical_network(node):
    assert add(node, "single-network").result
    (weave,) = node.calls("ADD")
    assert weave.config["ipam"] == {"type": "weave-ipam", "subnet": "10.32.0.0/24"}


def test_a_logical_network_on_flannel_is_refused_before_anything_runs(node):
    error = add(node, REFUSED).error(7)
    assert "network flannel cannot have the subnet 10.244.0.0/24" in error["msg"]
    assert node.said() == []


def test_c35_the_list_has_the_objects_name(node):
    assert add(node, "attachments-by-name").result
    assert [call.config["name"] for call in node.calls("ADD")] == ["canal", "flannel", "weavenet", "weavenet"]
    assert [call.config["cniVersion"] for call in node.calls("ADD")][-1] == "0.3.0"


def test_standard_json_asks_for_an_address_and_a_mac(node):
    """Its default route needs a real namespace, so the ADD fails after the plugins have got their configuration."""
    reply = add(node, "standard-json")
    assert reply.status == 1
    (macvlan,) = [call for call in node.calls("ADD") if call.type == "macvlan"]
    assert macvlan.config["runtimeConfig"] == {"ips": ["192.168.1.205/24"], "mac": "c2:b0:57:49:47:f1"}
    assert node.said("DEL") == ["DEL macvlan@net1", "DEL canal@eth0"]
