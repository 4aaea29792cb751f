"""`genie policy explain`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from genie_cli import candidates, options, wiring
from genie_cli.flags import argument, flag
from genie_cli.policy_flags import Objects, known, warn_without_engine
from genie_cli.render import emit
from genie_cli.views.policy import verdict_view
from genie_core.tasks.pods import object_name
from genie_core.tasks.policy.counters import live_counters, no_counters
from genie_core.tasks.policy.verdict import PolicyVerdict, explain

EXAMPLES = [
    ("every rule about a pod", "genie policy explain shop/web-0"),
    ("whether it may connect to the database", "genie policy explain shop/web-0 --to shop/db-0:5432"),
    ("whether an address may connect to it", "genie policy explain shop/db-0 --from 10.1.0.9 --to :5432/TCP"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(Objects, options.Namespace, options.Report):
    """Which pod, and which connection of it."""

    pod: str = argument("POD", "NAMESPACE/NAME, or NAME with -n.", default=..., complete=candidates.pods)
    source: str = flag(
        "--from A", "The client: an address or NAMESPACE/NAME. Default: the pod.", complete=candidates.pods
    )
    target: str = flag(
        "--to B[:PORT[/PROTO]]",
        "The server and its port; without a port a ping. Default: the pod.",
        complete=candidates.pods,
    )


def run(flags: Flags) -> int:
    """Shows which policy allows or denies a connection of a pod, rule by rule, with the counters of this node.

    Both ends are judged: what the client may send and what the server may accept. For an end that is a pod, these are
    the networks that both have. The verdict is allow, deny, or not-enforced where a policy denies it and nothing here
    can enforce that. Without --from and --to it lists the rules of all networks of the pod.
    """
    cluster, name = known(flags)
    wanted = object_name(flags.pod, flags.namespace, wiring.access(flags))
    counters = no_counters if flags.objects_file else live_counters()
    report = explain(cluster, name, wanted, flags.source, flags.target, counters)
    warn_without_engine(flags, cluster, name)
    emit(report, flags.output, verdict_view, _names)
    return 0


def _names(report: PolicyVerdict) -> Iterable[str]:
    """The policies whose rules are listed, each once."""
    return dict.fromkeys(f"{rule.policy.kind}/{rule.policy}" for rule in report.rules)
