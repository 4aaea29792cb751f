"""Which pod may be changed, and which journal on this node is its."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import Forbidden, ObjectNotFound
from genie_core.edges.kube_resources import NAMESPACE
from genie_core.errors import InvalidConfig, NotFound
from genie_core.model import Plan
from genie_core.settings import Settings
from genie_core.status import STATIC_UID
from genie_core.survey.cluster import ENDED, as_object
from genie_core.survey.cri import none
from genie_core.survey.rootfs import Root
from genie_core.survey.sandboxes import Sandboxes, find_sandboxes
from genie_core.survey.user_cluster import no_server
from genie_core.tasks.node_state import is_gone, plans
from genie_core.tasks.pods import annotations_of, get_document
from genie_core.verbs.context import Context

LIVE = "genie.cni.dev/live"


class Refused(InvalidConfig):
    """A pod that is never changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePod:
    """A pod object, and the API server that it came from; `api` is None for one from a file."""

    document: Mapping[str, Any]
    api: KubeAPI | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The object's metadata."""
        return as_object(self.document.get("metadata"))

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return str(self.metadata.get("namespace") or "default")

    @property
    def name(self) -> str:
        """The pod's name."""
        return str(self.metadata.get("name") or "")

    @property
    def annotations(self) -> dict[str, str]:
        """All of its annotations. Raises InvalidConfig where one is no string."""
        return annotations_of(self.metadata)

    @property
    def uids(self) -> set[str]:
        """The UIDs that the runtime may have got; empty where the object has none."""
        return {str(uid) for uid in (self.metadata.get("uid"), self.annotations.get(STATIC_UID)) if uid}

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def refuse_untouchable(pod: LivePod, settings: Settings) -> None:
    """Raise Refused for a pod that is never changed, with the reason. Raises TryAgain where that cannot be known."""
    spec, status = (as_object(pod.document.get(key)) for key in ("spec", "status"))
    if spec.get("hostNetwork"):
        raise Refused(f"pod {pod} uses the node's network (hostNetwork)", hint="it has no network of its own")
    if pod.metadata.get("deletionTimestamp"):
        raise Refused(f"pod {pod} is terminating", hint="its networks are released with it")
    if status.get("phase") in ENDED:
        raise Refused(f"pod {pod} has ended ({status['phase']})", hint="its networks are released with it")
    if not settings.live:
        raise Refused("live is false in Genie's configuration", hint="set it to true to change running pods")
    opted_out = "change the annotation to have it changed"
    if is_out(pod.annotations):
        raise Refused(f'pod {pod} has the annotation {LIVE}: "false"', hint=opted_out)
    if is_out(_namespace_annotations(pod)):
        raise Refused(f'namespace {pod.namespace} has the annotation {LIVE}: "false"', hint=opted_out)


def is_out(annotations: Mapping[str, Any]) -> bool:
    """Whether these annotations, of a pod or a namespace, say that running pods are left alone."""
    return str(annotations.get(LIVE, "")).strip().lower() == "false"


def _namespace_annotations(pod: LivePod) -> Mapping[str, Any]:
    """The namespace's annotations; none for a pod from a file, nor where the account may not read namespaces."""
    if pod.api is None:
        return {}
    try:
        found = pod.api.get(NAMESPACE.cluster_wide(pod.namespace))
    except ObjectNotFound:
        return {}
    except Forbidden as error:
        warning = f"whether namespace {pod.namespace} opts out is not known: {error.msg}"
        if warning not in pod.warnings:
            pod.warnings.append(warning)
        return {}
    return (found.get("metadata") or {}).get("annotations") or {}


def fetch(api: KubeAPI, namespace: str, name: str) -> LivePod:
    """The pod of the API server. Raises NotFound, and APIError (code 11) where the server does not answer."""
    return LivePod(document=get_document(api, namespace, name), api=api)


def journal_of(pod: LivePod, context: Context, cri_socket: str = "") -> Plan:
    """The journal of the pod's sandbox that runs now. Raises NotFound where this node's Genie has not attached it."""
    named = [
        plan
        for plan in plans(context)
        if plan.pod and (plan.pod.namespace, plan.pod.name) == (pod.namespace, pod.name)
    ]
    current = are_running(named, pod, cri_socket)
    if not current:
        raise NotFound(
            _why_none(pod, named), hint="run it on the pod's node; genie discover shows its journals"
        )
    return min(current, key=context.store.age)  # the newest, where the runtime does not say which one runs


def are_running(named: Sequence[Plan], pod: LivePod, cri_socket: str) -> list[Plan]:
    """Those of the journals that are of this very pod, and of a sandbox that runs."""
    current = [plan for plan in named if is_of(plan, pod) and not is_gone(plan)]
    return current and _of_runtime(current, pod, find_sandboxes(Root(), cri_socket, detailed=none))


def is_of(plan: Plan, pod: LivePod) -> bool:
    """Whether the journal is this very pod's, as far as both say."""
    return not pod.uids or not plan.pod or not plan.pod.uid or plan.pod.uid in pod.uids


def _of_runtime(current: Sequence[Plan], pod: LivePod, found: Sandboxes) -> list[Plan]:
    """Those of the sandbox that the runtime says is ready; all of them where it does not answer."""
    if not found.answered:
        return list(current)
    ready = {one.id for one in found.found or () if one.ready and one.pod == str(pod)}
    return [plan for plan in current if plan.container_id in ready]


def _why_none(pod: LivePod, named: Sequence[Plan]) -> str:
    if not named:
        return f"pod {pod} is not in this node's state: Genie has not attached it here"
    if not any(is_of(plan, pod) for plan in named):
        return f"pod {pod}: this node's state has an earlier pod of that name, with another UID"
    return f"pod {pod}: the sandbox in this node's state does not run any more"


def open_pod(api: KubeAPI | None, namespace: str, name: str) -> LivePod:
    """The pod of the API server. Raises GenieError where no server is known."""
    if api is None:
        raise no_server(f"pod {namespace}/{name}: ", instead="give the pod with --pod-file")
    return fetch(api, namespace, name)
