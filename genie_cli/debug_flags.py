"""The flags that the `genie debug` commands share, and the question that they make together."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from genie_cli import wiring
from genie_cli.options import CLUSTER, NODE, OUTPUT, FailOn, OutputFormat
from genie_cli.render import emit
from genie_cli.views.debug import view
from genie_cli.views.findings import exit_code, print_checks, say_denied
from genie_core.checks.check import Check
from genie_core.errors import EXIT_INCOMPLETE, EXIT_NOT_FOUND, EXIT_TIMEOUT
from genie_core.survey.user_cluster import Access
from genie_core.tasks.debug.question import Question
from genie_core.tasks.debug.report import DiagnosisReport

Netns = Annotated[
    str,
    typer.Option(
        "--netns",
        metavar="PATH",
        help="The pod's network namespace. Default: the runtime or the node's records tell.",
        rich_help_panel=NODE,
    ),
]
PodFile = Annotated[
    str,
    typer.Option(
        "--pod-file",
        metavar="FILE",
        help="The Pod object, instead of the API server's.",
        rich_help_panel=CLUSTER,
    ),
]
ObjectsFile = Annotated[
    str,
    typer.Option(
        "--objects-file",
        metavar="FILE",
        help="A List of Services, EndpointSlices, Nodes, Pods, NetworkPolicies, Events, instead of the API server's.",
        rich_help_panel=CLUSTER,
    ),
]
Probes = Annotated[bool, typer.Option("--probes/--no-probes", help="Send a few packets from inside the pod.")]
ConfDir = Annotated[
    str,
    typer.Option(
        "--conf-dir",
        metavar="DIR",
        help="Directory of CNI configurations. Default: the runtime's, /etc/cni/net.d.",
        rich_help_panel=NODE,
    ),
]
StateDir = Annotated[
    str,
    typer.Option(
        "--state-dir",
        metavar="DIR",
        help="Genie's state. Default: its configuration's, /var/lib/cni/genie.",
        rich_help_panel=NODE,
    ),
]
IpamDir = Annotated[
    str, typer.Option("--ipam-dir", metavar="DIR", help="host-local's leases.", rich_help_panel=NODE)
]
CacheDir = Annotated[
    str, typer.Option("--cache-dir", metavar="DIR", help="libcni's cached results.", rich_help_panel=NODE)
]
RuntimeConfig = Annotated[
    str,
    typer.Option(
        "--runtime-config", metavar="FILE", help="The runtime's own configuration.", rich_help_panel=NODE
    ),
]


class ReportFormat(StrEnum):
    """Those of every command, and junit for CI systems."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    JUNIT = "junit"


Output = Annotated[
    ReportFormat,
    typer.Option("--output", "-o", help="Form of the result.", rich_help_panel=OUTPUT, case_sensitive=False),
]


def absolute(path: str | Path | None) -> str:
    """A path as seen from the root, "" for none."""
    return str(Path(path).absolute()) if path else ""


def question(
    pod: tuple[str, str],
    *,
    node: str,
    bin_dirs: Sequence[Path] | None,
    only: Sequence[str] | None,
    skip: Sequence[str] | None,
    access: Access,
    timeout: float,
    root: Path,
    conf_dir: str,
    state_dir: str,
    ipam_dir: str,
    cache_dir: str,
    runtime_config: str = "",
    cri_socket: str = "",
    netns: str = "",
    pod_file: str = "",
    objects_file: str = "",
    to: str = "",
    probes: bool = False,
) -> Question:
    """The question that the flags make together."""
    name, explicit = wiring.node_of(node)
    return Question(
        namespace=pod[0],
        name=pod[1],
        netns=netns,
        pod_file=pod_file,
        objects_file=objects_file,
        conf_dir=absolute(conf_dir),
        bin_dirs=tuple(absolute(d) for d in bin_dirs or ()),
        state_dir=absolute(state_dir),
        ipam_dir=absolute(ipam_dir),
        cache_dir=absolute(cache_dir),
        runtime_config=absolute(runtime_config),
        cri_socket=cri_socket,
        access=access,
        timeout=timeout,
        root=str(root),
        node=name,
        node_explicit=explicit,
        to=to,
        probes=probes,
        only=tuple(only or ()),
        skip=tuple(skip or ()),
    )


def show_report(report: DiagnosisReport, output: ReportFormat) -> None:
    """Print the report in the wanted form; by name: the codes of its findings."""
    if output is ReportFormat.JUNIT:
        import sys

        from genie_cli.views.junit import junit

        sys.stdout.write(junit(report))
    else:
        emit(report, OutputFormat(output.value), view, lambda r: [finding.code for finding in r.findings])


def show_checks(checks: Sequence[Check], output: ReportFormat) -> int:
    """What --list-checks prints; the exit code."""
    form = OutputFormat.TABLE if output is ReportFormat.JUNIT else OutputFormat(output.value)
    return print_checks(checks, form)


def exit_of(report: DiagnosisReport, fail_on: FailOn) -> int:
    """124 where the time was up, 3 for a pod that is not here, 4 and 5 where not everything could be read."""
    if report.late:
        return EXIT_TIMEOUT
    if report.state in ("not-here", "no-sandbox"):
        return EXIT_NOT_FOUND
    if report.denied:
        pod = f"{report.facts.namespace}/{report.facts.pod_name}"
        return say_denied(
            report.denied, f"genie debug pod {pod}" if report.facts.pod_name else "genie debug node"
        )
    code = exit_code(report.findings, report.checks, fail_on)
    if report.state == "diagnosed" and report.facts.pod is None:
        return code or EXIT_INCOMPLETE  # what an ordinary user may see is only a part
    return code
