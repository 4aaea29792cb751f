"""The values that shells complete and that only this machine or its cluster knows: pods, networks, interfaces, keys.

A source answers with what it finds, and with nothing where a file or a server cannot be read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from genie_cli.flags import Candidate, Completion, Directive
from genie_core.edges.kube_resources import NAMESPACE, NETWORK_ATTACHMENT, NODE, POD, SERVICE, SERVICE_ACCOUNT

if TYPE_CHECKING:
    from genie_core.survey.user_credentials import UserCluster

SECONDS = 0.6  # for the cluster, credentials included; with the interpreter's start a second
FILES, DIRECTORIES = Directive.FILES, Directive.DIRECTORIES


def pods(asked: Completion) -> list[Candidate]:
    """The pods of this node's state, and of the API server; those of --namespace by their names alone."""
    found = dict.fromkeys(_pods_of_state(), "on this node")
    for name in _names_of(POD.everywhere, asked):
        found.setdefault(name, "")
    if asked.namespace and "/" not in asked.current:
        space = f"{asked.namespace}/"
        found = {name.removeprefix(space): text for name, text in found.items() if name.startswith(space)}
    return [Candidate(name, text) for name, text in sorted(found.items())]


def targets(asked: Completion) -> list[Candidate]:
    """What `genie debug pod --to` takes by name: nodes, pods and services of the cluster."""
    kinds = {"node": NODE, "pod": POD, "service": SERVICE}
    kind, slash, _ = asked.current.partition("/")
    if not slash or kind not in kinds:
        return [Candidate(f"{kind}/") for kind in kinds]
    names = _names_of(kinds[kind].everywhere, asked)
    return [Candidate(f"{kind}/{name.removeprefix('None/')}") for name in sorted(names)]


def namespaces(asked: Completion) -> list[Candidate]:
    """The cluster's namespaces."""
    return [Candidate(_name(item)) for item in _listed(NAMESPACE.everywhere, asked)]


def nodes(asked: Completion) -> list[Candidate]:
    """The cluster's nodes."""
    return [Candidate(_name(item)) for item in _listed(NODE.everywhere, asked)]


def accounts(asked: Completion) -> list[Candidate]:
    """The cluster's service accounts."""
    return [Candidate(name) for name in sorted(_names_of(SERVICE_ACCOUNT.everywhere, asked))]


def objects(asked: Completion) -> list[Candidate]:
    """The cluster's NetworkAttachmentDefinitions; the last of a comma list."""
    before, comma, _ = asked.current.rpartition(",")
    own = f"{asked.namespace or 'default'}/"
    names = [name.removeprefix(own) for name in _names_of(NETWORK_ATTACHMENT.everywhere, asked)]
    return [Candidate(f"{before}{comma}{name}") for name in sorted(names)]


def definitions(asked: Completion) -> list[Candidate]:
    """The cluster's NetworkAttachmentDefinitions, NAMESPACE/NAME; those of --namespace by their names alone."""
    space = f"{asked.namespace}/" if asked.namespace and "/" not in asked.current else ""
    names = [name for name in _names_of(NETWORK_ATTACHMENT.everywhere, asked) if name.startswith(space)]
    return [Candidate(name.removeprefix(space)) for name in sorted(names)]


def contexts(asked: Completion) -> list[Candidate]:
    """The kubeconfig's contexts."""
    from genie_core.survey.user_cluster import Access
    from genie_core.survey.user_cluster import contexts as found

    try:
        return [Candidate(name) for name in found(Access(kubeconfig=asked.kubeconfig))]
    except Exception:  # noqa: BLE001 (no kubeconfig, no names)
        return []


def networks(asked: Completion) -> list[Candidate]:
    """The networks of the node's files; the last of a comma list, as `net` of `net@interface`."""
    before, comma, _ = asked.current.rpartition(",")
    names = _networks_of_files() or dict.fromkeys(("bridge", "macvlan", "ptp"), "made up for a dry run")
    return [Candidate(f"{before}{comma}{name}", text) for name, text in names.items()]


def network(_asked: Completion) -> list[Candidate]:
    """One network of the node's files."""
    return [Candidate(name, text) for name, text in _networks_of_files().items()]


def _networks_of_files() -> dict[str, str]:
    """Name -> types of the plugins."""
    from genie_core.edges.confdir import ConfDirs
    from genie_core.select.files import is_self
    from genie_core.settings import CONF_DIRS

    confs = ConfDirs([directory for directory in CONF_DIRS if os.path.isdir(directory)])
    names: dict[str, str] = {}
    for path in confs.paths():
        try:
            found = confs.read(path)
        except Exception:  # noqa: BLE001, S112 (a file that cannot be read names nothing)
            continue
        if not is_self(found):
            names.setdefault(found.name, " + ".join(plugin.type for plugin in found.plugins))
    return names


def interfaces(_asked: Completion) -> list[Candidate]:
    """The node's interfaces, without the loopback interface."""
    return [Candidate(name) for name in sorted(os.listdir("/sys/class/net")) if name != "lo"]


def plugins(asked: Completion) -> list[Candidate]:
    """Plugin types of the catalogue; the last of a comma list."""
    from genie_core.catalog import PLUGINS

    before, comma, _ = asked.current.rpartition(",")
    return [Candidate(f"{before}{comma}{name}") for name in PLUGINS]


def modes(_asked: Completion) -> list[Candidate]:
    """The modes of macvlan and ipvlan."""
    from genie_core.catalog import PLUGINS

    known = ((type_, field) for type_ in ("macvlan", "ipvlan") for field in PLUGINS[type_].fields)
    return [
        Candidate(mode, type_) for type_, field in known if field.name == "mode" for mode in field.choices
    ]


def versions(_asked: Completion) -> list[Candidate]:
    """The versions of the CNI specification, the newest first."""
    from genie_core.spec.versions import SUPPORTED

    return [Candidate(version) for version in reversed(SUPPORTED)]


def config_keys(_asked: Completion) -> list[Candidate]:
    """The keys of Genie's configuration, ready for a value."""
    from genie_core.tasks.explain import key_names

    return [Candidate(f"{key}=") for key in key_names() if "." not in key]


def annotation_keys(_asked: Completion) -> list[Candidate]:
    """The annotations that ask for networks, ready for a value."""
    from genie_core.dialects import ASKING

    return [Candidate(f"{key}=") for key in ASKING]


def checks(_asked: Completion) -> list[Candidate]:
    """The ids of all checks."""
    from genie_core.checks.registry import FILES, NETWORK

    return [Candidate(check.id, check.title) for check in (*NETWORK, *FILES)]


def or_files(
    source: Callable[[Completion], list[Candidate]],
) -> Callable[[Completion], list[Candidate] | Directive]:
    """Files where nothing else begins with the word."""
    return lambda asked: [item for item in source(asked) if item.value.startswith(asked.current)] or FILES


def _pods_of_state() -> list[str]:
    from genie_core.edges.store import Store
    from genie_core.model import Plan
    from genie_core.settings import STATE_DIR

    try:
        return [str(plan.pod) for plan in Store(STATE_DIR).plans() if isinstance(plan, Plan) and plan.pod]
    except Exception:  # noqa: BLE001 (the API server may list them)
        return []


def _names_of(parts: tuple[str, ...], asked: Completion) -> list[str]:
    """NAMESPACE/NAME of all objects of a kind."""
    return [f"{item.get('metadata', {}).get('namespace')}/{_name(item)}" for item in _listed(parts, asked)]


def _name(item: dict[str, Any]) -> str:
    return str(item.get("metadata", {}).get("name"))


def _listed(parts: tuple[str, ...], asked: Completion) -> list[dict[str, Any]]:
    from genie_core.survey.collection import in_thread
    from genie_core.survey.user_cluster import Access, find_cluster

    def ask(server: UserCluster) -> list[dict[str, Any]]:
        with server.login(interactive=False).connect(SECONDS) as api:
            return list(api.get(parts, {"limit": "500"}).get("items") or ())

    try:
        found = find_cluster(Access(kubeconfig=asked.kubeconfig, context=asked.context))
        return in_thread(lambda: ask(found)).result(SECONDS) if found else []
    except Exception:  # noqa: BLE001 (no server, or none in time: no names)
        return []
