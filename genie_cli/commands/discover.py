"""`genie discover`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from genie_cli import options, wiring
from genie_cli.flags import switch
from genie_cli.options import CLUSTER, NODE, dir_flag, duration_flag, file_flag
from genie_cli.output import OF_DISCOVER, OutputFormat
from genie_cli.progress import Progress
from genie_cli.remote import NodeCommand, Remote, run_on_node
from genie_cli.render import emit
from genie_cli.views.discover import view
from genie_cli.views.findings import exit_code, print_checks, say_denied
from genie_cli.views.node_picture import page, svg
from genie_core.checks.registry import FILES
from genie_core.checks.runner import Selection, selection
from genie_core.errors import EXIT_INTERRUPTED
from genie_core.survey.places import require_named
from genie_core.tasks.discover import DiscoverOptions, NodeReport, discover

EXAMPLES = [
    ("how this node sets up pods' networks, and what is wrong", "genie discover"),
    ("everything, with sizes, modes, leases and the checks that were skipped", "genie discover -o wide"),
    ("for a script: fail on warnings too", "genie discover -o json --fail-on warning"),
    ("from a pod that sees the node's files in /host", "genie discover --root /host"),
    ("what a runtime's own configuration leads to", "genie discover --runtime-config ./config.toml"),
    ("of another node, from any machine", "genie discover --node worker-1"),
    ("as a picture: runtimes, configurations, plugins, networks, bridges, pods", "genie discover -o svg"),
    ("only the leases, every 5 seconds", "genie discover --only leases --watch"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(
    options.Findings,
    options.ConfDirs,
    options.BinDirs,
    options.Records,
    options.Runtime,
    options.Root,
    Remote,
    DiscoverOptions,
):
    """The options of the task, and how to show its report."""

    probe: bool = switch("--probes/--no-probes", "Ask plugins for VERSION and STATUS.", NODE, default=True)
    api: bool = switch("--api/--no-api", "Ask the API server whether it answers.", CLUSTER, default=True)
    state_dir: str = dir_flag("--state-dir", "Genie's state. Default: its configuration's.")
    runtime_config: str = options.runtime_config()
    kubeconfig: str = file_flag(
        "--kubeconfig",
        "One more kubeconfig to look at; with --node, the one by which that node is reached.",
        CLUSTER,
    )
    context: str = options.context("The kubeconfig's context, by which --node is reached.")
    node: str = options.node("The node. Default: this one.")
    timeout: float = options.timeout(2.0)
    output: OutputFormat = options.output(offered=OF_DISCOVER)
    watch: bool = switch("-w --watch", "Repeat until interrupted, and show changes.")
    interval: float = duration_flag("--interval", "Time between looks.", default=5.0)


def run(flags: Flags) -> int:
    """Shows which configuration each runtime uses and why, every plugin, the addresses, Genie, and what is wrong.

    It only reads. Plugins are run with CNI_COMMAND=VERSION, and with STATUS where they and their network support it;
    --no-probes runs none. Sources that an ordinary user may not read are listed, and their checks are skipped.
    --timeout limits the requests to the API server. With the name of another node it runs there.
    """
    if flags.list_checks:
        return print_checks(FILES, flags.output)
    chosen = selection(flags.only, flags.skip, FILES)
    try:
        return _answer(flags, chosen)
    except KeyboardInterrupt:
        if not flags.watch:
            raise
        return EXIT_INTERRUPTED  # how a watch ends: no error


def _answer(flags: Flags, chosen: Selection) -> int:
    access = wiring.access(flags)
    if flags.api and not wiring.is_here(flags, access):
        return run_on_node(NodeCommand(node=flags.node, command="discover", flags=flags), access)
    require_named(flags)
    wiring.warn_of_missing(flags)
    return _watch(flags, chosen)


def _watch(flags: Flags, chosen: Selection) -> int:
    """One report, or, with --watch, one whenever something but the time has changed."""
    shown: object = None
    while True:
        with Progress() as progress:
            progress("reading the node")
            report = discover(flags, chosen)
        if (now := _without_times(report)) != shown:
            emit(report, flags.output, view, _names, _WRITERS)
            sys.stdout.flush()  # into a pipe, too
            shown = now
        if not flags.watch:
            code = exit_code(report.findings, report.checks, flags.fail_on)
            return say_denied(report.denied, "genie discover") if report.denied else code
        time.sleep(flags.interval)


def _without_times(report: NodeReport) -> object:
    document = report.as_json()
    plugins = [{key: value for key, value in plugin.items() if key != "ms"} for plugin in document["plugins"]]
    unchanged = ("summary", "runtimes", "configurations", "networks", "genie", "findings")
    return [plugins, *(document[name] for name in unchanged)]


_WRITERS = {OutputFormat.HTML: page, OutputFormat.SVG: svg}


def _names(report: NodeReport) -> list[str]:
    return [file.path for file in report.facts.conf_files]
