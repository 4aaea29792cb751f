"""The plugins of a node: the files of the plugin directories and their answers, Genie's installation, credentials."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from genie_core.catalog import PLUGINS
from genie_core.spec.conf import plugin_input
from genie_core.spec.versions import at_least
from genie_core.survey.binaries import Binary, Prober, checksums, is_tool_folder, list_binaries, may_ask
from genie_core.survey.collection import Collection, in_thread
from genie_core.survey.credentials import named_kubeconfigs, read_credential
from genie_core.survey.facts import Facts, PluginState
from genie_core.survey.genie import describe_installation, own_file
from genie_core.survey.opened import opened
from genie_core.survey.places import Places, bin_dirs_of
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import DEFAULT
from genie_core.survey.versions import needed, with_versions

_STATUS_SINCE = "1.1.0"
_KNOWN_TYPES = frozenset(name for plugin in PLUGINS.values() for name in plugin.names)


def read_plugins(
    facts: Facts, places: Places, root: Root, todo: Collection, *, ask: bool, sums: bool
) -> Facts:
    """The facts with the plugins that their configurations name.

    `ask`: run them, and the runtimes, for versions; `sums`: with the SHA-256 of the binaries.
    """
    versions = in_thread(partial(with_versions, facts.runtimes, root)) if ask else None
    directories = bin_dirs_of(places, facts.runtimes, root)
    prober = Prober(os.environ, [root.real(directory) for directory in directories])
    listed = _binaries(facts, directories, root, todo, prober if ask else None)
    if sums:
        listed = _in_place(listed, lambda binaries: checksums(binaries, root))
    facts = replace(facts, binaries=listed)
    own = own_file(facts.conf_files)
    named = named_kubeconfigs(facts.conf_files, places.kubeconfig)
    return replace(
        facts,
        statuses=_statuses(facts, prober, root) if ask else (),
        opened=opened(facts.conf_files, root),
        runtimes=versions.result() if versions else facts.runtimes,
        credentials=[read_credential(path, who, root, entry) for path, (who, entry) in named.items()],
        genie=replace(facts.genie, **describe_installation(facts, own, root)),
    )


def _binaries(
    facts: Facts, directories: Sequence[str], root: Root, todo: Collection, prober: Prober | None
) -> dict[str, list[Binary]]:
    """The files of each directory that can be read; with a prober, those that may be asked have answered VERSION."""
    wanted = _KNOWN_TYPES | {plugin.type for file in facts.conf_files for plugin in needed(file)}
    named = {d for r in facts.runtimes if r.sources.get("bin_dirs", DEFAULT) != DEFAULT for d in r.bin_dirs}
    listed: dict[str, list[Binary]] = {}
    for directory in directories:
        reader: Callable[[], list[Binary] | None] = partial(list_binaries, directory, root)
        found = todo.read("bin", directory, reader, None)
        if found is None and directory in named and not os.path.lexists(root.real(directory)):
            found = []  # the runtime looks there, and finds nothing
        if found is not None:
            tools = is_tool_folder([binary.type for binary in found])
            listed[directory] = [b for b in found if not tools or b.type in wanted]
    return _asked(listed, wanted, prober, root) if prober else listed


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


def _statuses(facts: Facts, prober: Prober, root: Root) -> list[PluginState]:
    """STATUS of every plugin of every network whose configuration has it (conformance B75)."""
    questions = []
    for file in facts.conf_files:
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
