"""`genie schema`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from genie_cli import options, schemas
from genie_cli.flags import Candidate, Completion, argument
from genie_cli.output import OutputFormat, to_yaml
from genie_cli.render import Block, Table, emit, write

EXAMPLES = [
    ("the kinds of documents that have a schema", "genie schema"),
    ("the JSON Schema of what genie discover prints", "genie schema NodeReport"),
]


@dataclass(frozen=True, slots=True)
class SchemaList:
    """The kinds that have a schema, and what each is."""

    kind: ClassVar[str] = "SchemaList"
    titles: Sequence[tuple[str, str]]

    def as_json(self) -> dict[str, Any]:
        """schemas: kind and title of each."""
        return {"schemas": [{"kind": kind, "title": title} for kind, title in self.titles]}


def _kinds(_asked: Completion) -> list[Candidate]:
    return [Candidate(kind) for kind in schemas.kinds()]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Report):
    """A kind of document."""

    kind: str = argument("KIND", "A document's kind; any case.", complete=_kinds)


def run(flags: Flags) -> int:
    """Prints the JSON Schema of a kind of document that -o json and -o yaml give, or the list of kinds.

    A schema is JSON unless YAML is asked for. Members are only ever added within one apiVersion.
    """
    if flags.kind:
        text = schemas.text(flags.kind)
        write(to_yaml(json.loads(text)) if flags.output is OutputFormat.YAML else text)
    else:
        report = SchemaList([(name, schemas.title(name)) for name in schemas.kinds()])
        emit(report, flags.output, _view, lambda report: [name for name, _ in report.titles])
    return 0


def _view(report: SchemaList, wide: bool) -> Iterator[Block]:
    yield Table(("KIND", "WHAT"), report.titles)
