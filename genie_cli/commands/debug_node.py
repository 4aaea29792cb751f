"""`genie debug node`."""

from __future__ import annotations

from pathlib import Path

from genie_cli import debug_flags as flags
from genie_cli import options, wiring
from genie_cli.options import FailOn
from genie_cli.progress import Progress
from genie_core.checks.registry import FILES
from genie_core.survey.records import CACHE_DIR, IPAM_DIR
from genie_core.tasks.debug.node import checks, debug_node
from genie_core.tasks.debug.question import SECONDS

EXAMPLES = [
    ("what is wrong for all pods of this node", "genie debug node"),
    ("only its tunnels", "genie debug node --only tunnel --only remote"),
]


def run(
    objects_file: flags.ObjectsFile = "",
    only: options.Only = None,
    skip: options.Skip = None,
    list_checks: options.ListChecks = False,
    fail_on: options.FailOnOption = FailOn.ERROR,
    conf_dir: flags.ConfDir = "",
    bin_dir: options.BinDirs = None,
    state_dir: flags.StateDir = "",
    ipam_dir: flags.IpamDir = IPAM_DIR,
    cache_dir: flags.CacheDir = CACHE_DIR,
    runtime_config: flags.RuntimeConfig = "",
    cri_socket: options.CRISocket = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
    node: options.NodeName = "",
    root: options.Root = Path("/"),
    timeout: options.Timeout = SECONDS,
    output: flags.Output = flags.ReportFormat.TABLE,
) -> int:
    """Says what is wrong for every pod of this node: kernel limits, tunnels, firewall, files, leases, leftovers.

    It sends no packet and changes nothing. What concerns one pod is `genie debug pod`.
    """
    if list_checks:
        return flags.show_checks((*checks(), *FILES), output)
    access = wiring.access(kubeconfig, context)
    asked = flags.question(
        ("", ""),
        node=node,
        bin_dirs=bin_dir,
        only=only,
        skip=skip,
        access=access,
        timeout=timeout,
        root=root,
        conf_dir=conf_dir,
        state_dir=state_dir,
        ipam_dir=ipam_dir,
        cache_dir=cache_dir,
        runtime_config=runtime_config,
        cri_socket=cri_socket,
        objects_file=objects_file,
    )
    with Progress() as progress:
        report = debug_node(asked, progress)
    flags.show_report(report, output)
    return flags.exit_of(report, fail_on)
