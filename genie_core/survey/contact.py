"""When the watches of one process ask an API server again that does not answer.

One of them at a time asks, after a pause that grows with the outage: half a minute after its begin that is some three
seconds, after four minutes LONGEST_SECONDS. When a request of any connection is answered, all the others ask within
SPREAD_SECONDS. A server that serves the stream of one watch is not away, whatever it does with another. So a short
outage delays no change for long; 5,000 nodes send some 2,000 requests in a second after half a minute without a server,
200 after four minutes, and what they send when it is back is spread over the pauses.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Event

FIRST_SECONDS, LONGEST_SECONDS, SPREAD_SECONDS = 0.25, 30.0, 1.5
_SHARE = 8  # of the outage, for a pause
_LOOK_SECONDS = 1.0  # how soon it is seen that a watch is to stop


class Contact:
    """Shared by all connections of a process to one server."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = Condition()
        self._streams = 0
        self._answers = 0
        self._away_since: float | None = None
        self._next = 0.0  # when the next watch asks

    def answered(self) -> None:
        """A request was answered."""
        with self._changed:
            if self._away_since is not None:
                self._answers += 1
                self._away_since = None
                self._changed.notify_all()

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """While a watch gets its events."""
        self.answered()
        with self._changed:
            self._streams += 1
        try:
            yield
        finally:
            with self._changed:
                self._streams -= 1

    def is_away(self) -> bool:
        """Whether no watch gets events."""
        return not self._streams

    def wait(self, stop: Event) -> None:
        """After a request without an answer: until it is this watch's turn to ask, another got one, or `stop`."""
        with self._changed:
            if self._away_since is None:
                self._away_since = self._clock()
                self._next = self._away_since + self._pause()
            seen = self._answers
            while seen == self._answers and not stop.is_set():
                left = self._next - self._clock()
                if left <= 0:
                    self._next = self._clock() + self._pause()
                    return
                self._changed.wait(min(left, _LOOK_SECONDS))
        stop.wait(random.uniform(0, SPREAD_SECONDS))  # noqa: S311 (spreads load, hides nothing)

    def _pause(self) -> float:
        away = self._clock() - (self._away_since or 0.0)
        return jittered(max(away / _SHARE, FIRST_SECONDS))


def jittered(seconds: float) -> float:
    """Half of these seconds to all of them, at most LONGEST_SECONDS."""
    return min(seconds, LONGEST_SECONDS) * random.uniform(0.5, 1)  # noqa: S311 (spreads load, hides nothing)
