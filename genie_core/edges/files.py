"""Files and directories that only we may have made: opened without following links, refused when foreign.

An attacker who can prepare the state or log directory must not make Genie, which is root, write or believe
anything there. On the kubelet path.
"""

import posix
from errno import EEXIST, ENOENT

from ..errors import IOFailure

_REGULAR, _DIRECTORY = 0o100000, 0o040000  # stat.h S_IFREG, S_IFDIR
_KIND = 0o170000
_OTHERS_WRITE = 0o022


def failure(what: str, path: str, error: OSError) -> IOFailure:
    """The error for a disk that refuses."""
    return IOFailure(
        f"cannot {what} {path}: {posix.strerror(error.errno or 0)}",
        hint="it must be on a writable disk with free space, owned by the user that runs the plugin",
    )


def open_private(path: str, flags: int) -> int:
    """A descriptor of a regular file of ours, made with mode 0600 if O_CREAT says so. Raises IOFailure."""
    try:
        fd = posix.open(path, flags | posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK, 0o600)
    except OSError as error:
        raise failure("open", path, error) from None
    try:
        _refuse_foreign(posix.fstat(fd), path, _REGULAR)
    except BaseException:
        posix.close(fd)
        raise
    return fd


def _refuse_foreign(status: "posix.stat_result", path: str, kind: int) -> None:
    problem = ""
    if status.st_mode & _KIND != kind:
        problem = "it is not a regular file" if kind == _REGULAR else "it is not a directory"
    elif status.st_uid != posix.geteuid():
        problem = "it belongs to another user"
    elif kind == _REGULAR and status.st_nlink > 1:
        problem = "it has a second hard link"
    elif status.st_mode & _OTHERS_WRITE:
        problem = "others may write to it"
    if problem:
        raise IOFailure(f"{path} is not used: {problem}", hint="find out who made it, then remove it")


def is_private_directory(path: str) -> bool:
    """Whether it is a directory of ours with mode 0700."""
    try:
        status = posix.lstat(path)
    except OSError:
        return False
    return status.st_mode == _DIRECTORY | 0o700 and status.st_uid == posix.geteuid()


def make_private_directory(path: str) -> None:
    """Make the directory with mode 0700, its parents with 0755. Raises IOFailure where it is not ours."""
    _make_parents(path)
    try:
        posix.mkdir(path, 0o700)
    except OSError as error:
        if error.errno != EEXIST:
            raise failure("make the directory", path, error) from None
    if is_private_directory(path):
        return
    try:
        status = posix.lstat(path)
        if status.st_mode & _KIND == _DIRECTORY and status.st_uid == posix.geteuid():
            # ours, but made by hand with the usual mode: the files in it were never anybody else's to write
            posix.chmod(path, 0o700)
            return
    except OSError as error:
        raise failure("make private the directory", path, error) from None
    _refuse_foreign(status, path, _DIRECTORY)


def _make_parents(path: str) -> None:
    position = path.find("/", 1)
    while position != -1:
        parent = path[:position]
        try:
            posix.mkdir(parent, 0o755)
        except OSError as error:
            if error.errno != EEXIST and not exists(parent):
                raise failure("make the directory", parent, error) from None
        position = path.find("/", position + 1)


def exists(path: str) -> bool:
    """Whether something is there, links followed."""
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


def write_all(fd: int, text: str) -> None:
    """Write ASCII text, all of it. Raises OSError."""
    data = text.encode("ascii")
    while data:
        data = data[posix.write(fd, data) :]


def read_all(fd: int) -> bytes:
    """Everything up to the end. Raises OSError."""
    chunks = []
    while chunk := posix.read(fd, 1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)


def sync_directory(path: str) -> None:
    """Make a rename in the directory durable. Raises OSError."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        posix.fsync(fd)
    finally:
        posix.close(fd)


def remove(path: str) -> None:
    """Remove a file; one that is not there is fine. Raises IOFailure."""
    try:
        posix.unlink(path)
    except OSError as error:
        if error.errno != ENOENT:
            raise failure("remove", path, error) from None
