"""`genie generate-config --check FILE...`: all errors in files, each with its place.

The same checks as in `genie discover`, on files that need not be on a node yet. A YAML file may hold
NetworkAttachmentDefinitions; what is in their spec.config is checked, with places counted in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from genie_core.checks import runner
from genie_core.checks.rank import ranked
from genie_core.checks.registry import FILES
from genie_core.edges.confdir import EXTENSIONS
from genie_core.errors import GenieError, WrongUsage
from genie_core.findings import CheckResult, Finding, Severity, summary
from genie_core.jsontext import encode
from genie_core.published import JSON
from genie_core.survey.cluster import as_object
from genie_core.survey.conf_files import parse_conf
from genie_core.survey.facts import ConfFile, Facts
from genie_core.survey.yamlio import load_documents

# The checks that can judge files alone.
CHECKS = tuple(
    replace(check, needs=tuple(need for need in check.needs if need not in ("conf", "bin")))
    for check in FILES
    if check.alone
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The files that were checked, and the findings."""

    kind: ClassVar[str] = "ConfigurationCheck"
    files: Sequence[ConfFile]
    findings: Sequence[Finding]
    checks: Sequence[CheckResult]

    def as_json(self) -> JSON:
        """summary, files (path, network, valid), findings, checks."""
        bad = {
            finding.object.file for finding in self.findings if finding.severity.rank <= Severity.ERROR.rank
        }
        return {
            "summary": summary(self.findings, self.checks),
            "files": [
                {
                    "path": file.path,
                    "network": file.network.name if file.network else "",
                    "valid": file.path not in bad,
                }
                for file in self.files
            ],
            "findings": [finding.as_json() for finding in self.findings],
            "checks": [check.as_json() for check in self.checks],
        }


def check_files(texts: Sequence[tuple[str, str]], facts: Facts) -> CheckReport:
    """Check (path, text) pairs against a node's facts. Raises WrongUsage where one of them holds no configuration."""
    found = {path: list(_files_in(path, text)) for path, text in texts}
    empty = [path for path, files in found.items() if not files]
    if empty:
        raise WrongUsage(f"{', '.join(empty)}: there is no configuration to check")
    files = [file for several in found.values() for file in several]
    report = check_parsed(files, facts)
    unreal = {file.path for file in files} - {
        path for path, _ in texts
    }  # stdin, and what is inside an object
    return replace(report, findings=[_without_commands(one, unreal) for one in report.findings])


def _without_commands(finding: Finding, unreal: Collection[str]) -> Finding:
    """The finding without the commands that name a configuration that is no file."""
    if finding.remedy is None:
        return finding
    commands = tuple(
        one
        for one in finding.remedy.commands
        if not any(path in word for path in unreal for word in one.argv)
    )
    return replace(finding, remedy=replace(finding.remedy, commands=commands))


def check_parsed(files: Sequence[ConfFile], facts: Facts) -> CheckReport:
    """The findings about these files, errors at most: no runtime uses them yet."""
    searched = tuple(facts.binaries)
    alone = replace(facts, runtimes=(), directories={"": list(files)})
    findings, outcomes = runner.run(alone, CHECKS)
    softened = [replace(f, severity=Severity.ERROR) if f.severity is Severity.FATAL else f for f in findings]
    if not searched:
        softened = [f for f in softened if f.code != "GN1101"]
    return CheckReport(files=files, findings=ranked(softened), checks=outcomes)


def _files_in(path: str, text: str) -> Iterator[ConfFile]:
    if not path.endswith((".yaml", ".yml")) and text.lstrip()[:1] in ("{", "["):
        yield parse_conf(_conf_name(path, text), text)
        return
    if path.endswith(EXTENSIONS):
        yield parse_conf(path, text)
        return
    for document in load_documents(text, path):
        for item in (document.get("items") or [document]) if isinstance(document, dict) else ():
            yield from _manifest(path, item)


def _conf_name(path: str, text: str) -> str:
    """A name with the ending that fits the content, for stdin and for files with another ending."""
    if path.endswith(EXTENSIONS):
        return path
    return f"{path}.conflist" if '"plugins"' in text else f"{path}.conf"


def _manifest(path: str, item: Any) -> Iterator[ConfFile]:
    if not isinstance(item, dict) or item.get("kind") != "NetworkAttachmentDefinition":
        kind = item.get("kind") if isinstance(item, dict) else type(item).__name__
        raise WrongUsage(
            f"{path}: {kind} is not checked", hint="CNI configurations and NetworkAttachmentDefinitions are"
        )
    metadata, spec = as_object(item.get("metadata")), as_object(item.get("spec"))
    name = str(metadata.get("name", ""))
    text = spec.get("config")
    if isinstance(text, str) and text.strip():
        place = f"{path}#{metadata.get('namespace', 'default')}/{name}"
        yield parse_conf(_conf_name(place, text), _named(text, name))


def _named(text: str, name: str) -> str:
    """The text with the object's name in front where it has none (conformance C35); places on line 1 shift."""
    if '"name"' in text or not text.lstrip().startswith("{"):
        return text
    return text.replace("{", f'{{"name": {encode(name)}, ', 1)


def refuse_errors(report: CheckReport, what: str) -> None:
    """Raise GenieError with every error of a report. A generated configuration must have none."""
    errors = [f for f in report.findings if f.severity.rank <= Severity.ERROR.rank]
    if not errors:
        return
    lines = [f"[{f.code}] {f.title}" + (f" ({f.remedy.text})" if f.remedy else "") for f in errors]
    raise GenieError(
        f"{what} would not work: {len(errors)} problem{'s' if len(errors) > 1 else ''}",
        details="\n".join(lines),
        hint="change the options, or write it anyway with --force",
    )
