"""The rights that `deploy/rbac.yaml` gives to the plugin are those that it uses, no more and no fewer."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.manifests import logical, physical
from tests.plugin.cluster import NPWG

DEPLOY = Path(__file__).parents[2] / "deploy"
VERBS = {"GET": "get", "PATCH": "patch", "POST": "create"}


def granted(file="rbac.yaml"):
    """The rules of the ClusterRole, as (group, resource, verb)."""
    (role,) = (one for one in yaml.safe_load_all((DEPLOY / file).read_text()) if one["kind"] == "ClusterRole")
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(request):
    """A request as such a rule."""
    _, root, *parts = urlsplit(request.target).path.split("/")
    group = parts.pop(0) if root == "apis" else ""
    # behind the version; objects in a namespace behind that one's name, too
    within = 3 if parts[1] == "namespaces" and len(parts) > 3 else 1
    resource, *name = parts[within:]
    resource = "/".join([resource, *name[1:]])
    return group, resource, "list" if request.method == "GET" and not name else VERBS[request.method]


@pytest.fixture
def busy(node, cluster):
    """A node whose pods have asked the API server in every way."""
    node.networks("a", "b")
    cluster.nad("net", ["x"])
    cluster.add(physical("phy", dedicatedNet=True, plugin="a", subnet="10.32.0.0/16"))
    cluster.add(logical("logic", physicalNet="phy", sub_subnet="10.32.7.0/24"))
    cluster.add(physical("far", dedicatedNet=True, plugin="b", subnet="10.99.0.0/16"))
    cluster.add(logical("first", physicalNet="far"))
    cluster.add(physical("big"), logical("part", physicalNet="big", plugin="a", sub_subnet="10.33.7.0/24"))
    by_default = {"v1.multus-cni.io/default-network": "ns/net"}
    asked: tuple[dict, ...] = ({}, {"cni": "a,b"}, {NPWG: "net"}, {"networks": "logic@eth0,part"}, by_default)
    for number, annotations in enumerate(asked):
        cluster.pod(annotations=annotations)
        env = {"CNI_CONTAINERID": f"c{number}"}
        assert node.call("ADD", env=env).result
        assert node.check(env=env).is_silent_success
        assert node.delete(env=env).is_silent_success
    return cluster


def test_the_cluster_role_is_what_the_plugin_asks(busy):
    assert {used(request) for request in busy.api.requests} == granted()


def test_labels_of_namespaces_are_asked_for_where_the_configuration_says_so(node, cluster):
    node.networks("a", "b")
    cluster.add(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns", "labels": {"tier": "gold"}}}
    )
    assert node.call("ADD", annotations={"cni": "b"}, allowed_networks={"tier=gold": ["b"]}).result
    assert {used(request) for request in cluster.api.requests} == granted("namespace-labels.yaml")
