"""The ranking: causes before their consequences, derived from what codes and findings declare."""

from __future__ import annotations

from dataclasses import replace

from genie_core.findings import Finding, Severity, ordered


def ranked(findings: list[Finding]) -> list[Finding]:
    """Causes first, the worst first, then marked consequences; equal findings once."""
    unique = list({(f.code, str(f.object), f.title): f for f in findings}.values())
    causes = {id(f): [cause for cause in unique if _explains(cause, f)] for f in unique}

    def rank(cause: Finding) -> tuple[bool, int, str]:
        """Causes that no other finding explains come first, then the most severe."""
        return bool(causes[id(cause)]), cause.severity.rank, cause.code

    marked = [_consequence(f, min(causes[id(f)], key=rank)) if causes[id(f)] else f for f in unique]
    return sorted(ordered(marked), key=lambda f: not f.code.leads or bool(f.consequence_of))


def _explains(cause: Finding, finding: Finding) -> bool:
    """Whether `cause` explains `finding`."""
    if cause.code == finding.code:
        return False
    if cause.code in finding.explained_by:
        return cause.severity is not Severity.INFO
    if cause.severity.rank > Severity.ERROR.rank:
        return False
    has = {cause.code, *cause.code.breaks, *cause.breaks}
    return not has.isdisjoint((*finding.code.explained_by, *finding.explained_by))


def _consequence(finding: Finding, cause: Finding) -> Finding:
    """A consequence is a warning at most, and has no remedy: the cause has both."""
    severity = finding.severity if finding.severity.rank >= Severity.WARNING.rank else Severity.WARNING
    return replace(finding, consequence_of=str(cause.code), severity=severity, remedy=None)
