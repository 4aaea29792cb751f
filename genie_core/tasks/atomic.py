"""Write a file so that every reader sees either the old content or the new one."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genie_core.edges.files import refuse_foreign_directory
from genie_core.errors import IOFailure, TryAgain

LOCK = ".lock"  # the folder of `alone`
LOCK_SECONDS = 60.0


def write_file(path: Path, content: str | bytes, mode: int) -> bool:
    """Write `content` to `path` with `mode`, durably; False where it is there already. Raises OSError with a file name.

    The temporary file is a hidden one without an extension, in the same directory: runtimes that watch it pass
    such files over (lessons 22).
    """
    data = content.encode() if isinstance(content, str) else content
    if is_there(path, data, mode):
        return False
    temporary = path.with_name(f"{_prefix(path)}{os.getpid()}")
    # left by a killed writer, or made by another user to own the file that we write
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        os.fchmod(fd, mode)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # write(2) gives no file name
            error.filename = str(path)
        raise
    sync(path.parent)
    return True


def copy_file(source: Path, target: Path, mode: int | None = None) -> None:
    """Copy with the same mode, or `mode`; durably, in place by rename. Raises OSError."""
    write_file(target, source.read_bytes(), stat.S_IMODE(source.stat().st_mode) if mode is None else mode)


@contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """A path at which the block makes a directory; at its end that takes the place of `target`, by rename.

    What killed writers have left is removed before and after it. Raises OSError.
    """
    staging, damaged = (target.with_name(f".{target.name}.{word}") for word in ("staging", "damaged"))
    try:
        for leftover in (staging, damaged):
            shutil.rmtree(leftover, ignore_errors=True)
        yield staging
        if target.is_dir():
            target.rename(damaged)
        staging.rename(target)
        sync(target.parent)
    finally:
        for leftover in (staging, damaged):
            shutil.rmtree(leftover, ignore_errors=True)


def is_there(path: Path, data: bytes, mode: int) -> bool:
    """Whether a file of ours has this content and mode. Anything else, such as a link or a pipe, is replaced."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
    return ours and stat.S_IMODE(found.st_mode) == mode and path.read_bytes() == data


def remove_temporaries(path: Path) -> None:
    """Remove the temporary files of killed writers. The caller guarantees that no other process writes this file."""
    for other in path.parent.glob(f"{_prefix(path)}*"):
        if other.name.removeprefix(_prefix(path)).isdecimal():
            other.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    return f".{path.name.replace('.', '-')}-"


@contextmanager
def alone(directory: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Wait until no other process is in a block of the same directory. The kernel releases the lock of a killed one.

    The lock is a file of mode 0600 in a folder of mode 0700: every user who can open a file can lock it. Both exist
    while a process holds the lock. Raises TryAgain after so many seconds, IOFailure where the folder
    is another user's, OSError where they cannot be made.
    """
    file = directory / LOCK / "lock"
    give_up = time.monotonic() + seconds
    while (fd := _try_lock(file)) < 0:
        if time.monotonic() >= give_up:
            raise TryAgain(
                f"another genie is running in {directory}, and has not ended after {seconds:g} s",
                hint=f"try again later; see who has {file} open: `fuser -v {file}`",
            )
        time.sleep(0.02)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()
            file.parent.rmdir()
        os.close(fd)


def _try_lock(file: Path) -> int:
    """A descriptor of the file, locked; -1 where another process has it, or has just removed it."""
    with suppress(FileExistsError):
        file.parent.mkdir(mode=0o700, parents=True)  # an uninstallation has just removed the directory
    try:
        refuse_foreign_directory(str(file.parent))
        file.parent.chmod(0o700)
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, IOFailure) as error:
        # the process that had the lock removes the folder, and another one may have made it again
        if isinstance(error, FileNotFoundError) or isinstance(error.__context__, FileNotFoundError):
            return -1
        raise
    with suppress(FileNotFoundError):
        if has_lock(fd, str(file)) and os.path.samestat(os.fstat(fd), file.stat()):
            return fd
    os.close(fd)
    return -1


@contextmanager
def unused(directory: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Wait until no other process has the directory locked; in the block none can. It need not exist.

    Raises TryAgain after so many seconds.
    """
    give_up = time.monotonic() + seconds
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        fd = -1
    try:
        while fd >= 0 and not has_lock(fd, str(directory)):
            if time.monotonic() >= give_up:
                raise TryAgain(f"{directory} is in use", hint=f"see who has it open: `fuser -v {directory}`")
            time.sleep(0.02)
        yield
    finally:
        if fd >= 0:
            os.close(fd)


def has_lock(fd: int, path: str) -> bool:
    """Lock the file at once; false where another process has it. Raises OSError, which names `path`."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        error.filename = path
        raise
    return True


def sync(directory: Path) -> None:
    """Make renames and removals in the directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
