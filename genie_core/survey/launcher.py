"""The header of an installed launcher, which tasks/launcher.py writes; a native one has it among its data."""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD_BYTES = 16384  # of a launcher: the header is in them
_ELF = "\x7fELF"
_HEADER = re.compile(r"Genie ([\w.+-]+), the CNI plugin(?:, run by (.+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """A launcher's header: Genie's version, and the interpreter's path ("" where it names none).

    `native`: it hands calls over to `genie serve`.
    """

    version: str
    python: str
    native: bool = False


def read_launcher(text: str) -> Launcher | None:
    """The launcher whose file begins with `text`; None where it is none."""
    found = _HEADER.search(text)
    native = text.startswith(_ELF)
    return Launcher(version=found[1], python=found[2] or "", native=native) if found else None
