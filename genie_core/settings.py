"""The keys of Genie's own configuration (genie.conf), CNI-Genie's and the new ones: config -> Settings.

docs/configuration.md explains each of them. Unknown keys are ignored (conformance D14). Kubelet path.
"""

from genie_core.dialects import WORDS
from genie_core.errors import InvalidConfig
from genie_core.fields import (
    can_be_passed,
    describe,
    get_bool,
    get_list,
    get_number,
    get_object,
    get_str,
    get_strings,
    place,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    T = TypeVar("T")

# Kubernetes' own conventions, and a directory for networks that the runtime must not take by mistake.
CONF_DIR, DELEGATE_CONF_DIR = "/etc/cni/net.d", "/etc/cni/genie/net.d"
BIN_DIR = "/opt/cni/bin"
CONF_DIRS = (CONF_DIR, DELEGATE_CONF_DIR)
BIN_DIRS = (BIN_DIR,)
# Where distributions put the reference plugins: the command line looks there, the plugin only where `bin_dirs` says so.
USUAL_BIN_DIRS = (BIN_DIR, "/usr/lib/cni", "/usr/libexec/cni", "/usr/local/libexec/cni")
# Where the programs that Genie runs are searched.
PROGRAM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
STATE_DIR = "/var/lib/cni/genie"
# host-local's leases, where a configuration has no dataDir, and libcni's cached results.
IPAM_DIR, CACHE_DIR = "/var/lib/cni/networks", "/var/lib/cni/results"
KUBELET_DIR = "/var/lib/kubelet"
API_TIMEOUT_SECONDS = 30.0
DELEGATE_TIMEOUT_SECONDS = 60.0
RESULTS = ("merged", "primary")
POLICY_FAILS = ("closed", "open")
REPAIRS = ("off", "report", "fix")
LOG_LEVELS = ("debug", "info", "warning", "error")
OLD_LOG_LEVELS = {"warn": "warning", "fatal": "error", "panic": "error"}  # CNI-Genie's words


class SmartSelection:
    """How a blank `cni` annotation chooses: among which networks ([]: all installed), and by what.

    `weights` are those of the indicators; `indicators` are the node's own, as (name, command).
    """

    def __init__(
        self,
        candidates: "list[str] | None" = None,
        weights: "dict[str, float] | None" = None,
        indicators: "list[tuple[str, list[str]]] | None" = None,
    ) -> None:
        self.candidates = candidates or []
        self.weights = weights or {}
        self.indicators = indicators or []


class Settings:
    """Genie's configuration, checked. `problems` lists what a forgiving reading replaced by its default."""

    def __init__(self, config: "Mapping[str, Any]", *, forgiving: bool = False) -> None:
        """Raises InvalidConfig naming the key; `forgiving` (for DEL, which must go on) uses the default instead."""
        self.problems: list[str] = []

        def read(getter: "Callable[..., T]", key: str, default: "T", **options: "Any") -> "T":
            try:
                return getter(config, key, default, **options)
            except InvalidConfig as error:
                if not forgiving:
                    raise
                self.problems.append(error.msg)
                return default

        self.default_plugin: str = read(get_str, "default_plugin", "")
        self.cadvisor_address: str = read(get_str, "cAdvisor_address", "")
        self.log_level: str = read(_level, "log_level", "info")
        self.log_file: str = read(_path, "log_file", "")
        self.metrics_file: str = read(_path, "metrics_file", "")
        self.kubernetes: dict[str, Any] = read(_object, "kubernetes", {})
        self.policy: dict[str, Any] = read(_object, "policy", {})
        self.conf_dirs: list[str] = read(_paths, "conf_dirs", list(CONF_DIRS))
        self.bin_dirs: list[str] = read(_paths, "bin_dirs", list(BIN_DIRS))
        self.state_dir: str = read(_path, "state_dir", STATE_DIR)
        self.kubelet_dir: str = read(_path, "kubelet_dir", KUBELET_DIR)
        self.api_timeout: float = read(
            get_number, "api_timeout_seconds", API_TIMEOUT_SECONDS, at_least=0.1, at_most=600
        )
        self.delegate_timeout: float = read(
            get_number, "delegate_timeout_seconds", DELEGATE_TIMEOUT_SECONDS, at_least=0.1, at_most=3600
        )
        self.default_networks: list[str] = read(_networks, "default_networks", [])
        self.system_namespaces: list[str] = read(_strings, "system_namespaces", ["kube-system"])
        self.namespace_isolation: bool = read(get_bool, "namespace_isolation", False)
        self.global_namespaces: list[str] = read(_strings, "global_namespaces", ["default"])
        self.allowed_networks: dict[str, list[str]] | None = read(_allowed, "allowed_networks", None)
        self.annotation_dialects: list[str] = read(_dialects, "annotation_dialects", [*WORDS.values()])
        self.allow_cni_args: list[str] = read(_patterns, "allow_cni_args", ["*"])
        self.interface_prefix: str = read(_prefix, "interface_prefix", "")
        self.result: str = read(_word, "result", "merged", words=RESULTS)
        self.readiness_file: str = read(_path, "readiness_file", "")
        self.max_parallel_adds: int = int(read(get_number, "max_parallel_adds", 0.0, at_most=100_000))
        self.parallel_attachments: bool = read(get_bool, "parallel_attachments", False)
        self.smart_selection: SmartSelection = read(_smart_selection, "smart_selection", SmartSelection())
        self.generate_missing: bool = read(get_bool, "generate_missing", False)
        self.policy_engine: bool = read(get_bool, "policy_engine", False)
        self.policy_fail: str = read(_word, "policy_fail", "closed", words=POLICY_FAILS)
        self.live: bool = read(get_bool, "live", True)
        self.live_primary: bool = read(get_bool, "live_primary", False)
        self.repair: str = read(_word, "repair", "report", words=REPAIRS)
        self.repair_interval: float = read(
            get_number, "repair_interval_seconds", 60.0, at_least=1, at_most=86_400
        )
        self.collect_interval: float = read(
            get_number, "collect_interval_seconds", 600.0, at_least=10, at_most=86_400
        )


def _object(config: "Mapping[str, Any]", key: str, default: "dict[str, Any]") -> "dict[str, Any]":
    return get_object(config, key) or default


def _strings(config: "Mapping[str, Any]", key: str, default: list[str]) -> list[str]:
    return default if config.get(key) is None else get_strings(config, key)


def _networks(config: "Mapping[str, Any]", key: str, default: list[str]) -> list[str]:
    """Networks of every pod: what cannot be one would fail each ADD."""
    networks = _strings(config, key, default)
    for index, network in enumerate(networks):
        parts = network.split("/")
        if len(parts) > 2 or not all(part.strip() for part in parts):
            raise InvalidConfig(
                f"{place(key, index)}: {network!r} is no network",
                hint="write a name as in the annotation cni, or namespace/name of a definition",
            )
    return networks


def _allowed(
    config: "Mapping[str, Any]", key: str, default: "dict[str, list[str]] | None"
) -> "dict[str, list[str]] | None":
    """Namespaces or labels -> networks, as select.allowed reads them."""
    if config.get(key) is None:
        return default
    rules = get_object(config, key)
    for who in rules:
        pairs = [pair.partition("=") for pair in who.split(",")] if "=" in who else [(who, "=", "x")]
        if not all(name.strip() and equals and value.strip() for name, equals, value in pairs):
            raise InvalidConfig(
                f"{key}: {who!r} is neither a namespace nor label=value", hint='as in "tier=gold"'
            )
        for index, network in enumerate(get_strings(rules, who, where=key)):
            if not network.strip() or network.count("/") > 1 or not network.isprintable():
                raise InvalidConfig(
                    f"{place(place(key, who), index)}: {network!r} is no network",
                    hint="write a name as in the annotation cni, or namespace/name of a definition; * is any text",
                )
    return {who: get_strings(rules, who) for who in rules}


def _patterns(config: "Mapping[str, Any]", key: str, default: list[str]) -> list[str]:
    """Keys of cni-args, as select.cni_args reads them."""
    patterns = _strings(config, key, default)
    for index, pattern in enumerate(patterns):
        if not pattern.strip() or not pattern.isprintable():
            raise InvalidConfig(
                f"{place(key, index)}: {pattern!r} is no key of cni-args",
                hint='as in ["*", "mtu"]; * is any text',
            )
    return patterns


def _dialects(config: "Mapping[str, Any]", key: str, default: list[str]) -> list[str]:
    words = _strings(config, key, default)
    for index, word in enumerate(words):
        if word not in WORDS and word not in WORDS.values():
            raise InvalidConfig(
                f"{place(key, index)}: {word!r} is no annotation that chooses networks",
                hint=f"it is one of {', '.join(WORDS.values())}",
            )
    return [WORDS.get(word, word) for word in words]


def _smart_selection(config: "Mapping[str, Any]", key: str, default: SmartSelection) -> SmartSelection:
    data = get_object(config, key)
    if not data:
        return default
    weights = get_object(data, "weights", where=key)
    numbers = {name: get_number(weights, name, 0, where=f"{key}.weights", at_most=1000) for name in weights}
    indicators = [
        _indicator(item, place(place(key, "indicators"), index))
        for index, item in enumerate(get_list(data, "indicators", where=key))
    ]
    for index, (name, _) in enumerate(indicators):
        if name in [other for other, _ in indicators[:index]]:
            raise InvalidConfig(f"{key}.indicators: {name!r} is there twice")
    return SmartSelection(get_strings(data, "candidates", where=key), numbers, indicators)


def _indicator(item: "Any", where: str) -> tuple[str, list[str]]:
    """An indicator's name and its command: an absolute path, or an array that begins with one."""
    if not isinstance(item, dict):
        raise InvalidConfig(f"{where} must be an object, not {describe(item)}")
    from genie_core.indicators import INDICATORS

    name = get_str(item, "name", where=where)
    if not name.replace("_", "").isalnum() or name in INDICATORS:
        raise InvalidConfig(
            f"{where}.name: {name!r} cannot name an indicator",
            hint=f"letters, digits and _; not {', '.join(INDICATORS)}",
        )
    command = item.get("exec")
    if isinstance(command, str):
        _require_absolute(command, f"{where}.exec")
        return name, [command]
    words = get_strings(item, "exec", where=where)
    if not words:
        raise InvalidConfig(f"{where}.exec is missing", hint="the absolute path of a program")
    _require_absolute(words[0], f"{where}.exec[0]")
    return name, words


def _path(config: "Mapping[str, Any]", key: str, default: str) -> str:
    path = get_str(config, key) or default
    if path:
        _require_absolute(path, key)
    return path


def _paths(config: "Mapping[str, Any]", key: str, default: list[str]) -> list[str]:
    if isinstance(config.get(key), str):
        raise InvalidConfig(f"{key} must be an array of strings, not a string")
    paths = get_strings(config, key) if get_list(config, key) else default
    for index, path in enumerate(paths):
        _require_absolute(path, place(key, index))
    return paths


def _require_absolute(path: str, where: str) -> None:
    if not path.startswith("/") or not can_be_passed(path):
        raise InvalidConfig(f"{where} must be an absolute path, not {path!r}")


def _level(config: "Mapping[str, Any]", key: str, default: str) -> str:
    """CNI-Genie's levels were never checked, so a word that is no level means the default."""
    word = get_str(config, key).lower()
    return OLD_LOG_LEVELS.get(word, word if word in LOG_LEVELS else default)


def _prefix(config: "Mapping[str, Any]", key: str, default: str) -> str:
    """The beginning of interface names, which plugins put into commands: select/names.py, `check_ifname`."""
    prefix = get_str(config, key) or default
    plain = all(char.isalnum() or char in "_.-+" for char in prefix) and not prefix.startswith("-")
    if not plain or len(prefix.encode()) > 11:  # of 15 bytes, to leave room for a number
        raise InvalidConfig(
            f"{key} must be at most 11 bytes of letters, digits, '_', '.', '-' and '+', not {prefix!r}"
        )
    return prefix


def _word(config: "Mapping[str, Any]", key: str, default: str, *, words: tuple[str, ...]) -> str:
    word = get_str(config, key) or default
    if word not in words:
        raise InvalidConfig(f"{key} must be one of {', '.join(words)}, not {word!r}")
    return word
