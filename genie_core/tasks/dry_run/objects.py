"""The API objects that a dry run knows: NetworkAttachmentDefinitions, LogicalNetworks, PhysicalNetworks, Namespaces.

They come from manifests, or from the cluster's own API server; in the private node an API server on the loopback
interface serves them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from genie_core.dialects import DEFAULT_NETWORK, DIALECTS, NETWORKS, NPWG_NETWORKS
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import ObjectNotFound
from genie_core.edges.kube_resources import (
    LOGICAL_NETWORK,
    NAMESPACE,
    NETWORK_ATTACHMENT,
    PHYSICAL_NETWORK,
    POD,
    Resource,
)
from genie_core.errors import GenieError, WrongUsage
from genie_core.select.chooser import SYSTEM_NAMESPACE
from genie_core.select.npwg import parse_selections

Object = Mapping[str, Any]
_RESOURCES: dict[str, Resource] = {
    resource.kind.lower(): resource for resource in (NETWORK_ATTACHMENT, LOGICAL_NETWORK, PHYSICAL_NETWORK)
}


def objects_of(documents: Sequence[object], source: str, namespace: str) -> list[Object]:
    """The objects of a manifest, those without a namespace in `namespace`. Raises WrongUsage naming the file."""
    found: list[Object] = []
    for document in documents:
        items = (
            document.get("items")
            if isinstance(document, dict) and document.get("kind") == "List"
            else [document]
        )
        found += [_checked(item, source, namespace) for item in items or ()]
    return found


def _checked(document: object, source: str, namespace: str) -> Object:
    kind = str(document.get("kind", "")) if isinstance(document, dict) else ""
    if not isinstance(document, dict) or (kind.lower() not in _RESOURCES and kind != NAMESPACE.kind):
        wanted = ", ".join([*(resource.kind for resource in _RESOURCES.values()), NAMESPACE.kind])
        raise WrongUsage(f"{source}: kind {kind!r} is none of {wanted}")
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(name, str):
        raise WrongUsage(f"{source}: metadata.name is missing")
    space = metadata.get("namespace") or namespace
    if not isinstance(space, str):
        raise WrongUsage(f"{source}: metadata.namespace of {name} is no string")
    return document | {"metadata": metadata | {"namespace": space}}


def urls(objects: Sequence[Object]) -> dict[str, Object]:
    """The path of each object on an API server. Raises InvalidConfig for an invalid name."""
    found = {}
    for document in objects:
        metadata = document["metadata"]
        if document["kind"] == NAMESPACE.kind:
            *parts, _ = POD.collection(metadata["name"])  # a pod's URL without the name
        else:
            parts = [*_RESOURCES[document["kind"].lower()].path(metadata["namespace"], metadata["name"])]
        found["/" + "/".join(parts)] = document
    return found


def annotation_for(objects: Sequence[Object]) -> str:
    """The annotation that --networks stands for: of logical networks if all objects are such, else of attachments."""
    kinds = {str(document["kind"]).lower() for document in objects} - {NAMESPACE.kind.lower()}
    return next((one.key for one in reversed(DIALECTS) if one.kind.lower() in kinds), NPWG_NETWORKS)


def fetch_objects(
    annotations: Mapping[str, str], namespace: str, api: KubeAPI, defaults: Sequence[str] = ()
) -> list[Object]:
    """The objects that annotations name, and the namespace, from an API server.

    `defaults` are Genie's `default_networks`. An object that does not exist makes the ADD fail. Raises GenieError for
    one that could not be read: whether the ADD finds it is not known.
    """
    found: list[Object] = []
    with suppress(GenieError):
        found.append({"kind": NAMESPACE.kind, **api.get(NAMESPACE.cluster_wide(namespace))})
    named = [(DEFAULT_NETWORK, SYSTEM_NAMESPACE), (NPWG_NETWORKS, namespace)]
    asked = [(annotations.get(key, ""), space, f"annotation {key}") for key, space in named]
    asked += [(entry, SYSTEM_NAMESPACE, "default_networks") for entry in defaults if "/" in entry]
    for text, space, origin in asked:
        for selection in parse_selections(text, space, origin):
            found += _fetch(NETWORK_ATTACHMENT, selection.namespace, selection.name, api)
    if annotations.get(NETWORKS, "").strip():
        for resource in (LOGICAL_NETWORK, PHYSICAL_NETWORK):
            for item in api.list_objects(resource):  # overlaps are judged in the whole cluster
                found.append({"kind": resource.kind, **item})
    return found


def _fetch(resource: Resource, namespace: str, name: str, api: KubeAPI) -> list[Object]:
    try:
        return [{"kind": resource.kind, **api.get_object(resource, namespace, name)}]
    except ObjectNotFound:
        return []
