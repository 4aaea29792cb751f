"""`genie debug pod`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from genie_cli import options
from genie_cli.options import CLUSTER, FINDINGS, NODE, FailOn, OutputFormat
from genie_cli.progress import Progress
from genie_cli.render import Table, emit, note, show
from genie_cli.views.debug import view
from genie_cli.views.findings import exit_code
from genie_core.diagnose.registry import ALL
from genie_core.diagnose.report import DiagnosisReport
from genie_core.edges.records import CACHE_DIR, IPAM_DIR
from genie_core.errors import EXIT_NOT_FOUND, EXIT_USAGE, GenieError
from genie_core.tasks.debug_pod import Question, debug_pod, from_snapshot, snapshot

EXAMPLES = [
    ("what is wrong with this pod's network", "genie debug pod default/web-0"),
    ("without sending a packet, for a script", "genie debug pod web-0 -n shop --no-probes -o json"),
    ("one target", "genie debug pod shop/web-0 --to service/db:5432"),
    ("take the facts here, look at them elsewhere", "genie debug pod shop/web-0 --save facts.json"),
    ("", "genie debug pod --from facts.json"),
]


def run(
    pod: Annotated[
        str, typer.Argument(metavar="[NAMESPACE/]POD", help="The pod; also pod/NAME.", show_default=False)
    ] = "",
    namespace: options.Namespace = "",
    netns: Annotated[
        str,
        typer.Option(
            "--netns",
            metavar="PATH",
            help="The pod's network namespace. Default: asked for.",
            rich_help_panel=NODE,
        ),
    ] = "",
    pod_file: Annotated[
        str,
        typer.Option(
            "--pod-file",
            metavar="FILE",
            help="The Pod object, instead of the API server's.",
            rich_help_panel=CLUSTER,
        ),
    ] = "",
    objects_file: Annotated[
        str,
        typer.Option(
            "--objects-file",
            metavar="FILE",
            help="A List of Services, EndpointSlices, Nodes, Pods, NetworkPolicies, instead of the API server's.",
            rich_help_panel=CLUSTER,
        ),
    ] = "",
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="TARGET", help="Ask about one target only: IP, POD or SERVICE, with :PORT."
        ),
    ] = "",
    probes: Annotated[
        bool, typer.Option("--probes/--no-probes", help="Send a few packets from inside the pod.")
    ] = True,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Keep the facts, without secrets.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Diagnose saved facts.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="REGEX",
            help="Run the checks with such ids only; may be repeated.",
            rich_help_panel=FINDINGS,
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            "--skip",
            metavar="REGEX",
            help="Leave out checks with such ids; may be repeated.",
            rich_help_panel=FINDINGS,
        ),
    ] = None,
    list_checks: Annotated[
        bool, typer.Option("--list-checks", help="List the checks and stop.", rich_help_panel=FINDINGS)
    ] = False,
    fail_on: options.FailOnOption = FailOn.ERROR,
    conf_dir: Annotated[
        Path,
        typer.Option(
            "--conf-dir", metavar="DIR", help="Directory of CNI configurations.", rich_help_panel=NODE
        ),
    ] = Path("/etc/cni/net.d"),
    bin_dir: options.BinDirs = None,
    state_dir: Annotated[
        Path, typer.Option("--state-dir", metavar="DIR", help="Genie's state.", rich_help_panel=NODE)
    ] = Path("/var/lib/cni/genie"),
    ipam_dir: Annotated[
        Path, typer.Option("--ipam-dir", metavar="DIR", help="host-local's leases.", rich_help_panel=NODE)
    ] = Path(IPAM_DIR),
    cache_dir: Annotated[
        Path,
        typer.Option("--cache-dir", metavar="DIR", help="libcni's cached results.", rich_help_panel=NODE),
    ] = Path(CACHE_DIR),
    runtime_config: Annotated[
        str,
        typer.Option(
            "--runtime-config", metavar="FILE", help="The runtime's own configuration.", rich_help_panel=NODE
        ),
    ] = "",
    cri_socket: options.CRISocket = "",
    kubeconfig: options.Kubeconfig = None,
    node: Annotated[
        str,
        typer.Option(
            "--node",
            metavar="NAME",
            help="This node's name. Default: $NODE_NAME, else the host name.",
            rich_help_panel=CLUSTER,
        ),
    ] = "",
    root: options.Root = Path("/"),
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="table, wide, json, yaml or junit.", rich_help_panel=options.OUTPUT
        ),
    ] = "table",
) -> int:
    """Says what is wrong with a pod's network on this node: the root cause first, its evidence, a safe remedy.

    It runs on the pod's node and changes nothing. Probes are a few packets from inside the pod's namespace,
    announced on stderr; --no-probes does without. The exit code is 0 for a healthy network, 1 for findings at or above
    --fail-on, 3 for a pod that is not on this node or has no sandbox.
    """
    if list_checks:
        show([Table(("CHECK", "WHAT HOLDS"), [(check.id, check.title) for check in ALL])])
        return 0
    space, name = ("", "") if from_ else target(pod, namespace)
    explicit = node or os.environ.get("NODE_NAME", "")
    question = Question(
        namespace=space, name=name, netns=netns, pod_file=pod_file, objects_file=objects_file,
        conf_dir=str(conf_dir.absolute()), bin_dirs=tuple(str(d.absolute()) for d in bin_dir or ()),
        state_dir=str(state_dir.absolute()), ipam_dir=str(ipam_dir.absolute()), cache_dir=str(cache_dir.absolute()),
        runtime_config=runtime_config, cri_socket=cri_socket, kubeconfig=str(kubeconfig or ""), root=str(root),
        node=explicit or socket.gethostname(), node_explicit=bool(explicit), to=to, probes=probes,
        only=tuple(only or ()), skip=tuple(skip or ()),
    )  # fmt: skip
    with Progress() as progress:
        report = from_snapshot(str(from_), question) if from_ else debug_pod(question, progress)
    if save is not None:
        _save(save, report)
    show_report(report, output)
    if report.state in ("not-here", "no-sandbox"):
        return EXIT_NOT_FOUND
    return exit_code(report.findings, fail_on)


def target(pod: str, namespace: str) -> tuple[str, str]:
    """(namespace, name) of `NS/NAME`, `NAME` or `pod/NAME`. Raises GenieError for nothing, or for two namespaces."""
    kind, _, rest = pod.partition("/")
    if kind in ("pod", "pods", "po") and rest:
        pod = rest
    space, separator, name = pod.rpartition("/")
    if not name or "/" in space or (separator and namespace and namespace != space):
        raise GenieError(
            f"{pod!r} names no pod: NAMESPACE/NAME, or NAME with -n NAMESPACE", exit_code=EXIT_USAGE
        )
    return space or namespace or "default", name


def _save(path: Path, report: DiagnosisReport) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(snapshot(report))
    note(f"facts saved to {path}")


def show_report(report: DiagnosisReport, output: str) -> None:
    """Print the report in the wanted form. Raises GenieError for an unknown one."""
    if output.lower() == "junit":
        from genie_cli.views.junit import junit

        sys.stdout.write(junit(report))
        return
    try:
        form = OutputFormat(output.lower())
    except ValueError:
        raise GenieError(
            f"-o {output} is not offered: table, wide, json, yaml or junit", exit_code=EXIT_USAGE
        ) from None
    emit(report, form, view)
