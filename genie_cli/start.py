"""Where the programs `genie` and `kubectl-genie` begin: ^C is answered from here on, also while modules are loaded."""

from __future__ import annotations

import sys


def main() -> int:
    """This process's own command line; its exit code."""
    try:
        from .app import main as run

        return run()
    except KeyboardInterrupt:  # before `boundary.guard` was there to tell it
        print("error: interrupted", file=sys.stderr)
        return 130
