"""The layout of findings: one line each, `FATAL [GN1001] file ...: what`, its evidence and remedy below."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from genie_cli.options import FailOn
from genie_cli.output import OutputFormat
from genie_cli.render import Block, Cell, Heading, Table, Text, Tone, Verbatim, emit, note
from genie_cli.terminal import as_root
from genie_core.checks.check import Check
from genie_core.errors import EXIT_DENIED, EXIT_FAILURE, EXIT_INCOMPLETE
from genie_core.findings import CheckResult, Finding, Severity, Status, at_least, summary_line


@dataclass(frozen=True, slots=True)
class CheckList:
    """What --list-checks prints."""

    kind: ClassVar[str] = "CheckList"
    checks: Sequence[Check]

    def as_json(self) -> dict[str, Any]:
        """checks: id and title of each."""
        return {"checks": [{"id": check.id, "title": check.title} for check in self.checks]}


def print_checks(checks: Sequence[Check], output: OutputFormat) -> int:
    """Print them; the exit code."""
    emit(CheckList(checks), output, _checks_view, lambda report: [check.id for check in report.checks])
    return 0


def _checks_view(report: CheckList, wide: bool) -> Iterator[Block]:
    rows = [(check.id, check.title, " ".join(check.codes)) for check in report.checks]
    yield Table(("CHECK", "PASSES IF", "ELSE REPORTS"), rows, fold=("PASSES IF", "ELSE REPORTS"))


_TONES: dict[Severity, Tone] = {
    Severity.FATAL: "bad",
    Severity.ERROR: "bad",
    Severity.WARNING: "warn",
    Severity.INFO: "dim",
}


def findings_view(
    findings: Sequence[Finding], checks: Sequence[CheckResult], *, wide: bool
) -> Iterator[Block]:
    """The findings in their order, then the summary line. `wide` adds the checks that did not pass, with reasons."""
    if findings:
        yield Heading("Findings")
    yield from findings_alone(findings, wide=wide)
    if findings:
        yield Text("")
    yield from summary_view(findings, checks, wide=wide)


def findings_alone(findings: Sequence[Finding], *, wide: bool) -> Iterator[Block]:
    """Each finding with its evidence and remedy, an empty line between two."""
    for number, finding in enumerate(findings):
        yield from (Text(""),) if number else ()
        yield from _finding(finding, wide=wide)


def summary_view(
    findings: Sequence[Finding], checks: Sequence[CheckResult], *, wide: bool
) -> Iterator[Block]:
    """The summary line; `wide` has the checks that did not pass before it, each with its reason."""
    if wide:
        yield from _skipped(checks)
    worst = min((finding.severity for finding in findings), key=lambda s: s.rank, default=None)
    yield Text(
        summary_line(findings, checks), _TONES[worst] if worst else "good" if is_whole(checks) else "warn"
    )


def _finding(finding: Finding, *, wide: bool) -> Iterator[Block]:
    yield Text(f"{finding.severity.value.upper()} [{finding.code}] {finding.title}", _TONES[finding.severity])
    if finding.object.file:
        place = ":".join(
            str(part) for part in (finding.object.file, finding.object.line, finding.object.column) if part
        )
        yield Text(f"at {place}", "dim", indent=4)
    if finding.consequence_of:
        yield Text(f"follows from {finding.consequence_of}", "dim", indent=4)
    for fact in finding.evidence if wide or finding.severity.rank <= Severity.WARNING.rank else ():
        yield Verbatim(f"{fact.source}: {fact.value}", indent=4)
    if finding.remedy is not None:
        yield Text(f"remedy: {finding.remedy.text}", indent=4)
        for command in finding.remedy.commands:
            where = "in the pod: " if command.netns == "pod" else ""
            yield Verbatim(f"{where}{shlex.join(command.argv)}", indent=8, tone="strong")
        if finding.remedy.risk:
            yield Text(f"risk: {finding.remedy.risk}", "warn", indent=4)


def _skipped(checks: Sequence[CheckResult]) -> Iterator[Block]:
    rows = [
        (c.id, Cell(c.status.value, "warn"), c.reason)
        for c in checks
        if c.status in (Status.SKIP, Status.ERROR)
    ]
    if rows:
        yield Heading("Checks that did not run")
        yield Table(("CHECK", "STATUS", "WHY"), rows)


def say_denied(reasons: Sequence[str], command: str) -> int:
    """Print on stderr what this user has no right to read, and how to run the command; the exit code."""
    note(f"error: not everything could be read: {'; '.join(reasons)}")
    note(f"  hint: {as_root(f'run it as root: sudo {command}')}")
    return EXIT_DENIED


def is_whole(checks: Sequence[CheckResult]) -> bool:
    """Whether some check ran and none crashed: else the absence of findings means nothing."""
    statuses = {check.status for check in checks}
    return Status.ERROR not in statuses and bool(statuses & {Status.PASS, Status.FAIL})


def exit_code(findings: Sequence[Finding], checks: Sequence[CheckResult], fail_on: FailOn) -> int:
    """1 where any finding is at least as bad as `fail_on`; 5 where a check crashed or none ran; else 0."""
    if fail_on is not FailOn.NEVER and at_least(findings, Severity(fail_on.value)):
        return EXIT_FAILURE
    return 0 if is_whole(checks) else EXIT_INCOMPLETE
