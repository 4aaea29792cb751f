"""`genie status` and `genie networks`: what they make of a cluster, read from an API server."""

import json

import pytest
from jsonschema import Draft202012Validator

from genie_cli import schemas
from genie_core.edges.kube_errors import Unreachable
from genie_core.errors import GenieError, NotFound, WrongUsage
from genie_core.tasks.status.look import cluster_status, network_list, wait_until_ready
from tests.apiserver import API, Objects
from tests.fakes_kube import Clock, MemoryConnection, memory_api

NPWG = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
NOW = 1_800_000_000.0


def node(name, **more):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, **more.pop("metadata", {})},
        "spec": {"podCIDR": more.pop("cidr", "10.244.0.0/24")},
        "status": {"conditions": [{"type": "Ready", "status": "True"}, *more.pop("conditions", [])]},
    }


def pod(name, annotations=None, *, on="n1", phase="Running", namespace="shop", **more):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": annotations or {},
            **more.pop("metadata", {}),
        },
        "spec": {"nodeName": on, "containers": [{"name": "c", "image": more.pop("image", "web:1")}]},
        "status": {
            "phase": phase,
            "podIPs": [{"ip": more.pop("ip", "10.244.0.9")}],
            "conditions": [{"type": "Ready", "status": "True"}, *more.pop("conditions", [])],
        },
    }


def attachment(name, config, namespace="shop"):
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"config": config if isinstance(config, str) else json.dumps(config)},
    }


def bridge(subnet, **ranges):
    return {
        "cniVersion": "1.0.0",
        "name": "b",
        "type": "bridge",
        "ipam": {"type": "host-local", "subnet": subnet, **ranges},
    }


def attached(*networks):
    entries = [
        {"name": name, "interface": f"net{number}", "ips": [ip]} for number, (name, ip) in enumerate(networks)
    ]
    return json.dumps(entries)


def daemon_set(desired=1, ready=1, updated=1):
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": "genie",
            "namespace": "kube-system",
            "labels": {"app.kubernetes.io/name": "genie"},
        },
        "spec": {"template": {"spec": {"containers": [{"image": "registry/genie:1.1.0"}]}}},
        "status": {
            "desiredNumberScheduled": desired,
            "numberReady": ready,
            "updatedNumberScheduled": updated,
        },
    }


def installer(on="n1", ready="True"):
    made = pod(f"genie-{on}", on=on, namespace="kube-system", image="registry/genie:1.1.0")
    made["metadata"]["labels"] = {"app.kubernetes.io/name": "genie"}
    made["spec"]["hostNetwork"] = True
    made["status"]["conditions"] = [{"type": "Ready", "status": ready}]
    return made


def status_of(*objects, **how):
    report = cluster_status(memory_api(API(Objects(*objects))), lambda _: None, now=NOW, **how)
    validate(report)
    return report


def validate(report):
    document = {"apiVersion": "genie/v1alpha1", "kind": report.kind} | report.as_json()
    Draft202012Validator(json.loads(schemas.text(report.kind))).validate(document)


HEALTHY = (
    node("n1"),
    daemon_set(),
    installer(),
    attachment("blue", bridge("10.9.0.0/24")),
    pod("web-0", {NPWG: "blue", STATUS: attached(("default", "10.244.0.9"), ("shop/blue", "10.9.0.2"))}),
    pod("plain"),
)


def test_a_healthy_cluster_has_no_problem():
    report = status_of(*HEALTHY)
    assert report.problems == ()
    assert report.exit_code == 0
    assert report.missing == {}
    assert (report.pods, report.asking) == (3, 1)
    assert [(one.name, one.verdict, one.version, one.pods) for one in report.nodes] == [
        ("n1", "good", "1.1.0", 2)
    ]


def test_addresses_are_counted_on_the_fullest_node_where_each_node_has_the_whole_range():
    users = [
        pod(f"p{n}", {NPWG: "blue", STATUS: attached(("shop/blue", f"10.9.0.{n}"))}, on=on)
        for n, on in [(2, "n1"), (3, "n1"), (4, "n2")]
    ]
    found = status_of(node("n1"), node("n2"), attachment("blue", bridge("10.9.0.0/29")), *users)
    network = next(one for one in found.networks if one.name == "shop/blue")
    assert (network.size, network.used, network.free, network.per_node) == (5, 2, 3, True)
    assert len(network.users) == 3


def test_a_full_network_is_an_error():
    used = [
        pod(f"p{n}", {NPWG: "tiny", STATUS: attached(("shop/tiny", f"10.9.0.{n}"))}, ip="10.1.1.1")
        for n in (2,)
    ]
    report = status_of(node("n1"), daemon_set(), attachment("tiny", bridge("10.9.0.0/30")), *used)
    assert ["shop/tiny" in one.text and "no address left" in one.text for one in report.problems] == [True]


def test_a_definition_that_cannot_work_says_why():
    broken = attachment("broken", '{"type": ')
    report = status_of(node("n1"), daemon_set(), broken)
    assert [(one.severity, "shop/broken" in one.text) for one in report.problems] == [("warning", True)]
    report = status_of(node("n1"), daemon_set(), broken, pod("p", {NPWG: "broken"}, phase="Pending"))
    assert report.exit_code == 1


def test_a_pod_waits_for_its_network_with_the_runtimes_reason():
    waiting = pod(
        "late",
        {NPWG: "blue"},
        phase="Pending",
        conditions=[{"type": "PodReadyToStartContainers", "status": "False"}],
    )
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e1", "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "late"},
        "reason": "FailedCreatePodSandBox",
        "message": "plugin type=bridge failed: no free address",
        "lastTimestamp": "2026-01-01T00:00:01Z",
    }
    report = status_of(*HEALTHY, waiting, event)
    assert [(one.pod, one.state, one.reason) for one in report.pod_problems] == [
        ("shop/late", "waiting", "plugin type=bridge failed: no free address")
    ]
    assert report.exit_code == 1


def test_a_pod_that_has_another_network_than_it_asks_for_now():
    changed = pod("web-1", {NPWG: "green", STATUS: attached(("shop/blue", "10.9.0.3"))})
    report = status_of(*HEALTHY, attachment("green", bridge("10.8.0.0/24")), changed)
    assert [(one.pod, one.state) for one in report.pod_problems] == [("shop/web-1", "different")]


def test_a_pod_whose_request_changed_since_it_was_applied():
    changed = pod("web-1", {"cni": "b", "genie.cni.dev/networks-observed": "0123456789abcdef"})
    assert [one.state for one in status_of(*HEALTHY, changed).pod_problems] == ["different"]


def test_a_pod_whose_definition_fell_away():
    orphan = pod("web-1", {NPWG: "gone", STATUS: attached(("shop/gone", "10.9.0.3"))})
    report = status_of(*HEALTHY, orphan)
    assert [(one.pod, one.state) for one in report.pod_problems] == [("shop/web-1", "lost")]


def test_definitions_that_may_not_be_read_make_no_pod_lost():
    api = API(Objects(*HEALTHY))
    api.forbidden.add(("list", "network-attachment-definitions"))
    report = cluster_status(memory_api(api), lambda _: None, now=NOW)
    assert report.pod_problems == ()
    assert "genie-status" in report.missing["NetworkAttachmentDefinition"]
    assert report.exit_code == 5


def reading(*objects, forbidden):
    """An API server that refuses to list these kinds."""
    api = API(Objects(*objects))
    api.forbidden |= {("list", kind) for kind in forbidden}
    return memory_api(api)


def test_nothing_is_said_of_nodes_where_pods_may_not_be_read():
    report = cluster_status(reading(*HEALTHY, forbidden=["pods"]), lambda _: None, now=NOW)
    assert [(one.verdict, one.reason) for one in report.nodes] == [
        ("unknown", "Genie's pods could not be read")
    ]
    assert report.exit_code == 5


def test_a_physical_network_that_may_not_be_read_is_not_called_missing():
    logical = {
        "apiVersion": "alpha.network.k8s.io/v1",
        "kind": "Logicalnetwork",
        "metadata": {"name": "l1", "namespace": "shop"},
        "spec": {"physicalNet": "p1", "sub_subnet": "10.1.0.0/24"},
    }
    report = network_list(reading(logical, forbidden=["physicalnetworks"]), lambda _: None)
    assert [(one.name, one.problem) for one in report.networks] == [("shop/l1", "")]
    assert report.exit_code == 5


def test_a_network_is_not_called_unknown_where_definitions_may_not_be_read():
    api = reading(*HEALTHY, forbidden=["network-attachment-definitions"])
    with pytest.raises(GenieError) as refused:
        network_list(api, lambda _: None, name="shop/green")
    assert refused.value.exit_code == 4
    assert "network-attachment-definitions" in refused.value.details
    with pytest.raises(NotFound):  # nodes name no network
        network_list(reading(*HEALTHY, forbidden=["nodes"]), lambda _: None, name="shop/nothing")


def test_a_kind_that_is_not_installed_has_no_objects():
    objects = Objects(*HEALTHY, pod("web-1", {NPWG: "gone"}))
    objects.kinds = [kind for kind in objects.kinds if kind.group != "alpha.network.k8s.io"]
    report = cluster_status(memory_api(API(objects)), lambda _: None, now=NOW)
    assert report.missing == {}
    assert [(one.pod, one.state) for one in report.pod_problems] == [("shop/web-1", "lost")]


def test_one_namespace_alone():
    """Genie's own pods are in another one; the state of the nodes is theirs."""
    report = status_of(*HEALTHY, pod("other", namespace="bank"), namespace="shop")
    assert [(one.name, one.verdict, one.version, one.pods) for one in report.nodes] == [
        ("n1", "good", "1.1.0", 2)
    ]
    assert report.pods == 2
    api = API(Objects(*HEALTHY))
    api.forbidden.add(("list", "nodes"))
    assert cluster_status(memory_api(api), lambda _: None, now=NOW, namespace="shop").exit_code == 5


def test_a_server_that_is_away_is_reported_before_the_time_is_up():
    def refuse():
        raise ConnectionRefusedError(111, "Connection refused")

    api, clock = API(Objects()), Clock()
    away = MemoryConnection(api, refuse)
    with pytest.raises(Unreachable) as error:
        cluster_status(
            memory_api(api, connection=away, clock=clock, timeout_seconds=60), lambda _: None, now=NOW
        )
    assert clock.now - 1000 <= 10
    assert "within 10 s" in error.value.details


def test_a_server_that_goes_away_leaves_what_it_has_answered():
    api = API(Objects(*HEALTHY))

    def refuse():
        if len(api.requests) > 2:
            raise ConnectionRefusedError(111, "Connection refused")

    report = cluster_status(
        memory_api(api, connection=MemoryConnection(api, refuse)), lambda _: None, now=NOW
    )
    assert [one.name for one in report.nodes] == ["n1"]
    assert "Connection refused" in report.missing["Pod"]
    assert report.exit_code == 5


def test_the_agents_report_of_a_node():
    report = {
        "version": "1.2.0",
        "findings": {"error": 1, "warning": 2},
        "tokenExpires": NOW + 7200,
        "defaultNetwork": "cbr0",
    }
    condition = {
        "type": "GenieNetworkReady",
        "status": "False",
        "reason": "Findings",
        "message": "1 error: GN1101",
    }
    bad = node(
        "n1", metadata={"annotations": {"genie.cni.dev/node": json.dumps(report)}}, conditions=[condition]
    )
    report = status_of(bad, daemon_set(), installer())
    (found,) = report.nodes
    assert (found.verdict, found.reason, found.version) == ("bad", "1 error: GN1101", "1.2.0")
    assert (found.findings, found.token_seconds, found.default_network) == (
        {"error": 1, "warning": 2},
        7200,
        "cbr0",
    )
    assert report.exit_code == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"findings": 3, "tokenExpires": "x"}'])
def test_an_invalid_report_is_skipped(text):
    report = status_of(node("n1", metadata={"annotations": {"genie.cni.dev/node": text}}), daemon_set())
    assert report.nodes[0].findings == {}


def test_an_installer_that_is_not_ready():
    report = status_of(node("n1"), daemon_set(desired=1, ready=0), installer(ready="False"))
    assert [one.severity for one in report.problems] == ["error", "error"]
    assert "0 of 1 pods are ready" in report.problems[0].text


def test_a_cluster_without_any_of_it():
    report = status_of(node("n1"))
    assert [one.severity for one in report.problems] == ["warning"]
    assert report.nodes[0].verdict == "unknown"


def test_one_node_alone():
    report = status_of(*HEALTHY, node("n2"), pod("other", on="n2"), node="n2")
    assert ([one.name for one in report.nodes], report.pods) == (["n2"], 1)
    with pytest.raises(NotFound):
        status_of(*HEALTHY, node="n9")
    with pytest.raises(WrongUsage):
        status_of(*HEALTHY, node="n1,metadata.name=n2")


def test_waiting_for_the_rollout_ends_with_it():
    objects = Objects(node("n1"), daemon_set(desired=2, ready=1))
    seen: list[str] = []

    def roll_out(_seconds):
        objects.add(daemon_set(desired=2, ready=2, updated=2))

    wait_until_ready(memory_api(API(objects)), seen.append, 60, sleep=roll_out)
    assert "kube-system/genie: 1 of 2 ready" in seen
    with pytest.raises(GenieError) as late:
        wait_until_ready(memory_api(API(Objects(node("n1")))), seen.append, 0)
    assert late.value.exit_code == 124


def test_who_uses_a_network_what_it_overlaps_and_what_a_change_would_touch():
    owner = {"kind": "ReplicaSet", "name": "web-6d4cf", "controller": True}
    mine = [
        pod(
            f"web-6d4cf-{n}",
            {NPWG: "blue", STATUS: attached(("shop/blue", f"10.9.0.{n}"))},
            metadata={"ownerReferences": [owner], "labels": {"pod-template-hash": "6d4cf"}},
        )
        for n in (2, 3)
    ]
    objects = [
        node("n1", cidr="10.9.0.128/25"),
        attachment("blue", bridge("10.9.0.0/24")),
        attachment("wide", bridge("10.8.0.0/15")),
        attachment("apart", bridge("10.20.0.0/24")),
        *mine,
    ]
    report = network_list(memory_api(API(Objects(*objects))), lambda _: None, name="shop/blue")
    validate(report)
    document = report.as_json()["networks"][0]
    assert [item["what"] for item in document["overlaps"]] == ["pods of node n1", "shop/wide"]
    assert document["owners"] == [{"namespace": "shop", "kind": "Deployment", "name": "web", "pods": 2}]
    assert [user["addresses"] for user in document["users"]] == [["10.9.0.2"], ["10.9.0.3"]]
    with pytest.raises(NotFound):
        network_list(memory_api(API(Objects(*objects))), lambda _: None, name="shop/none")


def test_logical_networks_and_networks_of_the_nodes():
    logical = {
        "apiVersion": "alpha.network.k8s.io/v1",
        "kind": "Logicalnetwork",
        "metadata": {"name": "l1", "namespace": "shop"},
        "spec": {"physicalNet": "p1", "plugin": "bridge", "sub_subnet": "10.1.0.0/24"},
    }
    report = network_list(
        memory_api(API(Objects(logical, pod("a", {"cni": "weave"}), pod("b", {"networks": "l1"})))),
        lambda _: None,
    )
    assert [(one.name, one.object, len(one.users)) for one in report.networks] == [
        ("shop/l1", "Logicalnetwork", 1),
        ("weave", "node", 1),
    ]
    assert "there is no Physicalnetwork shop/p1" in report.networks[0].problem
