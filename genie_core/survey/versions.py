"""The plugins of a chain: which are installed, and which versions of the CNI specification they have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genie_core.errors import GenieError
from genie_core.spec.versions import parse
from genie_core.survey.binaries import Binary
from genie_core.survey.facts import ConfFile, Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """One plugin that a configuration calls, and where it names it. `ipam` marks an address plugin."""

    type: str
    where: str
    ipam: bool = False


def needed(file: ConfFile) -> list[Needed]:
    """The plugins of a chain in order, each followed by its address plugin; flannel's own delegate too."""
    found = []
    for index, entry in enumerate(file.chain):
        where = file.where(index)
        found.append(Needed(type=str(entry.get("type", "")), where=_join(where, "type")))
        found += _ipam(entry, _join(where, "ipam"))
        if entry.get("type") == "flannel":
            found += _flannel_delegates(entry, _join(where, "delegate"))
    return found


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _ipam(entry: Mapping[str, Any], where: str) -> list[Needed]:
    ipam = entry.get("ipam")
    type_ = ipam.get("type") if isinstance(ipam, dict) else ""
    return [Needed(type=str(type_), where=_join(where, "type"), ipam=True)] if type_ else []


def _flannel_delegates(entry: Mapping[str, Any], where: str) -> list[Needed]:
    # flannel-io/cni-plugin: without a type its delegate is bridge, always with host-local.
    delegate = entry.get("delegate")
    named = delegate.get("type") if isinstance(delegate, dict) else ""
    return [
        Needed(type=str(named or "bridge"), where=where),
        Needed(type="host-local", where=where, ipam=True),
    ]


def missing_plugins(file: ConfFile, facts: Facts, path: Sequence[str]) -> list[Needed]:
    """The plugins of a configuration that are in none of the directories that could be read."""
    if not any(directory in facts.binaries for directory in path):
        return []
    return [plugin for plugin in needed(file) if facts.find_binary(plugin.type, path) is None]


def chain_binaries(file: ConfFile, facts: Facts, path: Sequence[str]) -> list[Binary]:
    """The binaries of a configuration that were found."""
    found = (facts.find_binary(plugin.type, path) for plugin in needed(file))
    return [binary for binary in found if binary is not None]


def refuses_version(file: ConfFile, facts: Facts, path: Sequence[str]) -> list[Binary]:
    """The plugins that do not list the configuration's version; those that did not answer are not among them."""
    if file.network is None:
        return []
    version = file.network.version
    return [
        binary
        for binary in chain_binaries(file, facts, path)
        if binary.versions and version not in binary.versions
    ]


def common_versions(binaries: Sequence[Binary]) -> list[str]:
    """The versions that all of them list, highest first; those that did not answer are left out."""
    lists = [set(binary.versions) for binary in binaries if binary.versions]
    shared = set.intersection(*lists) if lists else set()
    return sorted(_readable(shared), key=parse, reverse=True)


def _readable(versions: set[str]) -> Iterator[str]:
    for version in versions:
        try:
            parse(version)
        except GenieError:
            continue
        yield version
