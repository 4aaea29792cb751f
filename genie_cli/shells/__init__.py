"""The shells' completion scripts. Each asks `genie __complete` (genie_cli/completing.py) what may follow."""

from __future__ import annotations

from importlib.resources import files

# How a shell is called -> the name that its script is installed under.
FILES = {"bash": "genie.bash", "zsh": "_genie", "fish": "genie.fish", "powershell": "genie.ps1"}


def script(shell: str) -> str:
    """A shell's script. Raises KeyError for another shell."""
    return (files(__name__) / FILES[shell]).read_text(encoding="utf-8")
