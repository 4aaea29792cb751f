"""Where the command line makes the core's edges: default places, looked at once, here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genie_core.edges.private_node import PrivateNode

# Where distributions put the reference plugins; the first is Kubernetes' own convention.
BIN_DIRS = (
    Path("/opt/cni/bin"),
    Path("/usr/lib/cni"),
    Path("/usr/libexec/cni"),
    Path("/usr/local/libexec/cni"),
)
CONF_DIR = Path("/etc/cni/net.d")


def bin_dirs(asked: Sequence[Path] | None) -> list[str]:
    """The directories of plugin binaries: those asked for, else every usual one that exists."""
    return [str(path.absolute()) for path in asked or BIN_DIRS if asked or path.is_dir()]


def conf_dirs(asked: Sequence[Path] | None) -> list[str]:
    """The directories of configurations: those asked for, else the usual one if it exists."""
    return [str(path.absolute()) for path in asked or [CONF_DIR] if asked or path.is_dir()]


def private_node(conf_dirs: Sequence[str], bin_dirs: Sequence[str]) -> PrivateNode:
    """A private node, not started yet, with these directories in it; the former may be written to there."""
    return PrivateNode(copied=conf_dirs, visible=[*conf_dirs, *bin_dirs])
