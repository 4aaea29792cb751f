"""Genie itself on a node: what is installed, what its state holds, whether its API server answers."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from genie_core import server
from genie_core.edges import policy_dir
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import APIError, Forbidden, ObjectNotFound
from genie_core.edges.kube_resources import (
    LOGICAL_NETWORK,
    NETWORK_ATTACHMENT,
    PHYSICAL_NETWORK,
    POD,
    Resource,
)
from genie_core.edges.kubeconfig import load_cluster
from genie_core.edges.log import SILENT
from genie_core.edges.store import Store, boot_id, file_name
from genie_core.errors import GenieError, InvalidConfig, NetworkNotFound
from genie_core.jsontext import JSONError, decode
from genie_core.model import Attachment, Choice, NetConf, Plan, Selection
from genie_core.plan import FIRST_INTERFACE, name_interfaces
from genie_core.select.allowed import is_selector, limits, matches
from genie_core.select.files import SELF_TYPE, Finder, is_self, node_name
from genie_core.select.generated import NAMES
from genie_core.select.names import parse_name, parse_names
from genie_core.server import counters
from genie_core.settings import Settings
from genie_core.survey.facts import Cached, ConfFile, Facts, PolicyState, Recorded, Unknown
from genie_core.survey.launcher import HEAD_BYTES, Launcher, read_launcher
from genie_core.survey.logical import ClusterNetworks, read_networks
from genie_core.survey.namespaces import canonical
from genie_core.survey.records import lean_result
from genie_core.survey.rootfs import Root, age_of
from genie_core.survey.selection import candidates

_PLUGIN, _ON_EVERY_POD = "default_plugin", "default_networks"
_NETWORKS = (NETWORK_ATTACHMENT, LOGICAL_NETWORK, PHYSICAL_NETWORK)
DEFINITIONS = tuple(kind.definition for kind in _NETWORKS)  # custom resources that Genie reads
# An object that does not exist is enough to ask for a right.
_ANYWHERE, _NO_NAME = "default", "genie-discover"
_NODE_S_REFUSAL = "no relationship found between node"  # kubernetes, plugin/pkg/auth/authorizer/node


def own_file(files: Sequence[ConfFile]) -> ConfFile | None:
    """The configuration that calls Genie: the first by name."""
    return next((file for file in candidates(files) if file.network and is_self(file.network)), None)


def own_settings(file: ConfFile | None) -> Settings:
    """Genie's settings as its plugin would read them; the defaults where there is no configuration."""
    entry = next((entry for entry in file.chain if entry.get("type") == SELF_TYPE), {}) if file else {}
    return Settings(entry, forgiving=True)


def describe_installation(facts: Facts, file: ConfFile | None, root: Root) -> dict[str, Any]:
    """Members of a GenieState: installed ... conf, default_network, limits, default_file and unknown_networks."""
    path = facts.search_path(file.directory) if file else tuple(facts.binaries)
    binary = facts.find_binary(SELF_TYPE, path)
    launcher = _launcher(binary.path, root) if binary else None
    settings = own_settings(file)
    return {
        "installed": bool(binary and file),
        "binary": binary.path if binary else "",
        "version": launcher.version if launcher else "",
        "python": launcher.python if launcher else "",
        "python_is_gone": bool(launcher and launcher.python and not root.exists(launcher.python)),
        "conf": file.path if file else "",
        "default_network": settings.default_plugin,
        "limits": limits(settings),
        "unread_labels": _unread_labels(settings),
        "policies": _policies(settings, root),
        **(_calls(root.real(launcher.run_dir)) if launcher and launcher.run_dir else {}),
        **(_default(facts, settings, file) if file else {}),
    }


def _calls(folder: str) -> dict[str, Any]:
    """native, served and calls of a GenieState; `folder` is that of the server's socket."""
    try:
        counted = counters.read(f"{folder}/{server.COUNTERS}")
    except GenieError:  # another user's file
        counted = None
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(0.5)
        try:
            connection.connect(f"{folder}/{server.SOCKET}")
            served = True
        except OSError:
            served = False
    return {"native": True, "served": served, "calls": counted}


def _policies(settings: Settings, root: Root) -> PolicyState | None:
    age = policy_dir.age(root.real(policy_dir.DIRECTORY))
    if not settings.policy_engine and (age is None or age > policy_dir.OLD_SECONDS):
        return None  # nor does the agent's flag switch them on
    try:
        problems = decode(root.text(policy_dir.STATUS)).get("problems", ())
    except (OSError, JSONError, AttributeError):
        problems = ()
    return PolicyState(
        fail=settings.policy_fail,
        age=age,
        problems=tuple(str(problem) for problem in problems),
    )


def _launcher(binary: str, root: Root) -> Launcher | None:
    try:
        return read_launcher(root.text(binary, HEAD_BYTES))
    except OSError:
        return None


class _Known:
    """The configurations that were read, as the port by which the plugin's Finder looks them up."""

    def __init__(self, files: Sequence[ConfFile], directories: Sequence[str]) -> None:
        self.directories = directories
        self._files = {file.path: file for file in files}

    def paths(self) -> list[str]:
        return list(self._files)

    def read(self, path: str) -> NetConf:
        network = self._files[path].network
        if network is None:
            raise InvalidConfig(self._files[path].problem)
        return network


def _default(facts: Facts, settings: Settings, own: ConfFile) -> dict[str, Any]:
    """default_file ("" where no network is there) and unknown_networks of a GenieState."""
    finder = _finder(facts, settings, own)
    unknown: list[Unknown] = []
    found = [_find(finder, selection, settings, unknown) for selection in _selections(settings, unknown)]
    if not unknown:
        unknown += _without_interface(settings)
    named_first = found[0] if found else ""
    file = named_first if settings.default_plugin.strip() else _first(finder)
    return {
        "default_file": file,
        "unknown_networks": tuple(unknown),
        "unknown_allowed": _unknown(finder, settings),
    }


def finder_of(facts: Facts) -> Finder:
    """The Finder that the plugin would use on this node."""
    own = own_file(facts.conf_files)
    return _finder(facts, own_settings(own), own)


def _finder(facts: Facts, settings: Settings, own: ConfFile | None) -> Finder:
    wanted = list(facts.directories)
    if own:
        named = any("conf_dirs" in entry for entry in own.chain)
        wanted = settings.conf_dirs if named else [own.directory, *settings.conf_dirs]
    directories = [directory for directory in dict.fromkeys(wanted) if directory in facts.directories]
    files = [file for directory in directories for file in candidates(facts.directories[directory])]
    return Finder(_Known(files, directories), SILENT)


def _unread_labels(settings: Settings) -> tuple[str, ...]:
    """The keys of allowed_networks that are label selectors, where no API server is configured."""
    asks = bool(settings.kubernetes or settings.policy)
    return () if asks else tuple(who for who in settings.allowed_networks or () if is_selector(who))


def _unknown(finder: Finder, settings: Settings) -> tuple[str, ...]:
    """The entries of allowed_networks that fit no network of this node: `shop: storge`."""
    names = {node_name(network) for network in finder.valid()} | (
        set(NAMES) if settings.generate_missing else set()
    )
    rules = settings.allowed_networks or {}
    return tuple(
        f"{who}: {pattern}"
        for who, patterns in rules.items()
        for pattern in patterns
        if "/" not in pattern and not any(matches(pattern, name) for name in names)
    )


def _selections(settings: Settings, unknown: list[Unknown]) -> list[Selection]:
    """The networks that default_plugin and default_networks name, but for those with a namespace."""
    found: list[Selection] = []
    try:
        found += parse_names(settings.default_plugin, _PLUGIN) if settings.default_plugin.strip() else []
    except GenieError as error:
        unknown.append(Unknown(key=_PLUGIN, name=settings.default_plugin, reason=error.msg, hint=error.hint))
    for index, name in enumerate(settings.default_networks, 1):
        if "/" not in name:
            try:
                found.append(parse_name(name, f"{_ON_EVERY_POD}, item {index}"))
            except GenieError as error:
                unknown.append(Unknown(key=_ON_EVERY_POD, name=name, reason=error.msg, hint=error.hint))
    return found


def _without_interface(settings: Settings) -> list[Unknown]:
    """default_plugin, where the interfaces that it names cannot be those of a pod."""
    named = parse_names(settings.default_plugin, _PLUGIN) if settings.default_plugin.strip() else []
    choices = [Choice(selection, NetConf(selection.name, "", [], "")) for selection in named]
    try:
        if choices:
            name_interfaces(choices, FIRST_INTERFACE, settings.interface_prefix)
    except InvalidConfig as error:
        name, reason = settings.default_plugin, error.msg
        return [Unknown(key=_PLUGIN, name=name, reason=reason, hint=error.hint, found=True)]
    return []


def _find(finder: Finder, selection: Selection, settings: Settings, unknown: list[Unknown]) -> str:
    """The file of a network; "" where it has none, which is noted unless Genie generates its configuration."""
    try:
        return finder.find(selection).source
    except GenieError as error:
        made_up = settings.generate_missing and selection.name in NAMES and isinstance(error, NetworkNotFound)
        if not made_up:
            key = selection.origin.partition(",")[0]
            unknown.append(Unknown(key=key, name=selection.name, reason=error.msg, hint=error.hint))
        return ""


def _first(finder: Finder) -> str:
    try:
        return finder.default().source
    except GenieError:
        return ""


def read_state(directory: str, root: Root) -> tuple[dict[str, Any], tuple[Cached, ...]]:
    """Genie's state: members of GenieState, and the attachments. Raises GenieError, OSError."""
    real = root.real(directory)
    found: dict[str, Any] = {"state_dir": directory}
    if not os.path.isdir(real):
        return found, ()
    # Raises PermissionError.
    os.listdir(f"{real}/containers" if os.path.isdir(f"{real}/containers") else real)
    entries = list(Store(real).plans())
    plans = [entry for entry in entries if isinstance(entry, Plan)]
    here = boot_id()
    found["plans"] = tuple(plans)
    found["entries"] = len(plans)
    found["damaged"] = tuple(
        getattr(entry, "path", "") or entry.msg for entry in entries if isinstance(entry, GenieError)
    )
    found["pending"] = sum(_is_pending(plan) for plan in plans)
    found["records"] = tuple(_recorded(plan, real, root, here) for plan in plans)
    found["recorded_ipam"] = tuple(_recorded_ipam(plans))
    found["other_boot"] = sum(plan.boot_id != here for plan in plans)
    return found, tuple(_cached(directory, plan, item) for plan in plans for item in plan.attachments)


def _cached(directory: str, plan: Plan, attachment: Attachment) -> Cached:
    return Cached(
        file=f"{directory} {plan.container_id}",
        container=plan.container_id,
        network=attachment.network.name,
        ifname=attachment.ifname,
        netns=canonical(plan.netns),
        pod=str(plan.pod or ""),
        result=lean_result(decode(attachment.result)) if attachment.result else {},
        planned=True,
    )


def _recorded(plan: Plan, directory: str, root: Root, here: str) -> Recorded:
    try:
        age = age_of(f"{directory}/containers/{file_name(*plan.key)}", time.time())
    except OSError:  # released meanwhile
        age = 0
    return Recorded(
        container=plan.container_id,
        pod=str(plan.pod or ""),
        netns=plan.netns,
        age=age,
        exists=root.exists(plan.netns),
        earlier=plan.boot_id != here,
    )


def _recorded_ipam(plans: Sequence[Plan]) -> list[tuple[str, Mapping[str, Any]]]:
    """The ipam sections of networks from the API server, each once. Such a network's label is NAMESPACE/NAME."""
    texts = {
        (item.network.name, plugin.text)
        for plan in plans
        for item in plan.attachments
        if "/" in item.label and not item.released
        for plugin in item.network.plugins
    }
    found = [(name, decode(text).get("ipam")) for name, text in sorted(texts)]
    return [(name, ipam) for name, ipam in found if isinstance(ipam, dict)]


def _is_pending(plan: Plan) -> bool:
    """Whether some of its networks were released and others not: a DEL has failed halfway."""
    released = [attachment.released for attachment in plan.attachments]
    return any(released) and not all(released)


def ask_api(settings: Settings, root: Root, timeout: float) -> dict[str, Any]:
    """`api`, `definitions` and `networks` of a GenieState: whether the API server answers, and which kinds it has."""
    kubernetes: Mapping[str, Any] = settings.kubernetes
    if kubernetes.get("kubeconfig"):
        kubernetes = {**kubernetes, "kubeconfig": root.real(str(kubernetes["kubeconfig"]))}
    try:
        cluster = load_cluster(kubernetes, settings.policy, SILENT)
        if cluster is None:
            return {}
        with KubeAPI(cluster, timeout, SILENT) as api:
            found = tuple(kind.definition for kind in _NETWORKS if _has(api, kind))
            networks = _networks(api)
            refused = [kind.plural for kind in _read(found) if not _may_get(api, kind)]
    except GenieError as error:
        return {"api": error.msg}
    answer = f"its account may not get {', '.join(refused)}" if refused else "ok"
    return {"api": answer, "definitions": found, "networks": networks}


def _read(definitions: Sequence[str]) -> list[Resource]:
    """The kinds that Genie reads: pods, and those of networks that the cluster has."""
    return [POD, *(kind for kind in _NETWORKS if f"{kind.plural}.{kind.group}" in definitions)]


def _may_get(api: KubeAPI, kind: Resource) -> bool:
    """Whether the account may get such objects: an object that does not exist is refused, or is not found.

    A node's own account may get the pods of its node alone; the server has a message of its own for that refusal.
    """
    try:
        api.get_object(kind, _ANYWHERE, _NO_NAME)
    except Forbidden as error:
        return _NODE_S_REFUSAL in f"{error.msg} {error.details}"
    except ObjectNotFound:
        pass
    return True


def _networks(api: KubeAPI) -> ClusterNetworks | None:
    """The cluster's networks; None where Genie's account may not read them."""
    try:
        return read_networks(api)
    except APIError:
        return None


def _has(api: KubeAPI, kind: Resource) -> bool:
    """Whether the API server serves the kind, in the version that Genie reads."""
    try:
        listed = api.get(("apis", kind.group, kind.version))
    except ObjectNotFound:
        return False
    resources = listed.get("resources")
    names = (
        [entry.get("name") for entry in resources if isinstance(entry, dict)]
        if isinstance(resources, list)
        else []
    )
    return kind.plural in names
