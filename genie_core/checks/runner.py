"""The runner: which checks are chosen (--only, --skip), which are skipped and why, and what the others found."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf

from genie_core.checks.check import Check
from genie_core.checks.sources import lacking, partly
from genie_core.errors import WrongUsage
from genie_core.findings import CheckResult, Finding, Status
from genie_core.net.case import Case
from genie_core.survey.facts import Facts

CODE = re.compile(r"GN\d{4}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which checks and findings are wanted: regular expressions for ids of checks and codes of findings."""

    only: tuple[re.Pattern[str], ...] = ()
    skip: tuple[re.Pattern[str], ...] = ()

    def wants(self, check: Check, code: str) -> bool:
        """Whether a finding of this code, reported by this check, is wanted."""

        def meant(patterns: tuple[re.Pattern[str], ...]) -> bool:
            return any(p.search(check.id) or p.search(code) for p in patterns)

        return (not self.only or meant(self.only)) and not meant(self.skip)

    def of(self, checks: Iterable[Check]) -> list[Check]:
        """The checks that can report a wanted finding."""
        return [check for check in checks if any(self.wants(check, code) for code in check.codes)]


EVERYTHING = Selection()


def refused(reasons: Iterable[str], outcomes: Sequence[CheckResult]) -> tuple[str, ...]:
    """The reasons for which checks were skipped, each once."""
    skipped = [check.reason for check in outcomes if check.status is Status.SKIP]
    return tuple(dict.fromkeys(reason for reason in reasons if any(reason in text for text in skipped)))


def selection(only: Sequence[str], skip: Sequence[str], checks: Sequence[Check]) -> Selection:
    """The selection that the flags make of a command's checks.

    Raises WrongUsage for an expression that cannot be read or matches no check and no code, and where
    nothing is left to run.
    """
    chosen = Selection(
        only=tuple(_pattern("--only", text, checks) for text in only),
        skip=tuple(_pattern("--skip", text, checks) for text in skip),
    )
    if not chosen.of(checks):
        raise WrongUsage("--only and --skip leave no check to run", hint="--list-checks lists the checks")
    return chosen


def _pattern(flag: str, text: str, checks: Sequence[Check]) -> re.Pattern[str]:
    try:
        pattern = re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise WrongUsage(f"{flag} {text!r} is not a regular expression: {error}") from None
    names = {check.id for check in checks} | {code for check in checks for code in check.codes}
    if any(pattern.search(name) for name in names):
        return pattern
    near = _near(text, names)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    what = "no check has such an id or code"
    if CODE.fullmatch(text):
        what = "no check of this command reports it"
        hint = hint or f"genie explain {text.upper()} explains it; "
    raise WrongUsage(f"{flag} {text!r}: {what}", hint=f"{hint}--list-checks lists the checks")


def _near(text: str, names: set[str]) -> list[str]:
    """Ids, or codes of the same family, that the text may be a misspelling of."""
    if CODE.match(text):
        wanted = text.upper()
        return get_close_matches(wanted, sorted(name for name in names if name[:4] == wanted[:4]))
    return get_close_matches(text.lower(), sorted(names))


def run(
    facts: Case | Facts, checks: Iterable[Check], chosen: Selection = EVERYTHING, until: float = inf
) -> tuple[list[Finding], list[CheckResult]]:
    """The wanted findings, in the checks' order, and the result of each chosen check.

    At `until` (monotonic seconds) the checks that are left are skipped. A check that raises is reported as broken, with
    what it had found until then, and so is one that reports a code that it does not declare; the others go on.
    """
    findings: list[Finding] = []
    outcomes: list[CheckResult] = []
    for check in chosen.of(checks):
        reason = "the time was up (--timeout)" if time.monotonic() > until else lacking(facts, check.needs)
        if reason:
            outcomes.append(CheckResult(id=check.id, status=Status.SKIP, reason=reason))
            continue
        started, found = time.perf_counter(), len(findings)
        try:
            findings.extend(f for f in check.look(facts) if chosen.wants(check, f.code))
            reason = "" if len(findings) > found else partly(facts, check.needs)
            status = Status.FAIL if len(findings) > found else Status.SKIP if reason else Status.PASS
        except Exception as error:  # noqa: BLE001 (a mistake in one check must not cost what the others find)
            status, reason = Status.ERROR, f"{type(error).__name__}: {error}"
        ms = (time.perf_counter() - started) * 1000
        outcomes.append(CheckResult(id=check.id, status=status, reason=reason, ms=ms))
    return findings, outcomes
