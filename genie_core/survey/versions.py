"""Versions: which plugins of a chain are installed and what they have in common, what a runtime's libcni has.

libcni 1.2 is the first with 1.1.0 of the specification and with `cniVersions`; older ones read `cniVersion` alone, and
fail every ADD whose version they do not know. It came with containerd 2.0 (go-cni 1.1.10), CRI-O 1.31 (ocicni 0.4.3).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from genie_core.errors import GenieError
from genie_core.gojson import view
from genie_core.plugin_types import maker_of
from genie_core.spec.versions import CURRENT, at_least, parse
from genie_core.survey.binaries import Binary
from genie_core.survey.commands import start
from genie_core.survey.containerd import version_in
from genie_core.survey.facts import ConfFile, Facts
from genie_core.survey.layouts import LAYOUTS
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import Runtime

_SECONDS = 2.0
_BEFORE = "1.0.0"  # the newest that libcni 1.1 knows
_FIRST = {"containerd": (2, 0), "crio": (1, 31)}


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
        maker, _ = maker_of(str(entry.get("type", "")), entry)
        if maker != entry.get("type", ""):
            delegate = _join(where, "delegate")
            found.append(Needed(type=maker, where=delegate))
            if not _ipam(entry, where):  # flannel gives its own `ipam` on, else host-local (flannel_linux.go)
                found.append(Needed(type="host-local", where=delegate, ipam=True))
    return found


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _ipam(entry: Mapping[str, Any], where: str) -> list[Needed]:
    ipam = entry.get("ipam")
    type_ = ipam.get("type") if isinstance(ipam, dict) else ""
    return [Needed(type=str(type_), where=_join(where, "type"), ipam=True)] if type_ else []


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


def with_versions(runtimes: Sequence[Runtime], root: Root) -> list[Runtime]:
    """The runtimes with their versions; "" where none is known, and the program is not found or fails."""
    return [replace(one, version=one.version or _version(one, root)) for one in runtimes]


def _version(runtime: Runtime, root: Root) -> str:
    wanted = runtime.kind, runtime.flavour
    paths = [path for one in LAYOUTS if (one.kind, one.flavour) == wanted for path in one.programs]
    program = next((root.real(path) for path in paths if root.exists(path)), "")
    if not program:
        return ""
    out, _ = start(program, "--version", env=dict(os.environ)).finish(time.monotonic() + _SECONDS)
    return version_in(out)


def newest_supported(runtime: Runtime) -> str:
    """The newest version of the specification that it can call plugins with; "" where its version is not known."""
    first = _FIRST.get(runtime.kind)
    if not runtime.version or first is None:
        return ""
    major, minor = runtime.version.split(".")[:2]
    return CURRENT if (int(major), int(minor)) >= first else _BEFORE


def refused_version(file: ConfFile) -> str:
    """The `cniVersion` of a file that libcni before 1.2 does not know; "" where it knows it."""
    document: Any = view(file.text) if file.network and file.text else {}
    version = document.get("cniVersion") if isinstance(document, dict) else None
    return version if isinstance(version, str) and version != _BEFORE and at_least(version, _BEFORE) else ""
