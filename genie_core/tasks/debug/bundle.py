"""`genie debug bundle`: facts and diagnosis of one node or of several in one file, without secrets, to share.

An allow-list, not a redaction: the saved facts (which never hold secrets), the reports made of them, versions,
and a manifest with a hash of each member. Configuration files, kubeconfigs, logs and environments stay out.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from errno import EACCES, EEXIST, ENOENT, EPERM, EROFS
from typing import Any, ClassVar

from genie_core import __version__
from genie_core.errors import EXIT_DENIED, IOFailure
from genie_core.published import timestamp
from genie_core.tasks.debug.archive import Members, pack
from genie_core.tasks.debug.report import DiagnosisReport
from genie_core.tasks.debug.snapshot import snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReport:
    """What was written: the file, each member's size and SHA-256, and why nodes are missing."""

    kind: ClassVar[str] = "Bundle"
    path: str
    members: tuple[tuple[str, int, str], ...]
    failed: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """path, members: [{name, bytes, sha256}]; failed: [{node, reason}] where there are several nodes."""
        document: dict[str, Any] = {
            "path": self.path,
            "members": [
                {"name": name, "bytes": size, "sha256": digest} for name, size, digest in self.members
            ],
        }
        failed = [{"node": node, "reason": reason} for node, reason in self.failed.items()]
        return document | ({"failed": failed} if failed else {})


def contents(report: DiagnosisReport) -> dict[str, bytes]:
    """The members: name -> bytes."""
    versions = {"genie": __version__, "kernel": platform.release(), "python": platform.python_version()}
    return {
        "facts.json": snapshot(report).encode(),
        "report.json": (json.dumps(report.as_json(), indent=1) + "\n").encode(),
        "versions.json": (json.dumps(versions, indent=1) + "\n").encode(),
    }


def of_nodes(nodes: Mapping[str, Members]) -> dict[str, bytes]:
    """The members of several nodes, in a folder for each."""
    return {f"{node}/{name}": data for node, members in nodes.items() for name, data in members.items()}


def require_new(path: str) -> None:
    """Raise IOFailure where `write` would, before minutes are spent on collecting."""
    if path == "-":
        return
    if os.path.lexists(path):
        raise _unwritable(path, EEXIST)
    require_folder(path)


def require_folder(path: str, flag: str = "--output-file") -> None:
    """Raise IOFailure where no file can be made there; `flag` is the one that names it."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise _unwritable(path, ENOENT, flag)
    if not os.access(folder, os.W_OK | os.X_OK):
        is_fixed = os.statvfs(folder).f_flag & os.ST_RDONLY
        raise _unwritable(path, EROFS if is_fixed else EACCES, flag)


def _unwritable(path: str, number: int | None, flag: str = "--output-file") -> IOFailure:
    return IOFailure(
        f"{path}: {os.strerror(number or 0)}",
        hint=f"name another file with {flag}",
        exit_code=EXIT_DENIED if number in (EACCES, EPERM, EROFS) else None,
    )


def write(members: Members, path: str, now: float, failed: Mapping[str, str] | None = None) -> BundleReport:
    """Write a gzipped tar of mode 0600, "-" for stdout. A file that cannot be written whole is removed again.

    Raises IOFailure, also where the file exists already; BrokenPipeError.
    """
    listed = tuple((name, len(data), hashlib.sha256(data).hexdigest()) for name, data in members.items())
    report = BundleReport(path=path, members=listed, failed=failed or {})
    try:
        descriptor = 1 if path == "-" else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _unwritable(path, error.errno) from None
    packed = io.BytesIO()
    pack({**members, "manifest.json": _manifest(report, now)}, packed, now)
    try:
        with os.fdopen(descriptor, "wb", closefd=path != "-") as file:
            file.write(packed.getbuffer())
    except BaseException as error:
        if path != "-":
            os.unlink(path)
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise _unwritable("standard output" if path == "-" else path, error.errno) from None
        raise
    return report


def _manifest(report: BundleReport, now: float) -> bytes:
    """When it was made, each member's size and hash, the nodes that are missing."""
    document: dict[str, Any] = {"created": timestamp(now)}
    document["members"] = {name: {"bytes": size, "sha256": digest} for name, size, digest in report.members}
    document |= {"failed": dict(report.failed)} if report.failed else {}
    return (json.dumps(document, indent=1) + "\n").encode()
