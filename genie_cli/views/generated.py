"""Generated configuration as documents, and the results for files that were checked or written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from genie_cli import terminal
from genie_cli.output import OutputFormat, to_json
from genie_cli.render import Block, Fields, Heading, Text, Verbatim, write
from genie_cli.views.findings import findings_view
from genie_core.tasks.generate import CheckReport, Generated, WriteReport


def documents(found: Sequence[dict[str, Any]], output: OutputFormat, *, yaml: bool = False) -> int:
    """Print documents unchanged, for a file or a pipe: JSON, or YAML where asked for or usual. Returns 0.

    -o name has the name of each.
    """
    if output is OutputFormat.NAME:
        write("".join(f"{_name(document)}\n" for document in found))
    elif output is OutputFormat.YAML or (yaml and output is OutputFormat.TABLE):
        from genie_core.survey.yamlio import dump

        write("---\n".join(dump(document) for document in found))
    elif len(found) == 1:
        write(to_json(found[0]))
    else:
        whole = {"apiVersion": "v1", "kind": "List", "items": list(found)}
        write(to_json(whole))
    return 0


def _name(document: dict[str, Any]) -> str:
    """The name of an object or a configuration, or the title of a schema."""
    named = document.get("metadata", document)
    return terminal.visible(str(named.get("name") or named.get("title", "")))


def setup_view(generated: Generated, wide: bool) -> Iterator[Block]:
    """Each file with its mode and content."""
    for file in generated.files:
        yield Heading(f"{file.path} (mode {file.mode:04o})")
        yield Verbatim(file.text, indent=0)


def written_view(report: WriteReport, wide: bool) -> Iterator[Block]:
    """The files that were written."""
    pairs = [("written", path) for path in report.written]
    pairs += [("right already", path) for path in report.unchanged]
    pairs += [("copy of the old one", path) for path in report.backups]
    yield Fields(pairs, indent=0)


def check_view(report: CheckReport, wide: bool) -> Iterator[Block]:
    """Each file's verdict, and the findings."""
    bad = {finding.object.file for finding in report.findings if finding.severity.value in ("fatal", "error")}
    for file in report.files:
        yield Text(
            f"{file.path}: {'has errors' if file.path in bad else 'ok'}",
            "bad" if file.path in bad else "good",
        )
    yield from findings_view(report.findings, report.checks, wide=wide)
