"""The API server that the person at the command line means, found like kubectl finds it. Cold.

--kubeconfig, else the files of $KUBECONFIG merged, else ~/.kube/config, else the service account of the pod that this
runs in. Of several files the first one that has a name counts (client-go tools/clientcmd, ClientConfigLoadingRules).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_cluster import Cluster, Credentials, Pem, parse_server, read_text
from genie_core.edges.kubeconfig import absolute_files, current_context, entries, make_cluster, parse_document
from genie_core.edges.log import JSONLog
from genie_core.errors import EXIT_USAGE, InvalidConfig
from genie_core.fields import get_list, get_str

ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"
_LISTS = (("clusters", "cluster"), ("users", "user"), ("contexts", "context"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the flags say: `kubeconfig` a file, `context` one of its contexts; "" means the usual."""

    kubeconfig: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCluster:
    """An API server, and the namespace that its context names ("" where it names none)."""

    cluster: Cluster
    namespace: str = ""

    def connect(self, seconds: float) -> KubeAPI:
        """Its API, all of whose requests share so many seconds."""
        return KubeAPI(self.cluster, seconds, _SILENT)


_SILENT = JSONLog("error", fd=-1)


def find_cluster(access: Access, environ: Mapping[str, str] | None = None) -> UserCluster | None:
    """The API server; None where nobody names one. Raises InvalidConfig and IOFailure for what cannot be used."""
    environ = os.environ if environ is None else environ
    paths = _paths(access.kubeconfig, environ)
    if paths:
        return _of_files(paths, access)
    if access.context:
        raise InvalidConfig(f"--context {access.context}: there is no kubeconfig", exit_code=EXIT_USAGE)
    return _of_account(ACCOUNT_DIR, environ)


def connect(access: Access, seconds: float) -> KubeAPI | None:
    """The API of that server; None where nobody names one. Raises like find_cluster."""
    found = find_cluster(access)
    return found.connect(seconds) if found else None


def contexts(access: Access, environ: Mapping[str, str] | None = None) -> list[str]:
    """The names of all contexts. Raises InvalidConfig and IOFailure."""
    document = _merged(_paths(access.kubeconfig, os.environ if environ is None else environ))
    return [str(entry["name"]) for entry in document["contexts"]]


def _paths(asked: str, environ: Mapping[str, str]) -> list[str]:
    """The file that was asked for, there or not, else those of the usual ones that exist."""
    if asked:
        return [asked]
    listed = [path for path in environ.get("KUBECONFIG", "").split(":") if path]
    usual = listed or [str(Path(environ.get("HOME") or "~").expanduser() / ".kube/config")]
    return [path for path in usual if os.path.exists(path)]


def _of_files(paths: Sequence[str], access: Access) -> UserCluster | None:
    source = f"kubeconfig {', '.join(paths)}"
    document = _merged(paths)
    if access.context and access.context not in (known := [entry["name"] for entry in document["contexts"]]):
        raise InvalidConfig(
            f"--context {access.context}: {source} has no such context",
            hint=f"it has {', '.join(known) or 'none'}",
            exit_code=EXIT_USAGE,
        )
    try:
        context = current_context(document, access.context)
        cluster, user = entries(document, context)
        namespace = get_str(context, "namespace")
    except InvalidConfig as error:
        raise InvalidConfig(f"{source}: {error.msg}", hint=error.hint) from None
    if not cluster.get("server") and not (access.kubeconfig or access.context):
        return None
    return UserCluster(cluster=make_cluster(cluster, user, source, _SILENT), namespace=namespace)


def _merged(paths: Sequence[str]) -> dict[str, Any]:
    """All files as one: of entries with the same name the first, file names made absolute. Raises InvalidConfig."""
    merged: dict[str, Any] = {"current-context": "", **{plural: [] for plural, _ in _LISTS}}
    for path in paths:
        text, _ = read_text(path, "the kubeconfig")
        try:
            _add(merged, parse_document(text), os.path.abspath(path))
        except InvalidConfig as error:
            raise InvalidConfig(f"kubeconfig {path}: {error.msg}", hint=error.hint) from None
    return merged


def _add(merged: dict[str, Any], document: dict[str, Any], path: str) -> None:
    merged["current-context"] = merged["current-context"] or get_str(document, "current-context")
    for plural, kind in _LISTS:
        known = {entry["name"] for entry in merged[plural]}
        for entry in get_list(document, plural):
            if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
                raise InvalidConfig(f"every entry of {plural} needs a name")
            inner = entry.get(kind) or {}
            if entry["name"] not in known and isinstance(inner, dict):
                merged[plural].append({"name": entry["name"], kind: absolute_files(inner, path)})


def _of_account(directory: str, environ: Mapping[str, str]) -> UserCluster | None:
    """In a pod: the server of kubelet's variables, with the pod's own account (client-go rest.InClusterConfig)."""
    url, token, namespace = url_in_pod(environ), f"{directory}/token", f"{directory}/namespace"
    if not url or not os.path.exists(token):
        return None
    cluster = Cluster(
        *parse_server(url, secured=True),
        ca=Pem(f"{directory}/ca.crt"),
        credentials=Credentials(token_file=token),
        source=f"the service account in {directory}",
    )
    known = os.path.exists(namespace)
    return UserCluster(cluster=cluster, namespace=Path(namespace).read_text().strip() if known else "")


def url_in_pod(environ: Mapping[str, str]) -> str:
    """The API server's URL as kubelet tells every pod, "" outside of one."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return ""
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
