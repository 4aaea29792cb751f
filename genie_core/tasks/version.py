"""The versions of Genie, of the specifications that it supports, of Python and of the kernel."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import ClassVar

from genie_core import __version__
from genie_core.published import Published
from genie_core.spec.versions import SUPPORTED
from genie_core.survey.launcher import header_of

_DISTRIBUTION = "cni-genie"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionReport(Published):
    """`plugin` is the version of the launcher in the directory of plugins, "" where there is none; `commit` too."""

    kind: ClassVar[str] = "VersionReport"
    client: str
    commit: str
    plugin: str
    plugin_path: str
    python: str
    kernel: str
    spec_versions: tuple[str, ...]


def version(bin_dir: str) -> VersionReport:
    """The versions on this node. `bin_dir` is the directory of plugins."""
    launcher = f"{bin_dir}/genie"
    installed = _installed(launcher)
    return VersionReport(
        client=__version__,
        commit=_commit(),
        plugin=installed,
        plugin_path=launcher if installed else "",
        python=platform.python_version(),
        kernel=platform.release(),
        spec_versions=tuple(SUPPORTED),
    )


def _installed(launcher: str) -> str:
    found = header_of(Path(launcher))
    return found.version if found else ""


def _commit() -> str:
    """The commit of a checkout, or pip's record of the repository that it installed; "" where it is not known."""
    checkout = Path(__file__).parents[2]
    if (checkout / ".git").exists():
        argv = ["git", "-c", f"safe.directory={checkout}", "-C", str(checkout), "rev-parse", "HEAD"]
        try:
            return subprocess.run(argv, capture_output=True, text=True, timeout=2, check=True).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return ""
    try:
        origin = json.loads(distribution(_DISTRIBUTION).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return ""
    return str(origin.get("vcs_info", {}).get("commit_id", ""))
