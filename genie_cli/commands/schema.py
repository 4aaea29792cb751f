"""`genie schema`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer

from genie_cli import options, schemas
from genie_cli.options import OutputFormat
from genie_cli.render import Block, Table, emit, say, to_yaml

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


def run(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="A document's kind; any case.", show_default=False)
    ] = "",
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Prints the JSON Schema of a kind of document that -o json and -o yaml give, or the list of kinds.

    A schema is JSON unless YAML is asked for. Members are only ever added within one apiVersion.
    """
    if kind:
        text = schemas.text(kind)
        say(to_yaml(json.loads(text)) if output is OutputFormat.YAML else text)
    else:
        report = SchemaList([(name, schemas.title(name)) for name in schemas.kinds()])
        emit(report, output, _view, lambda report: [name for name, _ in report.titles])
    return 0


def _view(report: SchemaList, wide: bool) -> Iterator[Block]:
    yield Table(("KIND", "WHAT"), report.titles)
