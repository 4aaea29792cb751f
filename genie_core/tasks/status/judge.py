"""The problems of a cluster: nodes, DaemonSets, definitions, pods without the networks that they ask for. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from genie_core.dialects import BY_ATTACHMENT
from genie_core.published import Published
from genie_core.survey.whole_cluster import DaemonSetRow, PodRow, WholeCluster
from genie_core.tasks.status.asked import Asked, asked_of, attached_to, is_stale
from genie_core.tasks.status.nodes import NodeStatus
from genie_core.tasks.status.usage import Network

State = Literal["waiting", "different", "lost"]
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodProblem(Published):
    """A pod whose networks are not what its annotations ask for.

    `waiting`: it has no sandbox yet, or its annotation is wrong. `different`: it runs with other networks than it asks
    for now. `lost`: the definition of a network that it has, or asks for, does not exist.
    """

    pod: str
    node: str
    state: State
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Published):
    """One sentence of the verdict; `fix` is what to run or change."""

    severity: Severity
    text: str
    fix: str


def pod_problems(cluster: WholeCluster, networks: Collection[str]) -> list[PodProblem]:
    """The pods without the networks that they ask for; `networks` are the definitions that exist."""
    complete = not {"NetworkAttachmentDefinition", "Logicalnetwork"} & set(cluster.missing)
    found = []
    for pod in cluster.pods:
        if pod.ended or pod.host_network or pod.deleting:
            continue
        for state, reason in _states(pod, networks if complete else None, cluster.refused):
            found.append(PodProblem(pod=pod.label, node=pod.node, state=state, reason=reason))
            break
    return sorted(found, key=lambda one: (one.state, one.pod))


def _states(
    pod: PodRow, networks: Collection[str] | None, refused: dict[str, str]
) -> Iterator[tuple[State, str]]:
    """What is wrong with the pod's networks, the most severe first."""
    asked = asked_of(pod)
    if asked is None:
        return
    if isinstance(asked, str):
        yield ("different" if pod.started else "waiting"), asked
        return
    if networks is not None:
        for name in (one for one in asked.networks if "/" in one and one not in networks):
            yield "lost", f"network {name} is asked for and does not exist"
    if not pod.started:
        if pod.node:
            yield "waiting", refused.get(pod.label, "it has no network yet")
        return
    if is_stale(pod):
        yield "different", "its annotation has changed since its networks were attached"
    got = [entry.network for entry in attached_to(pod)]
    if asked.dialect is BY_ATTACHMENT and got:
        yield from (("different", text) for text in _differences(asked, got))


def _differences(asked: Asked, got: Sequence[str]) -> Iterator[str]:
    """The networks that are asked for and not attached. What is attached besides is the pod's default network."""
    missing = list(asked.networks)
    for name in got:
        if name in missing:
            missing.remove(name)
    if missing:
        yield f"it asks for {', '.join(missing)} and has {', '.join(got)}"


def problems_of(
    cluster: WholeCluster,
    nodes: Sequence[NodeStatus],
    networks: Sequence[Network],
    pods: Sequence[PodProblem],
) -> list[Problem]:
    """The verdict's sentences, errors first."""
    found = [
        *_of_daemon_sets(cluster),
        *_of_nodes(nodes),
        *_of_networks(networks),
        *_of_pods(pods),
    ]
    return sorted(found, key=lambda one: one.severity)


def _of_daemon_sets(cluster: WholeCluster) -> Iterator[Problem]:
    if "DaemonSet" not in cluster.missing and not cluster.daemon_sets:
        yield Problem(
            severity="warning",
            text="no DaemonSet of Genie is in the cluster: nodes keep the plugin as it was installed by hand",
            fix="kubectl apply -k deploy installs it",
        )
    for one in cluster.daemon_sets:
        if not is_ready(one):
            yield Problem(
                severity="error",
                text=f"DaemonSet {one.namespace}/{one.name}: {one.ready} of {one.desired} pods are ready, "
                f"{one.updated} are of the newest template",
                fix=f"kubectl -n {one.namespace} rollout status daemonset/{one.name}",
            )


def is_ready(one: DaemonSetRow) -> bool:
    """Whether each node has a ready pod of the newest template."""
    return one.ready == one.updated == one.desired


def _of_nodes(nodes: Sequence[NodeStatus]) -> Iterator[Problem]:
    for node in nodes:
        if node.verdict == "bad":
            yield Problem(
                severity="error",
                text=f"node {node.name}: {node.reason}",
                fix=f"on that node: genie debug node   (or kubectl genie debug node --node {node.name})",
            )


def _of_networks(networks: Sequence[Network]) -> Iterator[Problem]:
    for network in networks:
        if network.problem:
            yield Problem(
                severity="error" if network.users else "warning",
                text=f"network {network.name} cannot work: {network.problem}",
                fix=f"correct {network.object} {network.name}",
            )
        elif network.size and not network.free:
            where = " on a node" if network.per_node else ""
            yield Problem(
                severity="error",
                text=f"network {network.name} has no address left{where}: {network.used} of {network.size} are used",
                fix=f"genie networks {network.name} shows who has them; extend its range",
            )


_WORDS: dict[State, tuple[str, str]] = {
    "waiting": ("{count} {pods} for a network", "kubectl genie debug pod {first} says why"),
    "different": ("{count} {pods} other networks than asked for", "genie sync pod {first} on its node"),
    "lost": (
        "{count} {pods} a network that does not exist",
        "create the definition, or take it out of the annotation",
    ),
}
_VERBS = {
    "waiting": ("pod waits", "pods wait"),
    "different": ("pod has", "pods have"),
    "lost": ("pod names", "pods name"),
}


def _of_pods(pods: Sequence[PodProblem]) -> Iterator[Problem]:
    for state, (text, fix) in _WORDS.items():
        found = [pod for pod in pods if pod.state == state]
        if found:
            words = _VERBS[state][len(found) > 1]
            yield Problem(
                severity="error",
                text=text.format(count=len(found), pods=words),
                fix=fix.format(first=found[0].pod),
            )
