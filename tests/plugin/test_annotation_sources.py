"""Where the pod's annotations come from (conformance A15, A57, B49, D26, D27, D32, X06, X07)."""

import json
import signal

import pytest

from tests.apiserver import API, APIServer, Objects
from tests.patience import wait_until
from tests.plugin.harness import ARGS

K8S_ANNOT = ARGS + ';K8S_ANNOT={"cni":"b"}'


@pytest.fixture
def server():
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns", "uid": "u1", "annotations": {"cni": "c"}},
    }
    with APIServer(API(Objects(pod))) as running:
        yield running


@pytest.fixture
def abc(node, server):
    node.networks("a", "b", "c")
    node.config["kubernetes"] = {"k8s_api_root": f"http://127.0.0.1:{server.port}"}
    return node


def methods(server):
    return [request.method for request in server.api.requests]


def test_b49_the_runtimes_word_comes_first(abc, server):
    assert abc.add("b", env={"CNI_ARGS": K8S_ANNOT.replace("b", "a")}).result
    assert abc.said() == ["ADD b@eth0"]
    assert methods(server) == []


def test_b49_empty_annotations_from_the_runtime_are_an_answer_too(abc, server):
    assert abc.add(annotations={}).result
    assert abc.said() == ["ADD a@eth0"]
    assert methods(server) == []


def test_the_api_server_comes_next_with_one_get(abc, server):
    assert abc.add(annotations=None, env={"CNI_ARGS": K8S_ANNOT}).result
    assert abc.said() == ["ADD c@eth0"]
    assert methods(server) == ["GET"]


def test_a15_without_a_pod_the_api_server_is_not_asked(abc, server):
    assert abc.add(annotations=None, env={"CNI_ARGS": "FOO=1"}).result
    assert abc.said() == ["ADD a@eth0"]
    assert methods(server) == []


@pytest.mark.parametrize("api", ["none", "down"])
def test_d32_x06_x07_k8s_annot_is_the_last_source(abc, api):
    abc.config["kubernetes"] = {} if api == "none" else {"k8s_api_root": "http://127.0.0.1:1"}
    reply = abc.add(annotations=None, env={"CNI_ARGS": K8S_ANNOT}, api_timeout_seconds=0.3)
    assert reply.result
    assert reply.events("annotations from K8S_ANNOT")
    assert abc.said() == ["ADD b@eth0"]


def test_d32_a_call_that_is_asked_to_stop_goes_to_no_other_source(abc, server):
    server.api.fail(503, times=500)
    running = abc.start("ADD", env={"CNI_ARGS": K8S_ANNOT}, api_timeout_seconds=60).feed()
    wait_until(lambda: methods(server))
    assert "stopped by signal" in running.signal(signal.SIGTERM).wait().error(11)["msg"]
    assert abc.said() == []


def test_d17_a_call_that_is_asked_to_stop_gets_no_default_network(abc, server):
    """The labels of the namespace say what a pod may be given by load."""
    server.api.fail(503, times=500)
    asked = {"annotations": {"cni": ""}, "allowed_networks": {"tier=gold": ["*"]}, "api_timeout_seconds": 60}
    running = abc.start("ADD", **asked).feed()
    wait_until(lambda: methods(server))
    assert "stopped by signal" in running.signal(signal.SIGTERM).wait().error(11)["msg"]
    assert abc.said() == []


def test_d32_k8s_annot_without_a_pod(abc, server):
    assert abc.add(annotations=None, env={"CNI_ARGS": 'K8S_ANNOT={"cni":"b"}'}).result
    assert abc.said() == ["ADD b@eth0"]
    assert methods(server) == []


def test_d32_an_equals_sign_in_it_is_part_of_it(abc):
    abc.config["kubernetes"] = {}
    reply = abc.add(annotations=None, env={"CNI_ARGS": ARGS + ';K8S_ANNOT={"cni":"b","x":"y=z"}'})
    assert reply.result


@pytest.mark.parametrize("text", ["", "{", "[]", '"b"', '{"cni":7}', '{"cni":"b"'])
def test_d32_an_unreadable_k8s_annot_is_an_error(abc, text):
    abc.config["kubernetes"] = {}
    document = abc.add(annotations=None, env={"CNI_ARGS": ARGS + f";K8S_ANNOT={text}"}).error(7)
    assert "K8S_ANNOT" in document["msg"]
    assert abc.said() == []


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a57_an_api_server_that_has_trouble_means_try_again(abc, server, code):
    server.api.fail(code, times=50)
    abc.add(annotations=None, api_timeout_seconds=0.5).error(11)
    assert abc.said() == []


def test_a57_a_trouble_that_passes_is_waited_for(abc, server):
    server.api.fail(503, times=2)
    assert abc.add(annotations=None, api_timeout_seconds=10).result
    assert abc.said() == ["ADD c@eth0"]


def test_a_pod_that_does_not_exist_is_never_given_the_default_network(abc):
    reply = abc.add(
        annotations=None, env={"CNI_ARGS": ARGS.replace("NAME=p", "NAME=other")}, api_timeout_seconds=0.5
    )
    assert reply.status == 1
    assert "ns/other" in json.loads(reply.stdout)["msg"]
    assert abc.said() == []


def written(server):
    return [json.loads(request.body) for request in server.api.requests if request.method == "PATCH"]


def test_d26_d27_several_networks_are_written_to_the_pod(abc, server):
    abc.answer("ADD", "b", stdout={"ips": [{"address": "10.7.0.2/24"}]})
    assert abc.add("a,b@net3").result
    patched: dict[str, str] = {}
    for patch in written(server):
        assert patch["metadata"].get("uid", "u1") == "u1"
        patched |= patch["metadata"]["annotations"]
    assert json.loads(patched["multi-ip-preferences"]) == {
        "multi_entry": 2,
        "ips": {
            "ip1": {"ip": "10.0.0.2", "interface": "eth0"},
            "ip2": {"ip": "10.7.0.2", "interface": "net3"},
        },
    }


def test_d26_one_network_is_not(abc, server):
    assert abc.add("a").result
    assert not any("multi-ip-preferences" in patch["metadata"]["annotations"] for patch in written(server))


def test_d27_a_refusal_is_a_warning(abc, server):
    server.api.forbidden.add(("patch", "pods/status"))
    reply = abc.add("a,b")
    assert len(reply.result["ips"]) == 2
    assert reply.events("pod not annotated")


def test_the_other_verbs_send_no_request(abc, server):
    assert abc.add("a").result
    server.api.requests.clear()
    assert abc.call("STATUS").is_silent_success
    assert abc.gc(("cid1", "eth0")).is_silent_success
    assert abc.delete().is_silent_success
    assert methods(server) == []
