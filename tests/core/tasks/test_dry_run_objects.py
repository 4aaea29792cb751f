"""The API objects of a dry run: from manifests, and from a cluster, where they are on the private node's server."""

from genie_core.tasks.dry_run.objects import annotation_for, fetch_objects, parse_objects, urls
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
    text = "kind: Namespace\nmetadata: {name: shop, labels: {tier: gold}}\n"
    found = parse_objects(text, "x.yaml", "default")
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
