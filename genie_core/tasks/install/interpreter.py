"""The Python that the plugin runs with on this node."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from genie_core.edges.indicator_programs import refuse_foreign_program
from genie_core.errors import GenieError, InvalidConfig
from genie_core.tasks.install.launcher import require_nameable
from genie_core.tasks.install.payload import version_of


def find_interpreter(wanted: Path | None) -> Path:
    """The Python that the launcher names: an absolute path outside of this environment.

    Raises InvalidConfig for one that cannot run the plugin, and, unless it is `wanted`, for one that another user can
    change: it runs as root.
    """
    base = getattr(sys, "_base_executable", None) or sys.executable
    python = Path(wanted or base).resolve()
    require_nameable(python)
    try:
        cache_tag(python)
    except OSError as error:
        raise InvalidConfig(
            f"{python} cannot be run: {error.strerror}", hint="name another --python"
        ) from None
    if wanted is None and is_foreign(python):
        raise InvalidConfig(
            f"the plugin would run {python} as root, and another user can change it or a directory above it",
            hint="name a Python of root's, such as --python /usr/bin/python3, or this one if that is meant",
        )
    return python


def is_foreign(python: Path) -> bool:
    """Whether another user than root can change the interpreter. False where this user is not root."""
    try:
        if os.geteuid() == 0:
            refuse_foreign_program(str(python))
    except GenieError:
        return True
    return False


def cache_tag(python: Path) -> str:
    """The cache tag, such as cpython-313. Raises OSError where it cannot be run, InvalidConfig where it is too old."""
    return _tag_of(python, version_of(python))


@lru_cache(maxsize=4)
def _tag_of(python: Path, _version: tuple[int, ...]) -> str:
    """The same, cached for each version of the interpreter's file."""
    ask = "import sys; print(sys.version_info >= (3, 11) and sys.implementation.cache_tag or '')"
    command = [str(python), "-IS", "-c", ask]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode or not done.stdout.strip():
        raise InvalidConfig(f"{python} is not Python 3.11 or newer", hint="name another --python")
    return done.stdout.strip()
