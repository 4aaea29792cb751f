"""Pods that ask for networks and were attached by whatever the runtime found instead of Genie (lessons 4)."""

import os
import subprocess

import pytest

from genie_core.checks import requested_networks, runner
from genie_core.checks.registry import NETWORK
from genie_core.dialects import ASKING, asked
from genie_core.findings import Severity, Status
from genie_core.net.case import Case
from genie_core.survey.facts import Cached, Facts, Files
from genie_core.survey.kernel import Link, Netns
from genie_core.survey.objects import lean
from genie_core.tasks.pods import read_pod
from tests.apiserver import API, APIServer
from tests.diagnose import world

ATTACHMENTS = "k8s.v1.cni.cncf.io/networks"
ETH0, NET1 = Link(index=2, name="eth0", kind="device"), Link(index=3, name="net1", kind="device")


def facts(annotations, links=(ETH0,), planned=(), others=(), **pod):
    mine = world.pod("web-0", "node1", "10.244.1.10", **pod)
    mine["metadata"]["annotations"] = annotations
    runtime = Cached(
        file="/var/lib/cni/results/podman-c1-eth0", network="podman", ifname="eth0", pod="shop/web-0"
    )
    return Facts(
        namespace="shop",
        pod_name="web-0",
        node_name="node1",
        netns_path="/run/netns/web-0",
        pod=Netns(links=links),
        pod_object=mine,
        objects=(mine, *others),
        files=Files(state_dir="/var/lib/cni/genie", cached=(runtime, *planned)),
    )


def found(*args, **more):
    return list(requested_networks.not_attached(Case(facts(*args, **more))))


@pytest.mark.parametrize(
    "annotations, links, severity, words",
    [
        ({"cni": "canal"}, (ETH0,), Severity.WARNING, 'cni: "canal"'),
        ({"cni": "a,b"}, (ETH0,), Severity.ERROR, "it has eth0, of 2 that it asked for"),
        ({"cni": "a,b"}, (ETH0, NET1), Severity.WARNING, "without Genie"),
        ({ATTACHMENTS: "far"}, (ETH0,), Severity.ERROR, "it has eth0, of 2 that it asked for"),
        ({"networks": "blue", "cni": " "}, (ETH0,), Severity.WARNING, 'networks: "blue"'),
        ({"cni": "a,,b"}, (ETH0,), Severity.ERROR, "item 2 is empty"),
    ],
)
def test_a_request_that_was_not_applied_is_reported(annotations, links, severity, words):
    (finding,) = found(annotations, links)
    assert (finding.code, finding.severity, words in finding.title) == ("GN0904", severity, True), (
        finding.title
    )
    assert "eth0 is of network podman" in finding.evidence[-1].value
    assert finding.remedy.commands[-1].argv == ("kubectl", "delete", "pod", "-n", "shop", "web-0")


def test_the_remedy_is_carried_out_by_the_real_kubectl(tmp_path):
    """The pod is deleted, and no other one; its controller makes it again, and the runtime calls Genie."""
    (finding,) = found({"cni": "canal"})
    kubeconfig = tmp_path / "kubeconfig"
    with APIServer(API(world.objects())) as server:
        server.write_kubeconfig(kubeconfig, user={})
        command = finding.remedy.commands[-1].argv
        env = os.environ | {"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, 'pod "web-0" deleted\n'), done.stderr
        deleted = [one.target for one in server.api.requests if one.method == "DELETE" and one.status == 200]
    assert deleted == ["/api/v1/namespaces/shop/pods/web-0"]


@pytest.mark.parametrize(
    "annotations, more",
    [
        ({}, {}),
        ({"cni": ""}, {}),
        ({"cni": "a"}, {"planned": [Cached(file="", pod="shop/web-0", planned=True)]}),
        ({"cni": "a"}, {"planned": [Cached(file="", netns="/run/netns/web-0", planned=True)]}),
        ({ATTACHMENTS: "far", "k8s.v1.cni.cncf.io/network-status": "[]"}, {}),
        ({ATTACHMENTS: "far", "k8s.v1.cni.cncf.io/networks-status": "[]"}, {}),
        ({ATTACHMENTS: "[]"}, {}),
        ({"cni": "a"}, {"phase": "Pending"}),
    ],
)
def test_what_was_carried_out_or_is_not_there_yet_is_none(annotations, more):
    assert found(annotations, **more) == []


def test_it_says_which_other_pods_of_the_node_were_hit():
    others = [
        world.pod("web-1", "node1", "10.244.1.11", cni="a"),
        world.pod("plain", "node1", "10.244.1.12"),
        world.pod("far", "node2", "10.244.2.11", cni="a"),
    ]
    (finding,) = found({"cni": "a"}, others=others)
    assert finding.affects == ("shop/web-1",)


def test_of_the_node_all_are_named():
    of_node = facts({"cni": "a"}, others=[world.pod("web-1", "node1", "10.244.1.11", cni="a")])
    model = Case(Facts(node_name="node1", objects=of_node.objects, files=of_node.files))
    (finding,) = requested_networks.not_attached(model)
    assert (finding.affects, finding.object.kind) == (("shop/web-0", "shop/web-1"), "node")


def test_without_a_look_at_the_state_it_is_skipped():
    model = Case(Facts(missing={"state": "/var/lib/cni/genie may not be read: run as root"}))
    _, (check,) = runner.run(model, [c for c in NETWORK if c.run is requested_networks.not_attached])
    assert (check.status, "run as root" in check.reason) == (Status.SKIP, True)


@pytest.mark.parametrize("key", ASKING)
def test_every_annotation_that_asks_for_networks_is_kept_and_considered(key):
    """By `debug`, by `dry-run --pod` and by `explain pod`: a key in one list and not in the other would be lost."""
    pod = {"kind": "Pod", "metadata": {"name": "a", "annotations": {key: "blue", "x": "y"}}, "spec": {}}
    assert lean(pod)["metadata"]["annotations"] == {key: "blue"}
    assert read_pod(pod).annotations == {key: "blue"}
    assert asked({key: "blue", "x": "y"}) == {key: "blue"}
