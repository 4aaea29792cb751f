"""A diagnosis as JUnit XML: one test case per check, findings as failures, checks that crashed as errors."""

from __future__ import annotations

from collections import Counter
from xml.sax.saxutils import escape, quoteattr

from genie_cli.terminal import visible
from genie_core.findings import Severity, Status
from genie_core.published import timestamp
from genie_core.tasks.debug.report import DiagnosisReport

# What a test case has inside; a check that found something has its findings beside it.
_KINDS = {Status.SKIP: "skipped", Status.ERROR: "error"}


def junit(report: DiagnosisReport) -> str:
    """The document."""
    facts = report.facts
    about = f"pod {facts.namespace}/{facts.pod_name}" if facts.pod_name else f"node {facts.node_name}"
    bad = [f for f in report.findings if f.severity in (Severity.FATAL, Severity.ERROR)]
    counts = Counter(check.status for check in report.checks)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(
        f'<testsuite timestamp="{timestamp(facts.time)}" hostname={quoteattr(facts.node_name)} '
        f"name={quoteattr(f'genie debug {about}')} "
        f'tests="{len(report.checks) + len(report.findings)}" failures="{len(bad)}" '
        f'errors="{counts[Status.ERROR]}" skipped="{counts[Status.SKIP]}" time="{report.milliseconds / 1000:.3f}">'
    )
    for check in report.checks:
        kind = _KINDS.get(check.status)
        inside = f"<{kind} message={quoteattr(check.reason)}/>" if kind else ""
        lines.append(
            f'  <testcase classname="check" name={quoteattr(check.id)} time="{check.ms / 1000:.3f}">{inside}</testcase>'
        )
    for finding in report.findings:
        failure = (
            f"<failure type={quoteattr(finding.severity.value)} message={quoteattr(finding.title)}/>"
            if finding in bad
            else ""
        )
        text = "" if failure else f"<system-out>{escape(finding.title)}</system-out>"
        lines.append(
            '  <testcase classname="finding" '
            f"name={quoteattr(f'{finding.code} {finding.object}')}>{failure}{text}</testcase>"
        )
    # XML takes no control characters either
    return visible("\n".join([*lines, "</testsuite>", ""]), keep="\n")
