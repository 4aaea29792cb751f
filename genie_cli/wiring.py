"""Where the command line makes the core's edges: default places, looked at once, here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genie_core.edges.private_node import PrivateNode
from genie_core.errors import EXIT_USAGE, GenieError

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
    return _directories("--bin-dir", asked, BIN_DIRS)


def conf_dirs(asked: Sequence[Path] | None) -> list[str]:
    """The directories of configurations: those asked for, else the usual one if it exists."""
    return _directories("--conf-dir", asked, (CONF_DIR,))


def _directories(flag: str, asked: Sequence[Path] | None, usual: Sequence[Path]) -> list[str]:
    for path in asked or ():
        if not path.is_dir():
            raise GenieError(f"{flag} {path}: there is no such directory", exit_code=EXIT_USAGE)
    return [str(path.absolute()) for path in asked or usual if path.is_dir()]


def private_node(conf_dirs: Sequence[str], bin_dirs: Sequence[str]) -> PrivateNode:
    """A private node, not started yet, with these directories in it; the former may be written to there."""
    return PrivateNode(copied=conf_dirs, visible=[*conf_dirs, *bin_dirs])
