"""Configuration text -> ConfFile, on the parser that kubelet's path uses; errors get their line and column."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from genie_core.catalog import recognise
from genie_core.catalog.positions import positions
from genie_core.errors import GenieError
from genie_core.gojson import view
from genie_core.jsontext import JSONError, decode
from genie_core.spec.conf import parse_file
from genie_core.survey.node_facts import ConfFile

# What an error of the parser says about its place: `plugins[1].ipam must be ...`, `plugins[0]: missing 'type'`.
_PLACE = re.compile(r"^((?:plugins(?:\[\d+\])?|name|cniVersions?|type|capabilities|disable\w+)[\w.\[\]-]*)")
ENDINGS = (".conf", ".conflist", ".json")
_EDITED = (".bak", ".old", ".orig", ".save", ".swp", ".rpmsave", ".rpmnew", ".dpkg-old", ".dpkg-dist", "~")


def parse_conf(
    path: str,
    text: str,
    *,
    mode: int = 0,
    uid: int = 0,
    siblings: Callable[[str], Sequence[tuple[str, str]]] | None = None,
) -> ConfFile:
    """One file as far as it can be understood; never raises for what is written in it."""
    base = ConfFile(path=path, mode=mode, uid=uid, text=text)
    try:
        decode(text)
    except JSONError as error:
        return replace(
            base,
            is_json=False,
            error=error.problem,
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
        return replace(base, error=problem, hint=error.hint, line=line, column=column)
    chain = tuple(view(plugin.text) for plugin in network.plugins)
    return replace(base, network=network, chain=chain, kind=recognise(chain, base.file))


def is_copy(name: str) -> bool:
    """Whether a file's ending says that it is what another one was before; `--write` makes such copies too."""
    return name.endswith((*_EDITED, ".cilium_bak"))


def why_ignored(name: str) -> str:
    """Why no runtime reads a file of that name; "" where it is read (conformance B01)."""
    if name.endswith(".cilium_bak"):
        return "Cilium renamed it (cni.exclusive=true), so no runtime reads it"
    if name[name.rfind(".") :] in ENDINGS and "." in name:
        return ""
    if name.endswith(_EDITED):
        return "its ending makes it a copy that no runtime reads"
    if name.lower().endswith(ENDINGS):
        return "the ending counts in lower case only"
    return "its ending is none of .conf, .conflist, .json"
