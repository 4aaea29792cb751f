"""The version of a container runtime, and so the versions of the CNI specification that its libcni has.

libcni 1.2 is the first with 1.1.0 and with `cniVersions`; older ones read `cniVersion` alone, and fail every ADD
whose version they do not know. It came with containerd 2.0 (go-cni 1.1.10) and CRI-O 1.31 (ocicni 0.4.3).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from genie_core.gojson import view
from genie_core.spec.versions import CURRENT, at_least
from genie_core.survey.facts import ConfFile
from genie_core.survey.layouts import LAYOUTS
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import Runtime

_SECONDS = 2.0
_BEFORE = "1.0.0"  # the newest that libcni 1.1 knows
_FIRST = {"containerd": (2, 0), "crio": (1, 31)}


def with_versions(runtimes: Sequence[Runtime], root: Root) -> list[Runtime]:
    """The runtimes with their versions, by `--version`; "" where the program is not found or fails."""
    return [replace(runtime, version=_version(runtime, root)) for runtime in runtimes]


def _version(runtime: Runtime, root: Root) -> str:
    wanted = runtime.kind, runtime.flavour
    paths = [path for one in LAYOUTS if (one.kind, one.flavour) == wanted for path in one.programs]
    program = next((root.real(path) for path in paths if root.exists(path)), "")
    if not program:
        return ""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    found = re.search(r"\bv?(\d+\.\d+\.\d+)", done.stdout)
    return found[1] if found else ""


def newest_spoken(runtime: Runtime) -> str:
    """The newest version of the specification that it can call plugins with; "" where its version is not known."""
    first = _FIRST.get(runtime.kind)
    if not runtime.version or first is None:
        return ""
    major, minor = runtime.version.split(".")[:2]
    return CURRENT if (int(major), int(minor)) >= first else _BEFORE


def refused_version(file: ConfFile) -> str:
    """The `cniVersion` of a file that libcni before 1.2 does not know; "" where it knows it."""
    document: Any = view(file.text) if file.network and file.text else {}
    version = document.get("cniVersion") if isinstance(document, dict) else None
    return version if isinstance(version, str) and version != _BEFORE and at_least(version, _BEFORE) else ""
