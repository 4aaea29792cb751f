"""What is being done, on stderr, for whoever waits longer than a second."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from . import terminal

PATIENCE = 1.0  # seconds in which a command may be silent


class Progress:
    """Call it with each step. On a terminal one line is rewritten, elsewhere (and with CI set) lines follow."""

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._drawn = False
        return self

    def __call__(self, step: str) -> None:
        """Say what is being done now."""
        if terminal.current.get().quiet or time.monotonic() - self._began < PATIENCE:
            return
        step = terminal.visible(step)
        self._drawn = terminal.current.get().interactive()
        sys.stderr.write(f"\r\x1b[K{step} ..." if self._drawn else f"{step}\n")
        sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
