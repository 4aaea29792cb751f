"""Read the cluster, judge, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_resources import NODE
from genie_core.errors import EXIT_TIMEOUT, Denied, GenieError, NotFound
from genie_core.survey import whole_cluster
from genie_core.survey.whole_cluster import Announce, WholeCluster
from genie_core.tasks.pods import did_you_mean
from genie_core.tasks.status.asked import asked_of
from genie_core.tasks.status.judge import is_ready, pod_problems, problems_of
from genie_core.tasks.status.nodes import nodes_of
from genie_core.tasks.status.report import ClusterStatus, NetworkList
from genie_core.tasks.status.usage import networks_of
from genie_core.tasks.this_node import require_name

POLL_SECONDS = 2.0


def cluster_status(
    api: KubeAPI, announce: Announce, *, namespace: str = "", node: str = "", now: float
) -> ClusterStatus:
    """The state of the whole cluster, of one namespace's pods and definitions, or of one node.

    `now` is seconds since 1970. Raises WrongUsage for an impossible name of a node, NotFound for a node that does not
    exist, GenieError where the server does not answer.
    """
    if node:
        require_name(node)
    began = time.monotonic()
    cluster = whole_cluster.read(api, announce, namespace, node)
    if node and "Node" not in cluster.missing and not cluster.nodes:
        raise NotFound(f"node {node} does not exist", hint="kubectl get nodes lists them")
    networks = networks_of(cluster)
    nodes = nodes_of(cluster, now)
    pods = pod_problems(cluster, {network.name for network in networks})
    return ClusterStatus(
        daemon_sets=tuple(cluster.daemon_sets),
        nodes=tuple(nodes),
        networks=tuple(networks),
        pods=sum(not pod.ended for pod in cluster.pods),
        asking=sum(asked_of(pod) is not None for pod in cluster.pods if not pod.ended),
        pod_problems=tuple(pods),
        problems=tuple(problems_of(cluster, nodes, networks, pods)),
        missing=cluster.missing,
        scope=f" on node {node}" if node else _scope(namespace),
        milliseconds=(time.monotonic() - began) * 1000,
    )


def wait_until_ready(
    api: KubeAPI, announce: Announce, seconds: float, *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Return once all of Genie's DaemonSets are rolled out. Raises GenieError after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        cluster = whole_cluster.read_rollout(api, announce)
        waiting = _waiting(cluster)
        if not waiting:
            return
        if time.monotonic() >= until:
            raise GenieError(
                f"after {seconds:g} seconds: {waiting}",
                hint="kubectl -n kube-system get pods -l app.kubernetes.io/name=genie shows which",
                exit_code=EXIT_TIMEOUT,
            )
        announce(waiting)
        sleep(POLL_SECONDS)


def _waiting(cluster: WholeCluster) -> str:
    if cluster.missing.get("DaemonSet"):
        raise Denied(cluster.missing["DaemonSet"])
    if not cluster.daemon_sets:
        return "there is no DaemonSet of Genie"
    late = [one for one in cluster.daemon_sets if not is_ready(one)]
    return "; ".join(f"{one.namespace}/{one.name}: {one.ready} of {one.desired} ready" for one in late)


def network_list(api: KubeAPI, announce: Announce, *, name: str = "", namespace: str = "") -> NetworkList:
    """The networks of the cluster or of a namespace; with `name` that one alone, with its pods.

    Raises NotFound where there is no such network, Denied where that could not be read.
    """
    cluster = whole_cluster.read_networks(api, announce, namespace)
    found = networks_of(cluster)
    if name:
        found = [network for network in found if network.name == name]
        unread = [why for kind, why in cluster.missing.items() if kind != NODE.kind]  # which names no network
        if not found and unread:
            raise Denied(f"network {name} is not in what could be read", details="\n".join(unread))
        if not found:
            raise NotFound(
                f"network {name} does not exist and no pod names it",
                hint=_near(name, [network.name for network in networks_of(cluster)]),
            )
    return NetworkList(
        networks=tuple(found), detailed=bool(name), missing=cluster.missing, scope=_scope(namespace)
    )


def _near(name: str, known: Sequence[str]) -> str:
    """The hint for a name that no network has: those of other namespaces, and similar ones."""
    where = "" if "/" in name else "a definition's name is NAMESPACE/NAME, or NAME with -n; "
    return did_you_mean(name, known) or f"{where}genie networks lists all"


def _scope(namespace: str) -> str:
    return f" of namespace {namespace}" if namespace else ""
