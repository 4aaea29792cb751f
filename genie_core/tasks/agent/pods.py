"""The members of a pod object that the agent keeps; the API server sends the object with each change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genie_core.dialects import NETWORK_STATUS, NPWG_NETWORKS, does_ask
from genie_core.errors import InvalidConfig
from genie_core.select.npwg import parse_selections
from genie_core.status import NETWORK_NAME, OBSERVED, STATIC_UID
from genie_core.survey.cluster import ENDED, as_object
from genie_core.tasks.sync.observed import observed
from genie_core.tasks.sync.publish import CONDITION
from genie_core.tasks.sync.target import is_out

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """`request` is the hash of what the annotations ask for, `observed` that of what was answered last.

    `uids` are those that the runtime may have got, two for a static pod.
    `ready` is the status of Genie's condition, "" without one. `is_live` is false for pods that are never changed.
    `is_named` says that its status has the networks' whole names (policy_engine).
    `is_gated` says that the pod's readiness waits for the condition. `definitions` are (namespace, name) of the
    NetworkAttachmentDefinitions that it names.
    """

    namespace: str
    name: str
    uid: str
    uids: frozenset[str]
    request: str
    observed: str
    ready: str
    asks: bool
    is_named: bool
    is_live: bool
    is_gated: bool
    definitions: frozenset[Key]

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def is_answered(self) -> bool:
        """Whether the pod says itself that it has the networks that it asks for now."""
        return self.observed == self.request and self.ready == "True"

    @property
    def is_silent(self) -> bool:
        """Whether it asks for no network, has no status of Genie's, and does not wait for one."""
        return not self.asks and not self.observed and not self.is_gated


def view_of(document: Mapping[str, Any]) -> PodView:
    """The view of a Pod object. What is not of Kubernetes' shape counts as absent."""
    metadata, spec, status = (as_object(document.get(key)) for key in ("metadata", "spec", "status"))
    annotations = {
        key: value for key, value in as_object(metadata.get("annotations")).items() if isinstance(value, str)
    }
    namespace = str(metadata.get("namespace") or "default")
    ended = status.get("phase") in ENDED
    gone = bool(metadata.get("deletionTimestamp") or spec.get("hostNetwork") or ended)
    return PodView(
        namespace=namespace,
        name=str(metadata.get("name") or ""),
        uid=str(metadata.get("uid") or ""),
        uids=frozenset(str(uid) for uid in (metadata.get("uid"), annotations.get(STATIC_UID)) if uid),
        request=observed(annotations),
        observed=annotations.get(OBSERVED, ""),
        ready=_ready(status),
        asks=does_ask(annotations),
        is_named=NETWORK_NAME in annotations.get(NETWORK_STATUS, ""),
        is_live=not gone and not is_out(annotations),
        is_gated=any(
            as_object(gate).get("conditionType") == CONDITION for gate in _list(spec, "readinessGates")
        ),
        definitions=_definitions(annotations, namespace),
    )


def _ready(status: Mapping[str, Any]) -> str:
    conditions = (as_object(item) for item in _list(status, "conditions"))
    return next((str(item.get("status")) for item in conditions if item.get("type") == CONDITION), "")


def _definitions(annotations: Mapping[str, str], namespace: str) -> frozenset[Key]:
    """None where the annotation cannot be read: a sync says why."""
    try:
        wishes = parse_selections(annotations.get(NPWG_NETWORKS, ""), namespace, NPWG_NETWORKS)
    except InvalidConfig:
        return frozenset()
    return frozenset((wish.namespace, wish.name) for wish in wishes)


def _list(value: Mapping[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []
