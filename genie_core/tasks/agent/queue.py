"""Which pods are to be synchronised, and when. Pure: the clock and the random numbers are passed in.

One entry per key. An entry is due, waits out a back-off, runs, or is parked: parked ones wait for a change, since a
repetition alone would not help. A change while a key runs makes it due again when it is done.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 300.0
_JITTER = 0.2  # of the back-off, to both sides

Key = TypeVar("Key", bound=Hashable)


class RunOutcome(Enum):
    """The result of a run: nothing is left to do, it may succeed later, or it needs a change first."""

    DONE = "done"
    RETRY = "retry"
    PARK = "park"


@dataclass(slots=True)
class _Entry:
    """`due` and `since` are seconds of the caller's clock; `since` is when the work was first asked for."""

    due: float
    since: float
    failures: int = 0
    running: bool = False
    changed: bool = False
    parked: bool = False


class Queue(Generic[Key]):
    """The pods with work. `uniform(a, b)` gives the jitter."""

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._entries: dict[Key, _Entry] = {}
        self._uniform = uniform

    def add(self, key: Key, now: float) -> None:
        """Something about the key has changed: it is due now, and its back-off starts again."""
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Entry(due=now, since=now)
        elif entry.running:
            entry.changed = True
        else:
            since = now if entry.parked else entry.since
            self._entries[key] = _Entry(due=min(now, entry.due), since=since)

    def take(self, now: float) -> Key | None:
        """The key that is due for longest, which runs from now on; None where none is due."""
        ready = [(entry.due, key) for key, entry in self._waiting() if entry.due <= now]
        if not ready:
            return None
        key = min(ready, key=lambda pair: pair[0])[1]
        self._entries[key].running = True
        return key

    def finish(self, key: Key, outcome: RunOutcome, now: float) -> float:
        """The run of a key has ended; seconds until it is due again, 0 where it is not, or is now."""
        entry = self._entries[key]
        if entry.changed:
            self._entries[key] = _Entry(due=now, since=now)
            return 0
        if outcome is RunOutcome.DONE:
            del self._entries[key]
            return 0
        entry.running, entry.parked = False, outcome is RunOutcome.PARK
        if entry.parked:
            return 0
        entry.failures += 1
        entry.due = now + self._pause(entry.failures)
        return entry.due - now

    def drop(self, key: Key) -> None:
        """Forget the key; the result of a run under way is ignored."""
        entry = self._entries.get(key)
        if entry and entry.running:
            entry.changed = False
        else:
            self._entries.pop(key, None)

    def hasten(self, now: float, within: float) -> None:
        """Make those that wait out a back-off due within so many seconds: what kept them has ended."""
        for _, entry in self._waiting():
            entry.due = min(entry.due, now + self._uniform(0, within))

    def __contains__(self, key: Key) -> bool:
        """Whether there is work for the key, parked work included."""
        return key in self._entries

    def is_held_up(self, key: Key) -> bool:
        """Whether the last run of the key did not succeed, and nothing has changed since."""
        entry = self._entries.get(key)
        return entry is not None and (entry.parked or entry.failures > 0)

    def parked(self) -> list[Key]:
        """The keys that wait for a change."""
        return [key for key, entry in self._entries.items() if entry.parked]

    def running(self) -> list[Key]:
        """The keys whose run has not ended."""
        return [key for key, entry in self._entries.items() if entry.running]

    def next_due(self) -> float | None:
        """When the next key is due; None where none waits."""
        return min((entry.due for _, entry in self._waiting()), default=None)

    def depth(self) -> int:
        """How many wait: due ones and those in their back-off."""
        return sum(1 for _ in self._waiting())

    def oldest(self, now: float) -> float:
        """For how many seconds the oldest of those that wait has been waiting, 0 where none does."""
        return max((now - entry.since for _, entry in self._waiting()), default=0.0)

    def _waiting(self) -> Iterable[tuple[Key, _Entry]]:
        return (
            (key, entry) for key, entry in self._entries.items() if not entry.running and not entry.parked
        )

    def _pause(self, failures: int) -> float:
        longest = min(FIRST_SECONDS * 2.0 ** min(failures - 1, 30), LONGEST_SECONDS)
        return min(max(longest * self._uniform(1 - _JITTER, 1 + _JITTER), FIRST_SECONDS), LONGEST_SECONDS)
