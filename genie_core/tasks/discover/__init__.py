"""`genie discover`: what this node will really do for a pod's network, and what is wrong with it. Read only."""

from __future__ import annotations

from time import perf_counter

from genie_core.checks import runner
from genie_core.checks.registry import FILES
from genie_core.checks.runner import EVERYTHING, Selection, refused
from genie_core.findings import ordered
from genie_core.survey.node import gather
from genie_core.survey.places import DiscoverOptions
from genie_core.tasks.discover.report import NodeReport

__all__ = ["DiscoverOptions", "NodeReport", "discover"]


def discover(options: DiscoverOptions, chosen: Selection = EVERYTHING) -> NodeReport:
    """Look at the node, with the chosen ones of its checks. Raises NotFound where its root does not exist."""
    started = perf_counter()
    facts, pods = gather(options)
    findings, outcomes = runner.run(facts, FILES, chosen)
    return NodeReport(
        facts=facts,
        findings=ordered(findings),
        checks=outcomes,
        pods=pods,
        denied=refused((facts.missing[name] for name in sorted(facts.denied)), outcomes),
        ms=(perf_counter() - started) * 1000,
    )
