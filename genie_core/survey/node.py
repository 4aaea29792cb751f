"""Gathering: every source read once, the slow ones side by side. What cannot be read is named, never fatal."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from genie_core.catalog import PLUGINS
from genie_core.edges.confdir import siblings_of
from genie_core.errors import EXIT_DENIED, GenieError
from genie_core.spec.conf import plugin_input
from genie_core.spec.versions import at_least
from genie_core.survey.binaries import Binary, Prober, checksums, is_tool_folder, list_binaries, may_ask
from genie_core.survey.conf_files import parse_conf, why_ignored
from genie_core.survey.containers import known_containers
from genie_core.survey.credentials import named_kubeconfigs, read_credential
from genie_core.survey.node_facts import ConfFile, GenieState, NodeFacts, PluginState
from genie_core.survey.nodenet import NodeNet, namespace_number, read_node
from genie_core.survey.own import ask_api, describe_installation, own_file, own_settings, read_state
from genie_core.survey.places import DiscoverOptions, bin_dirs_of, conf_dirs_of, runtimes_of
from genie_core.survey.records import CachedResult, Lease, Namespace, read_cache, read_leases, read_namespaces
from genie_core.survey.rootfs import Root
from genie_core.survey.runtime_versions import with_versions
from genie_core.survey.sandboxes import Sandboxes, find_sandboxes
from genie_core.survey.versions import needed

T = TypeVar("T")
_STATUS_SINCE = "1.1.0"
_KNOWN_TYPES = frozenset(name for plugin in PLUGINS.values() for name in plugin.names) | {
    "dhcp",
    "host-local",
    "static",
}


@dataclass(slots=True)
class _Missing:
    """Why sources are not there: name -> reason and what it would need."""

    reasons: dict[str, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)

    def read(self, name: str, what: str, reader: Callable[[], T], default: T) -> T:
        """What `reader` gives; `default` and a reason where it may not, `default` alone where nothing is there."""
        try:
            return reader()
        except FileNotFoundError:
            return default
        except PermissionError:
            self.refuse(name, f"{what} needs root")
        except OSError as error:
            self.reasons[name] = f"{what}: {error.strerror}"
        except GenieError as error:
            self.reasons[name] = f"{what}: {error.msg}"
            self.denied |= {name} if error.exit_code == EXIT_DENIED else set()
        return default

    def refuse(self, name: str, reason: str) -> None:
        """Note what this user has no right to read."""
        self.reasons[name] = reason
        self.denied.add(name)


def gather(options: DiscoverOptions) -> tuple[NodeFacts, dict[str, str]]:
    """The facts of a node, and container ID -> pod as far as Genie's state knows it. Raises NotFound for the root."""
    root = Root(options.root).require()
    missing = _Missing()
    with ThreadPoolExecutor(4) as pool:
        net = pool.submit(missing.read, "netlink", "reading interfaces", read_node, None)
        sandboxes = pool.submit(_sandboxes, options, root)
        facts = _files(options, root, missing)
        own = own_file(facts.files)
        settings = own_settings(own)
        api = pool.submit(ask_api, settings, root, options.timeout) if options.api and own else None
        versions = pool.submit(with_versions, facts.runtimes, root) if options.probe else None
        facts = _plugins(facts, options, root, missing)
        facts = replace(facts, runtimes=versions.result() if versions else facts.runtimes)
        facts = replace(facts, net=net.result())
        facts, pods = _records(facts, options, root, missing, settings.state_dir, sandboxes.result())
        installation = describe_installation(facts, own, root) | (api.result() if api else {})
    facts = replace(facts, genie=replace(facts.genie, **installation))
    facts = _credentials(facts, options, root)
    _note_gaps(facts, missing, sandboxes.result(), options, root)
    return replace(facts, missing=missing.reasons, denied=frozenset(missing.denied)), pods


def _sandboxes(options: DiscoverOptions, root: Root) -> Sandboxes:
    """The node's sandboxes; their IDs are enough."""
    return find_sandboxes(
        root, options.cri_socket, detailed=lambda _: False, directories=options.sandbox_dirs
    )


def _note_gaps(
    facts: NodeFacts, missing: _Missing, sandboxes: Sandboxes, options: DiscoverOptions, root: Root
) -> None:
    """Note the sources that were not refused but that are not there."""
    gaps = missing.reasons
    if not facts.runtimes:
        gaps["runtime"] = "no container runtime found: name its configuration with --runtime-config"
    if not options.probe:
        gaps["probe"] = "--no-probes"
    if not facts.genie.api:
        gaps["api"] = "Genie's configuration names no API server" if options.api else options.unasked
    if facts.genie.networks is None:
        gaps["networks"] = gaps.get(
            "api", "Genie's account may not list logical networks, or was not answered"
        )
    if known_containers(facts) is None and sandboxes.is_denied:
        missing.refuse("sandboxes", "asking the container runtime needs root")
    elif known_containers(facts) is None:
        gaps["sandboxes"] = "no container runtime answered"
    if any(namespace.processes is None for namespace in facts.namespaces):
        missing.refuse("processes", "seeing other users' processes needs root")
    if facts.net is None:
        gaps.setdefault("netlink", "the node's interfaces could not be read")
    for source, named in (("conf", options.conf_dirs), ("bin", options.bin_dirs)):
        gone = [directory for directory in named if not root.exists(directory)]
        gaps |= {source: f"there is no directory {' '.join(gone)}"} if gone else {}


# --- configuration files ---------------------------------------------------------------------------------


def _files(options: DiscoverOptions, root: Root, missing: _Missing) -> NodeFacts:
    runtimes = runtimes_of(options, root)
    directories: dict[str, list[ConfFile]] = {}
    for directory in conf_dirs_of(options, runtimes, root):
        directories[directory] = missing.read("conf", directory, partial(read_directory, directory, root), [])
    extra = own_settings(own_file([file for files in directories.values() for file in files])).conf_dirs
    for directory in extra:
        if directory not in directories and root.exists(directory):
            directories[directory] = read_directory(directory, root)
    return NodeFacts(
        node=options.node or os.environ.get("NODE_NAME") or platform.node(),
        now=time.time(),
        machine=platform.machine(),
        runtimes=runtimes,
        directories=directories,
    )


def read_directory(directory: str, root: Root) -> list[ConfFile]:
    """The configuration files of a directory, by name, and renamed copies of such files. Raises OSError."""
    files = []
    for name in root.names(directory):
        path = f"{directory}/{name}"
        if not os.path.isdir(root.real(path)) and _looks_like_conf(name):
            files.append(read_conf(path, root))
    return files


def _looks_like_conf(name: str) -> bool:
    """Whether a file is worth a line: runtimes read it, or it is a renamed or edited copy of such a one."""
    return not why_ignored(name) or any(ending in name.lower() for ending in (".conf", ".json"))


def read_conf(path: str, root: Root) -> ConfFile:
    """One configuration file, parsed as kubelet's path parses it."""
    here = root.real(path)
    ignored = why_ignored(path.rpartition("/")[2])
    try:
        status = os.stat(here)
        text = root.text(path, 8 << 20)
    except OSError as error:
        reason = (
            "this user may not read it"
            if isinstance(error, PermissionError)
            else error.strerror or str(error)
        )
        return ConfFile(path=path, ignored=ignored, error=reason)
    mode, uid = status.st_mode & 0o777, status.st_uid
    if ignored:
        return ConfFile(path=path, mode=mode, uid=uid, ignored=ignored)
    return parse_conf(path, text, mode=mode, uid=uid, siblings=siblings_of(here))


# --- plugins ---------------------------------------------------------------------------------------------


def _plugins(facts: NodeFacts, options: DiscoverOptions, root: Root, missing: _Missing) -> NodeFacts:
    wanted = _KNOWN_TYPES | {plugin.type for file in facts.files for plugin in needed(file)}
    directories = bin_dirs_of(options, facts.runtimes, root)
    listed: dict[str, list[Binary]] = {}
    for directory in directories:
        reader: Callable[[], list[Binary] | None] = partial(list_binaries, directory, root)
        found = missing.read("bin", directory, reader, None)
        if found is not None:
            tools = is_tool_folder([binary.type for binary in found])
            listed[directory] = [b for b in found if not tools or b.type in wanted]
    prober = Prober(os.environ, [root.real(directory) for directory in directories])
    summed = _in_place(listed, lambda binaries: checksums(binaries, root))
    if options.probe:
        summed = _asked(summed, wanted, prober, root)
    facts = replace(facts, binaries=summed)
    return replace(facts, statuses=_statuses(facts, prober, root)) if options.probe else facts


def _in_place(
    listed: Mapping[str, Sequence[Binary]], change: Callable[[Sequence[Binary]], list[Binary]]
) -> dict[str, list[Binary]]:
    """All directories' binaries through one function at once."""
    flat = change([binary for binaries in listed.values() for binary in binaries])
    by_path = {binary.path: binary for binary in flat}
    return {directory: [by_path[b.path] for b in binaries] for directory, binaries in listed.items()}


def _asked(
    listed: Mapping[str, Sequence[Binary]], wanted: frozenset[str], prober: Prober, root: Root
) -> dict[str, list[Binary]]:
    tools = {path for path, binaries in listed.items() if is_tool_folder([b.type for b in binaries])}

    def ask(binaries: Sequence[Binary]) -> list[Binary]:
        askable = [b for b in binaries if may_ask(b, wanted=wanted, tools=b.path.rpartition("/")[0] in tools)]
        answers = {binary.path: binary for binary in prober.versions(askable, root)}
        return [answers.get(binary.path, binary) for binary in binaries]

    return _in_place(listed, ask)


def _statuses(facts: NodeFacts, prober: Prober, root: Root) -> list[PluginState]:
    """STATUS of every plugin of every network whose configuration has it (conformance B75)."""
    questions = []
    for file in facts.files:
        network = file.network
        if network is None or not at_least(network.version, _STATUS_SINCE):
            continue
        for plugin in network.plugins:
            path = facts.search_path(file.directory)
            binary = facts.find_binary(plugin.type, path)
            if binary is not None and _STATUS_SINCE in binary.versions:
                questions.append(
                    (network, plugin, root.real(binary.path), [root.real(item) for item in path])
                )
    if not questions:
        return []

    def ask(question: tuple[Any, Any, str, Sequence[str]]) -> PluginState:
        network, plugin, binary, path = question
        status, detail = prober.status(plugin.type, binary, plugin_input(network, plugin), network.name, path)
        return PluginState(network=network.name, type=plugin.type, status=status, detail=detail)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, questions))


# --- records ---------------------------------------------------------------------------------------------


def _records(
    facts: NodeFacts,
    options: DiscoverOptions,
    root: Root,
    missing: _Missing,
    own_state_dir: str,
    sandboxes: Sandboxes,
) -> tuple[NodeFacts, dict[str, str]]:
    state_dir = options.state_dir or own_state_dir
    nothing: tuple[dict[str, Any], dict[str, str]] = ({}, {})
    state, pods = missing.read("state", f"reading {state_dir}", partial(read_state, state_dir, root), nothing)
    leases: dict[str, list[Lease]] = {}
    for directory in _lease_dirs(facts, options):
        reader: Callable[[], dict[str, list[Lease]]] = partial(read_leases, directory, root, facts.now)
        none: dict[str, list[Lease]] = {}
        leases |= missing.read("leases", f"reading {directory}", reader, none)
    empty: list[CachedResult] = []
    cache = missing.read(
        "cache", f"reading {options.cache_dir}", partial(read_cache, options.cache_dir, root), empty
    )
    namespaces = read_namespaces(root)
    return replace(
        facts,
        leases=leases,
        cache=cache,
        sandboxes=sandboxes.ids,
        namespaces=namespaces,
        namespace_numbers=_numbers(namespaces, facts.net, root),
        genie=replace(GenieState(state_dir=state_dir), **state),
    ), pods


def _lease_dirs(facts: NodeFacts, options: DiscoverOptions) -> list[str]:
    """host-local's data directories: the usual one, and those that configurations name."""
    ipams = [entry.get("ipam") for file in facts.files for entry in file.chain]
    named = [str(ipam["dataDir"]) for ipam in ipams if isinstance(ipam, dict) and ipam.get("dataDir")]
    return list(dict.fromkeys([options.ipam_dir, *named]))


def _numbers(namespaces: Sequence[Namespace], net: NodeNet | None, root: Root) -> dict[str, int]:
    """The kernel's numbers of the namespaces in which nothing runs: only those are asked about."""
    if net is None or not root.is_here:
        return {}
    return {n.path: namespace_number(n.path) for n in namespaces if n.processes == 0}


def _credentials(facts: NodeFacts, options: DiscoverOptions, root: Root) -> NodeFacts:
    named = named_kubeconfigs(facts.files, options.kubeconfig)
    return replace(
        facts, credentials=[read_credential(path, who, root, entry) for path, (who, entry) in named.items()]
    )
