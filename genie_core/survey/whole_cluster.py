"""The objects of a whole cluster that concern networks, read page by page; of each only what is used is kept.

Ten thousand pods are 150 MB of JSON and 15 MB of rows. A list that may not be read is named in `missing`, with the
right that it needs; the others are still read. deploy/status-rbac.yaml grants what is asked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from genie_core.dialects import ASKING, NETWORK_STATUS
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import Forbidden, ObjectNotFound, Unreachable
from genie_core.edges.kube_resources import (
    DAEMON_SET,
    EVENT,
    LOGICAL_NETWORK,
    NETWORK_ATTACHMENT,
    NODE,
    PHYSICAL_NETWORK,
    POD,
    Resource,
)
from genie_core.published import JSON, Published
from genie_core.status import OBSERVED
from genie_core.survey import cluster
from genie_core.survey.api import not_allowed, pages
from genie_core.survey.events import NO_SANDBOX, one_line

# A page stays below what one answer may have (kube_http.LARGEST_BODY); pods are 10 to 20 kB each.
PAGE = 250
PAGE_SECONDS = 10.0  # for one page: a server that is away is reported then, and not at the end of --timeout
NAME_LABEL = "app.kubernetes.io/name"
NAMES = ("genie", "genie-agent")
ROLE = "the ClusterRole genie-status of deploy/status-rbac.yaml allows it"
OWN_PODS = "Pod of Genie"  # the name of Genie's own pods in `missing`
NODE_CONDITION = "GenieNetworkReady"
NODE_REPORT = "genie.cni.dev/node"  # annotation of a Node, written by the agent
_KEPT = (*ASKING, NETWORK_STATUS, OBSERVED)
Announce = Callable[..., None]  # given a step in words, and where it is known what is done of it, from 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRow:
    """One pod. `annotations` are those that ask for networks or report them; `owner` is (kind, name) or ("", "").

    `started` is false until its containers have been created; `app` is its label app.kubernetes.io/name where it is
    one of Genie's own pods.
    """

    namespace: str
    name: str
    node: str
    phase: str
    annotations: Mapping[str, str]
    ips: tuple[str, ...]
    owner: tuple[str, str]
    started: bool
    ready: bool
    deleting: bool
    host_network: bool
    app: str = ""
    image: str = ""

    @property
    def label(self) -> str:
        """NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"

    @property
    def ended(self) -> bool:
        """Whether it has no network any more."""
        return self.phase in cluster.ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """One node. `network` is its condition GenieNetworkReady: (status, reason, message), empty without an agent."""

    name: str
    cidrs: tuple[str, ...]
    addresses: tuple[str, ...]
    network: tuple[str, str, str] = ("", "", "")
    report: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonSetRow(Published):
    """One of Genie's DaemonSets: pods wanted, ready, and of the newest template."""

    namespace: str
    name: str
    desired: int
    ready: int
    updated: int
    image: str


@dataclass(slots=True, kw_only=True)
class WholeCluster:
    """What was read. `refused` maps a pod's NAMESPACE/NAME to why its last sandbox could not be made.

    `own` are Genie's own pods of all namespaces; `missing` maps a kind of object to why it was not read.
    """

    nodes: list[NodeRow] = field(default_factory=list)
    daemon_sets: list[DaemonSetRow] = field(default_factory=list)
    pods: list[PodRow] = field(default_factory=list)
    own: list[PodRow] = field(default_factory=list)
    attachments: list[JSON] = field(default_factory=list)
    logical: list[JSON] = field(default_factory=list)
    physical: list[JSON] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def knows_own(self) -> bool:
        """Whether Genie's own pods were read."""
        return not {POD.kind, OWN_PODS} & self.missing.keys()


def read(api: KubeAPI, announce: Announce, namespace: str = "", node: str = "") -> WholeCluster:
    """All of it; pods and definitions of one namespace, or pods of one node, where that is named.

    Raises GenieError where the server does not answer or knows the caller not.
    """
    reader = _Reader(api, announce, namespace, PAGE_SECONDS)
    found = reader.networks(node)
    found.daemon_sets = list(reader.daemon_sets())
    if namespace:
        listed = reader.list(POD, _OWN | _on(node), cluster_wide=True, source=OWN_PODS)
        found.own = [pod_row(item) for item in listed]
    else:
        found.own = [pod for pod in found.pods if pod.app]
    selector = {"fieldSelector": f"reason={NO_SANDBOX}"}
    found.refused = _newest(reader.list(EVENT, selector))
    return found


def read_networks(api: KubeAPI, announce: Announce, namespace: str = "") -> WholeCluster:
    """Definitions, and the pods and nodes that have addresses of them. Raises like `read`."""
    return _Reader(api, announce, namespace, PAGE_SECONDS).networks()


def read_rollout(api: KubeAPI, announce: Announce) -> WholeCluster:
    """Genie's DaemonSets alone: what `--wait` looks at again and again. Raises like `read`."""
    reader = _Reader(api, announce, "")
    return WholeCluster(daemon_sets=list(reader.daemon_sets()), missing=reader.missing)


_OWN = {"labelSelector": f"{NAME_LABEL} in ({','.join(NAMES)})"}


def _on(node: str) -> dict[str, str]:
    """The query for pods of a node, "" for all."""
    return {"fieldSelector": f"spec.nodeName={node}"} if node else {}


@dataclass(slots=True)
class _Reader:
    """Lists, each in pages. The first answer of each says how much is left: that is the progress.

    A page is given up after `within` seconds, None for all that the API has left.
    """

    api: KubeAPI
    announce: Announce
    namespace: str
    within: float | None = None
    missing: dict[str, str] = field(default_factory=dict)
    answered: bool = False

    def networks(self, node: str = "") -> WholeCluster:
        """Nodes, definitions and pods; with `node` that node, and its pods."""
        named = {"fieldSelector": f"metadata.name={node}"} if node else {}
        return WholeCluster(
            nodes=[_node(item) for item in self.list(NODE, named, cluster_wide=True)],
            attachments=[_definition(item) for item in self.list(NETWORK_ATTACHMENT)],
            logical=[_definition(item) for item in self.list(LOGICAL_NETWORK)],
            physical=[_definition(item) for item in self.list(PHYSICAL_NETWORK)],
            pods=[pod_row(item) for item in self.list(POD, _on(node))],
            missing=self.missing,
        )

    def daemon_sets(self) -> Iterator[DaemonSetRow]:
        """Genie's own."""
        return map(_daemon_set, self.list(DAEMON_SET, _OWN, cluster_wide=True))

    def list(
        self,
        kind: Resource,
        query: Mapping[str, str] | None = None,
        *,
        cluster_wide: bool = False,
        source: str = "",
    ) -> Iterator[JSON]:
        """The items of a list, as their pages come; `source` is its name in `missing`, the kind's by default.

        A kind that is not installed has none. Raises Unreachable where the server has answered nothing yet.
        """
        namespace = "" if cluster_wide else self.namespace
        try:
            yield from self._pages(kind, dict(query or {}), namespace)
        except ObjectNotFound:
            return
        except Forbidden:
            self.missing[source or kind.kind] = f"{not_allowed('list', kind, namespace)}: {ROLE}"
        except Unreachable as error:
            if not self.answered:
                raise
            self.missing[source or kind.kind] = "; ".join(filter(None, (error.msg, error.details)))

    def _pages(self, kind: Resource, query: dict[str, str], namespace: str) -> Iterator[JSON]:
        seen = 0
        self.announce(f"reading {kind.plural}")
        for page, metadata in pages(self.api, kind, query, namespace, PAGE, within=self.within):
            self.answered = True
            yield from page
            seen += len(page)
            left = metadata.get("remainingItemCount")
            if isinstance(left, int) and left > 0:
                self.announce(f"reading {kind.plural}: {seen} of {seen + left}", seen / (seen + left))
            else:
                self.announce(f"reading {kind.plural}: {seen}")


def _metadata(item: JSON) -> JSON:
    return cluster.as_object(item.get("metadata"))


def pod_row(item: JSON) -> PodRow:
    """The row of a Pod."""
    metadata, spec, status = (
        _metadata(item),
        cluster.as_object(item.get("spec")),
        cluster.as_object(item.get("status")),
    )
    annotations = cluster.as_object(metadata.get("annotations"))
    conditions = {str(one.get("type")): one.get("status") == "True" for one in cluster.conditions(item)}
    app = str(cluster.as_object(metadata.get("labels")).get(NAME_LABEL) or "")
    own = app in NAMES
    phase = str(status.get("phase") or "")
    return PodRow(
        namespace=str(metadata.get("namespace") or "default"),
        name=str(metadata.get("name") or ""),
        node=str(spec.get("nodeName") or ""),
        phase=phase,
        annotations={key: str(annotations[key]) for key in _KEPT if key in annotations},
        ips=tuple(str(one.get("ip")) for one in status.get("podIPs") or () if isinstance(one, dict)),
        owner=_owner(metadata),
        # PodReadyToStartContainers is true once the sandbox has its network; clusters before 1.29 lack it
        started=conditions.get("PodReadyToStartContainers", phase != "Pending"),
        ready=conditions.get("Ready", False),
        deleting=bool(metadata.get("deletionTimestamp")),
        host_network=bool(spec.get("hostNetwork")),
        app=app if own else "",
        image=_image(spec) if own else "",
    )


def _owner(metadata: JSON) -> tuple[str, str]:
    """The controller; a Deployment where it is one of its ReplicaSets (`NAME-<hash of the template>`)."""
    owners = [one for one in metadata.get("ownerReferences") or () if isinstance(one, dict)]
    owner = next((one for one in owners if one.get("controller")), {})
    kind, name = str(owner.get("kind") or ""), str(owner.get("name") or "")
    template = str(cluster.as_object(metadata.get("labels")).get("pod-template-hash") or "")
    if kind == "ReplicaSet" and template and name.endswith(f"-{template}"):
        return "Deployment", name.removesuffix(f"-{template}")
    return kind, name


def _image(spec: JSON) -> str:
    containers = [one for one in spec.get("containers") or () if isinstance(one, dict)]
    return str(containers[0].get("image") or "") if containers else ""


def _node(item: JSON) -> NodeRow:
    node = cluster.node(item)
    conditions = {str(one.get("type")): one for one in cluster.conditions(item)}
    network = conditions.get(NODE_CONDITION, {})
    return NodeRow(
        name=node.name,
        cidrs=node.cidrs,
        addresses=node.addresses,
        network=(
            str(network.get("status") or ""),
            str(network.get("reason") or ""),
            str(network.get("message") or ""),
        ),
        report=str(cluster.notes_of(item).get(NODE_REPORT) or ""),
    )


def _daemon_set(item: JSON) -> DaemonSetRow:
    metadata, spec, status = (
        _metadata(item),
        cluster.as_object(item.get("spec")),
        cluster.as_object(item.get("status")),
    )
    return DaemonSetRow(
        namespace=str(metadata.get("namespace") or "default"),
        name=str(metadata.get("name") or ""),
        desired=_number(status.get("desiredNumberScheduled")),
        ready=_number(status.get("numberReady")),
        updated=_number(status.get("updatedNumberScheduled")),
        image=_image(cluster.as_object(cluster.as_object(spec.get("template")).get("spec"))),
    )


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _definition(item: JSON) -> JSON:
    """The object without what others wrote into it: managedFields, kubectl's copy of it."""
    metadata = _metadata(item)
    kept = {key: metadata[key] for key in ("namespace", "name", "creationTimestamp") if key in metadata}
    return {"metadata": kept, "spec": cluster.as_object(item.get("spec"))}


def _newest(events: Iterator[JSON]) -> dict[str, str]:
    """NAMESPACE/NAME of a pod -> the message of its newest event."""
    found: dict[str, tuple[str, str]] = {}
    for event in events:
        about = cluster.as_object(event.get("involvedObject"))
        at = str(event.get("lastTimestamp") or event.get("eventTime") or "")
        key = f"{about.get('namespace') or 'default'}/{about.get('name') or ''}"
        if about.get("kind") == "Pod" and at >= found.get(key, ("", ""))[0]:
            found[key] = (at, one_line(str(event.get("message") or "")))
    return {key: message for key, (_, message) in found.items()}
