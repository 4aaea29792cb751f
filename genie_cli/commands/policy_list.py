"""`genie policy list`."""

from __future__ import annotations

from dataclasses import dataclass

from genie_cli import options, wiring
from genie_cli.policy_flags import Objects, known, warn_without_engine
from genie_cli.render import emit
from genie_cli.views.policy import list_view
from genie_core.tasks.pods import context_namespace
from genie_core.tasks.policy.listing import list_policies

EXAMPLES = [
    ("the policies of all namespaces, and what they select on this node", "genie policy list -A"),
    ("those of files", "genie policy list --objects-file cluster.yaml -n shop"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(Objects, options.Namespace, options.Report):
    """Which policies."""

    all_namespaces: bool = options.all_namespaces()


def run(flags: Flags) -> int:
    """Lists the policies between networks, the pods that they select on this node, and where each is enforced.

    A policy is enforced on the host (bridges, ptp), in the pod's own namespace (macvlan, ipvlan, SR-IOV, other
    plugins), or nowhere, with the reason. The exit code is 1 if a policy has an error.
    """
    options.refuse_both(flags.all_namespaces, flags.namespace)
    cluster, name = known(flags)
    everywhere = flags.all_namespaces or flags.objects_file
    namespace = flags.namespace or ("" if everywhere else context_namespace(wiring.access(flags)))
    report = list_policies(cluster, name, namespace)
    warn_without_engine(flags, cluster, name)
    emit(report, flags.output, list_view, lambda found: [f"{row.name.kind}/{row.name}" for row in found.rows])
    return report.exit_code
