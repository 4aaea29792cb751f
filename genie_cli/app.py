"""The command line's entry: a command, one from another machine, or what the shells' completion scripts ask."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from genie_cli import table
from genie_cli.boundary import guard
from genie_core.tasks.remote import ON_NODE

COMPLETE = "__complete"  # the word that the shells' completion scripts call: see completing.py


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's own); its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == [COMPLETE]:
        from genie_cli import completing

        return completing.main(arguments[1:])
    if arguments[:1] == [ON_NODE] and len(arguments) > 1:
        return guard(lambda: _on_node(arguments[1], arguments[2:]), arguments)
    return guard(lambda: table.run(arguments), arguments)


def _on_node(word: str, arguments: Sequence[str]) -> int:
    from genie_core.tasks.remote import on_node

    on_node.begin(word)
    return table.run(arguments)
