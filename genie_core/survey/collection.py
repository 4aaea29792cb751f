"""Sources read side by side: each has a deadline and may be missing, and one that hangs is given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from errno import EAGAIN
from math import inf
from typing import Generic, TypeVar

from genie_core.errors import EXIT_DENIED, Denied, GenieError, IOFailure

T = TypeVar("T")
U = TypeVar("U")
SECONDS = 4.0
TIME_IS_UP = "the time was up (--timeout)"


def in_thread(work: Callable[[], T]) -> Future[T]:
    """`work` in a thread that does not keep the program from ending; what it raises is raised by `result`.

    Where no thread can be started, `result` raises the OSError of `start_thread`.
    """
    future: Future[T] = Future()

    def body() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised again by the caller of `result`)
            future.set_exception(error)

    try:
        start_thread(body)
    except OSError as error:
        future.set_exception(error)
    return future


def start_thread(work: Callable[[], None], name: str | None = None) -> None:
    """Start `work` in a thread that does not keep the program from ending. Raises OSError where none can be had now."""
    try:
        threading.Thread(target=work, name=name, daemon=True).start()
    except RuntimeError as error:  # the limit of processes (ulimit -u, pids.max), or of memory
        raise OSError(EAGAIN, str(error)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending(Generic[T]):
    """A source that is being read; at `until` (monotonic seconds) it is given up, after `seconds`."""

    name: str
    future: Future[T]
    until: float
    seconds: float


class Collection:
    """Reads sources, and keeps in `missing` why one of them gave nothing.

    `denied` are the sources that this user has no right to read, `absent` those of which nothing is there. `until`
    (monotonic seconds) is the end of everything: `late` is true once a source was given up because of it, and not
    because it had used up its own time.
    """

    def __init__(self, missing: dict[str, str] | None = None, until: float = inf) -> None:
        self.missing = {} if missing is None else missing
        self.denied: set[str] = set()
        self.absent: set[str] = set()
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
        left = min(pending.until, self.until) - time.monotonic()
        try:
            return pending.future.result(min(max(0.0, left), threading.TIMEOUT_MAX))
        except (Late, TimeoutError):
            self.missing[pending.name] = self._too_late(pending)
        except let:
            raise
        except GenieError as error:
            self.fail(pending.name, error)
        except Exception as error:  # noqa: BLE001 (netlink's own kinds: a missing source is a fact, not a crash)
            self.missing[pending.name] = f"{type(error).__name__}: {error}"
        return otherwise

    def read(self, name: str, place: str, reader: Callable[[], T], otherwise: T) -> T:
        """What `reader` gives of the file or directory `place`; `otherwise` and the reason where it gives nothing."""
        try:
            return reader()
        except FileNotFoundError:
            self.absent.add(name)
            self.missing.setdefault(name, f"{place} does not exist")
        except PermissionError:
            self.fail(name, Denied(f"reading {place} needs root"))
        except OSError as error:
            self.fail(name, IOFailure(f"reading {place}: {error.strerror}"))
        except GenieError as error:
            self.fail(name, error)
        return otherwise

    def fail(self, name: str, error: GenieError) -> None:
        """Keep why a source is missing."""
        self.missing[name] = reason(error)
        self.absent.discard(name)
        if error.exit_code == EXIT_DENIED:
            self.denied.add(name)

    def _too_late(self, pending: Pending[T]) -> str:
        if pending.until <= self.until:
            return f"no answer within {pending.seconds:g} s"
        self.late = True
        return TIME_IS_UP


def reason(error: GenieError) -> str:
    """An error and what to do about it, as one line."""
    return "; ".join(part for part in (error.msg, error.hint) if part)
