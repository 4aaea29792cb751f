"""`genie schema`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from genie_cli import schemas
from genie_cli.render import Table, show

EXAMPLES = [
    ("the kinds of documents that have a schema", "genie schema"),
    ("the JSON Schema of what genie discover prints", "genie schema NodeReport"),
]


def run(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="A document's kind; any case.", show_default=False)
    ] = "",
) -> int:
    """Prints the JSON Schema of a kind of document that -o json and -o yaml give, or the list of kinds.

    Members are only ever added within one apiVersion.
    """
    if kind:
        sys.stdout.write(schemas.text(kind))
    else:
        show([Table(("KIND", "WHAT"), [(name, schemas.title(name)) for name in schemas.kinds()])])
    return 0
