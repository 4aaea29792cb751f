"""From facts to a report: the checks, run once, their findings ranked once, and the paths of the pod's packets."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from genie_core.checks import rank, runner, services
from genie_core.checks.check import Check
from genie_core.checks.registry import FILES, NETWORK
from genie_core.checks.runner import EVERYTHING, Selection, refused, selection
from genie_core.findings import CheckResult, Finding, Severity
from genie_core.net.case import Case
from genie_core.net.egress import past_node
from genie_core.net.hops import path_of
from genie_core.net.target import aim
from genie_core.net.traces import Walk
from genie_core.survey import cluster
from genie_core.survey.facts import Facts
from genie_core.tasks.debug.options import DebugOptions
from genie_core.tasks.debug.report import DiagnosisReport

FROM_POD = (
    "gateway",
    "node",
    "peer",
    "remote",
    "service",
    "dns",
    "target",
)  # the roles of probes that the pod sends


@dataclass(frozen=True, slots=True, kw_only=True)
class OfFiles:
    """What the checks of the node's files gave, now or where the facts were saved."""

    findings: tuple[Finding, ...] = ()
    checks: tuple[CheckResult, ...] = ()


def choose(options: DebugOptions, checks: Sequence[Check]) -> Selection:
    """What --only and --skip choose of these checks and of those of the node's files. Raises GenieError."""
    return selection(options.only, options.skip, (*checks, *FILES))


def target_of(case: Case, options: DebugOptions) -> Case:
    """The case with the one conversation that --to asks about; the case itself without --to. Raises GenieError."""
    return case.narrow(aim(case, options.to).flows()) if options.to else case


def diagnose(
    case: Case, chosen: Selection, until: float = inf, files: OfFiles | None = None
) -> DiagnosisReport:
    """The diagnosis of a pod. Pure but for the clock: at `until` (monotonic seconds) the remaining checks are skipped.

    `files` is what the checks of the node's files gave before, None to run them.
    """
    host_network = cluster.pod(case.facts.pod_object).host_network
    checks = [check for check in NETWORK if not host_network or "pod" not in check.needs]
    report = judge(case, checks, chosen, until, files)
    stops = _stops(case, until)
    ways, blocked = _ways(case, report.findings, stops)
    return replace(
        report,
        state="host-network" if host_network else "diagnosed",
        reason="the pod uses the node's own network" if host_network else "",
        ways=ways,
        blocked=blocked,
        stops=stops,
        late=report.late or time.monotonic() > until,
    )


def judge(
    case: Case,
    checks: Sequence[Check],
    chosen: Selection,
    until: float = inf,
    files: OfFiles | None = None,
) -> DiagnosisReport:
    """The chosen ones of these checks and of those of the node's files, their findings ranked."""
    started, facts = time.perf_counter(), case.facts
    findings, outcomes = runner.run(case, checks, chosen, until)
    of_files = _of_files(facts, chosen, until) if files is None else files
    results = (*outcomes, *of_files.checks)
    return DiagnosisReport(
        facts=facts,
        findings=tuple(rank.ranked([*_for_pod(case, findings), *of_files.findings])),
        checks=results,
        of_files=of_files.findings,
        file_checks=of_files.checks,
        denied=refused((facts.missing[name] for name in sorted(facts.denied)), results),
        milliseconds=since(started),
        late=time.monotonic() > until,
        chosen=chosen != EVERYTHING,
    )


def _for_pod(case: Case, findings: Sequence[Finding]) -> list[Finding]:
    """The findings; those about the node's own network are warnings for a pod whose frames go past it (macvlan).

    What is wrong with the parent interface, or with a service that the pod asked, concerns this pod too.
    """
    if not case.attachments or not all(past_node(a) for a in case.attachments):
        return list(findings)
    parents = {a.peer.name for a in case.attachments if a.peer}
    return [
        replace(f, severity=Severity.WARNING)
        if f.severity.rank < Severity.WARNING.rank
        and f.object.netns == "node"
        and f.object.kind != "service"
        and f.object.iface not in parents
        else f
        for f in findings
    ]


def _of_files(facts: Facts, chosen: Selection, until: float) -> OfFiles:
    """The checks of the node's files, which `genie discover` runs too."""
    findings, outcomes = runner.run(facts, FILES, chosen, until)
    return OfFiles(findings=tuple(findings), checks=tuple(outcomes))


def _ways(
    case: Case, findings: Sequence[Finding], stops: Mapping[str, int]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """The interfaces that each conversation of the pod crosses, and the conversations that stop on the way."""
    walks = case.walks if case.facts.pod is not None else []
    ways: dict[str, tuple[str, ...]] = {}
    for walk in walks:
        if not walk.flow.inbound and walk.steps and walk.flow.role != "peer":
            ways.setdefault(_conversation(walk), tuple(walk.steps))
    dead, unreached = _dead_services(findings), _unreached(case.facts)
    hit = {
        _conversation(w)
        for w in walks
        if w.flow.target in unreached or (w.flow.role == "service" and w.flow.name in dead)
    }
    return ways, tuple(sorted((hit | stops.keys()) & ways.keys()))


def _stops(case: Case, until: float) -> dict[str, int]:
    """Conversation -> the number of the last hop before what stops most of its packets, or of their answers.

    At `until` (monotonic seconds) the remaining conversations are left out.
    """
    found: dict[str, int] = {}
    for walk in case.walks if case.facts.pod is not None else ():
        if time.monotonic() > until:
            break
        wanted = walk.flow.general or walk.flow.role == "service" or case.narrowed
        last = _last_hop(case, walk) if wanted and walk.steps and not walk.flow.inbound else None
        if last is not None:
            found.setdefault(_conversation(walk), last)
    return found


def _last_hop(case: Case, walk: Walk) -> int | None:
    """The number of that hop among the walk's steps; None where nothing stops the packets."""
    hops = path_of(case, walk).hops
    names = {hop.name for hop in hops if hop.state != "unreached"}
    if any(hop.state == "stops" for hop in hops):
        return max((number for number, step in enumerate(walk.steps[:-1]) if step in names), default=0)
    first = next((block for block in walk.blocks if block.chance > 0.5), None)
    if first is None:
        return None
    return max(len(walk.steps) - 2 if first.reply else first.after - 1, 0)


def _conversation(walk: Walk) -> str:
    return f"{walk.flow.role}: {walk.flow.name or walk.flow.target}"


def _dead_services(findings: Sequence[Finding]) -> set[str]:
    """The services that a finding is about: no translation, only dead endpoints, or none."""
    about = [f for f in findings if f.code in services.DEAD and f.object.kind == "service"]
    return {name for f in about for name in (f.object.name, *f.affects)}


def _unreached(facts: Facts) -> set[str]:
    """The targets that the kernel or a router called unreachable when the pod's own probes were sent to them."""
    return {p.target for p in facts.probes if p.result in ("unreachable", "no route") and p.role in FROM_POD}


def since(started: float) -> float:
    """Milliseconds since a moment of the performance counter."""
    return (time.perf_counter() - started) * 1000
