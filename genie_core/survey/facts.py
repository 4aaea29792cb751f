"""The facts of a node and a pod, as plain values: the survey reads them, the checks judge them.

`--save` writes them and `--from` reads them again, but for the fields marked UNSAVED: those hold what may be secret,
as configurations do. Addresses are text ("10.244.1.10"). `survey.kernel` has the values of a network namespace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genie_core.model import NetConf, Plan
from genie_core.published import JSON
from genie_core.spec.addresses import host
from genie_core.survey.binaries import Binary
from genie_core.survey.kernel import Namespace, Netns, Tenant
from genie_core.survey.logical import ClusterNetworks
from genie_core.survey.obstacles import Driver, HeldLock, Store
from genie_core.survey.runtimes import DEFAULT, Runtime

UNSAVED = {"saved": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """One cached CNI result (libcni's cache, or Genie's own state: `planned`): no configuration, no arguments.

    `pod` is NAMESPACE/NAME; `problem` says why a file of the cache cannot be read; `age` is in seconds.
    """

    file: str
    container: str = ""
    network: str = ""
    ifname: str = ""
    netns: str = ""
    pod: str = ""
    result: JSON = field(default_factory=dict)
    planned: bool = False
    problem: str = field(default="", metadata=UNSAVED)
    age: float = field(default=0, metadata=UNSAVED)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The result's addresses, without prefix length."""
        ips = self.result.get("ips")
        entries = [ip for ip in ips if isinstance(ip, dict)] if isinstance(ips, list) else []
        return tuple(host(str(ip.get("address", ""))) for ip in entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One address that host-local has given to a container. `age` is the seconds since then."""

    network: str
    ip: str
    container: str
    ifname: str = ""
    file: str = field(default="", metadata=UNSAVED)
    age: float = field(default=0, metadata=UNSAVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfFile:
    """One configuration of a network: a file of a directory, or a NetworkAttachmentDefinition's.

    `plugins` are the plugins' objects without what may be secret, `chain` the whole ones, decoded. `network` is None
    where the text cannot be used, and `problem` says why, with line and column (0 where they are not known).
    `ignored` says why no runtime reads the file (its ending); `kind` is what the catalogue recognises in it.
    """

    path: str
    name: str = ""
    version: str = ""
    plugins: tuple[JSON, ...] = ()
    problem: str = ""
    mode: int = field(default=0, metadata=UNSAVED)
    ignored: str = field(default="", metadata=UNSAVED)
    text: str | None = field(default=None, metadata=UNSAVED)
    network: NetConf | None = field(default=None, metadata=UNSAVED)
    chain: tuple[JSON, ...] = field(default=(), metadata=UNSAVED)
    hint: str = field(default="", metadata=UNSAVED)
    line: int = field(default=0, metadata=UNSAVED)
    column: int = field(default=0, metadata=UNSAVED)
    is_json: bool = field(default=True, metadata=UNSAVED)
    kind: str = field(default="", metadata=UNSAVED)

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
class Files:
    """The node's CNI files. `confs` are the configurations that can be used, of files and of the API server."""

    conf_dir: str = ""
    bin_dir: str = ""
    state_dir: str = ""
    confs: tuple[ConfFile, ...] = ()
    cached: tuple[Cached, ...] = ()
    leases: tuple[Lease, ...] = ()
    stores: tuple[Store, ...] = ()
    locks: tuple[HeldLock, ...] = ()
    drivers: tuple[Driver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One pod sandbox. `pod` is NAMESPACE/NAME, "" where only the ID is known; `attempt` counts the pod's from 0.

    `netns` and `ips` are known of those that were asked about in detail; `created` is in seconds since 1970.
    """

    id: str
    pod: str
    ready: bool = True
    netns: str = ""
    ips: tuple[str, ...] = ()
    created: float = 0
    attempt: int = field(default=0, metadata=UNSAVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the API server about the pod or its node. `message` is one line, without secrets.

    `kind` is Pod or Node, `type` Normal or Warning; `first` and `last` are the API server's times (RFC 3339).
    """

    kind: str
    name: str
    reason: str
    message: str = ""
    type: str = "Normal"
    count: int = 1
    first: str = ""
    last: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe's outcome: `kind` arp, ping, tcp, udp, mtu; `result` ok, timeout, refused, unreachable, ..."""

    kind: str
    target: str
    role: str
    result: str
    port: int = 0
    size: int = 0
    sent: int = 1
    received: int = 0
    detail: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a plugin opens in ADD: a file, or a daemon's socket, that `key` of the plugin `type` in `conf` names.

    `problem` is why it cannot be opened, "" where it can.
    """

    conf: str
    type: str
    where: str
    path: str
    kind: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginState:
    """The answer of one plugin of one network to STATUS."""

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
    """A network that Genie's configuration names under `key` and that cannot be used: why, and what to do.

    `found`: it is on the node.
    """

    key: str
    name: str
    reason: str
    hint: str = ""
    found: bool = False


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
class PolicyState:
    """Policies between networks, where they are switched on.

    `age` is the seconds since the agent was last at work, None where it has not been since the node started;
    `problems` is why it could not apply them.
    """

    fail: str
    age: float | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GenieState:
    """Genie itself on the node: what is installed, what its state holds, whether its API server answers.

    `entries` counts the containers in the state, `pending` the attachments whose DEL has still to succeed,
    `damaged` the state files that cannot be read. `api` is ok, none, or why not; `definitions` the CRDs installed,
    None where they were not asked for; `networks` the cluster's logical and physical ones, None where they were not
    read. `python` is the interpreter that the binary names, "" where it names none. `unknown_networks` are those
    that the configuration names and that are not on the node; `limits` what it limits, as select.allowed returns it;
    `unknown_allowed` the names in allowed_networks that fit no network of the node; `unread_labels` the keys of
    allowed_networks that ask for labels, where no API server is configured.
    `plans` are the containers in the state, and `records` what is known of each; `recorded_ipam` the ipam sections,
    with their network's name, of the networks there that come from the API server: no file of the node has them.
    `policies` is None where they are switched off. `native`: the launcher hands calls over to `genie serve`, which
    runs or not (`served`); `calls` counts them since the boot (server/counters.py), None where it has not run.
    """

    installed: bool = False
    native: bool = False
    served: bool = False
    calls: Mapping[str, int] | None = None
    version: str = ""
    python: str = ""
    python_is_gone: bool = False
    binary: str = ""
    conf: str = ""
    state_dir: str = ""
    entries: int = 0
    pending: int = 0
    damaged: tuple[str, ...] = ()
    plans: tuple[Plan, ...] = ()
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
    policies: PolicyState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it. `missing` maps a source's name to why it was not read and what it would need.

    `denied` are the keys of `missing` that this user has no right to read, `absent` those of which nothing is there:
    their file or directory does not exist. `time` is in seconds since 1970.
    `sandboxes` is None where nothing is known of them. `directories` maps each configuration directory to its files,
    those that no runtime reads included; `binaries` each plugin directory to its files. `namespace_numbers` are the
    numbers that links give the named network namespaces in which no process is.
    """

    node_name: str = ""
    namespace: str = ""
    pod_name: str = ""
    netns_path: str = ""
    time: float = 0
    node: Netns = field(default_factory=Netns)
    pod: Netns | None = None
    tenants: tuple[Tenant, ...] = ()
    pod_object: JSON = field(default_factory=dict)
    objects: tuple[JSON, ...] = ()
    files: Files = field(default_factory=Files)
    events: tuple[Event, ...] = ()
    sandboxes: tuple[Sandbox, ...] | None = None
    resolv_conf: str | None = None
    probes: tuple[Probe, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    denied: frozenset[str] = field(default=frozenset(), metadata=UNSAVED)
    absent: frozenset[str] = field(default=frozenset(), metadata=UNSAVED)
    machine: str = field(default="", metadata=UNSAVED)
    runtimes: Sequence[Runtime] = field(default=(), metadata=UNSAVED)
    directories: Mapping[str, Sequence[ConfFile]] = field(default_factory=dict, metadata=UNSAVED)
    binaries: Mapping[str, Sequence[Binary]] = field(default_factory=dict, metadata=UNSAVED)
    statuses: Sequence[PluginState] = field(default=(), metadata=UNSAVED)
    opened: Sequence[Opened] = field(default=(), metadata=UNSAVED)
    namespaces: Sequence[Namespace] = field(default=(), metadata=UNSAVED)
    namespace_numbers: Mapping[str, int] = field(default_factory=dict, metadata=UNSAVED)
    credentials: Sequence[Credential] = field(default=(), metadata=UNSAVED)
    genie: GenieState = field(default_factory=GenieState, metadata=UNSAVED)

    def unread(self, source: str) -> str:
        """Why a source was not read; "" where it was, or where it is known that there is nothing of it."""
        return "" if source in self.absent else self.missing.get(source, "")

    @property
    def conf_files(self) -> list[ConfFile]:
        """Every configuration file, directory by directory."""
        return [file for files in self.directories.values() for file in files]

    @property
    def cache(self) -> list[Cached]:
        """libcni's cached results, without the attachments of Genie's state."""
        return [entry for entry in self.files.cached if not entry.planned]

    @property
    def sandbox_ids(self) -> frozenset[str] | None:
        """The container IDs of the sandboxes; None where nothing is known of them."""
        return None if self.sandboxes is None else frozenset(one.id for one in self.sandboxes)

    def search_path(self, directory: str) -> tuple[str, ...]:
        """Where the plugins of a directory's configurations are looked for: its runtimes' bin_dirs, if known."""
        known = (
            r for r in self.runtimes if not (r.problems and r.sources.get("bin_dirs", DEFAULT) == DEFAULT)
        )
        own = [d for runtime in known if runtime.conf_dir == directory for d in runtime.bin_dirs]
        return tuple(dict.fromkeys(own or self.binaries))

    def find_binary(self, type_: str, path: Sequence[str]) -> Binary | None:
        """The file that a plugin type means: the first regular one of that name (conformance B17)."""
        for directory in path:
            for binary in self.binaries.get(directory, ()):
                if binary.type == type_ and binary.form not in ("link", "special"):
                    return binary
        return None
