"""Saved facts: the document that `--save` writes and `--from` reads. It holds no secrets."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from genie_core.checks.registry import FILES, NETWORK
from genie_core.checks.runner import Selection
from genie_core.errors import DecodingFailure, NotFound, WrongUsage
from genie_core.net.case import Case
from genie_core.published import API_VERSION, JSON
from genie_core.survey import codec
from genie_core.survey.facts import Facts
from genie_core.tasks.debug.checks import OfFiles, choose, diagnose, target_of
from genie_core.tasks.debug.options import DebugOptions
from genie_core.tasks.debug.report import DiagnosisReport
from genie_core.tasks.named_files import read_document

KIND = "Snapshot"
# The states that depend on the node where the facts were read.
STATES = ("not-here", "no-sandbox")


def from_snapshot(path: str, options: DebugOptions) -> DiagnosisReport:
    """The diagnosis of facts that were saved elsewhere. Raises WrongUsage, DecodingFailure, NotFound."""
    chosen = choose(options, NETWORK)
    with saved_facts(path) as (document, facts):
        require_pod(path, facts, options)
        named = replace(options, namespace=facts.namespace, name=facts.pod_name)
        case = target_of(Case(facts), named)
        report = diagnose(case, chosen, time.monotonic() + options.timeout, _saved(document, chosen))
    return _as_it_was(report, document)


def require_pod(path: str, facts: Facts, options: DebugOptions) -> None:
    """Raise NotFound where a pod is asked about and the facts are of another one."""
    if options.pod not in ("", f"{facts.namespace}/{facts.pod_name}"):
        about = f"pod {facts.namespace}/{facts.pod_name}" if facts.pod_name else "a node"
        raise NotFound(f"--from {path} has the facts of {about}, not of pod {options.pod}")


@contextmanager
def saved_facts(path: str) -> Iterator[tuple[JSON, Facts]]:
    """The document that `--save` wrote, and its facts. Raises WrongUsage, DecodingFailure, also for work with them.

    The shape of API objects is not checked before: a server wrote them, or an attacker.
    """
    document = _document(path)
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise DecodingFailure(
            f"--from {path} is no saved facts",
            hint="genie debug pod --save FILE writes them, and genie debug bundle",
        )
    if document.get("apiVersion") != API_VERSION:
        raise DecodingFailure(f"--from {path}: apiVersion must be {API_VERSION}")
    try:
        yield document, codec.decode(Facts, document.get("facts"))
    except DecodingFailure as error:
        raise DecodingFailure(f"--from {path}: {error.msg}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise DecodingFailure(f"--from {path}: the facts make no sense ({type(error).__name__})") from None


def _document(path: str) -> Any:
    """The document of `--save`, or the one in a bundle."""
    if not _is_packed(path):
        return read_document("--from", path)
    from genie_core.tasks.debug.archive import unpacked

    try:
        return json.loads(unpacked(Path(path).read_bytes())["facts.json"])
    except (DecodingFailure, KeyError):
        raise WrongUsage(
            f"--from {path} is no bundle of one node",
            hint=f"one of several nodes has the facts of each: tar -xzf {path}, --from genie-bundle/NODE/facts.json",
        ) from None
    except (ValueError, RecursionError):
        raise WrongUsage(f"--from {path}: its facts are not JSON") from None


def _is_packed(path: str) -> bool:
    """Whether a regular file begins as gzip does. What cannot be read is for `read_document` to report."""
    if not (os.path.isfile(path) and os.access(path, os.R_OK)):
        return False
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _saved(document: JSON, chosen: Selection) -> OfFiles:
    """The saved results of the checks of the node's files, as far as these are chosen."""
    saved = codec.decode(OfFiles, document.get("files") or {})
    unwanted = {check.id for check in FILES} - {check.id for check in chosen.of(FILES)}
    kept = {code for check in FILES for code in check.codes if chosen.wants(check, code)}
    dropped = {code for check in FILES for code in check.codes} - kept
    return OfFiles(
        findings=tuple(finding for finding in saved.findings if finding.code not in dropped),
        checks=tuple(check for check in saved.checks if check.id not in unwanted),
    )


def _as_it_was(report: DiagnosisReport, document: JSON) -> DiagnosisReport:
    state, reason = document.get("state"), document.get("reason")
    if state not in STATES or not isinstance(reason, str):
        return report
    return replace(report, state=str(state), reason=reason)


def snapshot(report: DiagnosisReport) -> str:
    """The facts of a report as a document for `--from`."""
    body: dict[str, Any] = {"apiVersion": API_VERSION, "kind": KIND}
    if report.state in STATES:
        body |= {"state": report.state, "reason": report.reason}
    body["files"] = codec.encode(OfFiles(findings=report.of_files, checks=report.file_checks))
    return json.dumps(body | {"facts": codec.encode(report.facts)}, indent=1) + "\n"
