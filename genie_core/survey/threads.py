"""Work that may be given up: in a thread that does not keep the program from ending. Cold."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> Future[T]:
    """`work` in a thread of its own; what it raises is raised by the future's `result`."""
    future: Future[T] = Future()

    def body() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised again by the caller of `result`)
            future.set_exception(error)

    threading.Thread(target=body, daemon=True).start()
    return future
