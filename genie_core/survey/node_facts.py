"""What `genie discover` saw of a node, as values: gathered once by the task, judged by the pure checks.

A source that could not be read is named in `missing` with the reason and what it would need; the checks that
live on it are then skipped, never passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genie_core.model import NetConf
from genie_core.survey.binaries import Binary
from genie_core.survey.logical import ClusterNetworks
from genie_core.survey.nodenet import NodeNet
from genie_core.survey.records import CachedResult, Lease, Namespace
from genie_core.survey.runtimes import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfFile:
    """One file of a configuration directory.

    `ignored` says why no runtime reads it (its ending); `network` is None where it cannot be read, and `error`
    says why, with line and column (0 where they are not known). `chain` are the plugins' objects, decoded;
    `kind` is what the catalogue recognises in them.
    """

    path: str
    mode: int = 0
    uid: int = 0
    ignored: str = ""
    text: str | None = None
    network: NetConf | None = None
    chain: tuple[Mapping[str, Any], ...] = ()
    error: str = ""
    hint: str = ""
    line: int = 0
    column: int = 0
    is_json: bool = True
    kind: str = ""

    @property
    def directory(self) -> str:
        """Its folder."""
        return self.path.rpartition("/")[0]

    @property
    def file(self) -> str:
        """Its name in the folder: what runtimes sort by."""
        return self.path.rpartition("/")[2]

    @property
    def is_single(self) -> bool:
        """Whether it holds one plugin's configuration, not a list."""
        return bool(self.chain) and not self.path.endswith(".conflist")

    def where(self, index: int) -> str:
        """The place of a plugin's object in the document."""
        return "" if self.is_single else f"plugins[{index}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginState:
    """What STATUS of one plugin of one network said."""

    network: str
    type: str
    status: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A kubeconfig and what it holds: never the secrets themselves.

    `kind` is token, token-file, certificate, other or none. Times are seconds since the epoch, 0 if unknown.
    """

    path: str
    readable: bool = True
    mode: int = 0
    uid: int = 0
    used_by: str = ""
    server: str = ""
    kind: str = ""
    file: str = ""
    file_mode: int = 0
    issuer: str = ""
    subject: str = ""
    expires: float = 0
    issued: float = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A network that Genie's configuration names under `key` and that cannot be used: why, and what to do."""

    key: str
    name: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A container in Genie's state. `age` in seconds; `exists` says whether there is anything at its `netns`.

    `earlier` is true where it was attached before the last boot.
    """

    container: str
    pod: str = ""
    netns: str = ""
    age: float = 0
    exists: bool = False
    earlier: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GenieState:
    """Genie's own part: what is installed, what it remembers, whom it can reach.

    `entries` counts the containers in the state, `pending` the attachments whose DEL has still to succeed,
    `damaged` the state files that cannot be read. `api` is ok, none, or why not; `definitions` the CRDs installed,
    None where nobody could be asked; `networks` the cluster's logical and physical ones, None where they were not
    read. `python` is the interpreter that the binary names, "" where it names none. `unknown_networks` are those
    that the configuration names and that are not on the node; `limits` what it limits, as select.allowed says it;
    `unknown_allowed` the names in allowed_networks that fit no network of the node; `unread_labels` the keys of
    allowed_networks that ask for labels, where no API server is configured.
    `records` are the containers in the state; `recorded_ipam` the ipam sections, with their network's name, of the
    networks there that come from the API server: no file of the node has them.
    """

    installed: bool = False
    version: str = ""
    python: str = ""
    python_is_gone: bool = False
    binary: str = ""
    conf: str = ""
    state_dir: str = ""
    entries: int = 0
    pending: int = 0
    damaged: tuple[str, ...] = ()
    records: tuple[Recorded, ...] = ()
    recorded_ipam: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    other_boot: int = 0
    default_network: str = ""
    default_file: str = ""
    unknown_networks: tuple[Unknown, ...] = ()
    unknown_allowed: tuple[str, ...] = ()
    unread_labels: tuple[str, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    api: str = ""
    definitions: tuple[str, ...] | None = None
    networks: ClusterNetworks | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """All of it. `binaries` maps each directory to its files, `leases` each host-local network to its leases.

    `denied` are the keys of `missing` that this user has no right to read.
    `sandboxes` are the container IDs that runtimes have, None where no runtime's records could be read;
    `namespace_numbers` the kernel's numbers of named namespaces, which links say their other end is in.
    """

    node: str = ""
    now: float = 0
    machine: str = ""
    runtimes: Sequence[Runtime] = ()
    directories: Mapping[str, Sequence[ConfFile]] = field(default_factory=dict)
    binaries: Mapping[str, Sequence[Binary]] = field(default_factory=dict)
    statuses: Sequence[PluginState] = ()
    net: NodeNet | None = None
    leases: Mapping[str, Sequence[Lease]] | None = None
    cache: Sequence[CachedResult] | None = None
    namespaces: Sequence[Namespace] = ()
    namespace_numbers: Mapping[str, int] = field(default_factory=dict)
    sandboxes: frozenset[str] | None = None
    credentials: Sequence[Credential] = ()
    genie: GenieState = field(default_factory=GenieState)
    missing: Mapping[str, str] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()

    @property
    def files(self) -> list[ConfFile]:
        """Every configuration file, directory by directory."""
        return [file for files in self.directories.values() for file in files]

    def search_path(self, directory: str) -> tuple[str, ...]:
        """Where the plugins of a directory's configurations are looked for: its runtimes' bin_dirs."""
        own = [d for runtime in self.runtimes if runtime.conf_dir == directory for d in runtime.bin_dirs]
        return tuple(dict.fromkeys([*own, *self.binaries])) if not own else tuple(dict.fromkeys(own))

    def find_binary(self, type_: str, path: Sequence[str]) -> Binary | None:
        """The file that a plugin type means: the first regular one of that name (conformance B17)."""
        for directory in path:
            for binary in self.binaries.get(directory, ()):
                if binary.type == type_ and binary.form not in ("link", "special"):
                    return binary
        return None
