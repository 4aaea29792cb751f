"""The pod of a dry run, from flags, a manifest or the cluster, with the objects and files that it needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genie_core.dialects import CNI, DEFAULT_NETWORK, NETWORKS, NPWG_NETWORKS
from genie_core.edges.confdir import EXTENSIONS
from genie_core.errors import GenieError, WrongUsage
from genie_core.settings import Settings
from genie_core.survey.user_cluster import Access
from genie_core.survey.yamlio import load_documents
from genie_core.tasks.dry_run.objects import Object, annotation_for, fetch_objects, objects_of, urls
from genie_core.tasks.named_files import read_documents, read_text
from genie_core.tasks.pods import PodObject, fetch_pod, object_name, open_api, pod_of_file

_OBJECTS = (NPWG_NETWORKS, NETWORKS, DEFAULT_NETWORK)  # the annotations that name API objects
_NOT_READ = (
    "the networks of the cluster are not read: --nad names a manifest, --kubeconfig or --context the cluster"
)

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectOptions:
    """What was asked for: `pod` and `annotation` KEY=VALUE texts as they are written; `nad` and `conf` name files."""

    cni: str | None = None
    networks: str | None = None
    annotation: tuple[str, ...] = ()
    pod: str = ""
    nad: tuple[str, ...] = ()
    namespace: str = ""
    conf: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The pod: `objects` by their URL paths, None where it asks for none; `conf_files` file name -> text."""

    namespace: str
    name: str
    annotations: Mapping[str, str]
    objects: Mapping[str, Object] | None
    conf_files: Mapping[str, str]
    warnings: Sequence[str]


def find_subject(
    options: SubjectOptions, access: Access, own: Mapping[str, Any], announce: Announce
) -> Subject:
    """The pod and what it needs. Raises GenieError for unusable input and for what the API server does not have."""
    if [options.pod, *options.nad, *options.conf].count("-") > 1:
        raise WrongUsage("standard input can be read only once: one file may be -")
    pod = _pod(options, access, own, announce)
    objects = [
        document
        for name in options.nad
        for document in objects_of(
            read_documents("--nad", name), f"--nad {name}", options.namespace or pod.namespace
        )
    ]
    asked = dict(pod.annotations) | _annotations(options.cni, options.annotation)
    if options.networks is not None:
        asked[annotation_for(objects)] = options.networks
    warnings = [*pod.warnings]
    if not options.nad and (access != Access() or (options.pod and not _is_manifest(options.pod))):
        objects += _of_cluster(asked, pod, access, own, announce)
    elif not options.nad and any(asked.get(key, "").strip() for key in _OBJECTS):
        warnings.append(_NOT_READ)
    conf_files = dict(_conf_file(name, read_text("--conf", name)) for name in options.conf)
    if not asked and not options.pod and conf_files:  # then these are to be tried
        asked[CNI] = ",".join(Path(name).stem for name in conf_files)
    return Subject(
        namespace=pod.namespace,
        name=pod.name,
        annotations=asked,
        objects=urls(objects) if objects or not asked.keys().isdisjoint(_OBJECTS) else None,
        conf_files=conf_files,
        warnings=warnings,
    )


def _pod(options: SubjectOptions, access: Access, own: Mapping[str, Any], announce: Announce) -> PodObject:
    """The pod of a manifest or of the cluster; without one, a pod that has no annotations."""
    if not options.pod:
        return PodObject(namespace=options.namespace or "default", name="dry-run", annotations={})
    if _is_manifest(options.pod):
        return pod_of_file("--pod", options.pod)
    announce("asking the API server for the pod")
    return fetch_pod(*object_name(options.pod, options.namespace, access), access, own)


def _is_manifest(text: str) -> bool:
    """A file, also one that a shell makes of `<(kubectl get pod web-0 -o yaml)`; else a pod of the cluster."""
    path = Path(text)
    is_file = path.exists() and not path.is_dir()
    is_path = text.startswith(("/", ".")) or path.suffix in (".yaml", ".yml", ".json")
    return text == "-" or is_file or is_path


def _of_cluster(
    asked: dict[str, str], pod: PodObject, access: Access, own: Mapping[str, Any], announce: Announce
) -> list[Object]:
    """The objects that the annotations name, from the cluster."""
    api = open_api(access, own)
    if api is None:
        return []
    announce("asking the API server for networks")
    with api:
        return fetch_objects(asked, pod.namespace, api, Settings(own, forgiving=True).default_networks)


def _annotations(cni: str | None, others: Sequence[str]) -> dict[str, str]:
    found = {} if cni is None else {CNI: cni}
    for text in others:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise WrongUsage(f"--annotation {text!r} is not KEY=VALUE")
        found[key] = value
    return found


def _conf_file(name: str, text: str) -> tuple[str, str]:
    """The name that a configuration gets in the node's directory, and its text.

    A name that no runtime reads (`-`, `blue.yaml`, `/dev/fd/63`) is replaced by one that it does, after the content.
    """
    if not text.strip():
        raise WrongUsage(f"--conf {name}: it is empty", hint="what was to write it may have failed")
    if name != "-" and Path(name).suffix in EXTENSIONS:
        return Path(name).name, text
    document, text = _json_of(text, name)
    is_single = isinstance(document, dict) and "plugins" not in document
    stem = "stdin" if name == "-" else Path(name).stem
    return (f"{stem}.conf" if is_single else f"{stem}.conflist"), text


def _json_of(text: str, name: str) -> tuple[object, str]:
    """The document and its JSON; YAML is converted, and any other text left to the reader of configurations."""
    try:
        return json.loads(text), text
    except ValueError:
        pass
    try:
        documents = load_documents(text, name)
    except GenieError:
        return None, text
    return (documents[0], json.dumps(documents[0])) if len(documents) == 1 else (None, text)
