"""`genie debug pod`: what is wrong with this pod's network. Facts, probes, checks, ranking; nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from genie_core.checks import kubernetes_reports, probe_plan, registry
from genie_core.errors import InvalidNetns, NotFound
from genie_core.net.case import Case
from genie_core.net.target import aim, parse_target
from genie_core.survey import api, cluster, netlink, probe
from genie_core.survey.collection import TIME_IS_UP, Collection
from genie_core.survey.facts import Probe
from genie_core.survey.kernel import Link
from genie_core.survey.rootfs import Root
from genie_core.tasks.debug.checks import diagnose, target_of
from genie_core.tasks.debug.diagnosis import Diagnosis
from genie_core.tasks.debug.location import elsewhere, find_netns, not_known, require_records, why
from genie_core.tasks.debug.options import DebugOptions
from genie_core.tasks.debug.report import DiagnosisReport

PROBE_SECONDS = 15.0


def debug_pod(options: DebugOptions, announce: Callable[[str], None]) -> DiagnosisReport:
    """The diagnosis. `announce` gets each step and each probe before it is made.

    Raises NotFound where the pod does not exist, Denied where this user may not look for it, InvalidConfig for an
    unusable file or flag.
    """
    if options.to:
        parse_target(options.to, options.namespace)
    diagnosis = Diagnosis(options, registry.NETWORK)
    announce("reading the node and the pod")
    diagnosis.begin()
    answers = diagnosis.answers()
    state, reason = elsewhere(options, answers, diagnosis.node_name(answers.objects))
    if state:
        return diagnosis.elsewhere(state, reason, answers)
    netns = find_netns(diagnosis, answers.pod)
    if not netns and not cluster.pod(answers.pod).host_network:
        if not diagnosis.todo.late:
            return _without_sandbox(diagnosis, answers)
        diagnosis.todo.missing["pod"] = TIME_IS_UP
    try:
        facts = diagnosis.facts(netns, answers)
    except InvalidNetns as error:
        raise NotFound(error.msg, hint="look at --netns" if options.netns else error.hint) from None
    case = target_of(Case(facts), options)
    probes, problem = _probe(case, options, announce, diagnosis.todo)
    missing = facts.missing | ({"probes": problem} if problem else {})
    case = case.probed(replace(facts, probes=probes, missing=missing))
    return diagnosis.complete(diagnose(case, diagnosis.chosen, diagnosis.until))


def _without_sandbox(diagnosis: Diagnosis, answers: api.Answers) -> DiagnosisReport:
    """The report for a pod without a sandbox.

    Raises NotFound where Kubernetes does not explain it, Denied where this user may not read the sources of namespaces.
    """
    pod = diagnosis.options.pod
    if cluster.pod(answers.pod).phase == "Pending":
        cause = why(answers.pod)
        said = f" ({cause})" if cause != "Pending" else ""
        unasked = " (the container runtime could not be asked)" if "runtime" in diagnosis.todo.missing else ""
        reason = f"pod {pod} is Pending{said}: it has no sandbox on this node yet{unasked}"
    else:
        reason = f"pod {pod} has no sandbox on this node: {_not_found(diagnosis)}"
    if kubernetes_reports.refused(answers.events):
        return diagnosis.unmade(reason, answers)
    require_records(diagnosis, f"debug pod {pod}")
    if cluster.pod(answers.pod).phase == "Pending":
        return diagnosis.elsewhere("no-sandbox", reason, answers)
    raise not_known(diagnosis, answers, reason)


def _not_found(diagnosis: Diagnosis) -> str:
    if any(sandbox.pod == diagnosis.options.pod for sandbox in diagnosis.survey.recorded.sandboxes or ()):
        return "the runtime has only ended ones of it"
    return "neither the runtime nor Genie's state nor the CNI cache knows it"


def _probe(
    case: Case, options: DebugOptions, announce: Callable[[str], None], todo: Collection
) -> tuple[tuple[Probe, ...], str]:
    """The probes' outcomes, with how far each tunnel's counters moved meanwhile, and why some are missing."""
    if not options.probes:
        return (), "--no-probes"
    if case.facts.pod is None:
        return (), ""
    planned = aim(case, options.to).probes(case.facts.netns_path) if options.to else probe_plan.standard(case)
    root = Root(options.root)
    wanted = [replace(ask, netns=root.real(ask.netns)) if ask.netns else ask for ask in planned]
    if not wanted:
        return (), ""
    tunnels = {link.name for link in case.tunnels}
    before = _links() if tunnels else {}
    outcomes = probe.run(wanted, announce, min(todo.until, time.monotonic() + PROBE_SECONDS))
    problem = ""
    if len(outcomes) < len(wanted):
        todo.late |= not todo.left
        problem = f"{len(wanted) - len(outcomes)} of {len(wanted)} had not ended in time"
    after = _links() if tunnels else {}
    moved = [
        Probe(
            kind="count", target=name, role=f"tunnel {name}", result="ok",
            sent=after[name].tx - before[name].tx, received=after[name].rx - before[name].rx,
        )
        for name in sorted(tunnels)
        if name in before and name in after
    ]  # fmt: skip
    return (*outcomes, *moved), problem


def _links() -> dict[str, Link]:
    with netlink.open_netlink() as kernel:
        return {link.name: link for link in netlink.links(kernel)}
