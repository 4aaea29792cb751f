"""The API server's address and Genie's credentials for it: kubeconfig and genie.conf -> Cluster.

Read like client-go reads it: data before file, relative paths from the kubeconfig's directory, CNI-Genie's keys on top
(conformance D14, D15). The kubeconfig's credentials are for the server and the authority that the kubeconfig names:
where genie.conf names others, they are not used. What would make Genie run a program, act as another user or use a
proxy (`exec`, `auth-provider`, `as`, `proxy-url`), and passwords, are refused by name, not ignored. The environment is
not read: neither KUBECONFIG nor the proxy variables have a meaning on the kubelet path.

A kubeconfig in JSON, as `genie install` writes it, costs nothing. YAML proper costs `import yaml`: 13 ms, and
the installed plugin, which runs without site-packages, has it only where the installer put a copy beside it.
"""

from genie_core.edges.kube_cluster import (
    Cluster,
    Credentials,
    Pem,
    clean_token,
    is_host_name,
    parse_server,
    read_text,
)
from genie_core.errors import GenieError, InvalidConfig
from genie_core.fields import describe, get_bool, get_list, get_object, get_str, place
from genie_core.jsontext import JSONError, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from genie_core.ports import Log

_OTHERS = 0o077

# genie.conf -> the same key of a kubeconfig, and the keys of a kubeconfig that it takes the place of.
_CLUSTER_KEYS = {
    "k8s_api_root": ("server", ()),
    "k8s_certificate_authority": (
        "certificate-authority",
        ("certificate-authority-data", "insecure-skip-tls-verify"),
    ),
}
_USER_KEYS = {
    "k8s_auth_token": ("token", ("tokenFile",)),
    "k8s_client_certificate": ("client-certificate", ("client-certificate-data",)),
    "k8s_client_key": ("client-key", ("client-key-data",)),
}
_AUTHORITY = "certificate-authority"
_FILE_KEYS = (_AUTHORITY, "client-certificate", "client-key", "tokenFile")
_SECRET_KEYS = ("token", "client-key-data")
_REFUSED = {
    "exec": "Genie runs no credential plugins",
    "auth-provider": "Genie runs no credential plugins",
    "username": "API servers take no passwords any more",
    "password": "API servers take no passwords any more",
    "as": "Genie does not impersonate users",
    "as-uid": "Genie does not impersonate users",
    "as-groups": "Genie does not impersonate users",
    "as-user-extra": "Genie does not impersonate users",
    "proxy-url": "Genie talks to the API server directly",
}


def load_cluster(kubernetes: "Mapping[str, Any]", policy: "Mapping[str, Any]", log: "Log") -> Cluster | None:
    """The API server that genie.conf's `kubernetes` and `policy` objects name; None where they name none.

    Raises InvalidConfig for what cannot be understood or is refused, IOFailure for a file that cannot be read.
    """
    path = get_str(kubernetes, "kubeconfig", where="kubernetes")
    named, user = _read_kubeconfig(path, log) if path else ({}, {})
    cluster, own = _override(named, policy, _CLUSTER_KEYS), _override({}, policy, _USER_KEYS)
    root = get_str(kubernetes, "k8s_api_root", where="kubernetes")
    if root:
        cluster["server"] = root
    elif policy.get("k8s_api_root"):
        cluster["server"] = _without_api_suffix(cluster["server"])
    if not path and not cluster.get("server"):
        return None
    source = f"kubeconfig {path}" if path else "genie.conf"
    other = _other_place(named, cluster, source) if user and named != cluster else ""
    if other:
        problem = f"genie.conf names {other}"
        log.warning("the kubeconfig's credentials are not used", path=path, problem=problem)
        return make_cluster(cluster, own, f"{source}, whose credentials are not used since {problem}", log)
    return make_cluster(cluster, _override(user, policy, _USER_KEYS), source, log)


def _other_place(named: "dict[str, Any]", used: "dict[str, Any]", source: str) -> str:
    """The part of `used` that is not from the kubeconfig: its server or its authority, in words; "" for neither."""
    try:
        return _difference(named, used)
    except InvalidConfig as error:
        raise InvalidConfig(f"{source}: {error.msg}", hint=error.hint) from None


def _difference(named: "dict[str, Any]", used: "dict[str, Any]") -> str:
    if named.get("server") and not _same_server(get_str(named, "server"), get_str(used, "server")):
        return "another server"
    was, now = pem_of(named, _AUTHORITY), pem_of(used, _AUTHORITY)
    if was != now and not _same_pem(was, now) and not (was is None and named.get("insecure-skip-tls-verify")):
        return "another certificate authority" if was or named.get("server") else ""
    return ""


def _same_server(one: str, other: str) -> bool:
    """Whether two addresses mean the same, however they are written."""
    try:
        return parse_server(one, secured=True) == parse_server(other, secured=True)
    except InvalidConfig:
        return one == other


def _same_pem(one: Pem | None, other: Pem | None) -> bool:
    """Whether two files, or a file and inline data, hold the same."""
    if one is None or other is None:
        return False
    try:
        return one.content().strip() == other.content().strip()
    except GenieError:
        return False


def _override(
    entry: "dict[str, Any]", policy: "Mapping[str, Any]", keys: "Mapping[str, tuple[str, tuple[str, ...]]]"
) -> "dict[str, Any]":
    """A kubeconfig's entry with what `policy` says in its place."""
    entry = dict(entry)
    for key, (name, replaced) in keys.items():
        value = get_str(policy, key, where="policy")
        if value:
            entry = {kept: entry[kept] for kept in entry if kept not in replaced} | {name: value}
    return entry


def _without_api_suffix(root: str) -> str:
    """CNI-Genie's early configurations name `https://host:port/api/v1/`."""
    return f"{root}/".partition("/api/")[0].rstrip("/")


# --- the file --------------------------------------------------------------------------------------------


def _read_kubeconfig(path: str, log: "Log") -> "tuple[dict[str, Any], dict[str, Any]]":
    """The cluster and the user of the current context, file names made absolute."""
    text, mode = read_text(path, "the kubeconfig")
    try:
        document = parse_document(text)
        cluster, user = entries(document, current_context(document))
        cluster, user = absolute_files(cluster, path), absolute_files(user, path)
    except InvalidConfig as error:
        raise InvalidConfig(f"kubeconfig {path}: {error.msg}", hint=error.hint) from None
    if mode & _OTHERS and any(user.get(key) for key in _SECRET_KEYS):
        log.warning(
            "kubeconfig holds secrets and is open to others",
            path=path,
            mode=f"{mode:04o}",
            remedy="chmod 600",
        )
    return cluster, user


def parse_document(text: str) -> "dict[str, Any]":
    """The kubeconfig's top object. Messages never quote the text: it holds secrets."""
    document = _from_json(text) if text.lstrip()[:1] == "{" else _from_yaml(text)
    if not isinstance(document, dict):
        raise InvalidConfig("an object with clusters, users and contexts was expected")
    return document


def _from_json(text: str) -> "Any":
    try:
        return decode(text)
    except JSONError as error:
        raise InvalidConfig(str(error)) from None


def _from_yaml(text: str) -> "Any":
    try:
        import yaml  # 13 ms: a kubeconfig that is not JSON
    except ImportError:
        raise InvalidConfig(
            "it is YAML, and PyYAML is not there to read it",
            hint="write it as JSON (kubectl config view --raw --flatten -o json), or run `genie install` again",
        ) from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        position = f" (line {mark.line + 1} column {mark.column + 1})" if mark else ""
        raise InvalidConfig(f"it is neither JSON nor YAML{position}") from None


def current_context(document: "dict[str, Any]", name: str = "") -> "dict[str, Any]":
    """The context that `name`, else `current-context`, names; {} where the document has none."""
    contexts = get_list(document, "contexts")
    name = name or get_str(document, "current-context")
    if not name and len(contexts) == 1:
        return get_object(_item(contexts, 0, "contexts"), "context", where="contexts[0]")
    if not name and contexts:
        raise InvalidConfig("current-context is missing", hint="kubectl config use-context NAME sets it")
    return _named(document, "contexts", "context", name)


def entries(document: "dict[str, Any]", context: "dict[str, Any]") -> "tuple[dict[str, Any], dict[str, Any]]":
    """The cluster and the user that a context names; {} for what it does not."""
    cluster = _named(
        document, "clusters", "cluster", get_str(context, "cluster", where="the context's entry")
    )
    user = _named(document, "users", "user", get_str(context, "user", where="the context's entry"))
    return cluster, user


def _item(items: "list[Any]", index: int, key: str) -> "dict[str, Any]":
    item = items[index]
    if not isinstance(item, dict):
        raise InvalidConfig(f"{place(key, index)} must be an object, not {describe(item)}")
    return item


def _named(document: "dict[str, Any]", key: str, inner: str, name: str) -> "dict[str, Any]":
    """The entry of a list that has this name."""
    if not name:
        return {}
    items = get_list(document, key)
    for index in range(len(items)):
        item = _item(items, index, key)
        if item.get("name") == name:
            return get_object(item, inner, where=f"{key}[{index}]")
    raise InvalidConfig(f"{key} has no entry named {name!r}")


def absolute_files(entry: "dict[str, Any]", path: str) -> "dict[str, Any]":
    """The entry with the files that it names made absolute: they are relative to the kubeconfig's directory."""
    directory = path[: path.rfind("/") + 1]
    files = {key: get_str(entry, key) for key in _FILE_KEYS if entry.get(key)}
    return entry | {key: file if file.startswith("/") else directory + file for key, file in files.items()}


# --- what it means ---------------------------------------------------------------------------------------


def make_cluster(cluster: "dict[str, Any]", user: "dict[str, Any]", source: str, log: "Log") -> Cluster:
    """The API server of a kubeconfig's entries. Raises InvalidConfig naming `source`."""
    try:
        return _cluster(cluster, user, source, log)
    except InvalidConfig as error:
        raise InvalidConfig(f"{source}: {error.msg}", hint=error.hint) from None


def _cluster(cluster: "dict[str, Any]", user: "dict[str, Any]", source: str, log: "Log") -> Cluster:
    for key, reason in _REFUSED.items():
        if cluster.get(key) or user.get(key):
            raise InvalidConfig(
                f"{key} is not supported: {reason}",
                hint="take it out; tokenFile and client certificates work",
            )
    ca = pem_of(cluster, _AUTHORITY)
    insecure = get_bool(cluster, "insecure-skip-tls-verify")
    if insecure and ca:
        raise InvalidConfig("insecure-skip-tls-verify and certificate-authority exclude each other")
    credentials = _credentials(user)
    secured = insecure or bool(ca or credentials.certificate or credentials.bearer)
    tls, host, port, base = parse_server(get_str(cluster, "server"), secured=secured)
    if insecure:
        log.warning(
            "the API server's certificate is not verified", source=source, key="insecure-skip-tls-verify"
        )
    if credentials.bearer and not tls:
        log.warning("the token is not sent: the API server is reached without TLS", source=source)
    name = get_str(cluster, "tls-server-name")
    if name and not is_host_name(name):
        raise InvalidConfig("tls-server-name is not a host name")
    return Cluster(tls, host, port, base, name, ca, insecure, credentials, source)


def pair_of(user: "Mapping[str, Any]") -> tuple[Pem | None, Pem | None]:
    """A user's client certificate and its key, or neither. Raises InvalidConfig."""
    certificate, key = pem_of(user, "client-certificate"), pem_of(user, "client-key")
    if (certificate is None) != (key is None):
        raise InvalidConfig("client-certificate and client-key must be given together")
    return certificate, key


def _credentials(user: "dict[str, Any]") -> Credentials:
    certificate, key = pair_of(user)
    token_file = get_str(user, "tokenFile")
    return Credentials(
        "" if token_file else clean_token(get_str(user, "token"), "token"), token_file, certificate, key
    )


def pem_of(entry: "Mapping[str, Any]", key: str) -> Pem | None:
    """The certificates or the key that an entry has as data, else in a file. Raises InvalidConfig."""
    data = get_str(entry, f"{key}-data")
    if not data:
        path = get_str(entry, key)
        return Pem(path) if path else None
    from binascii import Error, a2b_base64  # 0.1 ms

    try:
        return Pem(data=a2b_base64("".join(data.split()), strict_mode=True))
    except (Error, ValueError):
        raise InvalidConfig(f"{key}-data is not base64") from None
