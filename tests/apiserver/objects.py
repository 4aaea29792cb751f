"""What the API server holds: objects by kind, namespace and name, with UIDs and resource versions."""

import base64
import copy
import itertools
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from threading import Condition
from typing import Any, NamedTuple

from . import status

Object = dict[str, Any]
_LARGEST_ANNOTATIONS = 256 << 10
_SET_REQUIREMENT = re.compile(r"([\w./-]+) (in|notin) \(([^()]*)\)")
_LONGEST_HISTORY = 20_000
_POLL_SECONDS = 0.1


class Kind(NamedTuple):
    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


KINDS = (
    Kind("", "v1", "namespaces", "Namespace", namespaced=False),
    Kind("", "v1", "nodes", "Node", namespaced=False),
    Kind("", "v1", "pods", "Pod"),
    Kind("", "v1", "services", "Service"),
    Kind("", "v1", "events", "Event"),
    Kind("", "v1", "configmaps", "ConfigMap"),
    Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
    Kind("apps", "v1", "daemonsets", "DaemonSet"),
    Kind("apps", "v1", "deployments", "Deployment"),
    Kind("k8s.cni.cncf.io", "v1", "network-attachment-definitions", "NetworkAttachmentDefinition"),
    Kind("k8s.cni.cncf.io", "v1beta1", "multi-networkpolicies", "MultiNetworkPolicy"),
    Kind("alpha.network.k8s.io", "v1", "logicalnetworks", "Logicalnetwork"),
    Kind("alpha.network.k8s.io", "v1", "physicalnetworks", "Physicalnetwork"),
)


class Change(NamedTuple):
    """One write: the object before it and after it, each None where there was none."""

    version: int
    kind: Kind
    before: Object | None
    after: Object | None


# What field selectors may name besides metadata.name and metadata.namespace (pkg/apis/core/v1/conversion.go).
FIELDS = {
    "Pod": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
            "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName"),
    "Event": ("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
              "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
              "reason", "reportingComponent", "source", "type"),
    "Node": ("spec.unschedulable",),
    "Service": ("spec.clusterIP", "spec.type"),
}  # fmt: skip


class Objects:
    """The store. `uid_status` is how a patch with another UID is refused: 409, or 422 as some versions do."""

    def __init__(self, *manifests: Object) -> None:
        self.kinds = list(KINDS)
        self.uid_status = 409
        self._lock = (
            Condition()
        )  # notified at each write, of which `_history` keeps those that can be watched
        self._versions = itertools.count(1000)
        self._history: list[Change] = []
        self._oldest = 0
        self._objects: dict[tuple[str, str, str, str], Object] = {}
        for manifest in manifests:
            self.add(manifest)

    def add(self, manifest: Object) -> Object:
        """Create or replace an object from a manifest; the object as it is held."""
        kind = self.kind_of(manifest)
        held = copy.deepcopy(manifest)
        metadata = held.setdefault("metadata", {})
        if kind.namespaced:
            metadata.setdefault("namespace", "default")
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        with self._lock:
            self._write(kind, held)
        return copy.deepcopy(held)

    def create(self, kind: Kind, namespace: str, manifest: Object) -> Object:
        manifest = copy.deepcopy(manifest) | {"apiVersion": kind.api_version, "kind": kind.kind}
        metadata = manifest.setdefault("metadata", {})
        if kind.namespaced and metadata.setdefault("namespace", namespace) != namespace:
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if "name" not in metadata:
            metadata["name"] = metadata.get("generateName", "object-") + uuid.uuid4().hex[:5]
        with self._lock:
            if _key(kind, namespace, metadata["name"]) in self._objects:
                raise status.already_exists(kind.plural, kind.group, metadata["name"])
            return self.add(manifest)

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        with self._lock:
            return copy.deepcopy(self._held(kind, namespace, name))

    def remove(self, kind: Kind, namespace: str, name: str) -> Object:
        with self._lock:
            self._held(kind, namespace, name)
            gone = self._objects.pop(_key(kind, namespace, name))
            version = next(self._versions)
            last = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(version)}}
            self._remember(Change(version, kind, last, None))
            return gone

    def list(self, kind: Kind, namespace: str, query: dict[str, str]) -> Object:
        with self._lock:
            items = list(self._matching(kind, namespace, query))
            metadata: Object = {"resourceVersion": str(next(self._versions))}
            first = _position(query.get("continue", ""))
            limit = int(query.get("limit") or 0)
            if limit and len(items) > first + limit:
                metadata["continue"] = base64.urlsafe_b64encode(str(first + limit).encode()).decode()
                metadata["remainingItemCount"] = len(items) - first - limit
            page = copy.deepcopy(items[first : first + limit] if limit else items[first:])
        return {
            "kind": f"{kind.kind}List",
            "apiVersion": kind.api_version,
            "metadata": metadata,
            "items": page,
        }

    def patch(self, kind: Kind, namespace: str, name: str, patch: Any, subresource: str = "") -> Object:
        """A JSON merge patch; `uid` and `resourceVersion` in it are preconditions.

        A pod's specification and its status are written by separate requests: what belongs to the other one is
        dropped without a word (pkg/registry/core/pod/strategy.go, PrepareForUpdate). Metadata belong to both, but
        for owners.
        """
        with self._lock:
            held = self._held(kind, namespace, name)
            patched = merge_patch(held, patch)
            self._check_patch(kind, held, patched)
            if kind.kind in ("Pod", "Node"):
                patched = _kept(patched, held, "spec" if subresource else "status")
            if subresource:
                patched["metadata"] = _kept(patched["metadata"], held["metadata"], "ownerReferences")
            if patched == held:
                return copy.deepcopy(held)
            self._write(kind, patched)
            return copy.deepcopy(patched)

    # --- watches -----------------------------------------------------------------------------------------

    def forget_history(self) -> None:
        """As after a compaction: a watch from an older version gets 410 Gone."""
        with self._lock:
            self._oldest, self._history = next(self._versions), []
            self._lock.notify_all()

    def watch(
        self, kind: Kind, namespace: str, query: dict[str, str], ended: Callable[[], bool], bookmark: float
    ) -> Iterator[Object]:
        """Events after `resourceVersion`, after those of what is there where it is none; until `ended` says so.

        A bookmark comes after `bookmark` seconds without an event. Raises Refusal for a version that is too old.
        """
        with self._lock:
            there = [copy.deepcopy(item) for item in self._matching(kind, namespace, query)]
            seen = int(query.get("resourceVersion") or 0)
            if seen == 0:
                seen, first = next(self._versions), there
            elif seen < self._oldest:
                raise status.too_old(seen, self._oldest)
            else:
                first = []
        return self._events(kind, namespace, query, seen, first, ended, bookmark)

    def _events(
        self,
        kind: Kind,
        namespace: str,
        query: dict[str, str],
        seen: int,
        first: Sequence[Object],
        ended: Callable[[], bool],
        bookmark: float,
    ) -> Iterator[Object]:
        yield from ({"type": "ADDED", "object": held} for held in first)
        reported = time.monotonic()
        while not ended():
            with self._lock:
                if not self._after(seen):
                    self._lock.wait(min(bookmark, _POLL_SECONDS))
                changes, is_old = self._after(seen), seen < self._oldest
            if is_old:
                yield {"type": "ERROR", "object": status.too_old(seen, self._oldest).document}
                return
            for change in changes:
                seen = change.version
                if event := self._event(change, kind, namespace, query):
                    reported = time.monotonic()
                    yield event
            if time.monotonic() - reported >= bookmark:
                reported = time.monotonic()
                yield _bookmark(kind, seen)

    def _after(self, version: int) -> Sequence[Change]:
        return [change for change in self._history if change.version > version]

    def _event(self, change: Change, kind: Kind, namespace: str, query: dict[str, str]) -> Object | None:
        """The events of a write for a watch: objects enter and leave the selector too."""
        if change.kind != kind:
            return None
        before = self._is_seen(change.before, namespace, query)
        after = self._is_seen(change.after, namespace, query)
        if not before and not after:
            return None
        if after:
            return {"type": "MODIFIED" if before else "ADDED", "object": copy.deepcopy(change.after)}
        last = copy.deepcopy(change.after or change.before)
        return {"type": "DELETED", "object": last}

    def _is_seen(self, held: Object | None, namespace: str, query: dict[str, str]) -> bool:
        if held is None or namespace not in ("", held["metadata"].get("namespace", "")):
            return False
        return _fits(held, *_selectors(query))

    def _write(self, kind: Kind, held: Object) -> None:
        key = _key(kind, held["metadata"].get("namespace", ""), held["metadata"]["name"])
        version = next(self._versions)
        held["metadata"]["resourceVersion"] = str(version)
        before = self._objects.get(key)
        self._objects[key] = held
        self._remember(Change(version, kind, before, held))

    def _remember(self, change: Change) -> None:
        self._history.append(change)
        if len(self._history) > _LONGEST_HISTORY:
            self._oldest = self._history[_LONGEST_HISTORY // 2].version
            self._history = self._history[_LONGEST_HISTORY // 2 :]
        self._lock.notify_all()

    def with_merged_lists(self, kind: Kind, namespace: str, name: str, patch: Object) -> Object:
        """A strategic merge patch as a merge patch: of its lists, `status.conditions` is merged by `type`."""
        wanted = (patch.get("status") or {}).get("conditions")
        if wanted is None:
            return patch
        held = self.get(kind, namespace, name).get("status", {}).get("conditions", [])
        new = {condition["type"]: condition for condition in wanted}
        merged = [{**condition, **new.pop(condition["type"], {})} for condition in held]
        return {**patch, "status": {**patch["status"], "conditions": [*merged, *new.values()]}}

    def kind_of(self, manifest: Object) -> Kind:
        for kind in self.kinds:
            if (kind.api_version, kind.kind) == (manifest.get("apiVersion"), manifest.get("kind")):
                return kind
        raise ValueError(f"no such kind here: {manifest.get('apiVersion')} {manifest.get('kind')}")

    def find_kind(self, group: str, version: str, plural: str) -> Kind | None:
        wanted = (group, version, plural)
        return next((kind for kind in self.kinds if (kind.group, kind.version, kind.plural) == wanted), None)

    def _held(self, kind: Kind, namespace: str, name: str) -> Object:
        try:
            return self._objects[_key(kind, namespace, name)]
        except KeyError:
            raise status.not_found(kind.plural, kind.group, name) from None

    def _matching(self, kind: Kind, namespace: str, query: dict[str, str]) -> Iterator[Object]:
        fields, labels = _selectors(query)
        supported = ("metadata.name", "metadata.namespace", *FIELDS.get(kind.kind, ()))
        for path, _, _ in fields:
            if path not in supported:
                raise status.bad_request(f"field label not supported: {path}")
        for (group, plural, object_namespace, _), held in sorted(self._objects.items()):
            if (group, plural) != (kind.group, kind.plural) or namespace not in ("", object_namespace):
                continue
            if _fits(held, fields, labels):
                yield held

    def _check_patch(self, kind: Kind, held: Object, patched: Any) -> None:
        name, was = held["metadata"]["name"], held["metadata"]
        metadata = patched.get("metadata") if isinstance(patched, dict) else None
        if not isinstance(metadata, dict):
            raise status.bad_request("cannot unmarshal the patched object")
        if metadata.get("resourceVersion") != was["resourceVersion"]:
            problem = (
                "the object has been modified; please apply your changes to the latest version and try again"
            )
            raise status.conflict(kind.plural, kind.group, name, problem)
        if metadata.get("uid") != was["uid"]:
            raise self._uid_refusal(kind, name, str(metadata.get("uid")), was["uid"])
        if (metadata.get("name"), metadata.get("namespace")) != (was["name"], was.get("namespace")):
            raise status.bad_request("the name of the object does not match the name on the URL")
        _check_annotations(kind.kind, name, metadata.get("annotations", {}))

    def _uid_refusal(self, kind: Kind, name: str, wanted: str, uid: str) -> status.Refusal:
        if self.uid_status == 422:
            problem = f'Invalid value: "{wanted}": field is immutable'
            return status.invalid(kind.kind, name, "metadata.uid", problem)
        problem = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
        return status.conflict(kind.plural, kind.group, name, problem)


def _kept(patched: Object, held: Object, key: str) -> Object:
    """The patched object with one key as it was."""
    return {name: value for name, value in patched.items() if name != key} | (
        {key: held[key]} if key in held else {}
    )


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return copy.deepcopy(result)


def _key(kind: Kind, namespace: str, name: str) -> tuple[str, str, str, str]:
    return kind.group, kind.plural, namespace if kind.namespaced else "", name


def _check_annotations(kind: str, name: str, annotations: Any) -> None:
    if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
        raise status.bad_request(
            "json: cannot unmarshal into Go struct field ObjectMeta.metadata.annotations of type string"
        )
    if sum(len(key) + len(value) for key, value in annotations.items()) > _LARGEST_ANNOTATIONS:
        raise status.invalid(
            kind, name, "metadata.annotations", f"Too long: must have at most {_LARGEST_ANNOTATIONS} bytes"
        )


def _bookmark(kind: Kind, version: int) -> Object:
    metadata = {"resourceVersion": str(version), "creationTimestamp": None}
    return {
        "type": "BOOKMARK",
        "object": {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata},
    }


Requirements = list[tuple[str, bool, str]]
LabelRequirements = list[tuple[str, bool, set[str]]]


def _selectors(query: dict[str, str]) -> tuple[Requirements, LabelRequirements]:
    """The requirements of the field selector and of the label selector."""
    return (
        [_requirement(text) for text in _split(query.get("fieldSelector", ""))],
        _label_requirements(query.get("labelSelector", "")),
    )


def _fits(held: Object, fields: Requirements, labels: LabelRequirements) -> bool:
    held_labels = held["metadata"].get("labels", {})
    return all((_at(held, path) == value) is equal for path, equal, value in fields) and all(
        (held_labels.get(name) in values) is equal for name, equal, values in labels
    )


def _split(selector: str) -> list[str]:
    return [text.strip() for text in selector.split(",") if text.strip()]


def _requirement(text: str) -> tuple[str, bool, str]:
    """`a=b`, `a==b` or `a!=b`: the name, whether it must be equal, the value."""
    name, separator, value = text.partition("=")
    if not separator:
        raise status.bad_request(f'unable to parse requirement: "{text}"')
    return name.rstrip("!"), not name.endswith("!"), value.lstrip("=")


def _label_requirements(selector: str) -> list[tuple[str, bool, set[str]]]:
    """The requirements of a label selector, `name in (a, b)` and `name notin (a, b)` among them."""
    found = [
        (name, word == "in", set(_split(values))) for name, word, values in _SET_REQUIREMENT.findall(selector)
    ]
    rest = _SET_REQUIREMENT.sub("", selector)
    return found + [(name, equal, {value}) for name, equal, value in map(_requirement, _split(rest))]


def _at(held: Object, path: str) -> str:
    value: Any = held
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


def _position(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError:
        raise status.expired() from None
