"""Which node this is, and whether a pod is on it: by the node's name, else by the addresses of the Node objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_resources import NODE
from genie_core.edges.netlink import open_here
from genie_core.errors import GenieError, NotFound, WrongUsage
from genie_core.fields import get_list
from genie_core.published import JSON
from genie_core.spec.addresses import host
from genie_core.spec.names import is_subdomain
from genie_core.survey import cluster
from genie_core.survey.user_cluster import Access, connect
from genie_core.survey.whole_cluster import PAGE_SECONDS
from genie_core.tasks.pods import API_SECONDS, open_api


def name_of(named: str, objects: Sequence[JSON], own: Collection[str], *, is_explicit: bool) -> str:
    """This node's name: `named` where it was given or is a Node's, else that of the Node with an address of `own`."""
    nodes = [cluster.node(item) for item in cluster.of_kind(objects, "Node")]
    if is_explicit or any(node.name == named for node in nodes):
        return named
    return next((node.name for node in nodes if not set(node.addresses).isdisjoint(own)), named)


def are_alike(node: str, host_name: str) -> bool:
    """Whether a Node may have this host name: cloud providers' Nodes have names with a domain, or without."""
    return node.partition(".")[0] == host_name.partition(".")[0]


def own_addresses() -> set[str]:
    """The addresses of the namespace that this process runs in."""
    try:
        with open_here() as kernel:
            return {host(address.prefix) for address in kernel.addresses()}
    except (OSError, GenieError):
        return set()


def another(
    pod_node: str, named: str, access: Access, own: Mapping[str, object], *, is_explicit: bool
) -> str:
    """This node's name where a pod of the node `pod_node` is not on it, "" where it is.

    The API server is asked only where the names differ: the host name may differ from the Node's name.
    """
    if not pod_node or pod_node == named:
        return ""
    nodes = [] if is_explicit else _nodes(access, own)
    if nodes or is_explicit:
        here = name_of(named, nodes, own_addresses(), is_explicit=is_explicit)
        return "" if here == pod_node else here
    return "" if are_alike(pod_node, named) else named


def is_this(asked: str, named: str, access: Access, *, is_explicit: bool, to_change: bool = False) -> bool:
    """Whether this machine, which is named so, is the node that is asked for.

    Where the names differ, the addresses of the Node object decide. Without any API server it is taken for that node,
    since there is no cluster with another one; `access.warn` gets a sentence. A command that is `to_change` the node
    does not guess. Raises NotFound for a node that does not exist, GenieError where the server does not answer.
    """
    if asked == named or is_explicit:
        return asked == named
    require_name(asked)
    api = connect(access, API_SECONDS)
    if api is None and to_change:
        raise NotFound(
            f"whether this machine, {named}, is node {asked} is not known: no API server is known",
            hint="--here runs it on this machine; --kubeconfig names a server",
        )
    if api is None:
        access.warn(f"no API server is known, so this machine is taken for node {asked}")
        return True
    with api:
        page = api.page(NODE, "", {"fieldSelector": f"metadata.name={asked}"})
    found = [cluster.node(item) for item in get_list(page, "items") if isinstance(item, dict)]
    if not found:
        raise NotFound(
            f"node {asked} does not exist",
            hint="kubectl get nodes lists them; --here runs it on this machine",
        )
    return not own_addresses().isdisjoint(found[0].addresses)


def require_name(asked: str) -> None:
    """Raise WrongUsage for what cannot be the name of a node: it would be another field selector."""
    if not is_subdomain(asked):
        raise WrongUsage(f"--node {asked!r} cannot be the name of a node")


def names_of_nodes(api: KubeAPI) -> list[str]:
    """The names of the cluster's nodes but those that run Windows. Raises GenieError."""
    listed = [item.get("metadata") or {} for item in api.list_objects(NODE, within=PAGE_SECONDS)]
    return sorted(
        str(metadata.get("name"))
        for metadata in listed
        if (metadata.get("labels") or {}).get("kubernetes.io/os") != "windows"
    )


def _nodes(access: Access, own: Mapping[str, object]) -> list[JSON]:
    """The cluster's nodes, none where this user may not list them."""
    try:
        api = open_api(access, own)
        if api is None:
            return []
        with api:
            return [{"kind": "Node", **item} for item in api.list_objects(NODE, within=API_SECONDS)]
    except GenieError:
        return []
