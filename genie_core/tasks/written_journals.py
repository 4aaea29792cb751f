"""Which journals of a state directory were written since they were read. A node has hundreds, and few change."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress

from genie_core.edges.store import Store

Stamp = tuple[int, int, int]  # inode, size and time of the last write
_TICK_NANOSECONDS = 50_000_000


class WrittenJournals:
    """`stamps` is, by name, what each journal was when it was read.

    A change of a container begins by replacing its journal, and adds to it until it ends. So where the directory is the
    same, only journals of changes that have not ended are looked at, and those that could not be read.
    """

    def __init__(self, store: Store) -> None:
        self.stamps: dict[str, Stamp] = {}
        self._store = store
        self._open: set[str] = set()
        self._folder_stamp = 0

    def look(self) -> tuple[dict[str, Stamp], set[str]]:
        """The stamps of new and changed journals by name, and the names of those that are gone.

        What is not noted comes again. Raises IOFailure and OSError; the next look is at all of them then.
        """
        stamp = _folder_stamp(self._store)
        is_same = stamp and stamp == self._folder_stamp
        if is_same and not self._open:
            return {}, set()
        self._folder_stamp = 0
        there = journal_stamps(self._store, self._open if is_same else None)
        gone = (self._open if is_same else self._open | self.stamps.keys()) - there.keys()
        for name in gone:
            self.stamps.pop(name, None)
        written = {name: at for name, at in there.items() if at != self.stamps.get(name)}
        self._open = self._open - gone | written.keys()
        self._folder_stamp = stamp
        return written, gone

    def note(self, name: str, stamp: Stamp, *, is_whole: bool) -> None:
        """It was read, as it was then. Where it is not whole, each look is at it."""
        self.stamps[name] = stamp
        if is_whole:
            self._open.discard(name)


def journal_stamps(store: Store, names: Iterable[str] | None = None) -> dict[str, Stamp]:
    """The stamps of these journals, or of all, by name; those that are gone are left out.

    Raises IOFailure and OSError where that cannot be known now: no descriptor is free, for one.
    """
    found = {}
    for name in store.names() if names is None else names:
        with suppress(FileNotFoundError):
            status = os.lstat(f"{store.directory}/containers/{name}")
            found[name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def written_at(path: str) -> int:
    """When a file was written last, in nanoseconds; 0 where that cannot be read."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _folder_stamp(store: Store) -> int:
    """When a journal was last made, replaced or removed, in nanoseconds; 0 where that cannot be relied on.

    The kernel's clock of files advances by up to 10 ms at a time: two writes within that look like one.
    """
    stamp = written_at(f"{store.directory}/containers")
    return stamp if stamp < time.time_ns() - _TICK_NANOSECONDS else 0
