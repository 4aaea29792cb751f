"""The current step on stderr, once a command has run for more than a second."""

from __future__ import annotations

import sys
from threading import Lock, Timer
from types import TracebackType
from typing import Self

from genie_cli import terminal

PATIENCE = 1.0  # seconds before the first step is shown
_WIDTH = 20  # characters of the bar


class Progress:
    """Call it with each step. On a terminal one line is rewritten, elsewhere (and with CI set) lines follow."""

    def __enter__(self) -> Self:
        self._terminal = terminal.current.get()
        self._waited = self._drawn = False
        self._step, self._share = "", 0.0
        self._lock = Lock()
        self._timer = Timer(PATIENCE, self._begin)
        self._timer.daemon = True
        if not self._terminal.quiet:
            self._timer.start()
        return self

    def __call__(self, step: str, share: float = 0.0) -> None:
        """Set the current step; `share` is what is done of it (0 to 1): a bar on a terminal, else a line per tenth."""
        with self._lock:
            is_new = not share or int(share * 10) != int(self._share * 10) or self._terminal.interactive()
            self._step, self._share = terminal.visible(step), share
            if self._waited and is_new:
                self._show()

    def rest(self) -> None:
        """Show nothing until the next step: another program uses the terminal."""
        with self._lock:
            self._step = ""
            self._erase()

    def _begin(self) -> None:
        """Show the current step, and from now on each that follows."""
        with self._lock:
            self._waited = True
            if self._step:
                self._show()

    def _show(self) -> None:
        self._drawn = self._terminal.interactive()
        done = round(self._share * _WIDTH)
        bar = f" [{'#' * done}{'-' * (_WIDTH - done)}] {self._share:.0%}" if self._share else " ..."
        sys.stderr.write(f"\r\x1b[K{self._step}{bar}" if self._drawn else f"{self._step}\n")
        sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._waited, self._step = False, ""
            self._erase()

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False
