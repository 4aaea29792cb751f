"""The status annotations that Genie writes to a pod, and when (conformance C46-C58, D17, D26, D27, X13, X23, X26)."""

import json
import socket

import pytest

from tests.manifests import pod as pod_manifest
from tests.plugin.cluster import NPWG, PREFERENCES, STATUS

RESULT = {
    "cniVersion": "1.1.0",
    "interfaces": [
        {"name": "veth0", "mac": "0a:00:00:00:00:01"},
        {"name": "net1", "mac": "0a:00:00:00:00:02", "mtu": 1400, "sandbox": "/run/netns/x"},
        {"name": "net1.5", "mac": "0a:00:00:00:00:03", "sandbox": "/run/netns/x"},
    ],
    "ips": [
        {"address": "10.5.0.2/24", "gateway": "10.5.0.1", "interface": 1},
        {"address": "fd05::2/64", "interface": 1},
        {"address": "10.6.0.2/24", "interface": 2},
    ],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.5.0.9"}],
    "dns": {"nameservers": ["10.5.0.3"], "search": ['quote " and \u0001 and é']},
}
DEFAULT_ENTRY = {"name": "a", "interface": "eth0", "ips": ["10.0.0.2"], "default": True, "dns": {}}


@pytest.fixture
def node(node, cluster):
    node.networks("a", "b")
    cluster.nad("net", {"cniVersion": "1.1.0", "name": "other", "type": "x"})
    node.answer("ADD", "x", stdout=RESULT)
    return node


def add(node, value="net", **options):
    return node.call("ADD", annotations={NPWG: value}, **options)


# --- network-status


def test_c46_to_c53_c58_x26_the_status_as_its_readers_parse_it(node, cluster):
    assert add(node).result
    assert cluster.status() == [
        DEFAULT_ENTRY,
        {
            "name": "ns/net",
            "interface": "net1",
            "ips": ["10.5.0.2", "fd05::2"],
            "mac": "0a:00:00:00:00:02",
            "mtu": 1400,
            "gateway": ["10.5.0.1"],
            "dns": RESULT["dns"],
        },
    ]


def test_c55_one_merge_patch_of_this_one_annotation(node, cluster):
    cluster.pod(annotations={NPWG: "net", "keep": "me"})
    assert add(node).result
    (patch,) = cluster.patches()
    assert set(patch) == {"metadata"}
    assert set(patch["metadata"]) == {"annotations", "uid"}
    assert set(patch["metadata"]["annotations"]) == {STATUS}
    assert cluster.annotations()["keep"] == "me"
    (request,) = [request for request in cluster.api.requests if request.method == "PATCH"]
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert request.target == "/api/v1/namespaces/ns/pods/p/status"


def test_c47_exactly_one_default_also_where_the_default_network_is_another(node, cluster):
    assert node.call(
        "ADD", annotations={NPWG: "net,net", "v1.multus-cni.io/default-network": "ns/net"}
    ).result
    assert [(entry["name"], entry.get("default")) for entry in cluster.status()] == [
        ("ns/net", True),
        ("ns/net", None),
        ("ns/net", None),
    ]


def test_c49_the_interface_and_its_addresses(node, cluster):
    """One entry for each attachment, as the standard says, and of the first interface."""
    assert add(node).result
    assert "10.6.0.2" not in cluster.annotations()[STATUS]
    assert "veth0" not in cluster.annotations()[STATUS]


def test_c50_a_result_without_interfaces(node, cluster):
    node.answer("ADD", "x", stdout={"cniVersion": "1.0.0", "ips": [{"address": "10.5.0.2/32"}]})
    assert add(node).result
    assert cluster.status()[1] == {"name": "ns/net", "interface": "net1", "ips": ["10.5.0.2"], "dns": {}}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_c51_old_results(node, cluster, version):
    cluster.nad("net", {"cniVersion": version, "type": "x"})
    old = {"ip4": {"ip": "10.5.0.2/24", "gateway": "10.5.0.1"}, "ip6": {"ip": "fd05::2/64"}}
    node.answer("ADD", "x", stdout={"cniVersion": version, **old})
    assert add(node).result
    assert cluster.status()[1] == {
        "name": "ns/net",
        "interface": "net1",
        "ips": ["10.5.0.2", "fd05::2"],
        "dns": {},
    }


@pytest.mark.parametrize("result", ["{}", "null"])
def test_c51_b29_empty_results(node, cluster, result):
    node.answer("ADD", "x", stdout=result)
    assert add(node).result
    assert cluster.status()[1] == {"name": "ns/net", "interface": "net1", "dns": {}}


def test_c52_a_default_route_that_leads_nowhere(node, cluster):
    result = {"cniVersion": "1.0.0", "ips": [{"address": "10.5.0.2/24"}], "routes": [{"dst": "0.0.0.0/0"}]}
    node.answer("ADD", "x", stdout=result)
    assert add(node).result
    assert "gateway" not in cluster.status()[1]


def test_c52_a_default_route_in_a_table_of_its_own_is_not_the_pods(node, cluster):
    routes = [{"dst": "0.0.0.0/0", "table": 100}, {"dst": "::/0", "gw": "fd05::1", "table": 254}]
    node.answer("ADD", "x", stdout={**RESULT, "routes": routes})
    assert add(node).result
    assert cluster.status()[1]["gateway"] == ["fd05::1"]


def test_c09_c10_the_empty_list_still_asks_for_a_status(node, cluster):
    assert add(node, "[]").result
    assert cluster.status() == [DEFAULT_ENTRY]


def test_a_pod_that_asks_for_nothing_costs_no_request(node, cluster):
    assert node.add().result
    assert cluster.asked() == []


# --- when it is written, and when not


def test_a_status_of_an_earlier_sandbox_is_replaced(node, cluster):
    """After a reboot, or a change from Multus, which writes it to every pod: its addresses are others now."""
    cluster.add(pod_manifest({STATUS: '[{"name": "old", "ips": ["10.9.9.9"]}]'}))
    assert node.call("ADD", annotations={STATUS: "[]"}).result
    assert cluster.status() == [DEFAULT_ENTRY]
    assert cluster.annotations().keys() == {STATUS}
    node.delete()
    assert node.add(annotations={STATUS: "[]", "cni": "a,b"}).result
    assert [entry["interface"] for entry in cluster.status()] == ["eth0", "eth1"]
    assert cluster.annotations().keys() == {STATUS, PREFERENCES}


def test_c55_never_on_a_failed_add(node, cluster):
    node.fail("ADD", "x")
    assert add(node).error(7)
    assert cluster.patches() == []


def test_c55_never_on_del_check_gc_status(node, cluster):
    assert add(node).result
    before = len(cluster.api.requests)
    assert node.check().is_silent_success
    assert node.gc().is_silent_success
    assert node.call("STATUS").is_silent_success
    assert node.delete().is_silent_success
    assert len(cluster.api.requests) == before
    assert STATUS in cluster.annotations()


def test_c55_a_conflict_is_tried_again(node, cluster):
    """The definition's GET first, then a patch that meets another writer."""
    assert add(node).result
    assert node.delete().is_silent_success
    cluster.api.script[:] = [(409, None)]
    assert node.call("ADD", annotations={"cni": "a,b"}).result
    assert [request.status for request in cluster.api.requests if request.method == "PATCH"] == [
        200,
        409,
        200,
    ]
    assert json.loads(cluster.annotations()[PREFERENCES])["multi_entry"] == 2


def test_c56_a_pod_that_is_gone(node, cluster):
    cluster.remove(pod_manifest())
    reply = add(node)
    assert reply.result
    assert reply.events("pod not annotated")
    assert cluster.asked("PATCH") == ["PATCH p/status"]


@pytest.mark.parametrize("status", [409, 422])
def test_c56_another_pod_of_that_name_is_left_alone(node, cluster, status):
    cluster.pod(uid="another")
    cluster.objects.uid_status = status
    reply = add(node)
    assert reply.result
    assert reply.events("pod not annotated")
    assert cluster.annotations() == {}


def test_c56_a_static_pods_status_is_written_to_its_mirror(node, cluster):
    """Its UID is the MD5 of the manifest, its mirror has another one."""
    args = f"K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_UID={'0123456789abcdef' * 2}"
    cluster.pod(uid="mirror", annotations={"kubernetes.io/config.source": "file"})
    assert add(node, env={"CNI_ARGS": args}).result
    assert len(cluster.status()) == 2


@pytest.mark.parametrize("code", [403, 500, 503, 429])
def test_c56_a_refusal_is_a_warning_after_a_bounded_time(node, cluster, code):
    assert add(node).result
    assert node.delete().is_silent_success
    cluster.api.fail(code, times=99)
    reply = node.call("ADD", annotations={"cni": "a,b"}, api_timeout_seconds=0.5)
    assert reply.result
    assert reply.events("pod not annotated")


# --- the pod that cannot be read


def test_c57_a_pod_that_does_not_exist_is_worth_another_try(node, cluster):
    cluster.remove(pod_manifest())
    assert "p" in node.call("ADD", api_timeout_seconds=1).error(11)["msg"]
    assert node.said() == []


def test_c57_another_pod_of_that_name(node, cluster):
    cluster.pod(uid="another", annotations={"cni": "b"})
    assert node.call("ADD", api_timeout_seconds=1).error(11)
    assert node.said() == []


def test_c57_a_static_pods_uid_is_not_compared(node, cluster):
    cluster.pod(uid="mirror", annotations={"kubernetes.io/config.source": "file", "cni": "b"})
    assert node.call("ADD").result
    assert node.said() == ["ADD b@eth0"]


def test_c57_a_static_pod_without_mirror_gets_the_default_network(node, cluster):
    args = f"K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_UID={'0123456789abcdef' * 2}"
    cluster.remove(pod_manifest())
    assert node.call("ADD", env={"CNI_ARGS": args}).result
    assert node.said() == ["ADD a@eth0"]


# --- CNI-Genie's annotations


def test_d26_x13_the_template_is_replaced_and_nothing_is_lost(node, cluster):
    template = '{"multi_entry": 0, "ips": {"": {"ip": "", "interface": ""}}}'
    cluster.pod(annotations={"cni": "a,b,a", PREFERENCES: template})
    node.answer("ADD", "b", stdout="{}")
    assert node.call("ADD").result
    assert json.loads(cluster.annotations()[PREFERENCES]) == {
        "multi_entry": 2,
        "ips": {
            "ip1": {"ip": "10.0.0.2", "interface": "eth0"},
            "ip2": {"ip": "10.0.0.2", "interface": "eth2"},
        },
    }


def test_d26_default_networks_beside_names_are_in_both_annotations(node, cluster):
    assert node.call("ADD", annotations={"cni": "a"}, default_networks=["b"]).result
    assert json.loads(cluster.annotations()[PREFERENCES])["multi_entry"] == 2
    assert [entry["name"] for entry in cluster.status()] == ["a", "b"]
    assert len(cluster.patches()) == 1


def test_d17_the_choice_by_load_is_written_back_logged_and_stored(node, cluster):
    reply = node.call("ADD", annotations={"cni": ""})
    assert reply.result
    assert node.said() == ["ADD a@eth0"]
    assert cluster.annotations() == {"cni": "a"}
    (event,) = reply.events("chosen by load")
    assert event["network"] == "a"
    assert set(event["loads"]) == {"a", "b"}
    (state,) = node.states()
    origin = json.loads(state.read_text().splitlines()[0])["attachments"][0]["origin"]
    assert "least load of a" in origin


def test_d17_a_choice_that_may_not_be_written_takes_no_status_with_it(node, cluster):
    """As with the admission policy of deploy/, which lets the account write the two status annotations only."""
    assert node.call("ADD", annotations={"cni": ""}, default_networks=["b"]).result
    written = [sorted(patch["metadata"]["annotations"]) for patch in cluster.patches()]
    assert written == [sorted([STATUS, PREFERENCES]), ["cni"]]


def test_d17_a_failed_add_writes_no_choice(node, cluster):
    node.fail("ADD", "a")
    assert node.call("ADD", annotations={"cni": ""}).error(7)
    assert cluster.patches() == []


def test_d17_a_choice_that_cannot_be_written_is_a_warning(node, cluster):
    cluster.api.fail(500, times=99)
    reply = node.call("ADD", annotations={"cni": ""}, api_timeout_seconds=0.3)
    assert reply.result
    assert reply.events("pod not annotated")


def test_d17_the_default_network_is_no_choice(node, cluster):
    reply = node.call(
        "ADD", annotations={"cni": ""}, default_plugin="b", cAdvisor_address="http://127.0.0.1:1"
    )
    assert reply.result
    assert node.said() == ["ADD b@eth0"]
    assert cluster.patches() == []
    assert reply.events("no choice by load, default network used")


def test_d17_x29_a_cadvisor_that_never_answers_is_given_up(node):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        reply = node.call("ADD", annotations={"cni": ""}, default_plugin="b", cAdvisor_address=address)
    assert reply.result
    assert node.said() == ["ADD b@eth0"]
    assert reply.events("no choice by load, default network used")


def test_x23_values_are_json_whatever_is_in_them(node, cluster):
    assert add(node).result
    body = next(request.body for request in cluster.api.requests if request.method == "PATCH")
    assert b"\\x" not in body
    assert body.isascii()
