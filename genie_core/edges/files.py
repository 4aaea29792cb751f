"""Files and directories that only we may have made: opened without following links, refused when foreign.

An attacker who can prepare the state or log directory must not make Genie, which is root, write or believe
anything there. On the kubelet path.
"""

import posix
from errno import EACCES, EEXIST, ELOOP, ENOENT, ENOTDIR, EPERM

from genie_core.errors import EXIT_DENIED, IOFailure

_REGULAR, _DIRECTORY = 0o100000, 0o040000  # stat.h S_IFREG, S_IFDIR
_KIND = 0o170000
_LINK = 0o120000
_OTHERS_WRITE, _WORLD_WRITABLE, _STICKY = 0o022, 0o002, 0o1000
# The user that a user namespace shows where it does not know the owner, such as the host's root (user_namespaces(7)).
_UNMAPPED = 65534


def failure(what: str, path: str, error: OSError) -> IOFailure:
    """The error for a disk that refuses, or that refuses this user."""
    if error.errno in (EACCES, EPERM):
        return IOFailure(
            f"cannot {what} {path}: {posix.strerror(error.errno)}",
            hint="run it as root, which runs the plugin",
            exit_code=EXIT_DENIED,
        )
    return IOFailure(
        f"cannot {what} {path}: {posix.strerror(error.errno or 0)}",
        hint="it must be on a writable disk with free space, owned by the user that runs the plugin",
    )


def open_private(path: str, flags: int) -> int:
    """A descriptor of a regular file of ours, made with mode 0600 if O_CREAT says so. Raises IOFailure.

    O_TRUNC takes effect once the file has proved to be ours: a hard link may lead to another user's.
    """
    safe = posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK
    try:
        fd = posix.open(path, flags & ~posix.O_TRUNC | safe, 0o600)
    except OSError as error:
        raise failure("open", path, error) from None
    try:
        _refuse_foreign(posix.fstat(fd), path, _REGULAR)
        if flags & posix.O_TRUNC:
            posix.ftruncate(fd, 0)
    except BaseException:
        posix.close(fd)
        raise
    return fd


def open_regular(path: str) -> int:
    """A descriptor to read a regular file, links followed. Raises OSError, IOFailure for anything else.

    A pipe or a device in its place would keep the reader waiting, or fill its memory.
    """
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    if posix.fstat(fd).st_mode & _KIND == _REGULAR:
        return fd
    posix.close(fd)
    raise IOFailure(f"{path} is not read: it is not a regular file", hint="find out who made it")


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
        raise _foreign(path, problem)


def _foreign(path: str, problem: str) -> IOFailure:
    return IOFailure(f"{path} is not used: {problem}", hint="find out who made it, then remove it")


def refuse_foreign_directory(path: str) -> None:
    """Raise IOFailure where it is no directory of ours, or one that others may write to."""
    try:
        status = posix.lstat(path)
    except OSError as error:
        raise failure("open the directory", path, error) from None
    _refuse_foreign(status, path, _DIRECTORY)


def is_private_directory(path: str) -> bool:
    """Whether it is a directory of ours with mode 0700."""
    try:
        status = posix.lstat(path)
    except OSError:
        return False
    return status.st_mode == _DIRECTORY | 0o700 and status.st_uid == posix.geteuid()


def make_private_directory(path: str) -> None:
    """Make the directory with mode 0700, its parents with 0755. Raises IOFailure where it is not ours."""
    make_parents(path)
    try:
        posix.mkdir(path, 0o700)
    except OSError as error:
        if error.errno != EEXIST:
            raise failure("make the directory", path, error) from None
    if not is_private_directory(path):
        _make_private(path)


def _make_private(path: str) -> None:
    """Set mode 0700 on a directory of ours that was made by hand; other users could not write to it before."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (ENOTDIR, ELOOP):
            raise failure("open the directory", path, error) from None
        raise _foreign(path, "it is not a directory") from None
    try:
        _refuse_foreign(posix.fstat(fd), path, _DIRECTORY)
        posix.fchmod(fd, 0o700)
    except OSError as error:
        raise failure("make private the directory", path, error) from None
    finally:
        posix.close(fd)


def refuse_open_way(path: str) -> None:
    """Raise IOFailure where another user could replace a directory above `path`.

    Each may be root's or ours, and world-writable only if sticky, as /tmp. Groups are the administrator's.
    """
    trusted = (0, posix.geteuid(), _UNMAPPED)
    position = path.find("/", 1)
    while position != -1:
        directory = path[:position]
        try:
            found = posix.lstat(directory)
            statuses = (found, posix.stat(directory)) if found.st_mode & _KIND == _LINK else (found,)
        except OSError:
            return  # it does not exist yet: Genie makes it
        for status in statuses:
            if status.st_uid not in trusted:
                raise _foreign(path, f"{directory} belongs to another user")
            is_open = status.st_mode & _WORLD_WRITABLE and not status.st_mode & _STICKY
            if is_open and status.st_mode & _KIND == _DIRECTORY:
                raise _foreign(path, f"{directory} is world-writable")
        position = path.find("/", position + 1)


def make_parents(path: str) -> None:
    """Make the directories above a path, with mode 0755. Raises IOFailure."""
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
    """Write text as UTF-8, all of it; a lone surrogate becomes a question mark. Raises OSError."""
    data = text.encode("utf-8", "replace")
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
