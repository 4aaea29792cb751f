"""`genie status`."""

from __future__ import annotations

import time
from dataclasses import dataclass

from genie_cli import options, wiring
from genie_cli.flags import switch
from genie_cli.progress import Progress
from genie_cli.render import emit
from genie_cli.views.status import view
from genie_core.tasks.status.look import cluster_status, wait_until_ready

EXAMPLES = [
    ("the whole cluster on one screen", "genie status"),
    ("after an upgrade: wait for it, then look", "genie status --wait --timeout 5m"),
    ("the pods that lack networks that they ask for", "genie status -n shop -o name"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Cluster, options.Report):
    """The part of the cluster to look at."""

    namespace: str = options.namespace("Only the pods and definitions of this namespace.")
    all_namespaces: bool = options.all_namespaces("All namespaces, as without -n.")
    node: str = options.node("Only this node and its pods.")
    wait: bool = switch("--wait", "First wait until Genie's DaemonSets are rolled out, at most --timeout.")
    timeout: float = options.timeout(60.0)


def run(flags: Flags) -> int:
    """Shows the networks of a whole cluster: faults, Genie's DaemonSets, nodes, networks, pods.

    It asks the API server alone, from anywhere, and changes nothing. Nodes report through their conditions and
    annotations where `genie agent` runs; of others only the readiness of Genie's pods is known. It lists pods that wait
    for a network, that have other networks than they ask for now, or that name one that does not exist. It needs the
    ClusterRole genie-status; requests that are not allowed are left out and named. The exit code is 1 where something
    is wrong, 5 where something could not be read, 124 after --timeout, also where the DaemonSets
    are not ready then.
    """
    options.refuse_both(flags.all_namespaces, flags.namespace)
    with Progress() as progress, wiring.timed(flags.timeout), wiring.api(flags, flags.timeout) as api:
        if flags.wait:
            wait_until_ready(api, progress, flags.timeout)
        report = cluster_status(api, progress, namespace=flags.namespace, node=flags.node, now=time.time())
    emit(report, flags.output, view, lambda found: [one.pod for one in found.pod_problems])
    return report.exit_code
