"""Collectors side by side: each has a deadline, each may fail, and nobody waits for one that hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from typing import Generic, TypeVar

from genie_core.errors import EXIT_DENIED, GenieError
from genie_core.survey.threads import in_thread

T = TypeVar("T")
U = TypeVar("U")
SECONDS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending(Generic[T]):
    """A collector at work; `until` is when it is given up (monotonic seconds), `seconds` how long it had."""

    name: str
    future: Future[T]
    until: float
    seconds: float


class Collection:
    """Runs collectors and remembers in `missing` why any of them gave nothing; `denied` are those without the right.

    `until` (monotonic seconds) is the end of everything: `late` is true once something was given up because of it,
    and not because it had used up its own time.
    """

    def __init__(self, missing: dict[str, str], until: float) -> None:
        self.missing = missing
        self.denied: set[str] = set()
        self.until = until
        self.late = False

    @property
    def left(self) -> float:
        """Seconds until the end of everything, never negative."""
        return max(0.0, self.until - time.monotonic())

    def start(self, name: str, work: Callable[[], T], seconds: float = SECONDS) -> Pending[T]:
        """Let `work` begin. `name` is what it is called in `missing`."""
        return Pending(name=name, future=in_thread(work), until=time.monotonic() + seconds, seconds=seconds)

    def result(self, pending: Pending[T], otherwise: U, let: tuple[type[GenieError], ...] = ()) -> T | U:
        """What it found; `otherwise` where it failed or took too long. Errors of the kinds `let` are raised."""
        try:
            return pending.future.result(max(0.0, min(pending.until, self.until) - time.monotonic()))
        except (Late, TimeoutError):
            self.missing[pending.name] = self._too_late(pending)
        except let:
            raise
        except GenieError as error:
            self.fail(pending.name, error)
        except Exception as error:  # noqa: BLE001 (netlink's own kinds: a missing source is a fact, not a crash)
            self.missing[pending.name] = f"{type(error).__name__}: {error}"
        return otherwise

    def fail(self, name: str, error: GenieError) -> None:
        """Remember why a source is missing."""
        self.missing[name] = reason(error)
        if error.exit_code == EXIT_DENIED:
            self.denied.add(name)

    def _too_late(self, pending: Pending[T]) -> str:
        if pending.until <= self.until:
            return f"no answer within {pending.seconds:g} s"
        self.late = True
        return TIME_IS_UP


TIME_IS_UP = "the time was up (--timeout)"


def reason(error: GenieError) -> str:
    """An error and what to do about it, as one line."""
    return "; ".join(part for part in (error.msg, error.hint) if part)
