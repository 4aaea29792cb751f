"""`genie networks`."""

from __future__ import annotations

from dataclasses import dataclass

from genie_cli import candidates, options, wiring
from genie_cli.flags import argument
from genie_cli.progress import Progress
from genie_cli.render import emit
from genie_cli.views.status import networks_view
from genie_core.tasks.pods import parse_name
from genie_core.tasks.status.look import network_list

EXAMPLES = [
    ("all networks, with their pods and addresses", "genie networks"),
    ("who uses one, and which workloads a change would affect", "genie networks shop/blue"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Cluster, options.Report):
    """Which networks."""

    namespace: str = options.namespace("Only the networks and pods of this namespace; also that of NETWORK.")
    all_namespaces: bool = options.all_namespaces("All namespaces, as without -n.")
    network: str = argument(
        "NETWORK", "NAMESPACE/NAME of a definition, or a name of the nodes'.", complete=candidates.definitions
    )
    timeout: float = options.timeout(60.0)


def run(flags: Flags) -> int:
    """Lists the cluster's networks: NetworkAttachmentDefinitions, logical networks, and names that pods ask for.

    Of one network it shows the pods with their addresses, the workloads that a change of the definition would
    affect, and other networks with its addresses. It asks the API server alone. The exit code is 3 if there is no such
    network, 5 where something could not be read: it is named, 124 after --timeout.
    """
    options.refuse_both(flags.all_namespaces, flags.namespace)
    name = flags.network
    if "/" in name:
        name = "/".join(parse_name(name, flags.namespace, "network"))
    elif name and flags.namespace:
        name = f"{flags.namespace}/{name}"
    with Progress() as progress, wiring.timed(flags.timeout), wiring.api(flags, flags.timeout) as api:
        report = network_list(api, progress, name=name, namespace="" if name else flags.namespace)
    emit(report, flags.output, networks_view, lambda found: [one.name for one in found.networks])
    return report.exit_code
