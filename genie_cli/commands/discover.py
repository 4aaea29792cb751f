"""`genie discover`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from genie_cli import options
from genie_cli.options import CLUSTER, NODE, FailOn, OutputFormat
from genie_cli.progress import Progress
from genie_cli.render import emit
from genie_cli.views.discover import view
from genie_cli.views.findings import exit_code, print_checks, say_denied
from genie_core.checks.registry import FILES
from genie_core.checks.runner import Selection, selection
from genie_core.survey.records import CACHE_DIR, IPAM_DIR
from genie_core.tasks.discover import DiscoverOptions, NodeReport, discover

EXAMPLES = [
    ("what this node will do, and what is wrong with it", "genie discover"),
    ("everything, with sizes, modes, leases and the checks that were skipped", "genie discover -o wide"),
    ("for a script: fail on warnings too", "genie discover -o json --fail-on warning"),
    ("from a pod that sees the node's files in /host", "genie discover --root /host"),
    ("what a runtime's own configuration leads to", "genie discover --runtime-config ./config.toml"),
    ("only the leases, every 5 seconds", "genie discover --only leases --watch"),
]


def run(
    only: options.Only = None,
    skip: options.Skip = None,
    list_checks: options.ListChecks = False,
    fail_on: options.FailOnOption = FailOn.ERROR,
    probes: Annotated[
        bool,
        typer.Option(
            "--probes/--no-probes", help="Ask plugins for VERSION and STATUS.", rich_help_panel=NODE
        ),
    ] = True,
    api: Annotated[
        bool,
        typer.Option(
            "--api/--no-api", help="Ask the API server whether it answers.", rich_help_panel=CLUSTER
        ),
    ] = True,
    conf_dir: options.ConfDirs = None,
    bin_dir: options.BinDirs = None,
    state_dir: options.StateDir = None,
    ipam_dir: options.IpamDir = Path(IPAM_DIR),
    cache_dir: options.CacheDir = Path(CACHE_DIR),
    runtime_config: Annotated[
        Path | None,
        typer.Option(
            "--runtime-config", metavar="FILE", help="The runtime's own configuration.", rich_help_panel=NODE
        ),
    ] = None,
    cri_socket: options.CRISocket = "",
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            "--kubeconfig", metavar="FILE", help="One more kubeconfig to look at.", rich_help_panel=CLUSTER
        ),
    ] = None,
    node: Annotated[
        str, typer.Option("--node", metavar="NAME", help="This node's name.", rich_help_panel=CLUSTER)
    ] = "",
    root: options.Root = Path("/"),
    timeout: options.Timeout = 2.0,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Look again until interrupted, and show changes.")
    ] = False,
    interval: Annotated[
        float,
        typer.Option(
            "--interval", parser=options.parse_duration, metavar="DURATION", help="Time between looks."
        ),
    ] = 5.0,
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Shows which configuration each runtime uses and why, every plugin, the addresses, Genie, and what is wrong.

    It reads only. Plugins are run with CNI_COMMAND=VERSION, and with STATUS where they and their network know it;
    --no-probes runs none. What an ordinary user may not read is named, and its checks are skipped. --timeout bounds
    the API server's part.
    """
    if list_checks:
        return print_checks(FILES, output)
    wanted = DiscoverOptions(
        root=str(root),
        conf_dirs=_texts(conf_dir),
        bin_dirs=_texts(bin_dir),
        state_dir=str(state_dir.absolute()) if state_dir else "",
        ipam_dir=str(ipam_dir.absolute()),
        cache_dir=str(cache_dir.absolute()),
        cri_socket=cri_socket,
        runtime_config=str(runtime_config.absolute()) if runtime_config else "",
        kubeconfig=str(kubeconfig.absolute()) if kubeconfig else "",
        node=node,
        probe=probes,
        api=api,
        timeout=timeout,
    )
    chosen = selection(only or (), skip or (), FILES)
    return _watch(wanted, chosen, fail_on, output, interval if watch else 0)


def _texts(paths: list[Path] | None) -> tuple[str, ...]:
    return tuple(str(path.absolute()) for path in paths or ())


def _watch(
    wanted: DiscoverOptions, chosen: Selection, fail_on: FailOn, output: OutputFormat, interval: float
) -> int:
    """One report, or, with an interval, one whenever something but the time has changed."""
    shown: object = None
    while True:
        with Progress() as progress:
            progress("looking at the node")
            report = discover(wanted, chosen)
        if (now := _without_times(report)) != shown:
            emit(report, output, view, _names)
            shown = now
        if not interval:
            code = exit_code(report.findings, report.checks, fail_on)
            return say_denied(report.denied, "genie discover") if report.denied else code
        time.sleep(interval)


def _without_times(report: NodeReport) -> object:
    document = report.as_json()
    plugins = [{key: value for key, value in plugin.items() if key != "ms"} for plugin in document["plugins"]]
    unchanged = ("summary", "runtimes", "configurations", "networks", "genie", "findings")
    return [plugins, *(document[name] for name in unchanged)]


def _names(report: NodeReport) -> list[str]:
    return [file.path for file in report.facts.files]
