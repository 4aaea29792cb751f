"""The header of an installed launcher, which tasks/launcher.py writes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = re.compile(r"Genie ([\w.+-]+), the CNI plugin(?:, run by (.+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """A launcher's header: Genie's version, and the interpreter's path ("" where it names none)."""

    version: str
    python: str


def read_launcher(text: str) -> Launcher | None:
    """The launcher whose file begins with `text`; None where it is none."""
    found = _HEADER.search(text)
    return Launcher(version=found[1], python=found[2] or "") if found else None
