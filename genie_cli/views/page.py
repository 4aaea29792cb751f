"""A diagnosis as one HTML file: the verdict, the picture of the paths, the findings, what was checked."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from genie_cli.render import Cell
from genie_cli.views.debug import about, verdict
from genie_cli.views.drawing import svg
from genie_cli.views.html import dim, document, table, text
from genie_cli.views.layout import Track
from genie_core.findings import CheckResult, Finding, Status, summary_line
from genie_core.tasks.debug.report import DiagnosisReport


def page(report: DiagnosisReport, tracks: Sequence[Track]) -> str:
    """The document; `tracks` are the conversations to draw."""
    title = title_of(report)
    body = [
        f"<header><h1>{text(title)}</h1>{_verdict(report)}</header>",
        "<main>",
        *_about(report),
        *_picture(title, tracks),
        *findings_of(report.findings),
        *checks_of(report.checks),
        "</main>",
    ]
    return document(title, body, report.facts.time)


def title_of(report: DiagnosisReport) -> str:
    """What the report is about."""
    facts = report.facts
    about = f"Pod {facts.namespace}/{facts.pod_name}" if facts.pod_name else "Node"
    return f"{about} on {facts.node_name}" if facts.pod_name else f"Node {facts.node_name}"


def _verdict(report: DiagnosisReport) -> str:
    """Why there is no diagnosis or no whole one, else the root cause in one line; then what was found at all."""
    words, tone = verdict(report, with_reasons=True)
    lines = [f'<p class="warning">{text(report.reason)}</p>'] if report.reason else []
    lines += [f'<p class="{"good" if tone == "good" else "warning"}">{text(words)}</p>'] if words else []
    for first in [finding for finding in report.findings if not finding.consequence_of][:1]:
        severity = first.severity.value
        lines.append(
            f'<p class="{severity}"><strong>{severity}: {text(first.title)}</strong> ({first.code})</p>'
        )
    return "".join([*lines, dim(summary_line(report.findings, report.checks))])


def _about(report: DiagnosisReport) -> Iterator[str]:
    if rows := [(name, value.text if isinstance(value, Cell) else value) for name, value in about(report)]:
        yield f"<h2>{'Pod' if report.facts.pod_name else 'Node'}</h2>"
        yield table((), rows)


def _picture(title: str, tracks: Sequence[Track]) -> Iterator[str]:
    if tracks:
        yield f"<h2>Path</h2>\n<figure>{svg(f'Paths of packets: {title}', tracks)}</figure>"
        states = [
            (track.target, "blocked" if track.stop is not None else "open", track.code) for track in tracks
        ]
        yield table(("To", "State", "Cause"), states)


def findings_of(findings: Sequence[Finding]) -> Iterator[str]:
    """An article for each."""
    if findings:
        yield "<h2>Findings</h2>"
    for number, finding in enumerate(findings, 1):
        severity = finding.severity.value
        yield f'<article id="finding-{number}">'
        yield (
            f'<h3>{number}. <span class="{severity}">{severity}</span> '
            f"<code>{finding.code}</code> {text(finding.title)}</h3>"
        )
        if finding.consequence_of:
            yield dim(f"follows from {finding.consequence_of}")
        if str(finding.object):
            yield dim(str(finding.object))
        yield from _evidence(finding)
        yield from _remedy(finding)
        yield dim(f"genie explain {finding.code} says more")
        yield "</article>"


def _evidence(finding: Finding) -> Iterator[str]:
    for fact in finding.evidence:
        shown = f"$ {fact.command}\n{fact.value}" if fact.command else fact.value
        yield f'<p class="dim">{text(fact.source)}</p><pre>{text(shown)}</pre>'


def _remedy(finding: Finding) -> Iterator[str]:
    if finding.remedy is None:
        return
    yield f"<p><strong>Remedy:</strong> {text(finding.remedy.text)}</p>"
    for place in ("node", "pod"):
        lines = [shlex.join(command.argv) for command in finding.remedy.commands if command.netns == place]
        if lines:
            where = "On the node" if place == "node" else "In the pod's network namespace"
            yield f'<p class="dim">{where}:</p><pre>{text(chr(10).join(lines))}</pre>'
    if finding.remedy.risk:
        yield f'<p class="warning">Risk: {text(finding.remedy.risk)}</p>'


def checks_of(checks: Sequence[CheckResult]) -> Iterator[str]:
    """How many ran, and by reason those that did not."""
    counts = Counter(check.status for check in checks)
    words = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    if not words:
        return
    yield f"<h2>Checks</h2><p>{words}</p>"
    reasons: dict[str, list[str]] = {}
    for check in checks:
        if check.status in (Status.SKIP, Status.ERROR):
            reasons.setdefault(check.reason or check.status.value, []).append(check.id)
    if reasons:
        yield table(("Not run", "Why"), [(", ".join(ids), reason) for reason, ids in reasons.items()])
