"""The credentials of the command line: a kubeconfig's user -> the package's configuration.

In the order of client-go: a token, a password, then what a plugin gives; client certificates besides. Impersonation is
headers, which the package does not know.
"""

from __future__ import annotations

import base64
import copy
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_cluster import Cluster, Credentials, clean_token, read_token
from genie_core.edges.kube_errors import Unauthorized
from genie_core.edges.kubeconfig import pair_of
from genie_core.edges.log import SILENT
from genie_core.errors import GenieError, InvalidConfig
from genie_core.fields import get_list, get_object, get_str, get_strings
from genie_core.survey import exec_plugin
from genie_core.survey.collection import in_thread
from genie_core.survey.user_http import PooledConnection

_OIDC_SECONDS = 30.0
_PROXIES = ("http", "https", "socks5", "socks5h")
_LEGAL = "!#$&'*+-.^_`|~"  # client-go headerKeyEscape: RFC 7230 tokens, without the percent sign


class UserCredentials(Credentials):
    """Those of a configuration of the package; `words` name where they come from, for messages."""

    __slots__ = ("configuration", "words")

    def __init__(self, configuration: Any, words: str, base: Credentials) -> None:
        super().__init__(certificate=base.certificate, key=base.key)
        self.configuration = configuration
        self.words = words

    def __str__(self) -> str:
        return self.words

    @property
    def bearer(self) -> bool:
        """Whether an Authorization header is sent."""
        return bool(self.configuration.api_key)

    def authorization(self) -> str:
        """The header's value. Raises InvalidConfig where a token cannot be one."""
        scheme, _, token = str(self.configuration.get_api_key_with_prefix("BearerToken")).partition(" ")
        return f"{scheme} {clean_token(token, 'the token')}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KnownCluster:
    """An API server with credentials, the package's configuration for it, and headers of every request."""

    cluster: Cluster
    configuration: Any
    headers: tuple[tuple[str, str], ...]

    def connect(self, seconds: float) -> KubeAPI:
        """Its API, all of whose requests share so many seconds. Raises InvalidConfig, IOFailure, Untrusted."""
        connection = PooledConnection(self.cluster, self.configuration, self.headers)
        return KubeAPI(self.cluster, seconds, SILENT, connection=connection)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class UserCluster:
    """An API server without credentials yet, and the namespace that its context names ("" where it names none).

    `entry` and `user` are the kubeconfig's; `merger` is the package's reader of it, None in a pod.
    """

    cluster: Cluster
    namespace: str = ""
    entry: Mapping[str, Any] = field(default_factory=dict)
    user: Mapping[str, Any] = field(default_factory=dict)
    merger: Any = None
    warn: Callable[[str], None] = lambda _warning: None

    def login(self, *, interactive: bool = True) -> KnownCluster:
        """The same with its credentials. Where `interactive`, an exec plugin may ask for them on the terminal.

        Raises InvalidConfig, IOFailure, and Unauthorized where there are none.
        """
        return authenticate(self, interactive=interactive)


def authenticate(found: UserCluster, *, interactive: bool) -> KnownCluster:
    """The server with the credentials of the user's entry. Raises InvalidConfig, IOFailure, Unauthorized."""
    cluster = found.cluster
    try:
        headers = impersonation(found.user)
        user, words, credentials = _granted(found, interactive=interactive)
        configuration = _configuration(found, user)
        cluster = cluster.replace(credentials=UserCredentials(configuration, words, credentials))
    except InvalidConfig as error:
        raise InvalidConfig(f"{cluster.source}: {error.msg}", hint=error.hint) from None
    if cluster.insecure:
        found.warn(
            f"the certificate of the API server {cluster} is not verified: {cluster.source} has "
            "insecure-skip-tls-verify"
        )
    if cluster.credentials.bearer and not cluster.tls:
        found.warn(f"the token is not sent: {cluster.source} reaches the API server {cluster} without TLS")
    return KnownCluster(cluster=cluster, configuration=configuration, headers=headers)


def plain_cluster(cluster: Cluster) -> KnownCluster:
    """A server whose credentials are known already, as the plugin's own kubeconfig names them."""
    configuration = _loaded({"server": str(cluster)}, {})
    _set_proxy(configuration, cluster, own=False)
    return KnownCluster(cluster=cluster, configuration=configuration, headers=())


# --- the user---------------------------------------------------------------------------------------------


def _granted(found: UserCluster, *, interactive: bool) -> tuple[dict[str, Any], str, Credentials]:
    """The user as the package takes it, words for messages, and the client certificate."""
    user = found.user
    certificate, key = pair_of(user)
    own = Credentials(certificate=certificate, key=key)
    token_file, name = get_str(user, "tokenFile"), get_str(user, "username")
    if token_file:
        return {"token": read_token(token_file)}, f"token file {token_file}", own
    if token := clean_token(get_str(user, "token"), "token"):
        return {"token": token}, "token", own
    if name:
        return {"username": name, "password": get_str(user, "password")}, f"password of {name}", own
    plugin = get_object(user, "exec")
    if plugin:
        grant = exec_plugin.run(plugin, found.entry, found.cluster.ca, interactive=interactive)
        words = f"credential plugin {exec_plugin.name_of(plugin)}"
        if grant.certificate:
            own = Credentials(certificate=grant.certificate, key=grant.key)
        return {"token": grant.token} if grant.token else {}, words, own
    if provider := get_object(user, "auth-provider"):
        return {"token": _oidc(found, provider)}, "OIDC token", own
    return {}, str(own), own


def _oidc(found: UserCluster, provider: dict[str, Any]) -> str:
    """The ID token of the provider `oidc`, renewed by the package where it has expired, and then stored.

    Raises Unauthorized where it cannot be renewed, InvalidConfig for another provider: kubectl has no other.
    """
    if get_str(provider, "name", where="auth-provider") != "oidc":
        raise InvalidConfig(
            "auth-provider: only oidc is supported", hint="kubectl has no other either: use the exec plugin"
        )
    known = get_object(provider, "config", where="auth-provider")
    renewed = copy.deepcopy(provider)
    _verify_issuer(renewed["config"])
    try:
        configuration = in_thread(lambda: _loaded({}, {"auth-provider": renewed})).result(_OIDC_SECONDS)
    except Exception as error:  # noqa: BLE001 (of four libraries; their texts may hold the refresh token)
        raise Unauthorized(
            f"{found.cluster.source}: the OIDC token cannot be renewed ({type(error).__name__})",
            hint="log in again",
        ) from None
    changed = {key: renewed["config"].get(key) for key in ("id-token", "refresh-token")}
    if any(known.get(key) != value for key, value in changed.items()):
        known.update(changed)
        _store(found)
    return str(configuration.api_key.get("BearerToken", "")).removeprefix("Bearer ")


def _verify_issuer(config: dict[str, Any]) -> None:
    """The package does not verify the issuer's certificate where no authority is named: the system's are meant."""
    import ssl

    if not any(config.get(f"idp-certificate-authority{suffix}") for suffix in ("", "-data")):
        import certifi

        config["idp-certificate-authority"] = ssl.get_default_verify_paths().cafile or certifi.where()


def _store(found: UserCluster) -> None:
    """Write renewed tokens into the kubeconfig, by rename: the old refresh token may be used up."""
    import os

    from genie_core.survey.yamlio import dump

    merger = found.merger
    for path in merger.paths:
        if merger.config_saved[path] == merger.config_files[path]:
            continue
        target = Path(path).resolve()
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            fresh.touch(target.stat().st_mode & 0o777)
            fresh.write_text(dump(merger.config_files[path]), encoding="utf-8")
            fresh.replace(target)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            found.warn(f"the renewed OIDC token cannot be stored in {path}: {error.strerror}")


def impersonation(user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The headers that ask to act as another user: `as`, `as-uid`, `as-groups`, `as-user-extra`.

    Raises InvalidConfig. Kubernetes API concepts, "User impersonation"; client-go transport/round_trippers.go.
    """
    name, uid = get_str(user, "as"), get_str(user, "as-uid")
    groups, extra = get_strings(user, "as-groups"), get_object(user, "as-user-extra")
    if not name:
        if uid or groups or extra:
            raise InvalidConfig("as-uid, as-groups and as-user-extra need `as`, the user's name")
        return ()
    found = [("Impersonate-User", name), *([("Impersonate-Uid", uid)] if uid else [])]
    found += [("Impersonate-Group", group) for group in groups]
    for key in extra:
        header = f"Impersonate-Extra-{quote(key, safe=_LEGAL)}"
        found += [(header, str(value)) for value in get_list(extra, key, where="as-user-extra")]
    if not all(value.isprintable() for _, value in found):
        raise InvalidConfig("as, as-uid, as-groups and as-user-extra must be printable")
    return tuple((header, value.encode("utf-8").decode("latin-1")) for header, value in found)


# --- the server-------------------------------------------------------------------------------------------


def _configuration(found: UserCluster, user: Mapping[str, Any]) -> Any:
    entry = {key: found.entry[key] for key in ("proxy-url", "tls-server-name") if found.entry.get(key)}
    if found.cluster.insecure:
        entry["insecure-skip-tls-verify"] = True
    try:
        configuration = _loaded({"server": str(found.cluster), **entry}, user)
    except GenieError:
        raise
    except Exception as error:  # noqa: BLE001 (ConfigException and whatever else; their texts may quote the entry)
        raise InvalidConfig(
            f"the package kubernetes does not understand it ({type(error).__name__})"
        ) from None
    _set_proxy(configuration, found.cluster, own="proxy-url" in entry)
    return configuration


def _loaded(entry: Mapping[str, Any], user: Mapping[str, Any]) -> Any:
    """The package's configuration for one cluster and one user."""
    from kubernetes import client, config

    context = {"cluster": "this", "user": "this"}
    document = {
        "current-context": "this",
        "contexts": [{"name": "this", "context": context}],
        "clusters": [{"name": "this", "cluster": dict(entry)}],
        "users": [{"name": "this", "user": dict(user)}],
    }
    configuration = client.Configuration()
    config.load_kube_config_from_dict(document, client_configuration=configuration, persist_config=False)
    return configuration


def _set_proxy(configuration: Any, cluster: Cluster, *, own: bool) -> None:
    """Proxies as Go takes them: $NO_PROXY is for the environment's only, and those are not for the loopback.

    Raises InvalidConfig, which does not quote the URL: it may hold a password.
    """
    if own:
        configuration.no_proxy = None
    elif _is_loopback(cluster.host):
        configuration.proxy = None
    if not configuration.proxy:
        return
    what = "proxy-url" if own else "the environment's proxy"
    url = str(configuration.proxy)
    if "://" not in url and not own:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        good = parts.scheme in _PROXIES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good, parts = False, urlsplit("")
    if not good:
        raise InvalidConfig(f"{what} is not http://, https:// or socks5:// with a host and port")
    configuration.proxy = url
    if parts.username and parts.scheme.startswith("http"):
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        encoded = base64.b64encode(pair.encode()).decode("ascii")
        configuration.proxy_headers = {"Proxy-Authorization": f"Basic {encoded}"}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
