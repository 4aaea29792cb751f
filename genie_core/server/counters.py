"""How many calls were served and how many were not, since the boot.

The native launcher counts, since it knows both: it adds one to a number in a file that the server has made. All
processes map the same page and add atomically, so no lock is needed. The file is on a tmpfs.
"""

import posix
import sys

from genie_core.edges.files import open_private

# In the order of `enum slot` in native/launcher.c.
NAMES = ("served", "noServer", "otherBuild", "otherNamespace", "otherRights", "noAnswer", "lost")
_SIZE = 4096  # one page
_WORD = 8


def prepare(path: str) -> None:
    """Make the file unless it is there. Raises IOFailure, OSError.

    It has its page from the beginning: on a full file system a launcher that wrote to a hole would end with SIGBUS.
    """
    fd = open_private(path, posix.O_RDWR | posix.O_CREAT)
    try:
        posix.posix_fallocate(fd, 0, _SIZE)
    finally:
        posix.close(fd)


def read(path: str) -> dict[str, int] | None:
    """The numbers by name; None where no server has run since the boot. Raises IOFailure for a foreign file."""
    try:
        posix.lstat(path)
    except OSError:
        return None
    fd = open_private(path, posix.O_RDONLY)
    try:
        data = posix.pread(fd, _SIZE, 0)
    finally:
        posix.close(fd)
    words = [data[at : at + _WORD] for at in range(0, _WORD * len(NAMES), _WORD)]
    return {name: int.from_bytes(word, sys.byteorder) for name, word in zip(NAMES, words, strict=True)}
