"""`genie discover`: what this node does for a pod's network, and what is wrong with it; `report` says it. Read only."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from genie_core.checks import runner
from genie_core.checks.rank import ranked
from genie_core.checks.registry import FILES
from genie_core.checks.runner import EVERYTHING, Selection, refused
from genie_core.survey.collection import Collection
from genie_core.survey.places import Places
from genie_core.survey.survey import API_SECONDS, DISCOVER, Part, survey
from genie_core.tasks.discover.report import NodeReport

__all__ = ["DiscoverOptions", "NodeReport", "discover"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverOptions(Places):
    """Where to look, and what to ask.

    `probe` runs the plugins for VERSION and STATUS; `api` asks Genie's API server, within `timeout` seconds.
    """

    probe: bool = True
    api: bool = True
    timeout: float = API_SECONDS


def discover(options: DiscoverOptions, chosen: Selection = EVERYTHING) -> NodeReport:
    """The node, judged by the chosen ones of its checks. Raises NotFound where its root does not exist."""
    started = perf_counter()
    wanted, todo = DISCOVER, Collection()
    if not options.probe:
        wanted &= ~Part.ANSWERS
        todo.missing["probe"] = "--no-probes"
    if not options.api:
        wanted &= ~Part.API
        todo.missing["api"] = "--no-api"
    facts = survey(options, wanted, todo, options.timeout)
    findings, outcomes = runner.run(facts, FILES, chosen)
    return NodeReport(
        facts=facts,
        findings=ranked(findings),
        checks=outcomes,
        denied=refused((facts.missing[name] for name in sorted(facts.denied)), outcomes),
        ms=(perf_counter() - started) * 1000,
    )
