"""`genie trace`: the path of a pod's packets to one target, hop by hop, and with a probe what really happened.

Without a probe no packet is sent: the path is computed from what was read of the node and the pod (`report`).
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from errno import EACCES, EPERM

from genie_core.checks import runner
from genie_core.checks.registry import NETWORK, TRACE
from genie_core.checks.traced import Traced
from genie_core.errors import EXIT_TIMEOUT, Denied, GenieError, InvalidNetns, IOFailure, NotFound, WrongUsage
from genie_core.net.case import Case
from genie_core.net.flows import Flow
from genie_core.net.hops import Path, path_of
from genie_core.net.path import walk
from genie_core.net.target import aim, parse_target
from genie_core.survey import capture, cluster, probe
from genie_core.survey.facts import Facts, Probe
from genie_core.survey.rootfs import Root
from genie_core.survey.survey import PACKET_PATH
from genie_core.tasks.debug.checks import since
from genie_core.tasks.debug.diagnosis import Diagnosis
from genie_core.tasks.debug.location import elsewhere, find_netns, not_known, require_records
from genie_core.tasks.debug.options import DebugOptions
from genie_core.tasks.debug.snapshot import require_pod, saved_facts
from genie_core.tasks.trace.report import TraceReport

__all__ = ["Elsewhere", "TraceOptions", "TraceReport", "trace", "trace_saved"]
ASKED = "DST"  # the argument, in errors
ECHO = {4: "icmp", 6: "ipv6-icmp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOptions(DebugOptions):
    """Which pod, to which target (`to`), and whether to send one `probe`."""

    probe: bool = False


class Elsewhere(NotFound):
    """The pod is on another node, which is named `node`."""

    node = ""


def trace(options: TraceOptions, announce: Callable[[str], None]) -> TraceReport:
    """The path from the pod to the target. Raises Elsewhere, and what `debug_pod` raises."""
    parse_target(options.to, options.namespace, ASKED)
    started = time.perf_counter()
    announce("reading the node and the pod")
    report = _traced(_facts(options), options, started)
    return _probed(report, options, announce, started) if options.probe else report


def trace_saved(file: str, options: TraceOptions) -> TraceReport:
    """The path in saved facts. Raises DecodingFailure for others, NotFound where they are of another pod."""
    if options.probe:
        raise WrongUsage("--from has saved facts: no probe can be sent there")
    started = time.perf_counter()
    with saved_facts(file) as (_, facts):
        require_pod(file, facts, options)
        if facts.pod is None:
            raise NotFound(f"--from {file}: the pod's network namespace is not in these facts")
        return _traced(facts, options, started)


def _traced(facts: Facts, options: TraceOptions, started: float) -> TraceReport:
    case = Case(facts)
    flow = _flow(case, options.to)
    path = path_of(case, walk(case, flow))
    return TraceReport(facts=facts, flow=flow, path=path, milliseconds=since(started))


def _facts(options: TraceOptions) -> Facts:
    diagnosis = Diagnosis(options, NETWORK, PACKET_PATH)
    diagnosis.begin()
    answers = diagnosis.answers()
    state, reason = elsewhere(options, answers, diagnosis.node_name(answers.objects), "trace")
    if state == "not-here":
        error = Elsewhere(reason)
        error.node = cluster.pod(answers.pod).node
        raise error
    if state:
        raise NotFound(reason)
    if cluster.pod(answers.pod).host_network and not options.netns:
        raise NotFound(
            f"pod {options.pod} uses the node's own network: it has no path of its own to the node"
        )
    netns = find_netns(diagnosis, answers.pod)
    if not netns:
        _require_time(diagnosis)
        require_records(diagnosis, f"trace {options.pod} {shlex.quote(options.to)}")
        raise not_known(diagnosis, answers, f"pod {options.pod} has no sandbox on this node")
    try:
        facts = diagnosis.facts(netns, answers)
    except InvalidNetns as error:
        raise NotFound(error.msg, hint="look at --netns" if options.netns else error.hint) from None
    if facts.pod is None or not facts.node.links:
        _require_time(diagnosis)
        unread = "pod" if facts.pod is None else "node"
        raise Denied(
            f"the {unread}'s network could not be read: {facts.missing.get(unread, 'no reason is known')}"
        )
    return facts


def _require_time(diagnosis: Diagnosis) -> None:
    """Raise GenieError where the time was up before everything was read."""
    if diagnosis.todo.late:
        raise GenieError(
            f"the node was not read within {diagnosis.options.timeout:g} s (--timeout)",
            exit_code=EXIT_TIMEOUT,
        )


def _flow(case: Case, target: str) -> Flow:
    """One conversation: without a port it is a ping."""
    flow = aim(case, target, ASKED).flow
    return flow if flow.port else replace(flow, protocol=ECHO[flow.family])


# The probe


def _probed(
    report: TraceReport, options: TraceOptions, announce: Callable[[str], None], started: float
) -> TraceReport:
    flow, path, root = report.flow, report.path, Root(options.root)
    at = [number for number, hop in enumerate(path.hops) if hop.iface]
    taps = [_tap(path, number, root) for number in at]
    kind = flow.protocol if flow.port else "ping"
    ask = probe.Ask(
        kind=kind, target=flow.target, port=flow.port, role="target", netns=root.real(report.facts.netns_path)
    )

    def send() -> Probe:
        done = probe.run([ask], announce, time.monotonic() + 10)
        return done[0] if done else Probe(kind=kind, target=flow.target, role="target", result="timeout")

    try:
        outcome, sightings = capture.watch(taps, send, kind, flow.target, flow.port)
    except OSError as error:
        raise unwatched(error) from None
    by_hop = dict(zip(at, sightings, strict=True))
    seen_at = [by_hop.get(number) for number in range(len(path.hops))]
    return _compared(replace(report, probe=outcome, seen_at=tuple(seen_at), milliseconds=since(started)))


def unwatched(error: OSError) -> Denied | IOFailure:
    """Why interfaces cannot be watched: a missing right, or one of them is gone since it was read."""
    words = f"the interfaces cannot be watched: {error.strerror or error}"
    if error.errno in (EPERM, EACCES):
        return Denied(words, hint="run it as root (CAP_NET_RAW)")
    return IOFailure(words, hint="the pod's network may have changed meanwhile: run it again")


def _tap(path: Path, number: int, root: Root) -> capture.Tap:
    hop = path.hops[number]
    return capture.Tap(netns=root.real(hop.netns) if hop.netns else "", iface=hop.iface)


def _compared(report: TraceReport) -> TraceReport:
    assert report.probe is not None
    facts = replace(report.facts, probes=(report.probe,))
    case = Traced(facts, report.flow, report.path, report.seen_at)
    findings, checks = runner.run(case, TRACE)
    return replace(report, findings=tuple(findings), checks=tuple(checks))
