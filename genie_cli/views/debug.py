"""The layout of a diagnosis: the verdict, the findings, the paths of packets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from genie_cli.render import Block, Cell, Fields, Heading, Pair, Table, Text, Tone
from genie_cli.views.findings import findings_alone, findings_view, is_whole, summary_view
from genie_core.findings import Status
from genie_core.survey.kernel import Netns
from genie_core.tasks.debug.report import DiagnosisReport


def view(report: DiagnosisReport, wide: bool) -> Iterator[Block]:
    """The verdict and the findings, the pod, the paths, the summary; `wide` adds the probes and the events."""
    facts = report.facts
    if report.state in ("not-here", "no-sandbox"):
        yield Text(report.reason, "warn")
        yield from _events(report) if wide else ()
        if report.findings:
            yield from findings_view(report.findings, report.checks, wide=wide)
        return
    title = f"{facts.namespace}/{facts.pod_name} on" if facts.pod_name else "node"
    yield Heading(f"{title} {facts.node_name}")
    if report.reason:
        yield Text(report.reason, "dim")
    words, tone = verdict(report, with_reasons=wide)
    yield from (Text(words, tone),) if words else ()
    yield from findings_alone(report.findings, wide=wide)
    if pairs := about(report):
        yield Heading("Pod" if facts.pod_name else "Node")
        yield Fields(pairs)
    if report.ways:
        yield Heading("Path")
        yield Table(("TO", "BY", ""), [_way(report, target) for target in report.ways], fold=("BY",))
    if wide:
        yield from _probes(report)
        yield from _events(report)
    yield Text("")
    yield from summary_view(report.findings, report.checks, wide=wide)


def verdict(report: DiagnosisReport, *, with_reasons: bool) -> tuple[str, Tone]:
    """What was found, in a line, where it is not the first finding that says it; "" where that does.

    `with_reasons`: why checks did not run is shown below it.
    """
    if report.late:
        return "timed out (--timeout) before everything was read and checked", "warn"
    if not report.findings and is_whole(report.checks):
        return _nothing_found(report, with_reasons=with_reasons), "good"
    return "", ""


def _nothing_found(report: DiagnosisReport, *, with_reasons: bool) -> str:
    """The verdict without a finding: it covers only the checks that ran."""
    left_out = sum(check.status is Status.SKIP for check in report.checks)
    if report.chosen:
        return "the chosen checks found nothing wrong"
    if left_out:
        why = "see below" if with_reasons else "-o wide shows"
        return f"the checks that ran found nothing wrong; {why} why {left_out} could not run"
    return "nothing on this node is wrong with the pod's network"


def about(report: DiagnosisReport) -> list[Pair]:
    """Why the API server was not read, the namespace, and the pod's interfaces."""
    facts = report.facts
    known_by = f" (source: {report.source})" if report.source else ""
    pairs: list[Pair] = []
    if unread := _unread(facts.missing):
        pairs.append(("API server", Cell(unread, "warn")))
    if facts.netns_path:
        pairs.append(("namespace", f"{facts.netns_path}{known_by}"))
    return [*pairs, *_interfaces(facts.pod or Netns())]


def _unread(missing: Mapping[str, str]) -> str:
    """Why nothing, or not everything, was read from the API server; "" where all was."""
    if "objects" in missing:
        return f"not read: {missing['objects']}"
    kinds = [why for source, why in missing.items() if source.startswith("objects: ")]
    return f"not all was read: {kinds[0]}" if kinds else ""


def _interfaces(pod: Netns) -> Iterator[tuple[str, str]]:
    """The pod's interfaces but lo: the name, and its addresses, MTU and state in words."""
    for link in (link for link in pod.links if link.name != "lo"):
        own = (a for a in pod.addresses if a.index == link.index and a.scope not in ("link", "host"))
        held = ", ".join(a.cidr for a in own) or "no address"
        yield link.name, f"{held}, mtu {link.mtu}{'' if link.up else ', DOWN'}"


def _probes(report: DiagnosisReport) -> Iterator[Block]:
    if report.facts.probes:
        yield Heading("Probes")
        rows = [
            (
                p.kind,
                f"{p.target}{f':{p.port}' if p.port else ''} ({p.role})",
                f"{p.result} {p.received}/{p.sent}",
            )
            for p in report.facts.probes
        ]
        yield Table(("PROBE", "TARGET", "RESULT"), rows)


def _events(report: DiagnosisReport) -> Iterator[Block]:
    if report.facts.events:
        yield Heading("Events")
        rows = [
            (event.last, f"{event.kind} {event.name}", event.reason, event.message)
            for event in report.facts.events
        ]
        yield Table(("LAST", "OBJECT", "REASON", "MESSAGE"), rows, fold=("MESSAGE",))


def _way(report: DiagnosisReport, target: str) -> tuple[str | Cell, ...]:
    blocked = target in report.blocked
    return (
        target,
        " > ".join(report.ways[target]),
        Cell("blocked", "bad") if blocked else Cell("open", "good"),
    )
