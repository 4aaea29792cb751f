"""A pod as an operator names it: NAMESPACE/NAME on the API server, or a manifest of it or of its workload."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from genie_core.dialects import ASKING, asked
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import ObjectNotFound
from genie_core.edges.kubeconfig import load_cluster
from genie_core.edges.log import SILENT
from genie_core.errors import EXIT_USAGE, GenieError, InvalidConfig, WrongUsage
from genie_core.settings import Settings
from genie_core.spec.names import is_label, is_subdomain
from genie_core.survey.cluster import no_such_pod
from genie_core.survey.user_cluster import Access, connect, find_cluster, in_pod, no_server
from genie_core.tasks.named_files import read_documents

API_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PodObject:
    """The part of a pod that its networks depend on; `uid` and `node` "" are unknown. `warnings` are for the author.

    `annotations` are those that Genie reads and no others: `kubectl apply` puts whole pods into one of them.
    """

    namespace: str
    name: str
    annotations: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    uid: str = ""
    node: str = ""


def parse_name(text: str, namespace: str = "", object_kind: str = "pod") -> tuple[str, str]:
    """(namespace, name) of `NS/NAME`, `NAME` or `pod/NAME`; "" for a namespace that is not given.

    Raises WrongUsage for nothing, for two namespaces, for an empty one (a variable of a script that is not set), and
    for what cannot be a name.
    """
    kind, _, rest = text.partition("/")
    if kind in ("pod", "pods", "po") and rest and object_kind == "pod":
        text = rest
    space, separator, name = text.rpartition("/")
    if name and space and "/" not in space and namespace not in ("", space):
        raise WrongUsage(f"{object_kind} {text} is in namespace {space}, and -n names {namespace}")
    if not name or "/" in space or (separator and not space):
        what = f"{text!r} names no {object_kind}" if text else f"no {object_kind} is named"
        raise WrongUsage(f"{what}: NAMESPACE/NAME, or NAME with -n NAMESPACE")
    space = space or namespace
    named = (
        (space, "a namespace", not space or is_label(space)),
        (name, f"a {object_kind}", is_subdomain(name)),
    )
    for written, what, is_good in named:
        if not is_good:
            raise WrongUsage(
                f"{written!r} cannot be the name of {what}",
                hint="a-z, 0-9, '-' and '.' make a name (DNS-1123)",
            )
    return space, name


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """A question about the objects of that name in other namespaces, else about similar ones, and "" for none.

    `wanted` and `known` are NAMESPACE/NAME.
    """
    from difflib import get_close_matches

    others = sorted({one for one in known if one and one != wanted})
    name = wanted.rpartition("/")[2]
    near = [one for one in others if one.endswith(f"/{name}")] or get_close_matches(wanted, others, 3, 0.8)
    return f"did you mean {' or '.join(near[:3])}?" if near else ""


def object_name(text: str, namespace: str, access: Access, kind: str = "pod") -> tuple[str, str]:
    """(namespace, name) as `parse_name` reads them; without a namespace, that of the kubeconfig's context."""
    space, name = parse_name(text, namespace, kind)
    return space or context_namespace(access), name


def context_namespace(access: Access) -> str:
    """The namespace of the kubeconfig's context, `default` without one."""
    try:
        found = find_cluster(access)
    except GenieError:
        found = None  # a request to that server gives the reason
    return (found.namespace if found else "") or "default"


def open_api(access: Access, own: Mapping[str, Any]) -> KubeAPI | None:
    """The API server of a flag or $KUBECONFIG, else of this pod's account, else of this node's Genie, else the usual.

    None where none is named. `own` is Genie's own configuration, {} for none. If this user may not read the files that
    it names, that is an error only where there is no other server. Raises GenieError for what cannot be used.
    """
    problem: GenieError | None = None
    if own and access == Access() and not os.environ.get("KUBECONFIG") and not in_pod():
        settings = Settings(own, forgiving=True)
        try:
            cluster = load_cluster(settings.kubernetes, settings.policy, SILENT)
            if cluster is not None:
                return KubeAPI(cluster, API_SECONDS, SILENT)
        except GenieError as error:
            problem = error
    api = connect(access, API_SECONDS)
    if api is None and problem is not None:
        raise problem
    return api


def fetch_pod(namespace: str, name: str, access: Access, own: Mapping[str, Any]) -> PodObject:
    """The pod of the API server (`open_api`). Raises NotFound, and GenieError where there is none or no answer."""
    api = open_api(access, own)
    if api is None:
        raise no_server(f"pod {namespace}/{name}: ", instead="give a manifest")
    with api:
        return read_pod(get_document(api, namespace, name))


def get_document(api: KubeAPI, namespace: str, name: str) -> dict[str, Any]:
    """The Pod as the API server has it. Raises NotFound, and APIError where the server does not answer."""
    try:
        return api.get_pod(namespace, name)
    except ObjectNotFound:
        raise no_such_pod(namespace, name) from None


def pod_of_file(flag: str, name: str) -> PodObject:
    """The first pod, or workload with a pod template, of the manifest that a flag names. Raises WrongUsage."""
    documents = [item for item in read_documents(flag, name) if isinstance(item, dict)]
    for document in documents:
        if document.get("kind") == "List":
            documents += [item for item in document.get("items") or () if isinstance(item, dict)]
    found = next(
        (document for document in documents if document.get("kind") == "Pod" or _template(document)), None
    )
    if found is None:
        raise WrongUsage(f"{flag} {name}: neither a Pod nor a workload with a pod template")
    return read_pod(found)


def read_pod(document: Mapping[str, Any]) -> PodObject:
    """A Pod, or the pod that a workload's template makes. Raises InvalidConfig."""
    template = _template(document)
    own = _metadata(document)
    metadata = _metadata(template) if template else own
    annotations = annotations_of(metadata)
    return PodObject(
        namespace=str(own.get("namespace") or "default"),
        name=str(own.get("name") or own.get("generateName") or "dry-run"),
        annotations=asked(annotations),
        warnings=tuple(_misplaced(own, annotations, document)) if template else (),
        uid="" if template else str(own.get("uid") or ""),
        node="" if template else _node(document),
    )


def annotations_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """All annotations of an object's metadata. Raises InvalidConfig where one is no string."""
    found = metadata.get("annotations") or {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InvalidConfig(
            "metadata.annotations: every annotation must be a string", hint="quote it", exit_code=EXIT_USAGE
        )
    return found


def _misplaced(
    own: Mapping[str, Any], annotations: Mapping[str, str], document: Mapping[str, Any]
) -> list[str]:
    """lessons 9: an annotation of the workload is not one of its pods."""
    return [
        f"annotation {key} is the {document.get('kind')}'s own, not its pods': put it below spec.template.metadata"
        for key in ASKING
        if key in (own.get("annotations") or {}) and key not in annotations
    ]


def _metadata(document: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = document.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _node(document: Mapping[str, Any]) -> str:
    spec = document.get("spec")
    return str(spec.get("nodeName") or "") if isinstance(spec, dict) else ""


def _template(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The pod template of a Deployment, StatefulSet, DaemonSet, Job or CronJob."""
    spec = document.get("spec")
    if isinstance(spec, dict) and isinstance(job := spec.get("jobTemplate"), dict):
        spec = job.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    return template if isinstance(template, dict) else None
