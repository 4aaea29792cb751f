"""The API objects of a dry run: from manifests, and from a cluster, where they are on the private node's server."""

import pytest

from genie_core.edges.kube_errors import Forbidden
from genie_core.errors import WrongUsage
from genie_core.tasks.dry_run.objects import annotation_for, fetch_objects, objects_of, urls
from tests import manifests
from tests.apiserver import API, Objects
from tests.fakes_kube import memory_api

NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "shop", "labels": {"tier": "gold"}},
}


def test_a_namespace_of_a_manifest():
    """For an `allowed_networks` that asks for its labels."""
    found = objects_of([NAMESPACE], "x.yaml", "default")
    (path,) = urls(found)
    assert path == "/api/v1/namespaces/shop"
    assert urls(found)[path]["metadata"]["labels"] == {"tier": "gold"}


def test_a_namespace_says_nothing_of_the_annotation():
    logical, nad = manifests.logical("l"), manifests.nad("n")
    assert annotation_for([NAMESPACE]) == annotation_for([NAMESPACE, nad]) == "k8s.v1.cni.cncf.io/networks"
    assert annotation_for([NAMESPACE, logical]) == "networks"


def test_the_pods_namespace_comes_from_the_cluster_where_it_may_be_read():
    api = API(Objects(NAMESPACE))
    (found,) = fetch_objects({"cni": "a"}, "shop", memory_api(api))
    assert found["metadata"]["labels"] == {"tier": "gold"}
    api.forbidden.add(("get", "namespaces"))
    assert fetch_objects({"cni": "a"}, "shop", memory_api(api)) == []


def test_every_definition_that_the_pod_gets_comes_from_the_cluster():
    """Those of both annotations, and those that Genie's configuration gives every pod."""
    definitions = [manifests.nad(name, {"type": "bridge"}, space) for name, space in
                   [("own", "shop"), ("primary", "kube-system"), ("logs", "infra")]]  # fmt: skip
    asked = {"k8s.v1.cni.cncf.io/networks": "own", "v1.multus-cni.io/default-network": "primary"}
    api = memory_api(API(Objects(*definitions)))
    found = fetch_objects(asked, "shop", api, ["infra/logs", "a-file-of-the-node"])
    assert sorted(one["metadata"]["name"] for one in found) == ["logs", "own", "primary"]


def test_a_definition_that_may_not_be_read_is_not_called_missing():
    api = API(Objects(manifests.nad("own", {"type": "bridge"}, "shop")))
    api.forbidden.add(("get", "network-attachment-definitions"))
    with pytest.raises(Forbidden):
        fetch_objects({"k8s.v1.cni.cncf.io/networks": "own"}, "shop", memory_api(api))
    assert fetch_objects({"k8s.v1.cni.cncf.io/networks": "none"}, "shop", memory_api(API(Objects()))) == []


@pytest.mark.parametrize("space, place", [(None, "shop"), ("", "shop"), ("bank", "bank")])
def test_the_namespace_of_a_manifest(space, place):
    document = {"kind": "NetworkAttachmentDefinition", "metadata": {"name": "n", "namespace": space}}
    (path,) = urls(objects_of([document], "x.yaml", "shop"))
    assert f"/namespaces/{place}/" in path


def test_a_namespace_that_is_no_string():
    document = {"kind": "NetworkAttachmentDefinition", "metadata": {"name": "n", "namespace": 5}}
    with pytest.raises(WrongUsage, match=r"metadata\.namespace of n is no string"):
        objects_of([document], "x.yaml", "shop")
