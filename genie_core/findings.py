"""A finding with its code, evidence and remedy; and the result of each check.

Shared by `genie discover`, `genie generate-config --check` and `genie debug`. Values only: checks make them, tasks
rank and count them, the command line prints them. `as_json` of each gives the published shape
(camelCase, empty members left out), which the shipped JSON Schemas describe.

Codes: GN01xx-GN08xx pod and node networking, GN09xx what Kubernetes reports; GN10xx configuration files, GN11xx
plugin binaries, GN12xx container runtimes, GN13xx addresses and leases, GN14xx leftovers, GN15xx credentials, GN16xx
Genie itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal, TypedDict, Unpack

from genie_core.published import JSON, Published


class Severity(StrEnum):
    """How bad it is, worst first: pods cannot work, something asked for fails, may fail, good to know."""

    FATAL = "fatal"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Confidence(StrEnum):
    """How sure the cause is: seen directly, follows from what was seen, one explanation among others."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Status(StrEnum):
    """The result of a check. A check that could not run is `skip` with its reason, never `pass`."""

    PASS = "pass"  # noqa: S105 (not a password)
    FAIL = "fail"
    SKIP = "skip"
    ERROR = "error"


def _present(**members: object) -> JSON:
    """The members that are not empty."""
    return {name: value for name, value in members.items() if value not in ("", None, [], {}, 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject(Published):
    """What a finding is about. `kind` is lower case: pod, interface, file, plugin, network, route, ...

    `line` and `column` count from 1; 0 where the place inside `file` is not known.
    """

    kind: str
    ns: str = ""
    name: str = ""
    netns: str = ""
    iface: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        name = f"{self.ns}/{self.name}" if self.ns else self.name
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        iface = "" if self.iface == self.name else self.iface
        return " ".join(part for part in (self.kind, name, iface, place) if part)

    def as_json(self) -> JSON:
        """The members that are not empty."""
        return _present(**super(Subject, self).as_json())


_WORD = r"(?:[\w./:@%+=,\[\]-]+;?|\|)"
_COMMAND = re.compile(f"{_WORD}(?: {_WORD})*")


def pasteable(command: str) -> str:
    """The command; "" where a name in it would mean more than a word to the shell that a person pastes it into.

    A pod with CAP_NET_ADMIN can call an interface `a;reboot`.
    """
    return command if _COMMAND.fullmatch(command) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One fact, verbatim: where it was read, the command that shows it if that is `pasteable`, and its value."""

    source: str
    value: str
    command: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "command", pasteable(self.command))

    def as_json(self) -> JSON:
        """source, command, value."""
        return _present(source=self.source, command=self.command) | {"value": self.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Published):
    """A command to run by hand, as an argument list, in the node's network namespace or in the pod's."""

    argv: tuple[str, ...]
    netns: Literal["node", "pod"] = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What to do about it, and what that risks. Genie prints remedies, it never runs them."""

    text: str
    commands: tuple[Command, ...] = ()
    risk: str = ""

    def as_json(self) -> JSON:
        """text, commands, risk."""
        return {
            "text": self.text,
            "commands": [command.as_json() for command in self.commands],
        } | _present(risk=self.risk)


class Effect(StrEnum):
    """What a cause breaks: a consequence names the effect instead of every cause that has it."""

    PACKETS = "packets from or to the pod are lost"
    FRAMES = "an ARP request on the pod's link, or its answer, is lost"
    LO = "the pod's lo is not set up"


class Details(TypedDict, total=False):
    """The other members of a `Finding`, for the methods of `Code` that make one."""

    remedy: Remedy | None
    confidence: Confidence
    affects: tuple[str, ...]
    explained_by: tuple[str, ...]
    breaks: tuple[str, ...]


class Code(str):
    """A kind of fault, with everything that is known about it. It is declared once, beside what reports it.

    `fault` names it; `cause`, `confirm` (how to see it by hand) and `fix` are sentences without a full stop.
    `explained_by` are the codes and effects that explain a finding of this code, `breaks` the effects that it has.
    A finding of a code that `leads` comes before all others: it is about this very pod.

    A check makes its findings by it: `GN0402.fatal(title, subject, *evidence, remedy=...)`; `found` where the severity
    depends on the case.
    """

    __slots__ = ("breaks", "cause", "confirm", "explained_by", "fault", "fix", "leads")
    declared: ClassVar[dict[str, Code]] = {}

    fault: str
    cause: str
    confirm: str
    fix: str
    explained_by: tuple[str, ...]
    breaks: tuple[Effect, ...]
    leads: bool

    def __new__(
        cls,
        code: str,
        fault: str,
        *,
        cause: str,
        confirm: str,
        fix: str,
        explained_by: tuple[str, ...] = (),
        breaks: tuple[Effect, ...] = (),
        leads: bool = False,
    ) -> Code:
        """Raises ValueError for a code that is declared already."""
        if code in cls.declared:
            raise ValueError(f"{code} is declared twice")
        made = cls.declared[code] = super().__new__(cls, code)
        made.fault, made.cause, made.confirm, made.fix = fault, cause, confirm, fix
        made.explained_by, made.breaks, made.leads = explained_by, breaks, leads
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy of it is itself."""
        return self.declared.__getitem__, (str(self),)

    def found(
        self, severity: Severity, title: str, about: Subject, *evidence: Evidence, **details: Unpack[Details]
    ) -> Finding:
        """A finding of this code."""
        return Finding(code=self, severity=severity, title=title, object=about, evidence=evidence, **details)

    def fatal(self, title: str, about: Subject, *evidence: Evidence, **details: Unpack[Details]) -> Finding:
        """A finding of the severity `fatal`; so the other three."""
        return self.found(Severity.FATAL, title, about, *evidence, **details)

    def error(self, title: str, about: Subject, *evidence: Evidence, **details: Unpack[Details]) -> Finding:
        return self.found(Severity.ERROR, title, about, *evidence, **details)

    def warning(self, title: str, about: Subject, *evidence: Evidence, **details: Unpack[Details]) -> Finding:
        return self.found(Severity.WARNING, title, about, *evidence, **details)

    def info(self, title: str, about: Subject, *evidence: Evidence, **details: Unpack[Details]) -> Finding:
        return self.found(Severity.INFO, title, about, *evidence, **details)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One cause, in one sentence (`title`), with its evidence and its remedy.

    `consequence_of` is the code of the finding that explains this one; `affects` names others that the same
    cause hits ("default/p2"). For the ranking, and not published: `explained_by` and `breaks` add to those of its code
    what holds for this finding only (`breaks` may also have the name of a firewall chain, "filter FORWARD").
    """

    code: Code
    severity: Severity
    title: str
    object: Subject
    evidence: tuple[Evidence, ...] = ()
    remedy: Remedy | None = None
    confidence: Confidence = Confidence.HIGH
    consequence_of: str = ""
    affects: tuple[str, ...] = ()
    explained_by: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises TypeError for a code that is declared nowhere: it could be neither chosen nor explained."""
        if not isinstance(self.code, Code):
            raise TypeError(f"{self.code!r} is no declared code")

    def as_json(self) -> JSON:
        """The published shape; `docs` is the page that `genie explain CODE` prints."""
        return {
            "code": str(self.code),
            "severity": self.severity.value,
            "title": self.title,
            "object": self.object.as_json(),
            "evidence": [fact.as_json() for fact in self.evidence],
            "confidence": self.confidence.value,
            "docs": f"genie explain {self.code}",
        } | _present(
            remedy=self.remedy.as_json() if self.remedy else None,
            consequenceOf=self.consequence_of,
            affects=list(self.affects),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of one check: `reason` is why it was skipped or broke, and what it would need."""

    id: str
    status: Status
    reason: str = ""
    ms: float = field(default=0, compare=False)

    def as_json(self) -> JSON:
        """id, status, reason, ms."""
        return {"id": self.id, "status": self.status.value, "ms": round(self.ms, 1)} | _present(
            reason=self.reason
        )


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Causes before consequences, then the worst first, then by code and object: the same input, the same order."""

    def key(finding: Finding) -> tuple[object, ...]:
        return (
            bool(finding.consequence_of),
            finding.severity.rank,
            finding.code,
            str(finding.object),
            finding.title,
        )

    return sorted(findings, key=key)


def at_least(findings: Iterable[Finding], threshold: Severity) -> bool:
    """True where any finding is as bad as `threshold` or worse: what --fail-on compares."""
    return any(finding.severity.rank <= threshold.rank for finding in findings)


def summary(findings: Sequence[Finding], checks: Sequence[CheckResult]) -> JSON:
    """How many findings of each severity, and how many checks ended in each way."""
    counts = {severity.value: sum(f.severity is severity for f in findings) for severity in Severity}
    statuses: Mapping[str, int] = {status.value: sum(c.status is status for c in checks) for status in Status}
    return {"findings": counts, "checks": dict(statuses)}


def summary_line(findings: Sequence[Finding], checks: Sequence[CheckResult]) -> str:
    """`1 fatal, 2 warnings, 31 checks ok, 3 skipped (2: need root; 1: no API server)`."""
    parts = []
    for severity in Severity:
        count = sum(f.severity is severity for f in findings)
        plural = "s" if count > 1 and severity in (Severity.ERROR, Severity.WARNING) else ""
        parts += [f"{count} {severity.value}{plural}"] if count else []
    passed = sum(c.status is Status.PASS for c in checks)
    parts += [f"{passed} check{'' if passed == 1 else 's'} ok"] if passed else []
    parts += [] if any(c.status in (Status.PASS, Status.FAIL) for c in checks) else ["no check ran"]
    for status, word in ((Status.SKIP, "skipped"), (Status.ERROR, "could not run")):
        hit = [c for c in checks if c.status is status]
        reasons = _grouped(check.reason for check in hit if check.reason)
        parts += [f"{len(hit)} {word}" + (f" ({reasons})" if reasons else "")] if hit else []
    return ", ".join(parts)


def _grouped(reasons: Iterable[str]) -> str:
    """Each reason once, the most frequent first, with its number where there are several: `9: need root; 1: no API`."""
    counts = Counter(reasons).most_common()
    return (
        "; ".join(f"{number}: {reason}" for reason, number in counts)
        if len(counts) > 1
        else "".join(dict(counts))
    )
