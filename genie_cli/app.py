"""The command line's entry: a command, or what the shells' completion scripts ask."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from genie_cli import table
from genie_cli.boundary import guard

COMPLETE = "__complete"  # the word that the shells' completion scripts call: see completing.py


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's own); its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == [COMPLETE]:
        from genie_cli import completing

        return completing.main(arguments[1:])
    return guard(lambda: table.run(arguments), arguments)
