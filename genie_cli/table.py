"""The table of commands, which `app`, `completing`, `manual` and `genie help` import; it imports no command.

How to add a command `genie frob`:
1. `genie_core/tasks/frob.py`: the operator's question, `frob(options: FrobOptions) -> FrobReport`; the report is a
   frozen dataclass, `Published`, with `kind: ClassVar[str] = "FrobReport"`; its members are its JSON. Prints nothing.
2. `genie_cli/commands/frob.py`: `EXAMPLES = [("purpose", "genie frob x")]`, a dataclass `Flags` (see `flags`; shared
   groups are in `options`), and `def run(flags: Flags) -> int`, whose docstring is the description in --help. It
   builds the edges (`wiring`), calls the task, calls `render.emit(report, flags.output, view)` and returns the exit
   code. Errors are raised (`genie_core.errors`), never printed: `boundary` does that.
3. One line in COMMANDS; the first word of "debug pod" has a line too, without a module. A command's module is
   imported when it is called.
-v, -q, --color, --no-color and --help are added to every command.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import typer

from genie_cli.arrange import arranged
from genie_cli.flags import flag
from genie_cli.tree import Branch, Entry, command_of
from genie_core import __version__

TRY = "Try a configuration"
CLUSTER = "Examine a cluster"
NODE = "Maintain a node"
MORE = "More"

COMMANDS: dict[str, Entry] = {
    "debug": Entry("", "Find out what is wrong", NODE),
    "debug pod": Entry("debug_pod", "Find the cause of a fault in a pod's network", NODE),
    "debug node": Entry("debug_node", "Find faults that concern all pods of this node", NODE),
    "debug bundle": Entry(
        "debug_bundle", "Collect facts into a file that can be shared, without secrets", NODE
    ),
    "trace": Entry("trace", "Show the path of a pod's packets, and what decides at each hop", NODE),
    "status": Entry("status", "Show a whole cluster's networks, and what is wrong", CLUSTER),
    "networks": Entry("networks", "List a cluster's networks, or who uses one", CLUSTER),
    "discover": Entry("discover", "Show how this node sets up pods' networks, and what is wrong", NODE),
    "generate-config": Entry("generate_config", "Make a configuration that works on this node", TRY),
    "dry-run": Entry("dry_run", "Show what a pod would get, in a private copy of the node", TRY),
    "install": Entry("install", "Put the plugin and its configuration on this node", NODE),
    "uninstall": Entry("uninstall", "Remove the plugin from this node, in a safe order", NODE),
    "sync": Entry("", "Change the networks of running pods", NODE),
    "sync pod": Entry("sync_pod", "Give a running pod the networks that its annotations ask for now", NODE),
    "policy": Entry("", "See what policies between networks do", NODE),
    "policy list": Entry(
        "policy_list", "List the policies, what they select, and where they are enforced", NODE
    ),
    "policy explain": Entry("policy_explain", "Show which policy allows or denies a connection", NODE),
    "policy render": Entry("policy_render", "Print the firewall rules that this node would have", NODE),
    "agent": Entry("agent", "Keep running pods' networks as asked for, and maintain the node", NODE),
    "serve": Entry("serve", "Run the plugin's calls without starting Python for each", NODE),
    "gc": Entry("gc", "Remove what pods that are gone have left behind", NODE),
    "explain": Entry("explain", "Explain a code, a key, a pod's networks, or who uses a network", MORE),
    "version": Entry("version", "Show the versions of genie, its plugin, Python and the kernel", MORE),
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


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The flags of `genie` itself."""

    version: bool = flag(
        "--version", "Print the version.", default=False, callback=_print_version, is_eager=True
    )


def _root(flags: Flags) -> int:
    raise NotImplementedError


def root() -> Branch:
    """The tree of all commands."""
    branch = Branch(
        COMMANDS,
        name="genie",
        short_help="Every pod the network it asks for: run, try and debug CNI plugins.",
        params=command_of(_root, "genie").params,
    )
    branch.examples = EXAMPLES
    return branch


def run(arguments: Sequence[str]) -> int:
    """Run a command line; its exit code. Raises what the command raises."""
    tree = root()
    # kubectl runs `kubectl genie` as `kubectl-genie`: usage texts use the name that the program was called by
    name = "kubectl genie" if PurePath(sys.argv[0]).name == "kubectl-genie" else "genie"
    with tree.make_context(name, arranged(arguments, COMMANDS)) as context:
        answer = tree.invoke(context)
    return answer if isinstance(answer, int) else 0
