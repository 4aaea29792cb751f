"""Where the command line makes the core's edges: default places, looked at once, here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

# Where distributions put the reference plugins; the first is Kubernetes' own convention.
BIN_DIRS = (
    Path("/opt/cni/bin"),
    Path("/usr/lib/cni"),
    Path("/usr/libexec/cni"),
    Path("/usr/local/libexec/cni"),
)
CONF_DIR = Path("/etc/cni/net.d")


def bin_dirs(asked: Sequence[Path] | None) -> list[Path]:
    """The directories of plugin binaries: those asked for, else every usual one that exists."""
    return [path.absolute() for path in asked] if asked else [path for path in BIN_DIRS if path.is_dir()]


def conf_dirs(asked: Sequence[Path] | None) -> list[Path]:
    """The directories of configurations: those asked for, else the usual one if it exists."""
    return [path.absolute() for path in asked] if asked else [path for path in (CONF_DIR,) if path.is_dir()]
