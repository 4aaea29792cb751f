"""Configuration files -> ConfFile, by the parser that the plugin uses; errors get their line and column."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from genie_core.catalog import recognise
from genie_core.catalog.positions import positions
from genie_core.edges.confdir import EXTENSIONS, siblings_of
from genie_core.errors import GenieError
from genie_core.gojson import view
from genie_core.jsontext import JSONError, decode
from genie_core.published import JSON
from genie_core.spec.conf import parse_file
from genie_core.survey.cluster import members
from genie_core.survey.facts import ConfFile
from genie_core.survey.rootfs import Root

# The place in an error of the parser: `plugins[1].ipam must be ...`, `plugins[0]: missing 'type'`.
_PLACE = re.compile(r"^((?:plugins(?:\[\d+\])?|name|cniVersions?|type|capabilities|disable\w+)[\w.\[\]-]*)")
_EDITED = (".bak", ".old", ".orig", ".save", ".swp", ".rpmsave", ".rpmnew", ".dpkg-old", ".dpkg-dist", "~")
# A plugin's members that describe the network. Everything else may be secret, and is not saved.
_PLAIN = (
    "type",
    "bridge",
    "mtu",
    "ipMasq",
    "isGateway",
    "isDefaultGateway",
    "hairpinMode",
    "master",
    "mode",
    "vlan",
    "vlanId",
    "forceAddress",
    "promiscMode",
    "device",
    "backend",
    "enableIPv6",
)
_IPAM = ("type", "subnet", "rangeStart", "rangeEnd", "gateway", "routes", "ranges", "addresses", "dataDir")


def parse_conf(
    path: str,
    text: str,
    *,
    mode: int = 0,
    siblings: Callable[[str], Sequence[tuple[str, str]]] | None = None,
) -> ConfFile:
    """One file as far as it can be understood. No content makes it raise."""
    base = ConfFile(path=path, mode=mode, text=text)
    try:
        decode(text)
    except JSONError as error:
        return replace(
            base,
            is_json=False,
            problem=error.problem,
            hint="correct the JSON there",
            line=error.line,
            column=error.column,
        )
    try:
        network = parse_file(text, path, siblings)
    except GenieError as error:
        problem = error.msg.removeprefix(f"{path}: ")
        match = _PLACE.match(problem)
        line, column = positions(text).of(match[1] if match else "")
        return replace(base, problem=problem, hint=error.hint, line=line, column=column)
    chain = tuple(view(plugin.text) for plugin in network.plugins)
    return replace(
        base,
        name=network.name,
        version=network.version,
        plugins=tuple(_lean(entry) for entry in chain),
        network=network,
        chain=chain,
        kind=recognise(chain, base.file),
    )


def _lean(data: JSON) -> JSON:
    """A plugin's object without what may be secret."""
    kept = _plain_members(data)
    if isinstance(data.get("ipam"), dict):
        kept["ipam"] = members(data["ipam"], _IPAM)
    if isinstance(data.get("delegate"), dict):
        kept["delegate"] = _plain_members(data["delegate"])
    if isinstance(data.get("sysctl"), dict):
        kept["sysctl"] = {key: value for key, value in data["sysctl"].items() if isinstance(value, str)}
    return kept


def _plain_members(data: JSON) -> JSON:
    """Members that are strings or numbers: an object, such as flannel's backend with its PSK, may hold secrets."""
    return {
        name: value for name, value in members(data, _PLAIN).items() if isinstance(value, str | int | float)
    }


def read_directory(directory: str, root: Root) -> list[ConfFile]:
    """The configuration files of a directory, by name, and renamed copies of such files. Raises OSError."""
    files = []
    for name in root.names(directory):
        path = f"{directory}/{name}"
        if not os.path.isdir(root.real(path)) and _looks_like_conf(name):
            files.append(read_conf(path, root))
    return files


def _looks_like_conf(name: str) -> bool:
    """Whether a file is listed: runtimes read it, or it is a renamed or edited copy of such a file."""
    return not why_ignored(name) or any(ending in name.lower() for ending in (".conf", ".json"))


def read_conf(path: str, root: Root) -> ConfFile:
    """One configuration file, parsed as the plugin parses it."""
    here = root.real(path)
    ignored = why_ignored(path.rpartition("/")[2])
    try:
        status = os.stat(here)
        text = root.text(path, 8 << 20)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and os.path.islink(here):
            reason = f"it is a link to {os.readlink(here)}, which does not exist"
            return ConfFile(
                path=path, ignored=ignored, problem=reason, hint="delete the link, or make its target"
            )
        reason = (
            "this user may not read it"
            if isinstance(error, PermissionError)
            else error.strerror or str(error)
        )
        return ConfFile(path=path, ignored=ignored, problem=reason)
    mode = status.st_mode & 0o777
    if ignored:
        return ConfFile(path=path, mode=mode, ignored=ignored)
    return parse_conf(path, text, mode=mode, siblings=siblings_of(here))


def is_copy(name: str) -> bool:
    """Whether a file's ending marks it as the copy of an earlier version; `--write` makes such copies too."""
    return name.endswith((*_EDITED, ".cilium_bak"))


def why_ignored(name: str) -> str:
    """Why no runtime reads a file of that name; "" where it is read (conformance B01)."""
    if name.endswith(".cilium_bak"):
        return "Cilium renamed it (cni.exclusive=true), so no runtime reads it"
    if name[name.rfind(".") :] in EXTENSIONS and "." in name:
        return ""
    if name.endswith(_EDITED):
        return "its ending makes it a copy that no runtime reads"
    if name.lower().endswith(EXTENSIONS):
        return "the ending counts in lower case only"
    return "its ending is none of .conf, .conflist, .json"
