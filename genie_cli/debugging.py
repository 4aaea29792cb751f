"""Shared by the `genie debug` commands: their flags, the options of the task, the showing of reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from genie_cli import options, wiring
from genie_cli.candidates import FILES
from genie_cli.flags import flag
from genie_cli.options import CLUSTER, NODE, FailOn, dir_flag
from genie_cli.output import OF_A_NODE, OF_A_POD, USUAL, OutputFormat
from genie_cli.render import emit
from genie_cli.views.debug import view
from genie_cli.views.drawing import mermaid, svg
from genie_cli.views.findings import exit_code, print_checks, say_denied
from genie_cli.views.junit import junit
from genie_cli.views.page import page, title_of
from genie_cli.views.tracks import tracks_of
from genie_core.checks.check import Check
from genie_core.errors import EXIT_INCOMPLETE, EXIT_NOT_FOUND, EXIT_TIMEOUT
from genie_core.survey.user_cluster import Access
from genie_core.tasks.debug.options import SECONDS, DebugOptions
from genie_core.tasks.debug.report import DiagnosisReport


@dataclass(frozen=True, kw_only=True)
class DebugFlags(
    options.Cluster,
    options.NodeName,
    options.ConfDirs,
    options.BinDirs,
    options.Records,
    options.Runtime,
    options.Root,
    DebugOptions,
):
    """Where everything is: the options of the task that all its commands have."""

    name: str = ""
    namespace: str = ""
    objects_file: str = flag(
        "--objects-file FILE",
        "A List of Services, EndpointSlices, Nodes, Pods, NetworkPolicies, Events, instead of the API server's; "
        "- for stdin.",
        CLUSTER,
        complete=FILES,
    )
    state_dir: str = dir_flag(
        "--state-dir", "Genie's state. Default: its configuration's, /var/lib/cni/genie."
    )
    timeout: float = options.timeout(SECONDS)


@dataclass(frozen=True, kw_only=True)
class PodFlags(options.Namespaced, DebugFlags):
    """Which pod."""

    netns: str = flag(
        "--netns PATH",
        "The pod's network namespace. Default: that of the runtime's sandbox or of the node's records.",
        NODE,
        complete=FILES,
    )
    pod_file: str = options.pod_file("The Pod object, instead of the API server's, - for stdin.")


@dataclass(frozen=True, kw_only=True)
class NodeReport:
    """In which form the result is printed; also for CI systems, and as a page."""

    output: OutputFormat = options.output(offered=OF_A_NODE)


@dataclass(frozen=True, kw_only=True)
class PodReport:
    """In which form the result is printed; also as a picture of the packets' paths."""

    output: OutputFormat = options.output(offered=OF_A_POD)


_WRITERS: dict[OutputFormat, Callable[[DiagnosisReport], str]] = {
    OutputFormat.JUNIT: junit,
    OutputFormat.HTML: lambda report: page(report, tracks_of(report)),
    OutputFormat.SVG: lambda report: svg(title_of(report), tracks_of(report)),
    OutputFormat.MERMAID: lambda report: mermaid(tracks_of(report)),
}


F = TypeVar("F", bound=DebugFlags)


def completed(flags: F, access: Access, pod: tuple[str, str] = ("", "")) -> F:
    """The task's options: the flags with the API server, the pod and the node's name."""
    node, is_explicit = wiring.node_of(flags.node)
    return replace(flags, access=access, namespace=pod[0], name=pod[1], node=node, node_explicit=is_explicit)


def show_report(report: DiagnosisReport, output: OutputFormat) -> None:
    """Print the report; by name: the codes of its findings."""
    emit(report, output, view, lambda r: [found.code for found in r.findings], _WRITERS)


def show_checks(checks: Sequence[Check], output: OutputFormat) -> int:
    """Print --list-checks' table; the exit code."""
    return print_checks(checks, output if output in USUAL else OutputFormat.TABLE)


def exit_of(report: DiagnosisReport, fail_on: FailOn) -> int:
    """124 after a timeout, 3 for a pod that is not on this node, 4 and 5 where not everything could be read."""
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
        return code or EXIT_INCOMPLETE  # an ordinary user sees only a part
    return code
