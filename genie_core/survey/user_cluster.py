"""The API server of the command line, found and reached as kubectl does.

--kubeconfig, else the files of $KUBECONFIG merged, else ~/.kube/config, else the service account of the pod that this
runs in. The package `kubernetes` (0.2 s to import, so only here and in functions) reads and merges kubeconfigs, takes
tokens and OIDC grants, and carries requests, through proxies too; this is the one place that uses it. What kubectl
does and the package does not is added: the first file's current-context counts, impersonation, exec plugins with a
deadline, and no secret in any message.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genie_core.edges.kube_cluster import Cluster, Credentials, Pem, is_host_name, parse_server, read_text
from genie_core.edges.kubeconfig import absolute_files, current_context, entries, parse_document, pem_of
from genie_core.errors import EXIT_USAGE, Denied, InvalidConfig, IOFailure, WrongUsage
from genie_core.fields import get_bool, get_object, get_str

if TYPE_CHECKING:
    from genie_core.edges.kube import KubeAPI
    from genie_core.survey.user_credentials import UserCluster

ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"
# The variable with the root of this process's container, where the process runs in the node's mount namespace.
CONTAINER_ROOT = "GENIE_CONTAINER_ROOT"
_USUAL = "~/.kube/config"
_LISTS = (("clusters", "cluster"), ("users", "user"), ("contexts", "context"))


def ignore(_warning: str) -> None:
    """A warning that is not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The flags: `kubeconfig` a file, `context` one of its contexts; "" means the usual.

    `warn` gets a sentence about each unsafe setting that is used.
    """

    kubeconfig: str = ""
    context: str = ""
    warn: Callable[[str], None] = field(default=ignore, compare=False, repr=False)


def find_cluster(access: Access) -> UserCluster | None:
    """The API server; None where none is named. Raises GenieError for what cannot be used."""
    merger = _read(access)
    found = _of_files(merger, access) if merger else None
    if access.context and merger is None:
        raise WrongUsage(f"--context {access.context}: there is no kubeconfig")
    return found or _of_account(account_dir(), os.environ)


def looked_at() -> str:
    """Where an API server was looked for and not found, as a sentence."""
    listed = os.environ.get("KUBECONFIG", "")
    if known := _existing(listed or _USUAL):
        return f"{', '.join(known)} names no server"
    if listed:
        return f"$KUBECONFIG names {listed}, which does not exist"
    return f"$KUBECONFIG is not set, and there is no {os.path.expanduser(_USUAL)}"


def no_server(subject: str = "", *, instead: str = "") -> WrongUsage:
    """The error where no API server was found, with what names one."""
    instead = instead or ("correct $KUBECONFIG" if os.environ.get("KUBECONFIG") else "set $KUBECONFIG")
    return WrongUsage(
        f"{subject}no API server is known",
        details=looked_at(),
        hint=f"name one with --kubeconfig, or {instead}",
    )


def connect(access: Access, seconds: float) -> KubeAPI | None:
    """The API of that server; None where none is named. Raises like find_cluster, `login` and `connect`."""
    if _has_account_alone(access):
        return _of_account_alone(seconds)
    found = find_cluster(access)
    return found.login().connect(seconds) if found else None


def _has_account_alone(access: Access) -> bool:
    """Whether this is a pod with an account, and there is neither a kubeconfig nor a proxy."""
    asked = access.kubeconfig or access.context or os.environ.get("KUBECONFIG")
    proxied = any(
        name.lower() in ("https_proxy", "all_proxy") and value for name, value in os.environ.items()
    )
    return not (asked or proxied or os.path.exists(os.path.expanduser("~/.kube/config"))) and in_pod()


def _of_account_alone(seconds: float) -> KubeAPI:
    """The API for a pod's account without the package, whose import takes longer than a change of a pod."""
    from genie_core.edges.kube import KubeAPI
    from genie_core.edges.log import SILENT

    return KubeAPI(_account_cluster(account_dir(), url_in_pod(os.environ)), seconds, SILENT)


def contexts(access: Access) -> list[str]:
    """The names of all contexts. Raises InvalidConfig and IOFailure."""
    merger = _read(access)
    return [str(entry["name"]) for entry in _document(merger)["contexts"]] if merger else []


# --- kubeconfigs -----------------------------------------------------------------------------------------


def _read(access: Access) -> Any:
    """The package's reader with the files that there are; None without any. Raises InvalidConfig and IOFailure."""
    usual = _existing(os.environ.get("KUBECONFIG") or _USUAL)
    listed = access.kubeconfig or os.pathsep.join(path for path in usual if not _is_empty(path))
    if not listed:
        return None
    from kubernetes.config.kube_config import KubeConfigMerger

    try:
        merger = KubeConfigMerger(listed)
    except Exception:  # noqa: BLE001 (it checks nothing: a broken file ends in any exception, which may quote it)
        _require_readable(listed)
        raise InvalidConfig(f"kubeconfig {listed}: it is not understood") from None
    if access.kubeconfig and not merger.paths:
        _require_file(access.kubeconfig)
        raise InvalidConfig(f"kubeconfig {listed}: a ':' separates files, and cannot be part of a name")
    return merger if merger.paths else None


def _existing(listed: str) -> list[str]:
    """Those of the kubeconfigs in a value of $KUBECONFIG that there are."""
    return [
        path for path in map(os.path.expanduser, listed.split(os.pathsep)) if path and os.path.exists(path)
    ]


def _is_empty(path: str) -> bool:
    """Whether kubectl takes it for a kubeconfig without entries: `KUBECONFIG=/dev/null` switches all of them off."""
    return path == os.devnull or (os.path.isfile(path) and not os.path.getsize(path))


def _require_file(path: str) -> None:
    """Raise IOFailure or InvalidConfig where the file that a flag names cannot be read: a wrong use of the flag."""
    try:
        read_text(path, "the kubeconfig")
    except (IOFailure, InvalidConfig) as error:
        raise error.replace(exit_code=EXIT_USAGE) from None


def _require_readable(listed: str) -> None:
    """Raise InvalidConfig, IOFailure or Denied naming the file, and the place in it, that cannot be read."""
    for path in _existing(listed):
        if os.path.isdir(path):
            raise InvalidConfig(f"kubeconfig {path}: it is a directory", hint="name the file in it")
        if not os.access(path, os.R_OK):
            raise Denied(
                f"kubeconfig {path} cannot be read: Permission denied",
                hint="run it as root, or as a user who may read it",
            )
        text, _ = read_text(path, "the kubeconfig")
        try:
            document = parse_document(text)
            for plural, kind in _LISTS:
                for entry in document.get(plural) or ():
                    _checked(entry, plural, kind)
        except (InvalidConfig, TypeError) as error:
            reason = (
                error.msg if isinstance(error, InvalidConfig) else "clusters, users, contexts must be arrays"
            )
            raise InvalidConfig(f"kubeconfig {path}: {reason}") from None


def _checked(entry: Any, plural: str, kind: str) -> tuple[str, dict[str, Any]]:
    """The name of an entry and what is in it. Raises InvalidConfig."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise InvalidConfig(f"every entry of {plural} needs a name")
    return entry["name"], get_object(entry, kind, where=plural)


def _document(merger: Any) -> dict[str, Any]:
    """The files as one document, paths made absolute. Raises InvalidConfig.

    The package takes the last file's current-context; kubectl takes the first.
    """
    chosen = (get_str(document, "current-context") for document in merger.config_files.values())
    document: dict[str, Any] = {"current-context": next(filter(None, chosen), "")}
    for plural, kind in _LISTS:
        document[plural] = []
        for node in merger.config.value[plural]:
            name, inner = _checked(node.value, plural, kind)
            document[plural].append({"name": name, kind: _absolute(inner, os.path.abspath(node.path))})
    return document


def _absolute(entry: dict[str, Any], path: str) -> dict[str, Any]:
    """The entry with the files and the program that it names made absolute: they are relative to the kubeconfig."""
    entry = absolute_files(entry, path)
    plugin = get_object(entry, "exec")
    command = get_str(plugin, "command", where="exec")
    if "/" in command:
        entry["exec"] = plugin | {"command": os.path.join(os.path.dirname(path), command)}
    return entry


def _of_files(merger: Any, access: Access) -> UserCluster | None:
    source = f"kubeconfig {', '.join(merger.paths)}"
    try:
        document = _document(merger)
        _require_context(document, access.context, source)
        context = current_context(document, access.context)
        entry, user = entries(document, context)
        namespace = get_str(context, "namespace")
        if not entry.get("server") and not (access.kubeconfig or access.context):
            return None
        cluster = _cluster(entry, user, source)
    except InvalidConfig as error:
        raise InvalidConfig(f"{source}: {error.msg}", hint=error.hint) from None
    from genie_core.survey.user_credentials import UserCluster

    return UserCluster(
        cluster=cluster, namespace=namespace, entry=entry, user=user, merger=merger, warn=access.warn
    )


def _require_context(document: Mapping[str, Any], name: str, source: str) -> None:
    known = [entry["name"] for entry in document["contexts"]]
    if name and name not in known:
        raise WrongUsage(
            f"--context {name}: {source} has no such context", hint=f"it has {', '.join(known) or 'none'}"
        )


def _cluster(entry: dict[str, Any], user: dict[str, Any], source: str) -> Cluster:
    """The server that a cluster entry names. Raises InvalidConfig."""
    ca, insecure = pem_of(entry, "certificate-authority"), get_bool(entry, "insecure-skip-tls-verify")
    if ca and insecure:
        raise InvalidConfig("insecure-skip-tls-verify and certificate-authority exclude each other")
    name = get_str(entry, "tls-server-name")
    if name and not is_host_name(name):
        raise InvalidConfig("tls-server-name is not a host name")
    tls, host, port, base = parse_server(get_str(entry, "server"), secured=bool(insecure or ca or user))
    return Cluster(tls, host, port, base, name, ca, insecure, source=source)


# --- in a pod --------------------------------------------------------------------------------------------


def account_dir() -> str:
    """Where the token and the CA of this pod's account are, as seen from here."""
    return os.environ.get(CONTAINER_ROOT, "") + ACCOUNT_DIR


def in_pod() -> bool:
    """Whether this runs in a pod that has an account."""
    return bool(url_in_pod(os.environ)) and os.path.exists(f"{account_dir()}/token")


def _of_account(directory: str, environ: Mapping[str, str]) -> UserCluster | None:
    """In a pod: the server of kubelet's variables, with the pod's own account (client-go rest.InClusterConfig)."""
    url, token, namespace = url_in_pod(environ), f"{directory}/token", f"{directory}/namespace"
    if not url or not os.path.exists(token):
        return None
    cluster = _account_cluster(directory, url)
    known = os.path.exists(namespace)
    from genie_core.survey.user_credentials import UserCluster

    return UserCluster(
        cluster=cluster,
        namespace=Path(namespace).read_text(encoding="utf-8").strip() if known else "",
        user={"tokenFile": token},
    )


def _account_cluster(directory: str, url: str) -> Cluster:
    return Cluster(
        *parse_server(url, secured=True),
        ca=Pem(f"{directory}/ca.crt"),
        credentials=Credentials(token_file=f"{directory}/token"),
        source=f"the service account in {directory}",
    )


def url_in_pod(environ: Mapping[str, str]) -> str:
    """The API server's URL from kubelet's variables, "" outside a pod."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return ""
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
