"""DEL of a pod that CNI-Genie or Multus attached: there is no state (conformance A68, D34)."""

import json
import signal

import pytest

from tests.netns import Namespace
from tests.patience import wait_until
from tests.plugin.cluster import NPWG
from tests.plugin.harness import ARGS


@pytest.fixture
def three(node):
    node.networks("a", "b", "c")
    return node


@pytest.fixture
def namespace():
    """Make a network namespace that has these interfaces; its path."""
    made = []

    def make(*names):
        made.append(Namespace())
        for name in names:
            made[0].run("ip", "link", "add", name, "type", "bridge")
        return str(made[0].path)

    yield make
    for one in made:
        one.remove()


@pytest.mark.parametrize(
    "annotation, released",
    [
        ("a,b@eth3", ["DEL b@eth3", "DEL a@eth0"]),
        ("a,b@eth0,c", ["DEL c@eth2", "DEL b@eth0", "DEL a@eth1"]),
        ("a@eth1,b,c", ["DEL c@eth2", "DEL b@eth0", "DEL a@eth1"]),
        (" a , a@storage ", ["DEL a@storage", "DEL a@eth0"]),
        ("c@net1", ["DEL c@net1"]),
    ],
)
def test_the_annotation_says_what_is_released_under_cni_genies_names(three, annotation, released):
    assert three.delete(annotations={"cni": annotation}).is_silent_success
    assert three.said() == released
    assert three.leftovers() == []


def test_the_first_interface_of_a_chain_is_left_to_its_own_plugin(three):
    """bridge reads from it whose masquerading it has to end; Genie's DEL comes before its own."""
    chain = [{"type": "bridge"}, {"type": "genie"}]
    three.file("00-genie.conflist", {"cniVersion": "1.1.0", "name": "genie", "plugins": chain})
    assert three.delete(annotations={}).is_silent_success
    assert three.said() == []
    assert three.delete(annotations={"cni": "a,b@eth3"}).is_silent_success
    assert three.said() == ["DEL b@eth3"]
    (three.state / "containers" / "cid1@eth0").write_text("{")
    assert three.delete().is_silent_success
    assert not [call for call in three.calls() if call.ifname == "eth0"]


def test_annotations_in_the_arguments(three):
    args = f"{ARGS};K8S_ANNOT={json.dumps({'cni': 'a,b'})}"
    assert three.delete(env={"CNI_ARGS": args}).is_silent_success
    assert three.said() == ["DEL b@eth1", "DEL a@eth0"]


def test_a_network_whose_file_is_gone_is_skipped_with_a_warning(three):
    reply = three.delete(annotations={"cni": "a,gone,c"})
    assert reply.is_silent_success
    assert three.said() == ["DEL c@eth2", "DEL a@eth0"]  # "gone" had eth1
    [event] = reply.events("no state; network not released")
    assert event["level"] == "warning"
    assert "gone" in event["problem"]


@pytest.mark.parametrize("annotations", [{"cni": "a,,b"}, {"cni": 7}, "x", {"cni": "a@x,a@x/y"}])
def test_annotations_that_cannot_be_read_fail_no_del(three, annotations):
    assert three.delete(annotations=annotations).is_silent_success


def test_a_plugin_that_fails_fails_no_del(three):
    three.fail("DEL")
    assert three.delete(annotations={"cni": "a,b"}).is_silent_success
    assert three.said() == ["DEL b@eth1", "DEL a@eth0"]


@pytest.mark.parametrize("annotations", [{}, {"cni": "a,b"}, {"cni": ""}, {"networks": "x"}])
def test_a_configuration_directory_that_cannot_be_read_fails_no_del(three, annotations):
    file = three.conf / "10-a.conflist"
    reply = three.delete(annotations=annotations, conf_dirs=[str(file)])
    assert reply.is_silent_success
    assert str(file) in reply.stderr


def test_a_del_that_is_stopped_did_not_succeed(three):
    three.answer("DEL", "b", sleep=300)
    running = three.start("DEL", annotations={"cni": "a,b"}).feed()
    wait_until(lambda: three.calls("DEL"))
    running.signal(signal.SIGTERM).wait().error(11)
    assert three.said() == ["DEL b@eth1", "DEL a@eth0"]


def test_the_api_server_is_not_asked(three, cluster):
    asked = cluster.asked()
    assert three.delete().is_silent_success
    assert three.delete(annotations={"networks": "x"}).is_silent_success
    assert three.delete(annotations={NPWG: "x"}).is_silent_success
    assert cluster.asked() == asked


def test_without_annotations_the_default_networks(three):
    assert three.delete(default_plugin="b,c").is_silent_success
    assert three.said() == ["DEL c@eth1", "DEL b@eth0"]


@pytest.mark.root
def test_an_interface_that_nothing_explains_can_be_of_any_network(three, namespace):
    netns = namespace("eth0", "eth1", "docker0")
    assert three.delete(env={"CNI_NETNS": netns}).is_silent_success
    assert three.said() == ["DEL c@eth1", "DEL b@eth1", "DEL a@eth1", "DEL a@eth0"]


@pytest.mark.root
def test_the_interfaces_of_network_attachments(three, namespace):
    """CNI-Genie called them eth1, Multus net1, or as the annotation asks."""
    netns = namespace("eth0", "eth1", "net2", "fast", "other")
    asked = json.dumps([{"name": "x", "interface": "fast"}, {"name": "y"}, {"name": "z"}])
    assert three.delete(env={"CNI_NETNS": netns}, annotations={NPWG: asked}).is_silent_success
    said = three.said()
    assert said[-1] == "DEL a@eth0"
    assert sorted(said[:-1]) == sorted(
        f"DEL {net}@{link}" for net in "abc" for link in ("eth1", "net2", "fast")
    )


@pytest.mark.parametrize("annotations", [{"cni": ""}, {"networks": "x"}])
def test_a_network_that_was_chosen_by_load_or_by_an_object_can_be_any_one(three, annotations):
    assert three.delete(annotations=annotations).is_silent_success
    assert sorted(three.said()) == ["DEL a@eth0", "DEL b@eth0", "DEL c@eth0"]


@pytest.mark.root
def test_nothing_else_of_a_pod_is_touched_that_goes_on_living(three, namespace):
    """A second attachment of the same container, and one that another dispatcher asked Genie for."""
    netns = namespace("eth0", "eth1")
    assert three.add("b", env={"CNI_NETNS": netns, "CNI_IFNAME": "net1"}).result
    three.forget_calls()
    assert three.delete(env={"CNI_NETNS": netns}).is_silent_success
    assert three.said() == ["DEL a@eth0"]
    three.forget_calls()
    for _ in range(2):
        assert three.delete(env={"CNI_NETNS": netns, "CNI_IFNAME": "net1"}).is_silent_success
    assert three.said() == ["DEL b@net1", "DEL a@net1"]
