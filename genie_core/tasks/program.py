"""What the programs that the agent starts, `python -m genie_core.tasks.NAME`, have in common."""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from genie_core.errors import EXIT_INTERRUPTED, GenieError
from genie_core.settings import CONF_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


def parser_of(name: str) -> ArgumentParser:
    """A parser with the options of all of them: where the node's files are, and which API server."""
    parser = ArgumentParser(prog=f"python -m genie_core.tasks.{name}", allow_abbrev=False)
    parser.add_argument("--conf-dir", default=CONF_DIR, help="where Genie's own configuration is")
    parser.add_argument("--state-dir", default="")
    parser.add_argument("--kubeconfig", default="")
    parser.add_argument("--context", default="")
    return parser


def run(main: Callable[[list[str]], int]) -> NoReturn:
    """Run it with this process's words; the exit code is its own, or its error's."""
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except GenieError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
