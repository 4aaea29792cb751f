"""`genie debug node`."""

from __future__ import annotations

from dataclasses import dataclass

from genie_cli import options, wiring
from genie_cli.debugging import DebugFlags, NodeReport, completed, exit_of, show_checks, show_report
from genie_cli.progress import Progress
from genie_core.checks.registry import FILES
from genie_core.tasks.debug.node import checks, debug_node

EXAMPLES = [
    ("find faults that concern all pods of this node", "genie debug node"),
    ("only its tunnels", "genie debug node --only tunnel --only remote"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Findings, NodeReport, DebugFlags):
    """Which checks, and where everything is."""

    runtime_config: str = options.runtime_config()


def run(flags: Flags) -> int:
    """Finds faults that concern every pod of this node: kernel limits, tunnels, firewall, files, leases, leftovers.

    It sends no packet and changes nothing. For a single pod there is `genie debug pod`.
    """
    if flags.list_checks:
        return show_checks((*checks(), *FILES), flags.output)
    with Progress() as progress:
        report = debug_node(completed(flags, wiring.access(flags)), progress)
    show_report(report, flags.output)
    return exit_of(report, flags.fail_on)
