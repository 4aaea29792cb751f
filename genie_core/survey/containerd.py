"""What containerd uses: a running one says it by the CRI (k8s.io/cri-api v1), the program what it makes of its files.

The files may have been changed since it started, and its defaults and the way it merges files differ by version and
distribution. Source: containerd internal/cri/server/status.go (`cniconfig`, go-cni's ConfigResult, and `config`).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from genie_core.errors import IOFailure
from genie_core.survey.commands import start
from genie_core.survey.cri_call import call, fields
from genie_core.survey.rootfs import Root

SECONDS = 2.0
_DUMP_SECONDS = 10.0  # a busy node: without its answer the directories are a guess
_VERBOSE = b"\x08\x01"  # StatusRequest.verbose
_API_VERSION = b"\x0a\x03" + b"0.1"  # VersionRequest.version, as kubelet sends it
_INFO, _RUNTIME_VERSION = 2, 3  # fields of StatusResponse and VersionResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """What it uses. `handlers` are the directories of single runtime handlers."""

    conf_dir: str
    bin_dirs: tuple[str, ...]
    max_conf_num: int
    handlers: Mapping[str, str]
    version: str

    @property
    def directories(self) -> tuple[str, tuple[str, ...]]:
        """Where it reads configurations, and where it looks for plugins."""
        return self.conf_dir, self.bin_dirs


def ask(root: Root, socket: str, seconds: float = SECONDS) -> InUse:
    """The answer of the containerd that listens at `socket`. Raises IOFailure where it gives none."""
    info = _info(_call(root, socket, "Status", _VERBOSE, seconds))
    version = dict(fields(_call(root, socket, "Version", _API_VERSION, seconds))).get(_RUNTIME_VERSION, b"")
    try:
        cni, config = json.loads(info["cniconfig"]), json.loads(info["config"])
        return InUse(
            conf_dir=_directory(cni["PluginConfDir"]),
            bin_dirs=tuple(_directory(path) for path in cni["PluginDirs"]),
            max_conf_num=int(cni["PluginMaxConfNum"]),
            handlers=_handlers(config),
            version=version_in(_text(version)),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise IOFailure(f"{socket}: an answer that containerd does not give") from None


def version_in(text: str) -> str:
    """The version in what a runtime says about itself, as 1.7.24; "" where there is none."""
    found = re.search(r"\bv?(\d+\.\d+\.\d+)", text)
    return found[1] if found else ""


def imported(root: Root, parent: str, pattern: str) -> list[str]:
    """The node's files that an import names; a relative one starts at the file that imports it.

    A pattern is Go's filepath.Glob: it may be in any part of the path, and `*` stands for a leading dot, too.
    """
    path = os.path.normpath(os.path.join(os.path.dirname(parent), pattern))
    if "*" not in path:
        return [path]
    found = [""]
    for part in path.strip("/").split("/"):
        found = [f"{folder}/{name}" for folder in found for name in _names_like(root, folder or "/", part)]
    return found


def _names_like(root: Root, folder: str, part: str) -> list[str]:
    if not re.search(r"[*?[]", part):
        return [part] if root.exists(f"{folder}/{part}") else []
    try:
        return [name for name in root.names(folder) if fnmatchcase(name, part)]
    except OSError:
        return []


def dump(programs: Sequence[str], configs: Sequence[str], root: Root) -> tuple[str, str]:
    """`containerd config dump`, TOML, or "" and a problem; both are "" where the program is not on this node.

    Without a file it is `containerd config default`: 1.7.24 dumps nothing where the usual file is missing. The default
    of `bin_dir` is the distribution's: /usr/lib/cni in Debian's package. Before 2.0 an imported file's section of a
    plugin replaces the whole section of the file that imports it (containerd#5837).
    """
    program = next((path for path in programs if root.exists(path)), "")
    if not program:
        return "", ""
    words = [program, *(["--config", configs[0], "config", "dump"] if configs else ["config", "default"])]
    shown, reason = start(*words, env=dict(os.environ)).finish(time.monotonic() + _DUMP_SECONDS)
    return shown, f"`{' '.join(words)}` fails: {reason}" if reason else ""


def _call(root: Root, socket: str, method: str, request: bytes, seconds: float) -> bytes:
    try:
        with root.connect(socket, seconds) as connection:
            return call(connection, f"/runtime.v1.RuntimeService/{method}", request, seconds)
    except OSError as error:
        raise IOFailure(f"{socket}: {error.strerror or error}") from None


def _info(answer: bytes) -> dict[str, str]:
    """StatusResponse.info, a map: a field for each entry, with its key and its value."""
    entries = [
        dict(fields(value)) for number, value in fields(answer) if number == _INFO and _is_bytes(value)
    ]
    return {_text(entry.get(1)): _text(entry.get(2)) for entry in entries}


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _handlers(config: Mapping[str, Any]) -> dict[str, str]:
    runtimes = config["containerd"]["runtimes"] or {}
    named = {name: handler.get("cniConfDir") for name, handler in runtimes.items()}
    return {name: _directory(path) for name, path in named.items() if path}


def _directory(path: str) -> str:
    return path.rstrip("/") or "/"


# Where the `cni` table of the CRI plugin is, in the configuration versions 3, 2 and 1; version 3 reads the first only.
_CRI_PLUGINS = ("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri", "cri")
_NEWEST = 3


def sections(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the CRI plugin's section that count in a document."""
    return _CRI_PLUGINS[: 1 if data.get("version") == _NEWEST else None]


def unused(data: Mapping[str, Any]) -> Iterator[str]:
    """Settings of a document that keep the CRI plugin from starting, or that it does not read."""
    disabled, plugins = data.get("disabled_plugins"), data.get("plugins")
    for name in disabled if isinstance(disabled, list) else ():
        if name in _CRI_PLUGINS:
            yield f'disabled_plugins has "{name}": kubelet cannot start pods'
    for name, section in plugins.items() if isinstance(plugins, dict) else ():
        is_known = name in _CRI_PLUGINS and name not in sections(data)
        if is_known and isinstance(section, dict) and "cni" in section:
            yield (
                f'[plugins."{name}".cni] is not read with version = {_NEWEST}; its place is '
                f'[plugins."{_CRI_PLUGINS[0]}".cni]'
            )
