"""The Python that the plugin runs with on this node."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from genie_core.errors import InvalidConfig
from genie_core.tasks.launcher import require_nameable
from genie_core.tasks.payload import version_of


def find_interpreter(wanted: Path | None) -> Path:
    """The Python that the launcher names: an absolute path outside of this environment."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    python = Path(wanted or base).resolve()
    require_nameable(python)
    try:
        cache_tag(python)
    except OSError as error:
        raise InvalidConfig(
            f"{python} cannot be run: {error.strerror}", hint="name another --python"
        ) from None
    return python


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
