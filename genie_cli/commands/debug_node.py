"""`genie debug node`."""

from __future__ import annotations

from dataclasses import dataclass

from genie_cli import options, wiring
from genie_cli.debugging import DebugFlags, NodeReport, completed, exit_of, show_checks, show_report
from genie_cli.progress import Progress
from genie_cli.remote import NodeCommand, Remote, run_on_node
from genie_cli.render import note
from genie_core.checks.registry import FILES
from genie_core.edges.kube_errors import APIError
from genie_core.errors import GenieError, NotFound, WrongUsage
from genie_core.survey.user_cluster import Access
from genie_core.tasks.debug.node import checks, debug_node

EXAMPLES = [
    ("find faults that concern all pods of this node", "genie debug node"),
    ("only its tunnels", "genie debug node --only tunnel --only remote"),
    ("of another node, from any machine", "genie debug node --node worker-1"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Findings, NodeReport, DebugFlags, Remote):
    """Which checks, and where everything is."""

    node: str = options.node("The node. Default: this one.")
    runtime_config: str = options.runtime_config()


def run(flags: Flags) -> int:
    """Finds faults that concern every pod of this node: kernel limits, tunnels, firewall, files, leases, leftovers.

    It sends no packet and changes nothing. For a single pod there is `genie debug pod`. With another node's name it
    runs there; --here examines this machine by that name.
    """
    if flags.list_checks:
        return show_checks((*checks(), *FILES), flags.output)
    access = wiring.access(flags)
    if _is_elsewhere(flags, access):
        return run_on_node(NodeCommand(node=flags.node, command="debug node", flags=flags), access)
    wiring.warn_of_missing(flags)
    with Progress() as progress:
        report = debug_node(completed(flags, access), progress)
    show_report(report, flags.output)
    return exit_of(report, flags.fail_on)


def _is_elsewhere(flags: Flags, access: Access) -> bool:
    """Whether --node is another machine. Where that is not known, this machine is examined, with a note.

    Raises GenieError for a node that does not exist, and for what cannot be the name of one.
    """
    if flags.objects_file:  # no API server is to be asked
        return False
    try:
        return not wiring.is_here(flags, access)
    except GenieError as error:
        is_about_flags = access != Access() or isinstance(error, NotFound | WrongUsage)
        if is_about_flags and not isinstance(error, APIError):
            raise
        note(
            f"warning: whether this machine is node {flags.node} is not known, and it is examined by that name: "
            f"{error.msg}"
        )
        return False
