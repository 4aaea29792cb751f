"""A diagnosis as one HTML file: the verdict, the picture of the paths, the findings, what was checked.

The file needs no script and asks for nothing: it can be mailed, kept, read offline and printed. All text of the report
is escaped; a content policy in the page forbids everything but its own style.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

from genie_cli.terminal import visible
from genie_cli.views.debug import interfaces
from genie_cli.views.drawing import Track, svg
from genie_core.findings import CheckResult, Finding, Status, summary_line
from genie_core.survey.kernel import Netns
from genie_core.tasks.debug.report import DiagnosisReport

_STYLE = """
:root{color-scheme:light dark;--line:#d0d7de;--soft:#f6f8fa;--dim:#57606a;--bad:#cf222e;--warn:#7d4e00;--good:#116329}
@media (prefers-color-scheme:dark){:root{--line:#30363d;--soft:#161b22;--dim:#9198a1;
--bad:#ff7b72;--warn:#e3b341;--good:#56d364}
body{background:#0d1117;color:#e6edf3}}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:76rem;padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}
article{border:1px solid var(--line);border-radius:6px;padding:.8rem 1rem;margin:.8rem 0;break-inside:avoid}
figure{margin:0;overflow-x:auto}figure svg{max-width:none}
pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:.5rem .7rem;margin:.4rem 0;
white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0}
th{font-weight:600;color:var(--dim)}.dim{color:var(--dim)}.fatal,.error{color:var(--bad)}.warning{color:var(--warn)}
.good{color:var(--good)}code{font-size:.9em}
@media print{body{max-width:none;font-size:11pt}figure{overflow:visible}figure svg{width:100%;height:auto}}
"""


def page(report: DiagnosisReport, tracks: Sequence[Track]) -> str:
    """The document; `tracks` are the conversations to draw."""
    title = title_of(report)
    body = [
        f"<header><h1>{_text(title)}</h1>{_verdict(report)}</header>",
        "<main>",
        *_about(report),
        *_picture(title, tracks),
        *_findings(report.findings),
        *_checks(report.checks),
        "</main>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def title_of(report: DiagnosisReport) -> str:
    """What the report is about."""
    facts = report.facts
    about = f"Pod {facts.namespace}/{facts.pod_name}" if facts.pod_name else "Node"
    return f"{about} on {facts.node_name}" if facts.pod_name else f"Node {facts.node_name}"


def _verdict(report: DiagnosisReport) -> str:
    """The root cause in one line; what was found at all in a second."""
    causes = [finding for finding in report.findings if not finding.consequence_of]
    line = summary_line(report.findings, report.checks)
    if not causes:
        words = report.reason or "No check found a fault."
        return f'<p class="{"warning" if report.reason else "good"}">{_text(words)}</p>{_dim(line)}'
    first = causes[0]
    return (
        f'<p class="{first.severity.value}"><strong>{_text(first.severity.value)}: {_text(first.title)}</strong> '
        f"({first.code})</p>{_dim(line)}"
    )


def _about(report: DiagnosisReport) -> Iterator[str]:
    facts = report.facts
    rows = [("namespace", facts.netns_path)] if facts.netns_path else []
    rows += interfaces(facts.pod or Netns())
    if rows:
        yield "<h2>Interfaces</h2>"
        yield _table((), rows)


def _picture(title: str, tracks: Sequence[Track]) -> Iterator[str]:
    if tracks:
        yield f"<h2>Path</h2>\n<figure>{svg(f'Paths of packets: {title}', tracks)}</figure>"
        states = [
            (track.target, "blocked" if track.stop is not None else "open", track.code) for track in tracks
        ]
        yield _table(("To", "State", "Cause"), states)


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    if findings:
        yield "<h2>Findings</h2>"
    for number, finding in enumerate(findings, 1):
        severity = finding.severity.value
        yield f'<article id="finding-{number}">'
        yield (
            f'<h3>{number}. <span class="{severity}">{severity}</span> '
            f"<code>{finding.code}</code> {_text(finding.title)}</h3>"
        )
        if finding.consequence_of:
            yield _dim(f"follows from {finding.consequence_of}")
        if str(finding.object):
            yield _dim(str(finding.object))
        yield from _evidence(finding)
        yield from _remedy(finding)
        yield _dim(f"genie explain {finding.code} says more")
        yield "</article>"


def _evidence(finding: Finding) -> Iterator[str]:
    for fact in finding.evidence:
        shown = f"$ {fact.command}\n{fact.value}" if fact.command else fact.value
        yield f'<p class="dim">{_text(fact.source)}</p><pre>{_text(shown)}</pre>'


def _remedy(finding: Finding) -> Iterator[str]:
    if finding.remedy is None:
        return
    yield f"<p><strong>Remedy:</strong> {_text(finding.remedy.text)}</p>"
    for place in ("node", "pod"):
        lines = [shlex.join(command.argv) for command in finding.remedy.commands if command.netns == place]
        if lines:
            where = "On the node" if place == "node" else "In the pod's network namespace"
            yield f'<p class="dim">{where}:</p><pre>{_text(chr(10).join(lines))}</pre>'
    if finding.remedy.risk:
        yield f'<p class="warning">Risk: {_text(finding.remedy.risk)}</p>'


def _checks(checks: Sequence[CheckResult]) -> Iterator[str]:
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
        yield _table(("Not run", "Why"), [(", ".join(ids), reason) for reason, ids in reasons.items()])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in columns)
    lines = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{lines}</tbody></table>"


def _dim(text: str) -> str:
    return f'<p class="dim">{_text(text)}</p>'


def _text(text: str) -> str:
    return escape(visible(text, keep="\n"), quote=True)
