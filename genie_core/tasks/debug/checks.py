"""From facts to a report: the checks, their ranking, and what the checks of the node's files add."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from genie_core.checks import plugins, rank, runner, services
from genie_core.checks.check import Check
from genie_core.checks.pod_leases import GN1301
from genie_core.checks.registry import FILES, NETWORK
from genie_core.checks.runner import Selection, selection
from genie_core.errors import GenieError
from genie_core.findings import CheckResult, Finding, Status
from genie_core.net.case import Case
from genie_core.net.target import aim
from genie_core.survey import cluster
from genie_core.survey.facts import Facts
from genie_core.tasks.debug.question import DebugOptions
from genie_core.tasks.debug.report import DiagnosisReport
from genie_core.tasks.discover import DiscoverOptions, discover

FROM_POD = ("gateway", "node", "peer", "remote", "service", "dns")  # the roles of probes that the pod sends


def choose(question: DebugOptions, checks: Sequence[Check]) -> Selection:
    """What --only and --skip choose of these checks and of those of the node's files. Raises GenieError."""
    return selection(question.only, question.skip, (*checks, *FILES))


def diagnose(facts: Facts, question: DebugOptions, chosen: Selection, until: float = inf) -> DiagnosisReport:
    """Checks over facts, pure but for the clock: at `until` (monotonic seconds) those that are left are skipped."""
    started = time.perf_counter()
    model = Case(facts)
    if question.to:
        target = aim(model, question.to)
        model = model.narrow(target.flows())
    host_network = cluster.pod(facts.pod_object).host_network
    checks = [c for c in NETWORK if not host_network or "pod" not in c.needs]
    findings, outcomes = runner.run(model, checks, chosen, until)
    walks = model.walks if facts.pod is not None else []
    ways: dict[str, tuple[str, ...]] = {}
    for walk in walks:
        if not walk.flow.inbound and walk.steps and walk.flow.role != "peer":
            ways.setdefault(f"{walk.flow.role}: {walk.flow.name or walk.flow.target}", tuple(walk.steps))
    dead, unreached = _dead_services(findings), _unreached(facts)
    hit = {
        f"{w.flow.role}: {w.flow.name or w.flow.target}"
        for w in walks
        if w.flow.target in unreached
        or (w.flow.role == "service" and w.flow.name in dead)
        or (
            any(b.chance > 0.5 for b in w.blocks)
            and (w.flow.general or w.flow.role == "service" or model.narrowed)
        )
    }
    return DiagnosisReport(
        facts=facts,
        findings=tuple(findings),
        checks=tuple(outcomes),
        milliseconds=since(started),
        late=time.monotonic() > until,
        state="host-network" if host_network else "diagnosed",
        reason="the pod uses the node's own network" if host_network else "",
        ways=ways,
        blocked=tuple(sorted(hit & ways.keys())),
    )


def _dead_services(findings: Sequence[Finding]) -> set[str]:
    """The services that a finding is about: no translation, only dead endpoints, or none."""
    about = [f for f in findings if f.code in services.DEAD and f.object.kind == "service"]
    return {name for f in about for name in (f.object.name, *f.affects)}


def _unreached(facts: Facts) -> set[str]:
    """Where the pod's own probes came to no host: the kernel, or a router, said that there is no way."""
    return {p.target for p in facts.probes if p.result in ("unreachable", "no route") and p.role in FROM_POD}


def merged(network: Sequence[Finding], files: Sequence[Finding]) -> list[Finding]:
    """All findings, causes first.

    Leaked leases are named once: by the check of the files, which knows the runtime's records, where both found them.
    """
    leaked = any(f.code == GN1301 for f in files)
    return rank.ranked(plugins.with_loopback([f for f in network if not leaked or f.code != GN1301], files))


def since(started: float) -> float:
    """Milliseconds since a moment of the performance counter."""
    return (time.perf_counter() - started) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class OfFiles:
    """What the checks of the node's files gave; `denied` says what this user had no right to read of theirs."""

    findings: tuple[Finding, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    denied: tuple[str, ...] = ()


def node_files(question: DebugOptions, chosen: Selection) -> OfFiles:
    """The checks of the node's files, which `genie discover` runs too."""
    if not question.files or not chosen.of(FILES):
        return OfFiles()
    options = DiscoverOptions(
        root=question.root,
        conf_dirs=(question.conf_dir,) if question.conf_dir else (),
        bin_dirs=question.bin_dirs,
        state_dir=question.state_dir,
        ipam_dir=question.ipam_dir,
        cache_dir=question.cache_dir,
        cri_socket=question.cri_socket,
        runtime_config=question.runtime_config,
        kubeconfig=question.access.kubeconfig,
        node=question.node,
        api=False,
        unasked="`genie discover` asks the API server of Genie's configuration",
    )
    try:
        found = discover(options, chosen)
    except (GenieError, OSError) as error:
        return OfFiles(checks=(CheckResult(id="files", status=Status.ERROR, reason=str(error)),))
    findings = list(found.findings)
    if any(check.id == "plugin-missing" for check in found.checks):
        findings += plugins.without_loopback(found.facts)
    return OfFiles(findings=tuple(findings), checks=tuple(found.checks), denied=tuple(found.denied))
