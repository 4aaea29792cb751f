"""The node's file system seen from elsewhere: `--root /host` in a DaemonSet, a fixture in a test.

Reports have the node's own paths; `Root.real` gives the path from here. It follows symbolic links as the node would,
so an absolute link does not lead out of the root.
"""

from __future__ import annotations

import os
import socket
import stat
from errno import EINVAL

from genie_core.errors import NotFound
from genie_core.fields import can_be_passed

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # linux/namei.h MAXSYMLINKS


class Root:
    """A directory that stands for `/` of the node."""

    def __init__(self, directory: str = "/") -> None:
        self.directory = os.path.abspath(directory)

    @property
    def is_here(self) -> bool:
        """True where the node is this machine, seen directly."""
        return self.directory == "/"

    def require(self) -> Root:
        """This root. Raises NotFound where it is no directory, or an empty report would look like a healthy node."""
        if not os.path.isdir(self.directory):
            raise NotFound(
                f"--root {self.directory} is not a directory", hint="it is where the node's / is seen"
            )
        return self

    def real(self, path: str) -> str:
        """The path from here of the node's absolute `path`. A link loop gives a path that does not exist."""
        if self.is_here:
            return path
        rest = [part for part in path.split("/") if part][::-1]
        done: list[str] = []
        links = 0
        while rest:
            part = rest.pop()
            if part == "..":
                done = done[:-1]
                continue
            here = "/".join([self.directory, *done, part])
            if part != "." and os.path.islink(here) and links < _MOST_LINKS:
                links += 1
                target = os.readlink(here)
                done = [] if target.startswith("/") else done
                rest += [step for step in target.split("/") if step][::-1]
            elif part != ".":
                done.append(part)
        return "/".join([self.directory, *done])

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted bytewise. Raises OSError."""
        _refuse_impossible(path)
        return sorted(os.listdir(self.real(path)), key=os.fsencode)

    def text(self, path: str, limit: int = 1 << 20) -> str:
        """A file's text, undecodable bytes escaped, at most `limit` bytes. Raises OSError."""
        return self.read(path, limit).decode("utf-8", "surrogateescape")

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        """A regular file's first `limit` bytes. Raises OSError, also for a pipe or a device, which could block."""
        descriptor = self._open(path)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(EINVAL, "not a regular file", path)
            return file.read(limit)

    def _open(self, path: str) -> int:
        """Open without following links below another root: its owner could have put one there since `real` looked."""
        _refuse_impossible(path)
        if self.is_here:
            return os.open(path, _READ)
        folder = os.open(self.directory, _FOLDER & ~os.O_NOFOLLOW)
        try:
            *folders, name = os.path.relpath(self.real(path), self.directory).split("/")
            for part in folders:
                inner = os.open(part, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            return os.open(name, _READ | os.O_NOFOLLOW, dir_fd=folder)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None
        finally:
            os.close(folder)

    def exists(self, path: str) -> bool:
        """Whether this user can see something at the path."""
        return os.path.exists(self.real(path))

    def is_folder(self, path: str) -> bool:
        """Whether a directory is at the path itself, not one that a link there leads to."""
        folder, _, name = path.rpartition("/")
        try:
            return stat.S_ISDIR(os.lstat(f"{self.real(folder)}/{name}").st_mode)
        except OSError:
            return False

    def is_served(self, path: str) -> bool:
        """Whether a process listens on the socket at the path; where that cannot be seen, whether it is there.

        A socket stays where its process was killed, and then refuses. In a copy of a node's files it is a plain file.
        """
        if not self._is_socket(path):
            return self.exists(path)
        try:
            self.connect(path, 1).close()
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # no permission, a queue that is full
            return self.exists(path)
        return True

    def connect(self, path: str, seconds: float) -> socket.socket:
        """A connection to the stream socket at the path; `seconds` is its time limit. Raises OSError."""
        folder, name = os.path.split(self.real(path))
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(seconds)
            opened = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            try:
                connection.connect(f"/proc/self/fd/{opened}/{name}")  # a path may have 107 bytes
            finally:
                os.close(opened)
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_socket(self, path: str) -> bool:
        try:
            return stat.S_ISSOCK(os.stat(self.real(path)).st_mode)
        except OSError:
            return False


def _refuse_impossible(path: str) -> None:
    """Raise OSError for a path with a NUL character or a lone surrogate, which JSON allows and the kernel does not."""
    if not can_be_passed(path):
        raise OSError(EINVAL, "no file can have this name", path)


def age_of(path: str, now: float) -> float:
    """Seconds since the file was changed. Raises OSError.

    A time in the future comes from a clock that was set back since: the file counts as old as its time is ahead, or
    it would be too young to touch until then.
    """
    return abs(now - os.stat(path).st_mtime)


def seen_otherwise(*paths: str) -> list[str]:
    """The paths that are other files for the machine's first process, as they are in a container.

    None where that is not known: without root, or where the first process is the container's own.
    """
    try:
        return [path for path in paths if _inode(path) != _inode(f"/proc/1/root{path}")]
    except OSError:
        return []


def _inode(path: str) -> tuple[int, int] | None:
    """Device and inode, None where the file does not exist. Raises OSError where this user may not know."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
