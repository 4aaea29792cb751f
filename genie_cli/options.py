"""The flags that several commands share, each written once: `output: options.Output = OutputFormat.TABLE`.

A command takes plain values: durations arrive as seconds, paths as `Path`. The panel names are the headings
that `--help` groups flags under.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from genie_core.errors import EXIT_USAGE, GenieError
from genie_core.fields import holds_secret

OUTPUT = "Output"
CLUSTER = "Cluster"
NODE = "Node"
FINDINGS = "Findings"


class OutputFormat(StrEnum):
    """The forms in which a report can be had."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"

    @property
    def for_machines(self) -> bool:
        """One document, no colour, also on failure."""
        return self in (OutputFormat.JSON, OutputFormat.YAML)


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
    if not 0 < seconds < 1e6:
        raise typer.BadParameter("a duration must be more than 0 and at most 10 days")
    return seconds


def duration(seconds: float) -> str:
    """As Go writes it, in whole hours, minutes and seconds: "24h", "1m30s"."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or f"{seconds:g}s"


def parse_setting(text: str, form: str) -> tuple[str, Any]:
    """What --set takes, `form` its shape: a name, and a value as JSON or text. Raises GenieError (wrong usage)."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise GenieError(f"--set {text!r} is not {form}", exit_code=EXIT_USAGE)
    try:
        setting = name, json.loads(value)
    except ValueError:
        setting = name, value
    if holds_secret(dict([setting])):
        raise GenieError(
            f"--set {name}: a credential on the command line is in everybody's list of processes",
            hint="write it into the file, mode 0600; better still, name a kubeconfig with tokenFile",
            exit_code=EXIT_USAGE,
        )
    return setting


Output = Annotated[
    OutputFormat,
    typer.Option("--output", "-o", help="Form of the result.", rich_help_panel=OUTPUT, case_sensitive=False),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", parser=parse_duration, metavar="DURATION", help='Give up after so long: "30s", "2m".'
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing something.")]
FailOnOption = Annotated[
    FailOn,
    typer.Option("--fail-on", help="Least severity that makes the exit code 1.", rich_help_panel=FINDINGS),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="REGEX",
        help="Run only checks whose id, or the code of whose finding, matches; may be repeated.",
        rich_help_panel=FINDINGS,
    ),
]
Skip = Annotated[
    list[str] | None,
    typer.Option(
        "--skip",
        metavar="REGEX",
        help="Leave out checks whose id, or findings whose code, matches; may be repeated.",
        rich_help_panel=FINDINGS,
    ),
]
ListChecks = Annotated[
    bool, typer.Option("--list-checks", help="List the checks and stop.", rich_help_panel=FINDINGS)
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig",
        metavar="FILE",
        help="Credentials for the API server. Default: $KUBECONFIG, ~/.kube/config, in-cluster.",
        rich_help_panel=CLUSTER,
    ),
]
Context = Annotated[
    str,
    typer.Option(
        "--context",
        help="The kubeconfig's context. Default: its current one.",
        rich_help_panel=CLUSTER,
        metavar="CONTEXT",
    ),
]
Namespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        help="Kubernetes namespace. Default: the context's.",
        rich_help_panel=CLUSTER,
        metavar="NAMESPACE",
    ),
]
ConfDirs = Annotated[
    list[Path] | None,
    typer.Option(
        "--conf-dir",
        help="Directory of CNI configurations; may be repeated. Default: /etc/cni/net.d.",
        rich_help_panel=NODE,
        metavar="DIR",
        readable=False,
    ),
]
BinDirs = Annotated[
    list[Path] | None,
    typer.Option(
        "--bin-dir",
        help="Directory of CNI plugin binaries; may be repeated. Default: those that the container runtime searches.",
        rich_help_panel=NODE,
        metavar="DIR",
        readable=False,
    ),
]
OwnConfDir = Annotated[
    Path,
    typer.Option("--conf-dir", metavar="DIR", help="Where Genie's configuration is.", rich_help_panel=NODE),
]
StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        metavar="DIR",
        help="Genie's state. Default: its configuration's.",
        rich_help_panel=NODE,
        readable=False,
    ),
]
IpamDir = Annotated[
    Path,
    typer.Option(
        "--ipam-dir", metavar="DIR", help="host-local's leases.", rich_help_panel=NODE, readable=False
    ),
]
CacheDir = Annotated[
    Path,
    typer.Option(
        "--cache-dir", metavar="DIR", help="libcni's cached results.", rich_help_panel=NODE, readable=False
    ),
]
Root = Annotated[
    Path,
    typer.Option(
        "--root",
        help="The node's file system, as seen from here (/host in a pod).",
        rich_help_panel=NODE,
        metavar="DIR",
        readable=False,
    ),
]
NodeName = Annotated[
    str,
    typer.Option(
        "--node",
        metavar="NAME",
        help="This node's name. Default: $NODE_NAME, else the host name.",
        rich_help_panel=CLUSTER,
    ),
]
CRISocket = Annotated[
    str,
    typer.Option(
        "--cri-socket",
        metavar="SOCKET",
        help="The container runtime's socket. Default: found like crictl does.",
        rich_help_panel=NODE,
    ),
]
