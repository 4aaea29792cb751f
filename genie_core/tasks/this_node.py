"""Which node this is, and whether a pod is on it: by the node's name, else by the addresses of the Node objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from genie_core.errors import GenieError
from genie_core.survey import cluster
from genie_core.survey.api import NODE
from genie_core.survey.kernel import JSON
from genie_core.survey.user_cluster import Access
from genie_core.tasks.pods import API_SECONDS, open_api


def name_of(named: str, objects: Sequence[JSON], own: Collection[str], *, is_explicit: bool) -> str:
    """This node's name: `named` where it was given or is a Node's, else that of the Node with an address of `own`."""
    nodes = [cluster.node(item) for item in cluster.of_kind(objects, "Node")]
    if is_explicit or any(node.name == named for node in nodes):
        return named
    return next((node.name for node in nodes if not set(node.addresses).isdisjoint(own)), named)


def own_addresses() -> set[str]:
    """The addresses of the namespace that this process runs in."""
    from genie_core.survey import netlink

    try:
        with netlink.open_netlink() as kernel:
            return {address.ip for address in netlink.addresses(kernel)}
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
    same = pod_node.partition(".")[0] == named.partition(".")[0]  # as in Node names of cloud providers
    return "" if same else named


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
