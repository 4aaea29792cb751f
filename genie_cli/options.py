"""The flags that several commands share, in groups: a command's flags inherit from those that it has.

Values arrive ready for use: durations in seconds, paths absolute, lists as tuples. The panel names are the headings
that `--help` groups flags under.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import typer

from genie_cli import candidates
from genie_cli.candidates import DIRECTORIES, FILES
from genie_cli.flags import flag, several, switch, words
from genie_cli.output import USUAL, OutputFormat
from genie_core.errors import InvalidConfig, WrongUsage
from genie_core.fields import holds_secret
from genie_core.settings import CACHE_DIR, CONF_DIR, IPAM_DIR
from genie_core.spec.names import is_label

OUTPUT = "Output"
CLUSTER = "Cluster"
NODE = "Node"
FINDINGS = "Findings"


class FailOn(StrEnum):
    """The least severity of a finding that makes the exit code 1."""

    FATAL = "fatal"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def parse_duration(text: str | float) -> float:
    """Seconds from a duration as Go writes it ("1m30s", "250ms"); a bare number is seconds."""
    try:
        seconds = float(text)
    except ValueError:
        parts = _PART.findall(str(text))
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise typer.BadParameter('expected a duration such as "30s", "1m30s" or "500ms"') from None
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds <= 10 * 86400:
        raise typer.BadParameter("a duration must be more than 0 and at most 10 days")
    return seconds


def parse_listen(text: str) -> str:
    """HOST:PORT as it is. Raises a usage error for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise typer.BadParameter("expected HOST:PORT, as in 127.0.0.1:9452 or [::1]:9452")
    return text


def parse_server(text: str) -> str:
    """The URL of an API server as it is, "" for none. Raises a usage error for what the plugin could not use."""
    from genie_core.edges.kube_cluster import parse_server as parse

    try:
        _ = text and parse(text, secured=True)
    except InvalidConfig as error:
        raise typer.BadParameter(error.msg) from None
    return text


def parse_namespace(text: str) -> str:
    """A name that a namespace can have, or "" for none. Raises a usage error: it becomes a part of a URL."""
    if text and not is_label(text):
        raise typer.BadParameter(f"{text!r} cannot be the name of a namespace")
    return text


def host_and_port(listen: str) -> tuple[str, int]:
    """Of what `parse_listen` took: the host, an IPv6 address without its brackets, and the port."""
    host, _, port = listen.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def duration(seconds: float) -> str:
    """As Go writes it, in whole hours, minutes and seconds: "24h", "1m30s"."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or f"{seconds:g}s"


def parse_setting(text: str, form: str) -> tuple[str, Any]:
    """What --set takes, `form` its shape: a name, and a value as JSON or text. Raises WrongUsage."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise WrongUsage(f"--set {text!r} is not {form}")
    try:
        setting = name, json.loads(value)
    except ValueError:
        setting = name, value
    if holds_secret(dict([setting])):
        raise WrongUsage(
            f"--set {name}: a credential on the command line is visible in the list of processes",
            hint="write it into the file, mode 0600; better still, name a kubeconfig with tokenFile",
        )
    return setting


def absolute(path: str | Path) -> str:
    """A path as seen from the root directory, "" for none."""
    return str(Path(path).absolute()) if path else ""


def named(path: str) -> str:
    """A path as it is. Raises a usage error for an empty one, as of an unset variable: it is no current directory."""
    if not path:
        raise typer.BadParameter("a path is expected, and it is empty")
    return path


def absolute_path(path: str) -> Path:
    """The path as seen from the root directory. Raises a usage error for an empty one."""
    return Path(named(path)).absolute()


def parse_output(text: str, offered: tuple[OutputFormat, ...] = USUAL) -> OutputFormat:
    """A form of output that the command offers, in any case of letters."""
    found = [form for form in offered if form == text.lower()]
    if not found:
        known = ", ".join(repr(str(form)) for form in offered)
        raise typer.BadParameter(f"{text!r} is not one of {known}.")
    return found[0]


def output(text: str = "Form of the result.", offered: tuple[OutputFormat, ...] = USUAL) -> Any:
    """The flag -o, with the forms that a command offers."""
    names, parser = f"-o --output [{'|'.join(offered)}]", partial(parse_output, offered=offered)
    return flag(names, text, OUTPUT, default=OutputFormat.TABLE, complete=words(*offered), parser=parser)


def duration_flag(names: str, text: str, panel: str = "", *, default: float) -> Any:
    """A flag whose value is a duration, in seconds."""
    return flag(f"{names} DURATION", text, panel, default=default, parser=parse_duration)


def timeout(default: float, text: str = 'Give up after so long: "30s", "2m".') -> Any:
    """The flag --timeout."""
    return duration_flag("--timeout", text, default=default)


def dir_flag(names: str, text: str, *, default: str | tuple[()] = "") -> Any:
    """A flag whose value is a directory, as an absolute path; "" stands for the default, where that is ""."""
    parser = absolute if default == "" else lambda path: absolute(named(path))
    return flag(f"{names} DIR", text, NODE, default=default, complete=DIRECTORIES, parser=parser)


def file_flag(names: str, text: str, panel: str = "") -> Any:
    """A flag whose value is a file, as an absolute path."""
    return flag(f"{names} FILE", text, panel, complete=FILES, parser=absolute)


def path_flag(names: str, text: str) -> Any:
    """A flag whose value is a file or, by its metavar, a directory: an absolute `Path`, None where it is not given."""
    kind = DIRECTORIES if names.endswith(" DIR") else FILES
    return flag(names, text, default=None, complete=kind, parser=absolute_path)


def yes() -> Any:
    """The flag --yes."""
    return switch("-y --yes", "Do not ask before changing something.")


def fail_on() -> Any:
    """The flag --fail-on."""
    return flag("--fail-on", "Least severity that makes the exit code 1.", FINDINGS, default=FailOn.ERROR)


def pod_file(text: str) -> Any:
    """The flag --pod-file: a file as it is written, which may be - for standard input."""
    return flag("--pod-file FILE", text, CLUSTER, complete=FILES)


def runtime_config() -> Any:
    """The flag --runtime-config."""
    return file_flag("--runtime-config", "The runtime's own configuration.", NODE)


def namespace(text: str = "Kubernetes namespace. Default: the context's.") -> Any:
    """The flag --namespace."""
    return flag(
        "-n --namespace NAMESPACE", text, CLUSTER, complete=candidates.namespaces, parser=parse_namespace
    )


def all_namespaces(text: str = "All namespaces.") -> Any:
    """The flag --all-namespaces."""
    return switch("-A --all-namespaces", text, CLUSTER)


def refuse_both(everywhere: bool, namespace: str) -> None:
    """Raise WrongUsage where both -A and -n are given."""
    if everywhere and namespace:
        raise WrongUsage("-A and -n exclude each other")


def context(text: str = "The kubeconfig's context. Default: its current one.") -> Any:
    """The flag --context."""
    return flag("--context CONTEXT", text, CLUSTER, complete=candidates.contexts)


def node(text: str = "This node's name. Default: $NODE_NAME, else the host name.") -> Any:
    """The flag --node."""
    return flag("--node NAME", text, CLUSTER, complete=candidates.nodes)


@dataclass(frozen=True, kw_only=True)
class Report:
    """In which form the result is printed."""

    output: OutputFormat = output()


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Which API server."""

    kubeconfig: str = file_flag(
        "--kubeconfig",
        "Credentials for the API server. Default: $KUBECONFIG, ~/.kube/config, in-cluster.",
        CLUSTER,
    )
    context: str = context()


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """Which Kubernetes namespace."""

    namespace: str = namespace()


@dataclass(frozen=True, kw_only=True)
class Namespaced(Cluster, Namespace):
    """Which API server, and which namespace there."""


@dataclass(frozen=True, kw_only=True)
class NodeName:
    """The name of this node."""

    node: str = node()


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Which checks run, and which findings make the exit code 1."""

    only: tuple[str, ...] = several(
        "--only REGEX",
        "Run only checks whose id, or the code of whose finding, matches; may be repeated.",
        FINDINGS,
        complete=candidates.checks,
    )
    skip: tuple[str, ...] = several(
        "--skip REGEX",
        "Leave out checks whose id, or findings whose code, matches; may be repeated.",
        FINDINGS,
        complete=candidates.checks,
    )
    list_checks: bool = switch("--list-checks", "List the checks and stop.", FINDINGS)
    fail_on: FailOn = fail_on()


@dataclass(frozen=True, kw_only=True)
class ConfDirs:
    """Directories of configurations."""

    conf_dirs: tuple[str, ...] = dir_flag(
        "--conf-dir",
        "Directory of CNI configurations; may be repeated. Default: the runtime's, /etc/cni/net.d.",
        default=(),
    )


@dataclass(frozen=True, kw_only=True)
class BinDirs:
    """Directories of plugins."""

    bin_dirs: tuple[str, ...] = dir_flag(
        "--bin-dir",
        "Directory of CNI plugin binaries; may be repeated. Default: those that the container runtime searches.",
        default=(),
    )


@dataclass(frozen=True, kw_only=True)
class OwnFiles:
    """Genie's own configuration and state."""

    conf_dir: str = dir_flag("--conf-dir", "Where Genie's configuration is.", default=CONF_DIR)
    state_dir: str = dir_flag("--state-dir", "Genie's state. Default: its configuration's.")


@dataclass(frozen=True, kw_only=True)
class Records:
    """The directories in which IPAM and the runtime record containers."""

    ipam_dir: str = dir_flag("--ipam-dir", "host-local's leases.", default=IPAM_DIR)
    cache_dir: str = dir_flag("--cache-dir", "libcni's cached results.", default=CACHE_DIR)


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The container runtime."""

    cri_socket: str = flag(
        "--cri-socket SOCKET",
        "The container runtime's socket. Default: found like crictl does.",
        NODE,
        complete=FILES,
    )


@dataclass(frozen=True, kw_only=True)
class Root:
    """Where the node's files are."""

    root: str = flag(
        "--root DIR",
        "The node's file system, as seen from here (/host in a pod).",
        NODE,
        default="/",
        complete=DIRECTORIES,
        parser=named,
    )
