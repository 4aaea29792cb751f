"""The contract of the API edge: in memory, over loopback, and against a real API server.

A real one is asked too when GENIE_TEST_KUBECONFIG names its kubeconfig (JSON, or YAML; an account that may make
namespaces and pods). Objects are made there by the official client, as they are on the tests' server over TLS.
"""

import importlib
import os
import subprocess
import sys
import time
import uuid
from typing import Any

import pytest

from genie_core.edges.kube_errors import Conflict, ObjectNotFound
from genie_core.edges.kube_resources import LOGICAL_NETWORK, NETWORK_ATTACHMENT, PHYSICAL_NETWORK, POD
from genie_core.errors import INVALID_CONFIG, TRY_AGAIN
from genie_core.survey.user_cluster import Access, find_cluster
from tests import own_node
from tests.apiserver import API, Objects
from tests.fakes_kube import memory_api
from tests.test_lint import ROOT

REAL = os.environ.get("GENIE_TEST_KUBECONFIG", "")
PLURALS = {
    "NetworkAttachmentDefinition": "network-attachment-definitions",
    "Logicalnetwork": "logicalnetworks",
    "Physicalnetwork": "physicalnetworks",
}


class Direct:
    """Objects are put straight into the tests' server."""

    def __init__(self, objects, api):
        self.namespace = "demo"
        self.api = api
        self._objects = objects

    def add(self, manifest):
        """Make the object; its UID."""
        manifest["metadata"]["namespace"] = self.namespace
        return self._objects.add(manifest)["metadata"]["uid"]

    def installed(self, group, plural):
        return True


class ByClient:
    """Objects are made by the official client, in a namespace of their own."""

    def __init__(self, kubeconfig, api):
        kubernetes: Any = importlib.import_module(
            "kubernetes"
        )  # a second, for this world only; typed for real code

        self.namespace = f"genie-contract-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.api = api
        self._client = kubernetes.config.new_client_from_config(str(kubeconfig))
        self._core = kubernetes.client.CoreV1Api(self._client)
        self._custom = kubernetes.client.CustomObjectsApi(self._client)
        self._refusal = kubernetes.client.ApiException
        self._core.create_namespace({"metadata": {"name": self.namespace}})

    def add(self, manifest):
        if manifest["kind"] == "Pod":
            return self._add_pod(manifest)
        group, version = manifest["apiVersion"].split("/")
        made = self._custom.create_namespaced_custom_object(
            group, version, self.namespace, PLURALS[manifest["kind"]], manifest
        )
        return made["metadata"]["uid"]

    def _add_pod(self, manifest):
        for _ in range(40):  # the namespace's service account comes a moment after the namespace
            try:
                return self._core.create_namespaced_pod(self.namespace, manifest).metadata.uid
            except self._refusal as refusal:
                if refusal.status != 403:
                    raise
                time.sleep(0.25)
        raise AssertionError("the namespace got no service account")

    def installed(self, group, plural):
        try:
            self._custom.list_namespaced_custom_object(group, "v1", self.namespace, plural)
        except self._refusal as refusal:
            if refusal.status == 404:
                return False
            raise
        return True

    def remove(self):
        self._core.delete_namespace(self.namespace)
        self._client.close()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The kubeconfig of a server that is no part of this process: on the machine's network, as a real one is."""
    folder = tmp_path_factory.mktemp("apiserver")
    files = ("--tls-dir", folder / "pki", "--kubeconfig", folder / "kubeconfig")
    command = own_node.outside(sys.executable, "-m", "tests.apiserver", "--token", "good-token", *files)
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as server:
        assert server.stdout
        assert server.stdout.readline()
        yield folder / "kubeconfig"
        server.terminate()


@pytest.fixture(
    params=[
        "memory",
        "http",
        "https",
        "https6",
        "package",
        "client",
        "elsewhere",
        *(["real", "real package"] if REAL else []),
    ]
)
def world(request, serve, connect, authority, tmp_path):
    kind = request.param
    objects = Objects()
    api = API(objects, {"good-token": "genie"} if kind != "http" else None)
    if kind == "memory":
        yield Direct(objects, memory_api(api, token="good-token"))
        return
    if kind in ("elsewhere", "real", "real package"):
        path = request.getfixturevalue("elsewhere") if kind == "elsewhere" else REAL
        with own_node.on_the_machine():
            by_client = ByClient(path, by_package(path) if kind == "real package" else connect(path, 30.0))
            yield by_client
            by_client.remove()
        return
    host = "::1" if kind == "https6" else "127.0.0.1"
    server = serve(api, host=host, authority=None if kind == "http" else authority)
    path = server.write_kubeconfig(tmp_path / "kubeconfig", user={"token": "good-token"})
    client = by_package(path) if kind == "package" else connect(path, 30.0)
    if kind != "client":
        yield Direct(objects, client)
        return
    by_client = ByClient(path, client)
    yield by_client
    by_client.remove()


def by_package(path):
    """The command line's client, which goes through the package `kubernetes`."""
    found = find_cluster(Access(kubeconfig=str(path)))
    assert found is not None
    return found.login().connect(30.0)


def head(api_version, kind, name):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


def a_pod(name="web", **annotations):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations},
        # On a real cluster it is never to run: only its annotations matter.
        "spec": {
            "nodeSelector": {"genie.test/no-such-node": "true"},
            "automountServiceAccountToken": False,
            "containers": [{"name": "c", "image": "registry.invalid/none"}],
        },
    }


def test_reads_a_pod(world):
    uid = world.add(a_pod("web.0", cni="bridge, macvlan@net1"))
    pod = world.api.get_pod(world.namespace, "web.0")
    assert pod["metadata"]["uid"] == uid
    assert pod["metadata"]["annotations"]["cni"] == "bridge, macvlan@net1"


def test_annotations_of_the_pod_with_this_uid(world):
    uid = world.add(a_pod(cni="bridge"))
    assert world.api.annotations(world.namespace, "web", uid)["cni"] == "bridge"
    assert world.api.annotations(world.namespace, "web", "")["cni"] == "bridge"


def test_another_uid_is_another_pod_C57(world):
    world.add(a_pod(cni="bridge"))
    with pytest.raises(Conflict) as caught:
        world.api.annotations(world.namespace, "web", "00000000-0000-0000-0000-000000000000")
    assert caught.value.code == TRY_AGAIN


def test_a_static_pod_has_another_uid_C57(world):
    """Kubelet's UID of it is a hash; what the API server holds is its mirror."""
    world.add(a_pod(cni="bridge", **{"kubernetes.io/config.source": "file"}))
    assert world.api.annotations(world.namespace, "web", "5f2d0c")["cni"] == "bridge"


def test_a_pod_without_annotations(world):
    uid = world.add(a_pod())
    assert "cni" not in world.api.annotations(world.namespace, "web", uid)


def test_a_pod_that_is_not_there_may_come_C57(world):
    with pytest.raises(ObjectNotFound) as caught:
        world.api.get_pod(world.namespace, "absent")
    error = caught.value
    assert (error.status, error.code) == (404, TRY_AGAIN)
    assert f"pod {world.namespace}/absent does not exist" in error.msg


def test_a_network_that_is_not_there_is_the_askers_mistake(world):
    """Also where its kind is not installed: the answer then is no Status, but it is a 404."""
    for kind in (NETWORK_ATTACHMENT, LOGICAL_NETWORK, PHYSICAL_NETWORK):
        with pytest.raises(ObjectNotFound) as caught:
            world.api.get_object(kind, world.namespace, "absent")
        assert (caught.value.status, caught.value.code) == (404, INVALID_CONFIG)


def test_reads_a_network_attachment_definition_C32(world):
    if not world.installed("k8s.cni.cncf.io", "network-attachment-definitions"):
        pytest.skip("this cluster has no NetworkAttachmentDefinitions")
    config = '{"cniVersion":"1.0.0","name":"n","type":"bridge"}'
    world.add({**head("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", "n"), "spec": {"config": config}})
    assert world.api.get_object(NETWORK_ATTACHMENT, world.namespace, "n")["spec"]["config"] == config


def test_reads_logical_and_physical_networks_D19_D21(world):
    if not world.installed("alpha.network.k8s.io", "logicalnetworks"):
        pytest.skip("this cluster has no LogicalNetworks")
    world.add({**head("alpha.network.k8s.io/v1", "Logicalnetwork", "l"), "spec": {"physicalNet": "p"}})
    shared = {"sharedStatus": {"plugin": "macvlan", "subnet": "10.1.0.0/16", "dedicatedNet": True}}
    world.add({**head("alpha.network.k8s.io/v1", "Physicalnetwork", "p"), "spec": shared})
    assert world.api.get_object(LOGICAL_NETWORK, world.namespace, "l")["spec"]["physicalNet"] == "p"
    assert world.api.get_object(PHYSICAL_NETWORK, world.namespace, "p")["spec"] == shared


def test_annotates_and_changes_nothing_else_C55(world):
    uid = world.add(a_pod(cni="bridge", other="stays"))
    before = world.api.get_pod(world.namespace, "web")
    world.api.annotate(world.namespace, "web", uid, {"multi-ip-preferences": '{"ü": "\\n"}'})
    after = world.api.get_pod(world.namespace, "web")
    added = {"multi-ip-preferences": '{"ü": "\\n"}'}
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"] | added
    assert after["spec"] == before["spec"]
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    "subresource, kept, changed",
    [("status", "spec", "status"), ("", "status", "spec")],
    ids=["status", "pod"],
)
def test_a_specification_and_a_status_are_written_apart(world, subresource, kept, changed):
    """Why the plugin needs no right to patch pods: through `status` an image cannot be changed, annotations can."""
    world.add(a_pod(other="stays"))
    before = world.api.get_pod(world.namespace, "web")
    patch = {
        "metadata": {"annotations": {"a": "b"}, "labels": {"l": "m"}},
        "spec": {"containers": [{"name": "c", "image": "registry.invalid/other"}]},
        "status": {"message": "patched"},
    }
    if not subresource:  # the server demands all of a specification that is replaced
        patch["spec"] = {"activeDeadlineSeconds": 9}
    world.api.merge_patch(POD, world.namespace, "web", patch, subresource=subresource)
    after = world.api.get_pod(world.namespace, "web")
    assert after["metadata"]["annotations"]["a"] == "b"
    assert after["metadata"]["labels"]["l"] == "m"
    assert after.get(kept) == before.get(kept)
    assert after[changed] != before.get(changed)


def test_annotates_without_precondition(world):
    world.add(a_pod())
    world.api.annotate(world.namespace, "web", "", {"a": "b"})
    assert world.api.get_pod(world.namespace, "web")["metadata"]["annotations"]["a"] == "b"


def test_never_annotates_another_pod_of_the_name_C56(world):
    world.add(a_pod(cni="bridge"))
    with pytest.raises(Conflict):
        world.api.annotate(world.namespace, "web", "00000000-0000-0000-0000-000000000000", {"a": "b"})
    assert "a" not in world.api.get_pod(world.namespace, "web")["metadata"]["annotations"]


def test_annotating_a_pod_that_is_gone_says_so_C56(world):
    with pytest.raises(ObjectNotFound):
        world.api.annotate(world.namespace, "absent", "", {"a": "b"})


def test_lists_by_selector(world):
    world.add(a_pod("one"))
    world.add(a_pod("two"))
    parts = ("api", "v1", "namespaces", world.namespace, "pods")
    found = world.api.get(parts, {"fieldSelector": "metadata.name=two"})
    assert [item["metadata"]["name"] for item in found["items"]] == ["two"]


def test_lists_a_namespace(world):
    world.add(a_pod("one"))
    world.add(a_pod("two"))
    found = world.api.list_objects(POD, world.namespace)
    assert [item["metadata"]["name"] for item in found] == ["one", "two"]
    assert world.api.list_objects(POD, "genie-no-such-namespace") == []


def test_lists_in_pieces(world):
    for name in ("one", "two", "three"):
        world.add(a_pod(name))
    parts = ("api", "v1", "namespaces", world.namespace, "pods")
    first = world.api.get(parts, {"limit": "2"})
    rest = world.api.get(parts, {"limit": "2", "continue": first["metadata"]["continue"]})
    names = [item["metadata"]["name"] for item in (*first["items"], *rest["items"])]
    assert names == ["one", "three", "two"]
    assert "continue" not in rest["metadata"]
