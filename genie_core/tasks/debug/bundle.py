"""`genie debug bundle`: facts and diagnosis in one file, without secrets, to attach to an issue.

An allow-list, not a redaction: the saved facts (which never hold secrets), the reports made of them, versions,
and a manifest with a hash of each member. Configuration files, kubeconfigs, logs and environments stay out.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
import time
from dataclasses import dataclass
from typing import Any, ClassVar

from genie_core import __version__
from genie_core.errors import IOFailure
from genie_core.tasks.debug.report import DiagnosisReport
from genie_core.tasks.debug.snapshot import snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReport:
    """What was written: the file, and each member's size and SHA-256."""

    kind: ClassVar[str] = "Bundle"
    path: str
    members: tuple[tuple[str, int, str], ...]

    def as_json(self) -> dict[str, Any]:
        """path, members: [{name, bytes, sha256}]."""
        return {
            "path": self.path,
            "members": [
                {"name": name, "bytes": size, "sha256": digest} for name, size, digest in self.members
            ],
        }


def contents(report: DiagnosisReport) -> dict[str, bytes]:
    """The members: name -> bytes."""
    versions = {"genie": __version__, "kernel": platform.release(), "python": platform.python_version()}
    return {
        "facts.json": snapshot(report).encode(),
        "report.json": (json.dumps(report.as_json(), indent=1) + "\n").encode(),
        "versions.json": (json.dumps(versions, indent=1) + "\n").encode(),
    }


def write(report: DiagnosisReport, path: str) -> BundleReport:
    """Write a gzipped tar of mode 0600. Raises IOFailure, also where the file exists already."""
    members = contents(report)
    listed = tuple((name, len(data), hashlib.sha256(data).hexdigest()) for name, data in members.items())
    manifest = {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(report.facts.time)), "members": {}}
    manifest["members"] = {name: {"bytes": size, "sha256": digest} for name, size, digest in listed}
    members["manifest.json"] = (json.dumps(manifest, indent=1) + "\n").encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise IOFailure(f"{path}: {error.strerror}", hint="name another file with --output-file") from None
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(f"genie-bundle/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(report.facts.time)
            archive.addfile(entry, io.BytesIO(data))
    return BundleReport(path=path, members=listed)
