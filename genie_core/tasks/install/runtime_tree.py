"""A Python of Genie's own, for nodes without one: the tree that deploy/build-rootfs makes.

    RELEASE                 its name: python3.13-<digest>
    bin/python3, bin/genie  the interpreter, and the command line
    lib/                    loader and shared libraries, the standard library, packages

It needs no file outside of it. Two files have its path: the command line in its first line, and the interpreter, in
which the kernel finds the path of the loader, with room for a longer one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from genie_core.errors import InvalidConfig
from genie_core.tasks.atomic import new_directory, sync

HOME = Path("/opt/genie")  # its path in the image
RELEASE = "RELEASE"
ROOM = 256  # bytes for the loader's path in the interpreter, its NUL included
LINK = "python"


def tree_of(python: Path) -> Path | None:
    """The tree that an interpreter belongs to; None for any other Python."""
    tree = python.parent.parent
    return tree if (tree / RELEASE).is_file() else None


def copy_of(python: Path, folder: Path) -> Path | None:
    """The path of an interpreter's copy below `folder`; None for one that is not copied, or is a copy there itself."""
    tree = tree_of(python)
    return None if tree is None or folder in tree.parents else _target(tree, folder) / "bin/python3"


def _target(tree: Path, folder: Path) -> Path:
    return folder / (tree / RELEASE).read_text().strip()


def copy_to(tree: Path, folder: Path, changed: list[Path]) -> Path:
    """Copy the tree below `folder` and rename it when it is complete; returns the path of its interpreter.

    `folder/python` is a link to it, for people; the launcher names the tree itself, so running calls keep theirs.
    An incomplete one is replaced.
    """
    target = _target(tree, folder)
    if not _is_whole(target, tree):
        with new_directory(target) as staging:
            shutil.copytree(tree, staging, symlinks=True)
            relocate(staging, tree, target)
            os.sync()  # six thousand files: one call for all of them
        changed.append(target)
    _point(folder / LINK, target.name)
    return target / "bin/python3"


def relocate(files: Path, old: Path, new: Path) -> None:
    """Adapt the copy `files` of the tree at `old` to the path `new`. Raises InvalidConfig where that is too long."""
    (loader,) = (path.name for path in (files / "lib").glob("ld-linux-*.so.*"))
    if len(f"{new}/lib/{loader}") >= ROOM:
        raise InvalidConfig(
            f"{new}: the path is too long for an interpreter", hint="name a shorter --bin-dir"
        )
    before, after = (f"{place}/lib/{loader}".encode().ljust(ROOM, b"\0") for place in (old, new))
    _replace(files / "bin/python3", before, after)
    _replace(files / "bin/genie", str(old).encode(), str(new).encode())


def _replace(path: Path, before: bytes, after: bytes) -> None:
    data = path.read_bytes()
    if before not in data:
        raise InvalidConfig(
            f"{path} does not contain its own path", hint="build the tree again: deploy/build-rootfs"
        )
    path.write_bytes(data.replace(before, after))


def _is_whole(copy: Path, tree: Path) -> bool:
    """Whether every file of the tree is in the copy with its size. Contents of some thousand files are not compared."""
    for folder, inner, names in os.walk(tree):
        inner[:] = [name for name in inner if name != "__pycache__"]
        for name in names:
            path = os.path.join(folder, name)
            there = os.path.join(copy, os.path.relpath(path, tree))
            try:
                if os.lstat(there).st_size != os.lstat(path).st_size and there != str(copy / "bin/genie"):
                    return False  # bin/genie contains its path, whose length differs
            except OSError:
                return False
    return True


def _point(link: Path, name: str) -> None:
    """Replace a link by rename."""
    if link.is_symlink() and link.readlink() == Path(name):
        return
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name)
    fresh.rename(link)
    sync(link.parent)
