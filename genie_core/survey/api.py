"""The Pod and what surrounds it, read from the API server by a dozen bounded requests. Each may be refused.

deploy/debug-rbac.yaml grants them; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, TypeVar

from genie_core.dialects import NPWG_NETWORKS
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import Forbidden, ObjectNotFound, Unauthorized, Unreachable
from genie_core.edges.kube_resources import (
    ENDPOINTS,
    EVENT,
    NAMESPACE,
    NETWORK_ATTACHMENT,
    NETWORK_POLICY,
    NODE,
    POD,
    SERVICE,
    Resource,
)
from genie_core.errors import GenieError, NotFound
from genie_core.published import JSON
from genie_core.select.npwg import parse_selections
from genie_core.survey import cluster, events
from genie_core.survey.collection import reason
from genie_core.survey.conf_files import parse_conf
from genie_core.survey.facts import ConfFile, Event
from genie_core.survey.objects import lean
from genie_core.survey.user_credentials import KnownCluster

T = TypeVar("T")

SECONDS = 3.0
NodeOf = Callable[[Sequence[JSON]], str]
# A page has to stay below what one answer may have (kube_http.LARGEST_BODY): pods are 10 to 20 kB each.
PAGE, MOST, ELSEWHERE, MOST_EVENTS = 100, 5000, 100, 300
RUNNING = "status.phase=Running"
MOST_NETWORKS = 16
ROLE = "the ClusterRole genie-debug of deploy/debug-rbac.yaml allows it"


@dataclass(slots=True, kw_only=True)
class Answers:
    """The API server's answers. `missing` maps a source to why it was not read.

    `refused` is the error where the credentials were not accepted, or none were got.
    """

    pod: JSON = field(default_factory=dict)
    objects: list[JSON] = field(default_factory=list)
    events: tuple[Event, ...] = ()
    networks: tuple[ConfFile, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    refused: Unauthorized | None = None


def read(
    server: KnownCluster, namespace: str, name: str, node_of: NodeOf, other: tuple[str, str] = ("", "")
) -> Answers:
    """All of it, within SECONDS; `name` "" means the node alone, `other` is one more pod (namespace, name).

    `node_of` finds this node's name among the Node objects. Raises NotFound where there is no such pod.
    """
    with server.connect(SECONDS) as api:
        return _Reader(api).read(namespace, name, node_of, other)


def pages(
    api: KubeAPI,
    kind: Resource,
    query: Mapping[str, str],
    namespace: str,
    size: int,
    most: float = inf,
    *,
    within: float | None = None,
) -> Iterator[tuple[list[JSON], JSON]]:
    """The items and the metadata of each page of a list, of one namespace or ("") of all; `most` items at most.

    A page is given up after `within` seconds, None for all that the API has left.
    """
    query = dict(query)
    while most > 0:
        document = api.page(kind, namespace, query | {"limit": str(min(size, most))}, within=within)
        items, metadata = document.get("items"), document.get("metadata")
        page = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        metadata = metadata if isinstance(metadata, dict) else {}
        yield page, metadata
        if not metadata.get("continue"):
            return
        query["continue"] = str(metadata["continue"])
        most -= len(page)


class _Reader:
    """One reading. After the server was unreachable or refused the credentials, it is asked nothing more."""

    def __init__(self, api: KubeAPI) -> None:
        self.api = api
        self.found = Answers()
        self.away = ""

    def read(self, namespace: str, name: str, node_of: NodeOf, other: tuple[str, str]) -> Answers:
        found = self.found
        if name:
            found.pod = self.attempt(
                "pod object", "get", POD, namespace, partial(self._pod, namespace, name), dict[str, Any]()
            )
        self._add(NODE)
        here = cluster.pod(found.pod).node or node_of(found.objects)
        if name:
            found.events = self._events("Pod", name, namespace)
        found.events = (*found.events, *self._events("Node", here, "default"))
        self._add(SERVICE)
        self._add(ENDPOINTS)
        self._pods(here)
        if other[1]:
            self._add(POD, f"metadata.namespace={other[0]},metadata.name={other[1]}")
        self._add(NETWORK_POLICY)
        if any(True for _ in cluster.of_kind(found.objects, NETWORK_POLICY.kind)):
            self._add(NAMESPACE)  # policies select by their labels
        found.networks = self._networks(namespace)
        found.pod = lean(found.pod) if found.pod else {}
        if self.away and not found.objects:
            found.missing["objects"] = self.away
        return found

    def attempt(
        self, source: str, verb: str, kind: Resource, namespace: str, ask: Callable[[], T], otherwise: T
    ) -> T:
        """The answer; without one `otherwise`, and in `missing` the reason or the right that is needed."""
        if self.away:
            self.found.missing[source] = self.away
            return otherwise
        try:
            return ask()
        except (Unreachable, Unauthorized) as error:
            self.away = self.found.missing[source] = "; ".join(filter(None, (error.msg, error.details)))
            self.found.refused = error if isinstance(error, Unauthorized) else None
        except GenieError as error:
            if isinstance(error, NotFound) and source == "pod object":
                raise
            self.found.missing[source] = _refusal(error, verb, kind, namespace)
        return otherwise

    def _pod(self, namespace: str, name: str) -> JSON:
        try:
            return self.api.get(POD.path(namespace, name)) | {"kind": "Pod"}
        except ObjectNotFound:
            raise cluster.no_such_pod(namespace, name) from None

    def _list(
        self,
        kind: Resource,
        selector: str,
        most: int,
        namespace: str = "",
        keep: Callable[[JSON], JSON] = lean,
    ) -> list[JSON]:
        """At most `most` items of a list, read page by page, each reduced by `keep`."""
        query = {"fieldSelector": selector} if selector else {}
        items: list[JSON] = []
        more = False
        for page, metadata in pages(self.api, kind, query, namespace, PAGE, most):
            items += [keep(item | {"kind": kind.kind}) for item in page]
            more = bool(metadata.get("continue"))
        if more and most == MOST:
            self.found.missing[f"objects: {kind.kind}"] = f"there are more than {most}: not all were read"
        return items

    def _add(self, kind: Resource, selector: str = "", most: int = 0) -> None:
        ask = partial(self._list, kind, selector, most or MOST)
        self.found.objects += self.attempt(f"objects: {kind.kind}", "list", kind, "", ask, list[JSON]())

    def _pods(self, node: str) -> None:
        """All pods of this node, the pods elsewhere that have an address of the pod, and a few others."""
        here, elsewhere = f"spec.nodeName={node},{RUNNING}", f"spec.nodeName!={node},{RUNNING}"
        self._add(POD, here)
        for ip in cluster.pod(self.found.pod).ips:
            self._add(POD, f"{elsewhere},status.podIP={ip}")
        self._add(POD, elsewhere, ELSEWHERE)

    def _events(self, kind: str, name: str, namespace: str) -> tuple[Event, ...]:
        """The newest events about an object. Those about nodes are kept in the namespace `default`."""
        selector = f"involvedObject.kind={kind},involvedObject.name={name}"
        ask = partial(self._list, EVENT, selector, MOST_EVENTS, namespace, dict)
        return events.newest(self.attempt("events", "list", EVENT, namespace, ask, list[JSON]()))

    def _networks(self, namespace: str) -> tuple[ConfFile, ...]:
        """The NetworkAttachmentDefinitions that the pod's annotation names, without their secrets."""
        found = []
        for space, name in _named(self.found.pod, namespace)[:MOST_NETWORKS]:
            ask = partial(self.api.get_object, NETWORK_ATTACHMENT, space, name)
            source = f"networks: {space}/{name}"
            document = self.attempt(source, "get", NETWORK_ATTACHMENT, space, ask, dict[str, Any]())
            spec = document.get("spec")
            text = spec.get("config") if isinstance(spec, dict) else None
            if isinstance(text, str) and text.strip():
                found.append(parse_conf(f"{NETWORK_ATTACHMENT.kind} {space}/{name}", text))
        return tuple(found)


def _named(pod: JSON, namespace: str) -> Sequence[tuple[str, str]]:
    """(namespace, name) of the definitions that the pod's annotation names; () where it cannot be read."""
    notes = cluster.notes_of(pod)
    try:
        selections = parse_selections(str(notes.get(NPWG_NETWORKS, "")), namespace, "")
    except GenieError:
        return ()
    return list(dict.fromkeys((selection.namespace, selection.name) for selection in selections))


def _refusal(error: GenieError, verb: str, kind: Resource, namespace: str) -> str:
    if isinstance(error, Forbidden):
        return f"{not_allowed(verb, kind, namespace)}: {ROLE}"
    return reason(error)


def not_allowed(verb: str, kind: Resource, namespace: str) -> str:
    """What a user lacks who gets a 403, as a Role names it: verb, resource, namespace."""
    resource = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
    return f"the API server does not allow Genie to {verb} {resource}{kind.scope(namespace)} (403)"
