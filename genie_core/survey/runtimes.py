"""The node's container runtimes and the CNI part of their configuration.

containerd     config.toml with `imports`, versions 1 to 3; k3s, RKE2, microk8s and k0s keep it elsewhere. One that runs
               says itself what it uses (containerd.py)
CRI-O          crio.conf, which may be missing, and the drop-ins of crio.conf.d, the later over the earlier
cri-dockerd    the flags of its systemd unit

Sources: containerd cmd/containerd/server/config (LoadConfig, resolveImports, mergeConfig), its docs/cri/config.md;
cri-o pkg/config. A key that no file has takes the runtime's default, and `sources` says so.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genie_core.errors import IOFailure
from genie_core.published import UNPUBLISHED, Published
from genie_core.settings import BIN_DIR, CONF_DIR
from genie_core.survey import containerd
from genie_core.survey.layouts import CONTAINERD, CRI_DOCKERD, CRIO, LAYOUTS, MICROK8S, SNAP, Layout
from genie_core.survey.rootfs import Root

DEFAULT = "default"
RUNNING = "the running process"
_DEEPEST_IMPORT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime(Published):
    """One container runtime's view of CNI.

    `kind` is containerd, crio or cri-dockerd: what decides how it chooses a file. `sources` says for conf_dir,
    bin_dirs, max_conf_num and default_network in which file it was read, or DEFAULT, or RUNNING. `handlers` are
    conf_dirs of single runtime handlers (containerd's cni_conf_dir). `problems` are files that could not be read or
    understood. `version` is "" until it is asked for (versions.with_versions).

    `assumed` are those of conf_dir and bin_dirs that the files do not decide where containerd could not be asked.
    `after_restart` has those that its files decide otherwise than when it started, in words.
    """

    kind: str
    flavour: str = ""
    config_files: tuple[str, ...] = ()
    socket: str = ""
    running: bool = False
    conf_dir: str = CONF_DIR
    bin_dirs: tuple[str, ...] = (BIN_DIR,)
    max_conf_num: int = 1
    default_network: str = ""
    handlers: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    kubelet: bool | None = None
    version: str = ""
    assumed: tuple[str, ...] = field(default=(), metadata=UNPUBLISHED)
    after_restart: Mapping[str, str] = field(default_factory=dict, metadata=UNPUBLISHED)

    @property
    def name(self) -> str:
        """Its name in reports: `containerd (k3s)`."""
        return f"{self.kind} ({self.flavour})" if self.flavour else self.kind


def find_runtimes(root: Root, *, socket: str = "", config: str = "", ask: bool = True) -> list[Runtime]:
    """The runtimes of the node, the kubelet's first; only the one of `socket` or of the file `config` if given.

    A containerd that runs is asked what it uses; one that does not is run where its files leave a directory open.
    Neither is done where `ask` is False.
    Never fails: what cannot be read is in `problems`.
    """
    if config:
        return [_read(_layout_of_file(root, config), root, (config,), ask=ask)]
    asked = _socket_path(socket or "")
    kubelet = asked or kubelet_socket(root)
    found = []
    for layout in LAYOUTS:
        if asked and asked not in layout.sockets:
            continue
        configs = tuple(path for path in layout.configs if _is_configured(layout, root, path))[:1]
        if asked or configs or any(root.exists(path) for path in (*layout.sockets, *layout.programs)):
            found.append(_read(layout, root, configs, kubelet, ask=ask))
    if asked and not found and root.exists(asked):  # of one that is not there, nothing is known
        found = [_read(Layout(kind=_kind_of_socket(asked), sockets=(asked,)), root, (), kubelet, ask=ask)]
    found = _one_for_each_socket(found)
    return sorted(found, key=lambda runtime: (runtime.kubelet is not True, not runtime.running))


def _is_configured(layout: Layout, root: Root, path: str) -> bool:
    """Whether the file is there, or CRI-O's drop-ins alone: its packages bring crio.conf.d/10-crio.conf only."""
    return root.exists(path) or (layout.kind == "crio" and bool(_drop_ins(root, f"{path}.d")))


def _one_for_each_socket(found: list[Runtime]) -> list[Runtime]:
    """Of k3s and RKE2, which share a socket, the one that has a configuration file."""
    with_files = {runtime.socket for runtime in found if runtime.config_files}
    return [runtime for runtime in found if runtime.config_files or runtime.socket not in with_files]


def _layout_of_file(root: Root, config: str) -> Layout:
    for layout in LAYOUTS:
        if config in layout.configs:
            return layout
    try:
        text = root.text(config)
    except OSError:
        text = ""
    if re.search(r"^\s*\[crio\b", text, re.MULTILINE):
        return CRIO
    if re.search(r"^\s*ExecStart\s*=", text, re.MULTILINE):
        return CRI_DOCKERD
    return Layout(kind="containerd", sockets=CONTAINERD.sockets, programs=CONTAINERD.programs)


def _kind_of_socket(path: str) -> str:
    return next(
        (kind for kind, sign in (("crio", "crio"), ("cri-dockerd", "docker")) if sign in path), "containerd"
    )


def _socket_path(endpoint: str) -> str:
    return endpoint.removeprefix("unix://")


def kubelet_socket(root: Root) -> str:
    """The runtime's socket in kubelet's configuration, else in crictl's; "" where neither has one."""
    patterns = (
        ("/var/lib/kubelet/kubeadm-flags.env", r"--container-runtime-endpoint[= ]\"?([^\s\"]+)"),
        ("/var/lib/kubelet/config.yaml", r"^containerRuntimeEndpoint:\s*\"?([^\s\"]+)"),
        (f"{SNAP}/current/args/kubelet", r"--container-runtime-endpoint[= ]\"?([^\s\"]+)"),
        ("/etc/crictl.yaml", r"^runtime-endpoint:\s*\"?([^\s\"]+)"),
    )
    for path, pattern in patterns:
        try:
            match = re.search(pattern, root.text(path), re.MULTILINE)
        except OSError:
            continue
        if match:
            return _expand(_socket_path(match[1]), MICROK8S.variables)
    return ""


def runtime_socket(root: Root, asked: str, environ: Mapping[str, str]) -> str:
    """The runtime's socket: asked for, of crictl's variable, kubelet's, else the first that exists, else ""."""
    named = asked or environ.get("CONTAINER_RUNTIME_ENDPOINT", "")
    if named:
        return _socket_path(named)
    usual = [socket for layout in LAYOUTS for socket in layout.sockets]
    return next((path for path in (kubelet_socket(root), *usual) if path and root.exists(path)), "")


def _expand(text: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(name, value)
    return text


def _read(layout: Layout, root: Root, configs: Sequence[str], kubelet: str = "", *, ask: bool) -> Runtime:
    socket = next(
        (path for path in layout.sockets if root.exists(path)), layout.sockets[0] if layout.sockets else ""
    )
    settings = _Settings(layout)
    for path in configs:
        _READERS[layout.kind](settings, root, path)
    running = bool(socket) and root.is_served(socket)
    if ask and root.is_here and layout.kind == "containerd":
        _ask_containerd(settings, root, configs, socket if running else "")
    return Runtime(
        kind=layout.kind,
        flavour=layout.flavour,
        config_files=tuple(settings.files),
        socket=socket,
        running=running,
        kubelet=(kubelet in layout.sockets) if kubelet else None,
        sources=settings.sources,
        problems=tuple(settings.problems),
        handlers=settings.handlers,
        version=settings.version,
        assumed=settings.assumed,
        after_restart=settings.after_restart,
        **settings.values,
    )


class _Settings:
    """The values of the files read so far, each with the last file that has it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.values: dict[str, Any] = {"conf_dir": layout.conf_dir, "bin_dirs": layout.bin_dirs}
        self.sources: dict[str, str] = dict.fromkeys(("conf_dir", "bin_dirs"), DEFAULT)
        self.read: dict[tuple[str, Any], str] = {}  # each value that was read -> the last file that has it
        self.handlers: dict[str, str] = {}
        self.files: list[str] = []
        self.problems: list[str] = []
        self.decisive = ""  # the last file that configures the CRI plugin
        self.version = ""
        self.assumed: tuple[str, ...] = ()
        self.after_restart: dict[str, str] = {}

    def take(self, name: str, value: object, path: str) -> None:
        """Keep a value of the right type; an empty one means the default, as in the runtimes.

        Without a path it is what the runtime makes of its files.
        """
        kinds: dict[str, type] = {"bin_dirs": list, "max_conf_num": int}
        if not isinstance(value, kinds.get(name, str)) or value in ("", []):
            return
        if isinstance(value, list):
            value = tuple(_trim(str(entry)) for entry in value)
        elif name == "conf_dir":
            value = _trim(str(value))
        if path:
            self.read[name, value] = path
        self.values[name] = value
        self.sources[name] = path or self.read.get((name, value), DEFAULT)

    def undecided(self) -> tuple[str, ...]:
        """The directories that no file names, or one that another file's section replaces, as before containerd 2.0."""
        return tuple(name for name in _DIRECTORIES if self.sources[name] != self.decisive)

    @property
    def is_open(self) -> bool:
        """Whether the files do not decide: a directory is the default, or files were merged."""
        return len(self.files) > 1 or DEFAULT in (self.sources["conf_dir"], self.sources["bin_dirs"])

    def load(self, root: Root, path: str) -> dict[str, Any]:
        """A TOML file as a dict; {} and a problem where it cannot be read."""
        self.files.append(path)
        try:
            return tomllib.loads(_expand(root.text(path), self.layout.variables))
        except OSError as error:
            self.problems.append(f"{path}: {error.strerror}")
        except (tomllib.TOMLDecodeError, ValueError) as error:
            self.problems.append(f"{path}: not TOML: {error}")
        return {}


def _trim(path: str) -> str:
    return path.rstrip("/") or "/"


def _table(data: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """A nested table; {} where any key is missing."""
    value: Any = data
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


# --- containerd ------------------------------------------------------------------------------------------

_DIRECTORIES = ("conf_dir", "bin_dirs")


def _read_containerd(settings: _Settings, root: Root, path: str) -> None:
    for file, data in _with_imports(settings, root, path, 0):
        _take_cri(settings, data, file)
        settings.problems += [f"{file}: {problem}" for problem in containerd.unused(data)]


def _take_cri(settings: _Settings, data: Mapping[str, Any], file: str) -> None:
    """The settings of the CRI plugin in one document."""
    for plugin in containerd.sections(data):
        table = _table(data, "plugins", plugin)
        settings.decisive = file if table else settings.decisive
        cni = _table(table, "cni")
        settings.take("conf_dir", cni.get("conf_dir"), file)
        if isinstance(cni.get("bin_dir"), str) and cni["bin_dir"]:
            settings.take("bin_dirs", [cni["bin_dir"]], file)
        settings.take("bin_dirs", cni.get("bin_dirs"), file)
        settings.take("max_conf_num", cni.get("max_conf_num"), file)
        for name, handler in _table(table, "containerd", "runtimes").items():
            if isinstance(handler, dict) and handler.get("cni_conf_dir"):
                settings.handlers[name] = _trim(str(handler["cni_conf_dir"]))


def _ask_containerd(settings: _Settings, root: Root, configs: Sequence[str], socket: str) -> None:
    """Take what the containerd at `socket` uses; "" where none runs. Else what it would make of its files."""
    try:
        used = containerd.ask(root, socket) if socket else None
    except IOFailure:  # as where its CRI is not ready, or older than v1
        used = None
    read = dict(settings.values)
    is_decided = not settings.is_open
    if not is_decided and (used is None or used.directories != (read["conf_dir"], read["bin_dirs"])):
        is_decided = _dump(settings, root, configs)
    if used is None:
        settings.assumed = () if is_decided else settings.undecided()
        return
    written = [settings.values[name] for name in _DIRECTORIES]
    settings.take("conf_dir", used.conf_dir, "")
    settings.take("bin_dirs", list(used.bin_dirs), "")
    settings.take("max_conf_num", used.max_conf_num, "")
    settings.handlers, settings.version = dict(used.handlers), used.version
    for name, value in zip(_DIRECTORIES, written, strict=True) if is_decided else ():
        if value != settings.values[name]:
            settings.after_restart[name] = value if isinstance(value, str) else " ".join(value)
            settings.sources[name] = RUNNING


def _dump(settings: _Settings, root: Root, configs: Sequence[str]) -> bool:
    """Take what containerd makes of its files; whether it said so. If it fails, a problem."""
    layout = settings.layout
    if not configs and layout is not CONTAINERD:
        return False
    shown, problem = containerd.dump(layout.programs, configs, root)
    if problem and not settings.problems:
        settings.problems.append(problem)
    try:
        data = tomllib.loads(_expand(shown, layout.variables))
    except tomllib.TOMLDecodeError:
        return False
    if "plugins" not in data:
        return False
    settings.handlers.clear()
    _take_cri(settings, data, "")
    return True


def _with_imports(
    settings: _Settings, root: Root, path: str, depth: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A file and what it imports, in the order in which the later overrides the earlier."""
    data = settings.load(root, path)
    yield path, data
    imports = data.get("imports")
    for pattern in imports if isinstance(imports, list) and depth < _DEEPEST_IMPORT else ():
        for file in containerd.imported(root, path, str(pattern)):
            if file not in settings.files:
                yield from _with_imports(settings, root, file, depth + 1)


# --- CRI-O -----------------------------------------------------------------------------------------------


def _read_crio(settings: _Settings, root: Root, path: str) -> None:
    drop_ins = _drop_ins(root, f"{path}.d")
    last: dict[str, tuple[Any, str]] = {}  # each key -> its last value, which may be an empty one, and file
    for file in [*([path] if root.exists(path) or not drop_ins else []), *drop_ins]:
        table = _table(settings.load(root, file), "crio", "network")
        last |= {key: (value, file) for key, value in table.items()}
    for name, key in _CRIO_KEYS.items():
        settings.take(name, *last.get(key, ("", "")))
    older, file = last.get("plugin_dir", ("", ""))
    if older:  # it is searched after those of the newer key, whichever file has it
        settings.take("bin_dirs", [*settings.values["bin_dirs"], older], file)


_CRIO_KEYS = {
    "conf_dir": "network_dir",
    "bin_dirs": "plugin_dirs",
    "default_network": "cni_default_network",
}


def _drop_ins(root: Root, folder: str) -> list[str]:
    """CRI-O's files beside its main one, also in folders, to which no link leads (filepath.Walk).

    An empty directory, which another package made, is no configuration.
    """
    try:
        paths = [f"{folder}/{name}" for name in root.names(folder)]
    except OSError:
        return []
    return [file for path in paths for file in (_drop_ins(root, path) if root.is_folder(path) else [path])]


# --- cri-dockerd -----------------------------------------------------------------------------------------


def _read_cri_dockerd(settings: _Settings, root: Root, path: str) -> None:
    files = [path]
    drop_ins = "/etc/systemd/system/cri-docker.service.d"
    try:
        files += [f"{drop_ins}/{name}" for name in root.names(drop_ins) if name.endswith(".conf")]
    except OSError:
        pass
    for file in files:
        settings.files.append(file)
        try:
            text = root.text(file)
        except OSError as error:
            settings.problems.append(f"{file}: {error.strerror}")
            continue
        flags = dict(re.findall(r"--(cni-conf-dir|cni-bin-dir)[= ]\"?([^\s\"]+)", text))
        settings.take("conf_dir", flags.get("cni-conf-dir"), file)
        if "cni-bin-dir" in flags:
            settings.take("bin_dirs", flags["cni-bin-dir"].split(","), file)


_READERS = {"containerd": _read_containerd, "crio": _read_crio, "cri-dockerd": _read_cri_dockerd}
