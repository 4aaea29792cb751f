"""Write generated files: each one whole, with a copy of the file that it replaces."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import ClassVar

from genie_core.errors import Denied, GenieError
from genie_core.published import Published
from genie_core.survey.rootfs import Root
from genie_core.tasks.atomic import write_file
from genie_core.tasks.generate.request import OutputFile


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteReport(Published):
    """The files that were written, those that had the same content already, and the copies of replaced files."""

    kind: ClassVar[str] = "WrittenFiles"
    written: Sequence[str] = ()
    unchanged: Sequence[str] = ()
    backups: Sequence[str] = ()


def write_files(files: Sequence[OutputFile], root: Root) -> WriteReport:
    """Write them, each by rename. Raises Denied, or GenieError naming the file."""
    written: list[str] = []
    unchanged: list[str] = []
    backups: list[str] = []
    for file in files:
        path = Path(root.real(file.path))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            copy = _back_up(path, file.text)
            changed = write_file(path, file.text, file.mode)
        except PermissionError as error:
            raise Denied(f"cannot write {file.path}: {error.strerror}", hint="run it as root") from None
        except OSError as error:
            raise GenieError(f"cannot write {file.path}: {error.strerror}") from None
        (written if changed else unchanged).append(file.path)
        backups += [copy] if copy else []
    return WriteReport(written=written, unchanged=unchanged, backups=backups)


def _back_up(path: Path, text: str) -> str:
    """Copy the existing file, if its content differs; runtimes do not read the copy's ending."""
    try:
        before = path.read_bytes()
    except FileNotFoundError:
        return ""
    if before == text.encode():
        return ""
    copy, fd = _new_copy(path)
    with os.fdopen(fd, "wb") as file:
        file.write(before)
    return str(copy)


def _new_copy(path: Path) -> tuple[Path, int]:
    """A name that no copy has yet, also within one second, and its open file."""
    mode, stamp = path.stat().st_mode & 0o777, time.strftime("%Y%m%d-%H%M%S")
    for number in count(1):
        copy = path.with_name(f"{path.name}.{stamp}{f'-{number}' if number > 1 else ''}.bak")
        with suppress(FileExistsError):
            return copy, os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    raise AssertionError  # for the type checker: numbers do not end
