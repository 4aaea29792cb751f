"""The command line's entry: the table of commands, and `main`.

How to add a command `genie frob`:
1. `genie_core/tasks/frob.py`: the question, `frob(..., ports) -> FrobReport`; the report is a frozen dataclass
   with `kind: ClassVar[str] = "FrobReport"` and `as_json()` (camelCase keys). It prints nothing.
2. `genie_cli/commands/frob.py`: `EXAMPLES = [("what for", "genie frob x")]` and `def run(...) -> int`, whose
   annotated parameters are the flags (shared ones come from `options`), whose docstring is the description.
   It builds the edges (`wiring`), calls the task, calls `render.emit(report, output, view)` and returns the exit
   code. Errors are raised (`genie_core.errors`), never printed: `boundary` does that.
3. One line in COMMANDS; the word before "debug pod" has a line too, with no module. Nothing is imported early.
-v, -q, --color, --no-color and --help come with every command by themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import Annotated, Any

import typer

from genie_cli.arrange import arranged
from genie_cli.boundary import guard
from genie_cli.tree import Branch, Entry
from genie_core import __version__

TRY = "Try a configuration"
NODE = "Look after a node"
MORE = "More"

COMPLETE = "__complete"  # what the shells' completion scripts call: see completing.py

COMMANDS: dict[str, Entry] = {
    "debug": Entry("", "Find out what is wrong", NODE),
    "debug pod": Entry("debug_pod", "Say what is wrong with a pod's network", NODE),
    "debug node": Entry("debug_node", "Say what is wrong for all pods of this node", NODE),
    "debug bundle": Entry(
        "debug_bundle", "Collect facts for somebody else to look at, without secrets", NODE
    ),
    "discover": Entry("discover", "Show what this node does for pods' networks, and what is wrong", NODE),
    "generate-config": Entry("generate_config", "Make a configuration that works on this node", TRY),
    "dry-run": Entry("dry_run", "Show what a pod would get, in a private copy of the node", TRY),
    "install": Entry("install", "Put the plugin and its configuration on this node", NODE),
    "uninstall": Entry("uninstall", "Take the plugin off this node, without locking it out", NODE),
    "sync": Entry("", "Change the networks of running pods", NODE),
    "sync pod": Entry("sync_pod", "Give a running pod the networks that its annotations ask for now", NODE),
    "gc": Entry("gc", "Remove what pods that are gone have left behind", NODE),
    "explain": Entry("explain", "Explain a code, a key, a pod's networks, or who uses a network", MORE),
    "version": Entry("version", "Show the versions of genie, its plugin, and what they stand on", MORE),
    "schema": Entry("schema", "Print the JSON Schema of a kind of document", MORE),
    "completion": Entry("completion", "Print a shell's completion script", MORE),
    "help": Entry("help", "Explain exit codes and forms of output, or a command", MORE),
}

EXAMPLES = [
    ("what is wrong with this pod's network", "genie debug pod shop/web-0"),
    ("give a pod two networks, in a private copy of the node", "genie dry-run --cni 'bridge,macvlan@net1'"),
]


def _print_version(value: bool) -> None:
    if value:
        print(f"genie {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The flags of `genie` itself."""


def root() -> Branch:
    """The tree of all commands."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(_root)
    flags: Any = typer.main.get_command(app)
    branch = Branch(
        COMMANDS,
        name="genie",
        short_help="Every pod the network it asks for: run, try and debug CNI plugins.",
        params=flags.params,
    )
    branch.examples = EXAMPLES
    return branch


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's own); its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == [COMPLETE]:
        from genie_cli import completing

        return completing.main(arguments[1:])
    # kubectl runs `kubectl genie` as `kubectl-genie`: usage text follows the name it was called by.
    name = "kubectl genie" if PurePath(sys.argv[0]).name == "kubectl-genie" else "genie"
    return guard(lambda: _call(arranged(arguments, COMMANDS), name), arguments)


def _call(arguments: list[str], name: str) -> int:
    tree = root()
    with tree.make_context(name, arguments) as context:
        answer = tree.invoke(context)
    return answer if isinstance(answer, int) else 0
