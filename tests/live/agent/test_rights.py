"""The rights that `deploy/agent/rbac.yaml` gives to the agent are those that it uses, no more and no fewer."""

import pytest

from tests.live.live import NPWG
from tests.manifests import logical, physical
from tests.patience import wait_until
from tests.plugin.test_rights import granted

pytestmark = [pytest.mark.root, pytest.mark.system]


def rule(request):
    """A request as (group, resource, verb)."""
    path, _, query = request.target.partition("?")
    _, root, *parts = path.split("/")
    group = parts[0] if root == "apis" else ""
    parts = parts[2 if root == "apis" else 1 :]
    if parts[0] == "namespaces" and len(parts) > 2:
        parts = parts[2:]
    resource, *name = parts
    verb = {"GET": "get" if name else "list", "PATCH": "patch", "POST": "create"}[request.method]
    return group, "/".join([resource, *name[1:]]), "watch" if "watch=" in query else verb


def test_the_cluster_role_is_what_the_agent_asks(node):
    node.cluster.nad("x", {"type": "ptp", "ipam": node.node.ipam("10.5.0.0/24")})
    for manifest in (
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}},
        physical("phy", dedicatedNet=True, plugin="blue", subnet="10.32.0.0/16"),
        logical("logic", physicalNet="phy", sub_subnet="10.32.7.0/24"),
        physical("far", dedicatedNet=True, plugin="red", subnet="10.99.0.0/16"),
        logical("first", physicalNet="far"),
        physical("big"),
        logical("part", physicalNet="big", plugin="blue", sub_subnet="10.33.7.0/24"),
    ):
        node.cluster.objects.add(manifest)
    node.start(cni="blue")
    node.start("c2", netns=node.node.add_pod().path, networks="logic")
    node.start("c3", netns=node.node.add_pod().path)
    api = node.cluster.server.api
    api.requests.clear()
    node.agent()
    node.annotate(cni="blue,red@net1")
    node.has("net1")
    node.annotate("c2", networks="logic,part@net1")
    node.annotate("c3", **{NPWG: "x,later"})
    wait_until(lambda: node.condition("c3") == ("False", "Waiting"))
    assert node.once().returncode in (0, 1)
    assert {rule(one) for one in api.requests} == granted("agent/rbac.yaml")
