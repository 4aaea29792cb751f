"""`genie discover`: what this node will really do for a pod's network, and what is wrong with it. Read only."""

from __future__ import annotations

import re
from time import perf_counter

from ...errors import EXIT_USAGE, GenieError
from ...findings import ordered
from ...nodecheck.checks import CHECKS, NodeCheck, run_checks
from .gather import gather
from .places import DiscoverOptions
from .report import NodeReport

__all__ = ["DiscoverOptions", "NodeReport", "discover", "select_checks"]


def discover(options: DiscoverOptions, *, only: str = "", skip: str = "") -> NodeReport:
    """Look at the node. `only` and `skip` are regular expressions over check ids. Raises GenieError for a bad one."""
    started = perf_counter()
    checks = select_checks(only, skip)
    facts, pods = gather(options)
    findings, outcomes = run_checks(facts, checks)
    return NodeReport(
        facts=facts,
        findings=ordered(findings),
        checks=outcomes,
        pods=pods,
        ms=(perf_counter() - started) * 1000,
    )


def select_checks(only: str, skip: str) -> list[NodeCheck]:
    """The checks whose ids match `only` and not `skip`."""
    try:
        wanted, unwanted = re.compile(only), re.compile(skip or r"(?!)")
    except re.error as error:
        raise GenieError(
            f"--only or --skip is no regular expression: {error}", exit_code=EXIT_USAGE
        ) from None
    return [check for check in CHECKS if wanted.search(check.id) and not unwanted.search(check.id)]
