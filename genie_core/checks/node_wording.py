"""Short ways to say what the checks of this package say: subjects, evidence and remedies of files and plugins."""

from __future__ import annotations

from collections.abc import Sequence

from genie_core.catalog.positions import positions
from genie_core.catalog.schema import Problem
from genie_core.fields import may_be_secret
from genie_core.findings import Command, Evidence, Finding, Remedy, Severity, Subject
from genie_core.survey.node_facts import ConfFile


def at(file: ConfFile, path: str = "", *, kind: str = "file") -> Subject:
    """A place in a configuration file."""
    line, column = positions(file.text or "").of(path) if path else (file.line, file.column)
    name = file.network.name if file.network else ""
    return Subject(kind=kind, name=name, file=file.path, line=line, column=column)


def fix(text: str, *commands: Sequence[str], risk: str = "") -> Remedy:
    """A remedy with its commands, run on the node."""
    return Remedy(text=text, commands=tuple(Command(argv=tuple(argv)) for argv in commands), risk=risk)


def line_of(file: ConfFile, number: int) -> Evidence:
    """A line of a configuration file; not one that may hold a secret, nor a value whose name is in another line."""
    lines = (file.text or "").splitlines()
    shown = lines[number - 1].strip()[:160] if 0 < number <= len(lines) else ""
    if may_be_secret(shown) or ('"' in shown and ":" not in shown):
        shown = "(a line that may hold a secret)"
    return Evidence(source=f"{file.path}:{number}", command=f"sed -n {number}p {file.path}", value=shown)


def from_problem(file: ConfFile, problem: Problem, severity: Severity | None = None) -> Finding:
    """A problem of the catalogue as a finding about a place in a file."""
    subject = at(file, problem.path)
    return Finding(
        code=problem.code,
        severity=severity or problem.severity,
        title=f"{file.file}: {problem.path} {problem.text}",
        object=subject,
        about=problem.about,
        evidence=(line_of(file, subject.line),),
        remedy=fix(problem.hint or "correct it, then run `genie generate-config --check` on the file")
        if problem.severity is not Severity.INFO
        else None,
    )
