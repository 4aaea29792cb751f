"""The node's file system seen from elsewhere: `--root /host` in a DaemonSet, a fixture in a test.

Paths are the node's own everywhere in reports; `Root.real` says where to find them from here, following the
symbolic links as the node would, so that an absolute link does not lead out of the root.
"""

from __future__ import annotations

import os

_MOST_LINKS = 40  # linux/namei.h MAXSYMLINKS


class Root:
    """A directory that stands for `/` of the node."""

    def __init__(self, directory: str = "/") -> None:
        self.directory = os.path.abspath(directory)

    @property
    def is_here(self) -> bool:
        """True where the node is this machine, seen directly."""
        return self.directory == "/"

    def real(self, path: str) -> str:
        """Where the node's absolute `path` is, from here. A link loop ends as a path that does not exist."""
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
        return sorted(os.listdir(self.real(path)), key=os.fsencode)

    def text(self, path: str, limit: int = 1 << 20) -> str:
        """A file's text, undecodable bytes escaped, at most `limit` bytes. Raises OSError."""
        with open(self.real(path), "rb") as file:
            return file.read(limit).decode("utf-8", "surrogateescape")

    def exists(self, path: str) -> bool:
        """Whether something is there that this user can see."""
        return os.path.exists(self.real(path))
