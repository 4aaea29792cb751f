"""What `genie debug bundle` writes, as a gzipped tar: packed, and unpacked again."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Mapping
from typing import IO

from genie_core.errors import DecodingFailure

FOLDER = "genie-bundle"
Members = Mapping[str, bytes]
MEMBERS = ("facts.json", "report.json", "versions.json")
_LARGEST = 256 << 20  # of one member


def pack(members: Members, file: IO[bytes], now: float) -> None:
    """Write the members, with `now` as their time."""
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(now)
            archive.addfile(entry, io.BytesIO(data))


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The members of one node's bundle: those that a bundle has, whatever else is there.

    Raises DecodingFailure for what is no bundle.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as packed:
            for entry in packed:
                name = entry.name.removeprefix(f"{FOLDER}/")
                file = packed.extractfile(entry) if name in MEMBERS and entry.isreg() else None
                if file is not None and entry.size <= _LARGEST:
                    found[name] = file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error):
        raise DecodingFailure("what the node sent is no bundle") from None
    if not found:
        raise DecodingFailure("what the node sent is no bundle")
    return found
