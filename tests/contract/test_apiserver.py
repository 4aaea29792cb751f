"""The tests' API server itself: what others rely on when they test against it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apiserver import API, Objects, Request
from tests.apiserver.objects import merge_patch

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "target, patch, expected",
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches(target, patch, expected):
    """RFC 7386, appendix A."""
    assert merge_patch(target, patch) == expected


@pytest.fixture
def api(pod):
    return API(Objects(pod), {"good-token": "genie"})


def ask(api, method, target, body=None, token="good-token", media_type="application/merge-patch+json"):
    headers = {"authorization": f"Bearer {token}", "content-type": media_type}
    answer = api.answer(
        Request(method, target, headers, json.dumps(body).encode() if body is not None else b"")
    )
    return answer.status, json.loads(answer.body)


CONFLICT = 'Operation cannot be fulfilled on pods "web": '
POD = "/api/v1/namespaces/demo/pods/web"


@pytest.mark.parametrize(
    "method, target, body, code, reason, message",
    [
        ("GET", POD + "2", None, 404, "NotFound", 'pods "web2" not found'),
        (
            "GET",
            "/apis/k8s.cni.cncf.io/v1/namespaces/demo/network-attachment-definitions/n",
            None,
            404,
            "NotFound",
            'network-attachment-definitions.k8s.cni.cncf.io "n" not found',
        ),
        (
            "PATCH",
            POD,
            {"metadata": {"uid": "u-2"}},
            409,
            "Conflict",
            CONFLICT + "Precondition failed: UID in precondition: u-2, UID in object meta: u-1",
        ),
        (
            "PATCH",
            POD,
            {"metadata": {"resourceVersion": "1"}},
            409,
            "Conflict",
            CONFLICT
            + "the object has been modified; please apply your changes to the latest version and try again",
        ),
        (
            "GET",
            "/api/v1/nodes",
            None,
            403,
            "Forbidden",
            'nodes is forbidden: User "genie" cannot list resource "nodes" in API group "" at the cluster scope',
        ),
        ("PATCH", POD, {"metadata": {"annotations": {"a": 1}}}, 400, "BadRequest", None),
        (
            "POST",
            "/api/v1/namespaces/demo/pods",
            {"metadata": {"name": "web"}},
            409,
            "AlreadyExists",
            'pods "web" already exists',
        ),
        ("GET", "/api/v1/pods?limit=1&continue=%21", None, 410, "Expired", None),
    ],
)
def test_refusals_are_worded_like_the_real_ones(api, method, target, body, code, reason, message):
    api.forbidden.add(("list", "nodes"))
    status, document = ask(api, method, target, body)
    assert (status, document["code"], document["reason"], document["kind"]) == (code, code, reason, "Status")
    assert message in (None, document["message"])


def test_strangers_are_unauthorized(api):
    assert ask(api, "GET", POD, token="bad-token")[0] == 401
    assert ask(api, "GET", POD)[0] == 200


def test_other_patches_are_not_known(api):
    assert ask(api, "PATCH", POD, [], media_type="application/json-patch+json")[0] == 415


def test_a_patch_counts_the_version_up_only_if_it_changes_something(api):
    versions = [
        ask(api, "PATCH", POD, {"metadata": {"labels": {"a": label}}})[1]["metadata"]["resourceVersion"]
        for label in "xxy"
    ]
    assert versions[0] == versions[1] != versions[2]


def field(number, data):
    """A field of protobuf that has bytes, shorter than 128."""
    return bytes([number << 3 | 2, len(data)]) + data


def test_a_status_is_replaced_with_its_annotations(api):
    """As Go clients do it, in JSON or in protobuf: a key that is not given any more is removed."""
    _, before = ask(api, "GET", POD)
    replaced = {"metadata": {"annotations": {"a": "json"}}, "status": {"message": "new"}, "spec": {}}
    code, after = ask(api, "PUT", f"{POD}/status", replaced, media_type="application/json")
    assert (code, after["metadata"]["annotations"], after["status"]["message"]) == (200, {"a": "json"}, "new")
    assert after.get("spec") == before.get("spec")
    metadata = field(1, b"web") + bytes([7 << 3, 1]) + field(12, field(1, b"b") + field(2, b"protobuf"))
    body = b"k8s\0" + field(1, field(1, b"v1")) + field(2, field(1, metadata))
    headers = {"authorization": "Bearer good-token", "content-type": "application/vnd.kubernetes.protobuf"}
    answer = api.answer(Request("PUT", f"{POD}/status", headers, body))
    after = json.loads(answer.body)
    assert (answer.status, after["metadata"]["annotations"]) == (200, {"b": "protobuf"})
    assert after["status"]["message"] == "new"


def test_what_is_installed_can_be_discovered(api):
    _, listed = ask(api, "GET", "/apis/k8s.cni.cncf.io/v1")
    assert [resource["name"] for resource in listed["resources"]] == ["network-attachment-definitions"]
    api.objects.kinds = [kind for kind in api.objects.kinds if not kind.group]
    answer = api.answer(Request("GET", "/apis/k8s.cni.cncf.io/v1", {"authorization": "Bearer good-token"}))
    assert (answer.status, answer.body) == (404, b"404 page not found\n")


def test_the_record_holds_no_token(api):
    ask(api, "GET", POD)
    ask(api, "GET", POD, token="bad-token")
    assert "token" not in repr(api.requests).replace("(not recorded)", "")
    assert [request.user for request in api.requests] == ["genie", ""]


def test_a_process_of_its_own(tmp_path, connect):
    (tmp_path / "objects.yaml").write_text(
        "kind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: demo}}\n"
    )
    kubeconfig = tmp_path / "kubeconfig"
    command = [
        sys.executable,
        "-m",
        "tests.apiserver",
        "--objects",
        tmp_path / "objects.yaml",
        "--tls-dir",
        tmp_path / "tls",
    ]
    command += ["--token", "good-token", "--kubeconfig", kubeconfig]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["url"] == f"https://127.0.0.1:{ready['port']}"
            assert connect(kubeconfig).get_pod("demo", "web")["metadata"]["uid"]
            assert kubeconfig.stat().st_mode & 0o777 == 0o600
        finally:
            process.terminate()
        assert process.wait(100) == 0
