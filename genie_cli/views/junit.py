"""A diagnosis as JUnit XML: one test case per check, findings as failures."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from genie_cli.terminal import visible
from genie_core.findings import Severity, Status
from genie_core.tasks.debug.report import DiagnosisReport


def junit(report: DiagnosisReport) -> str:
    """The document."""
    name = f"genie debug {report.facts.namespace}/{report.facts.pod_name}"
    bad = [f for f in report.findings if f.severity in (Severity.FATAL, Severity.ERROR)]
    skipped = [c for c in report.checks if c.status is Status.SKIP]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(
        f'<testsuite name={quoteattr(name)} tests="{len(report.checks) + len(report.findings)}" failures="{len(bad)}" '
        f'skipped="{len(skipped)}" time="{report.milliseconds / 1000:.3f}">'
    )
    for check in report.checks:
        inside = f"<skipped message={quoteattr(check.reason)}/>" if check.status is Status.SKIP else ""
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
