"""The header of an installed launcher, which tasks/install/launcher.py writes; a native one has it among its data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from genie_core.server import SOCKET

HEAD_BYTES = 16384  # of a launcher: the header is in them
_ELF = "\x7fELF"
_SOCKET = re.compile(f"\0(/[^\0]*)/{re.escape(SOCKET)}\0")
_HEADER = re.compile(r"Genie ([\w.+-]+), the CNI plugin(?:, run by (.+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """A launcher's header: Genie's version, and the interpreter's path ("" where it names none).

    `run_dir` is where `genie serve`, to which a native launcher hands calls over, has its socket; "" in others.
    """

    version: str
    python: str
    run_dir: str = ""


def read_launcher(text: str) -> Launcher | None:
    """The launcher whose file begins with `text`; None where it is none."""
    found = _HEADER.search(text)
    if found is None:
        return None
    served = _SOCKET.search(text) if text.startswith(_ELF) else None
    return Launcher(version=found[1], python=found[2] or "", run_dir=served[1] if served else "")


def header_of(file: Path) -> Launcher | None:
    """The header of the launcher in a file; None where it is none, or cannot be read."""
    try:
        with file.open("rb") as opened:
            return read_launcher(opened.read(HEAD_BYTES).decode("utf-8", "replace"))
    except OSError:
        return None


def run_dir_of(file: Path) -> str:
    """Where the server of a native launcher has its socket; "" for any other file."""
    found = header_of(file)
    return found.run_dir if found else ""
