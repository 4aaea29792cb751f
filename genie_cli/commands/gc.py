"""`genie gc`."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from genie_cli import options, terminal, wiring
from genie_cli.flags import switch
from genie_cli.options import duration_flag
from genie_cli.progress import Progress
from genie_cli.remote import NodeCommand, Remote, run_on_node
from genie_cli.render import emit, show
from genie_cli.views.gc import view
from genie_core.errors import WrongUsage
from genie_core.tasks.gc import GCOptions, GCReport, collect, confirm, find

EXAMPLES = [
    ("what pods that are gone have left, with the evidence", "genie gc --dry-run"),
    ("remove it", "genie gc --yes"),
    ("for a script, with another least age", "genie gc --dry-run --min-age 10m -o json"),
    ("on another node, from any machine", "genie gc --node worker-1 --dry-run"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(
    options.OwnFiles, options.Records, options.Runtime, options.Report, Remote, options.Cluster, GCOptions
):
    """The options of the task, and how far to go."""

    node: str = options.node("The node. Default: this one.")
    dry_run: bool = switch("--dry-run", "Only list what would be removed.")
    yes: bool = options.yes()
    interval: float = duration_flag(
        "--interval", "Time between the two looks that have to agree.", default=5.0
    )
    min_age: float = duration_flag(
        "--min-age", "Leave what is younger: its pod may be starting.", default=60.0
    )
    forget: bool = switch(
        "--forget", "Where a plugin refuses to release a network, remove Genie's record of it anyway."
    )
    timeout: float = options.timeout(5.0, "Wait so long for each answer of the runtime.")


def run(flags: Flags) -> int:
    """Removes what belongs to no sandbox of the runtime, if two observations agree.

    That is: networks in Genie's state, leases, cached results, NAT chains and rules, veths, network namespaces, and
    dry runs on the node itself that were killed. It observes the node twice, and removes only what both observations
    found; each item is shown with its evidence. Without --yes it asks first; without a terminal, --yes or --dry-run
    is needed. Networks in Genie's state are released by the DEL of the plugins that attached them. One whose ADD
    never succeeded, and of which no namespace, lease or interface exists, is forgotten. One that its plugin refuses
    permanently stays recorded until --forget removes it: the rest of its chain and its IPAM plugin are still called,
    and what the plugin holds elsewhere stays there. It has to run on the node itself, where the plugins are: --node
    starts it on another node. The exit code is 1 if something could not be removed, 5 if something could not be read.
    """
    if not (flags.dry_run or flags.yes or terminal.can_ask()):
        raise WrongUsage(
            "gc removes things, and there is no terminal to confirm it: use --dry-run or --yes",
            hint="`genie gc --dry-run` shows what would be removed; `genie gc --yes` removes it",
        )
    access = wiring.access(flags)
    if not wiring.is_here(flags, access, to_change=not flags.dry_run):
        asks = not (flags.dry_run or flags.yes)
        return run_on_node(NodeCommand(node=flags.node, command="gc", flags=flags), access, asks=asks)
    wiring.warn_of_missing(flags)
    wiring.warn_of_container(flags.ipam_dir, flags.netns_dirs[0])
    with Progress() as progress:
        report = find(flags, interval=flags.interval, announce=progress)
    if not flags.dry_run and report.leftovers and (flags.yes or _agreed(report)):
        with Progress() as progress:
            report = collect(report if flags.yes else confirm(report, flags), flags, progress)
    emit(report, flags.output, view, _names)
    return report.exit_code


def _agreed(report: GCReport) -> bool:
    show(view(report, wide=False), sys.stderr)
    return typer.confirm(f"Remove these {len(report.leftovers)}?", err=True)


def _names(report: GCReport) -> list[str]:
    return [f"{leftover.kind}/{leftover.name}" for leftover in report.leftovers]
