"""`genie completion`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from genie_cli.flags import argument
from genie_cli.render import write
from genie_cli.shells import script

EXAMPLES = [
    (
        "for bash: source <(...) loads it now, /etc/bash_completion.d keeps it",
        "genie completion bash",
    ),
    ("for zsh: into a directory of $fpath, as _genie", "genie completion zsh"),
    ("for fish: into ~/.config/fish/completions", "genie completion fish"),
]


class Shell(StrEnum):
    """The shells that can complete genie's words."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """A shell."""

    shell: Shell = argument("{bash|zsh|fish|powershell}", "The shell.", default=...)


def run(flags: Flags) -> int:
    """Prints the script that lets a shell complete genie's commands, flags, pods, networks and files.

    Those of bash, zsh and fish are tested with these shells; PowerShell's is written from its documentation.

    For `kubectl genie` put the program kubectl_complete-genie, which comes with genie, on PATH.
    """
    write(script(flags.shell.value))
    return 0
