"""Pods that CNI-Genie attached, released by Genie with the real plugins: no lease, no link, no rule is left."""

import json
import shutil
from pathlib import Path

import pytest

from tests.system import audit, cni_genie

pytestmark = [pytest.mark.system]

FILES = {"blue": "10-blue.conf", "red": "20-red.conf", "green": "30-green.conf", "lan": "40-lan.conflist"}
ARGS = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0"


@pytest.fixture
def settled(node):
    """Fails when anything is left that was not there before."""
    bridge = {
        "type": "bridge",
        "bridge": "br1",
        "ipMasq": True,
        "isGateway": True,
        "ipam": node.ipam("10.4.0.0/16"),
    }
    chain = [bridge, {"type": "firewall", "backend": "iptables"}, {"type": "tuning", "mtu": 1400}]
    node.configure(FILES["lan"], {"cniVersion": "1.0.0", "name": "lan", "plugins": chain})
    node.add("blue,red,green,lan")
    node.delete()
    before = node.trace()
    caches = [folder for folder in (cni_genie.CNI_GENIE, cni_genie.MULTUS.parent) if not folder.exists()]
    yield before
    assert [*Path("/var/lib/cni/results").glob("*-c1-*")] == []
    for folder in caches:
        shutil.rmtree(folder, ignore_errors=True)
    for note in Path("/run/cni/tuning").glob("c1_*"):  # the plugin keeps it where the namespace is gone
        note.unlink()
    assert audit.left(node, before) == ""


@pytest.mark.parametrize(
    "cni, links",
    [
        ("blue,red@eth3", {"eth0", "eth3"}),
        ("red,blue@eth0,green", {"eth0", "eth1", "eth2"}),
        ("green,lan,red@storage", {"eth0", "eth1", "storage"}),
    ],
)
@pytest.mark.parametrize("source", ["runtime", "arguments"])
def test_with_the_pods_annotations(node, settled, cni, links, source):
    cni_genie.add(node, FILES, cni, args=ARGS)
    assert set(node.pod.links()) == links
    assert audit.difference(settled, node.trace()) != ""
    if source == "runtime":
        node.delete(annotations={"cni": cni})
    else:
        node.delete(env={"CNI_ARGS": f"{ARGS};K8S_ANNOT={json.dumps({'cni': cni})}"})


def forget_pod(node, settled):
    """The first pod's namespace does not exist any more."""
    name = node.pods.pop(0).name
    settled -= {line for line in settled if line.startswith(f"{name} ")}


def test_the_runtime_repeats_it(node, settled):
    cni_genie.add(node, FILES, "blue,red,green")
    for _ in range(3):
        node.delete(annotations={"cni": "blue,red,green"})


def test_the_namespace_is_gone(node, settled):
    """No lease keeps the addresses, and no firewall rule leads to them."""
    cni_genie.add(node, FILES, "blue,red,green")
    path = node.pod.path
    node.pod.remove()
    node.delete(netns=path, annotations={"cni": "blue,red,green"})
    forget_pod(node, settled)


def test_without_annotations_the_interfaces_say_how_many(node, settled):
    """`default_plugin` has one network, the pod two more of any."""
    cni_genie.add(node, FILES, "blue,green,red")
    node.delete()


def test_several_default_networks(node, settled):
    node.settings["default_plugin"] = "red,blue"
    cni_genie.add(node, FILES, "red,blue")
    node.delete()


def test_a_network_that_was_chosen_by_load(node, settled):
    cni_genie.add(node, FILES, "green")
    node.delete(annotations={"cni": ""})


def test_another_pod_keeps_what_it_has(node, settled):
    other = node.add_pod()
    kept = node.add("blue,red", "c2", netns=other.path)
    links = other.links()
    cni_genie.add(node, FILES, "red,blue")
    node.delete(annotations={"cni": "red,blue"})
    assert other.links() == links
    assert node.call("CHECK", "c2", netns=other.path, prevResult=kept).status == 0
    node.delete("c2", netns=other.path)
    node.pods.remove(other)
    other.remove()


@pytest.mark.parametrize("cni", ["blue,red,green", "red,blue"])
def test_libcnis_cache_is_enough(node, settled, cni):
    """Neither annotations nor interfaces have the networks."""
    cni_genie.add(node, FILES, cni)
    path = node.pod.path
    node.pod.remove()
    node.delete(netns=path)
    forget_pod(node, settled)


def test_without_anything_that_libcni_remembers(node, settled):
    cni_genie.add(node, FILES, "blue,red@eth3")
    shutil.rmtree("/var/lib/cni/results")
    node.delete(annotations={"cni": "blue,red@eth3"})


@pytest.mark.parametrize("namespace", ["there", "gone"])
def test_pods_of_multus_need_nothing_but_its_cache(node, settled, namespace):
    """Networks that only a NetworkAttachmentDefinition describes, which Genie never read."""
    cni_genie.add(node, FILES, "blue,lan@net1,green@storage", multus=True)
    files = {name: (node.conf / FILES[name]).read_bytes() for name in ("lan", "green")}
    for name in files:
        (node.conf / FILES[name]).unlink()
    path = node.pod.path
    if namespace == "gone":
        node.pod.remove()
        forget_pod(node, settled)
    node.delete(netns=path, annotations={"k8s.v1.cni.cncf.io/networks": "lan,green@storage"})
    assert [*cni_genie.MULTUS.iterdir()] == []
    for name, content in files.items():
        (node.conf / FILES[name]).write_bytes(content)
