"""`genie explain`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from genie_cli import options
from genie_cli.options import OutputFormat
from genie_cli.render import Block, Fields, Heading, Table, emit
from genie_core.tasks.explain import Explained, explain

EXAMPLES = [
    ("what a finding's code means, how to confirm it by hand, how to mend it", "genie explain GN0402"),
    ("all codes", "genie explain"),
]


def run(
    code: Annotated[str, typer.Argument(metavar="[CODE]", help="A finding's code.", show_default=False)] = "",
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Says what a code of `genie debug` and `genie discover` means. Codes are stable: scripts may rely on them."""
    emit(explain(code), output, _view, lambda report: [item.code for item in report.items])
    return 0


def _view(report: Explained, wide: bool) -> Iterator[Block]:
    if len(report.items) > 1:
        yield Table(("CODE", "WHAT"), [(item.code, item.title) for item in report.items])
        return
    for item in report.items:
        yield Heading(f"{item.code}: {item.title}")
        yield Fields([("cause", item.cause), ("confirm", item.confirm), ("fix", item.fix)])
