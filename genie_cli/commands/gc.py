"""`genie gc`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from genie_cli import options, wiring
from genie_cli.options import OutputFormat
from genie_cli.progress import Progress
from genie_cli.render import emit, show
from genie_cli.views.gc import view
from genie_core.errors import EXIT_USAGE, GenieError
from genie_core.survey.records import CACHE_DIR, IPAM_DIR, NETNS_DIRS
from genie_core.tasks.gc import GCOptions, GCReport, collect, confirm, find

EXAMPLES = [
    ("what pods that are gone have left, and why it is nobody's", "genie gc --dry-run"),
    ("remove it", "genie gc --yes"),
    ("for a script, without waiting for young things", "genie gc --dry-run --min-age 10m -o json"),
]


def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    yes: options.Yes = False,
    interval: Annotated[
        float,
        typer.Option(
            "--interval",
            parser=options.parse_duration,
            metavar="DURATION",
            help="Time between the two looks that have to agree.",
        ),
    ] = 5.0,
    min_age: Annotated[
        float,
        typer.Option(
            "--min-age",
            parser=options.parse_duration,
            metavar="DURATION",
            help="Leave what is younger: its pod may be on its way.",
        ),
    ] = 60.0,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget",
            help="Where a plugin refuses to release a network, remove Genie's record of it all the same.",
        ),
    ] = False,
    conf_dir: options.OwnConfDir = wiring.CONF_DIR,
    state_dir: options.StateDir = None,
    ipam_dir: options.IpamDir = Path(IPAM_DIR),
    cache_dir: options.CacheDir = Path(CACHE_DIR),
    cri_socket: options.CRISocket = "",
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            parser=options.parse_duration,
            metavar="DURATION",
            help="Wait so long for each answer of the runtime.",
        ),
    ] = 5.0,
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Removes what no sandbox of the runtime owns any more, seen twice.

    That is: networks in Genie's state, leases, cached results, NAT chains and rules, veths, network namespaces, and
    dry runs on the node itself that were killed.
    It looks twice, and touches only what both looks found; what it finds is shown with the evidence. Without --yes it
    asks first; without a terminal to ask on, --yes or --dry-run is needed. Networks in Genie's state are released by
    the DEL of the plugins that attached them. One whose ADD never succeeded, and of which no namespace, lease or
    interface exists, is forgotten. One that its plugin refuses for good stays recorded until --forget gives it up: the
    rest of its chain and its IPAM plugin are still called, and what the plugin holds elsewhere stays there.
    It has to run on the node itself, where their plugins are. The exit code is 1 if something could not be removed, 5
    if something could not be looked at.
    """
    if not (dry_run or yes or sys.stdin.isatty()):
        raise GenieError(
            "gc removes things, and there is no terminal to confirm it: use --dry-run or --yes",
            hint="`genie gc --dry-run` shows what would be removed; `genie gc --yes` removes it",
            exit_code=EXIT_USAGE,
        )
    wanted = GCOptions(
        conf_dir=str(conf_dir.absolute()),
        state_dir=str(state_dir.absolute()) if state_dir else "",
        ipam_dir=str(ipam_dir.absolute()),
        cache_dir=str(cache_dir.absolute()),
        cri_socket=cri_socket,
        min_age=min_age,
        timeout=timeout,
        forget=forget,
    )
    wiring.warn_of_container(wanted.ipam_dir, NETNS_DIRS[0])
    with Progress() as progress:
        report = find(wanted, interval=interval, tell=progress)
    if not dry_run and report.leftovers and (yes or _agreed(report)):
        with Progress() as progress:
            report = collect(report if yes else confirm(report, wanted), wanted, progress)
    emit(report, output, view, _names)
    return report.exit_code


def _agreed(report: GCReport) -> bool:
    show(view(report, wide=False), sys.stderr)
    return typer.confirm(f"Remove these {len(report.leftovers)}?", err=True)


def _names(report: GCReport) -> list[str]:
    return [f"{leftover.kind}/{leftover.name}" for leftover in report.leftovers]
