"""`genie discover`: what this node will really do for a pod's network, and what is wrong with it. Read only."""

from __future__ import annotations

from time import perf_counter

from ...checking import EVERYTHING, Selection
from ...findings import ordered
from ...nodecheck.checks import CHECKS, run_checks
from .gather import gather
from .places import DiscoverOptions
from .report import NodeReport

__all__ = ["DiscoverOptions", "NodeReport", "discover"]


def discover(options: DiscoverOptions, chosen: Selection = EVERYTHING) -> NodeReport:
    """Look at the node, with the chosen ones of its checks. Raises NotFound where its root does not exist."""
    started = perf_counter()
    facts, pods = gather(options)
    findings, outcomes = run_checks(facts, chosen.of(CHECKS), chosen)
    return NodeReport(
        facts=facts,
        findings=ordered(findings),
        checks=outcomes,
        pods=pods,
        ms=(perf_counter() - started) * 1000,
    )
