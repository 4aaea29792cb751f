"""The file of counters, written whole and exchanged by a rename, one call at a time (metrics.py).

Counting never fails a call and never keeps one waiting: a call that does not get the lock soon is not counted.
"""

import posix
from fcntl import LOCK_EX, LOCK_NB, flock
from time import monotonic, sleep

from genie_core.edges.files import exists, failure, open_private, read_all, refuse_open_way, write_all
from genie_core.errors import IOFailure
from genie_core.metrics import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from genie_core.metrics import Run

_WAIT_SECONDS = 0.1
_PUBLIC = 0o644  # node_exporter is not root; there are names of networks and numbers in it


def count(path: str, verb: str, code: int, seconds: float, runs: "Iterable[Run]") -> None:
    """Add one call to the counters in the file. Raises IOFailure."""
    refuse_open_way(path)
    lock = open_private(f"{path}.lock", posix.O_RDWR | posix.O_CREAT)
    try:
        if not _locked(lock):
            raise IOFailure(f"{path}: other calls kept its lock, so this one is not counted")
        _write(path, counted(read(path), verb, code, seconds, runs))
    finally:
        posix.close(lock)


def _locked(fd: int) -> bool:
    give_up = monotonic() + _WAIT_SECONDS
    while True:
        try:
            flock(fd, LOCK_EX | LOCK_NB)
        except OSError:
            if monotonic() >= give_up:
                return False
            sleep(0.002)
        else:
            return True


def read(path: str) -> str:
    """The file's text, "" where there is none. Raises IOFailure, also where others may write to it."""
    if not exists(path):
        return ""
    fd = open_private(path, posix.O_RDONLY)
    try:
        return read_all(fd).decode("utf-8", "replace")
    except OSError as error:
        raise failure("read", path, error) from None
    finally:
        posix.close(fd)


def _write(path: str, text: str) -> None:
    new = f"{path}.new"
    fd = open_private(new, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC)
    try:
        write_all(fd, text)
        posix.fchmod(fd, _PUBLIC)
        posix.rename(new, path)
    except OSError as error:
        raise failure("write", path, error) from None
    finally:
        posix.close(fd)
