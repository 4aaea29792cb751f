"""SIGTERM and SIGINT as a request to stop: noticed where it is safe, answered after everything is undone.

A handler that raised at any place could tear a write or lose a child. So it only sets a flag, which is checked while
waiting for a delegate and between steps; only inside `with cancel`, where nothing has been begun yet (reading stdin,
asking the API server), it raises at once.
"""

import _signal

from genie_core.errors import Cancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_SIGNALS = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP)


class Cancel:
    """Whether this process was asked to stop."""

    def __init__(self) -> None:
        self._asked = 0
        self._answered = False
        self._raise_at_once = False

    def listen(self) -> None:
        """Install the handlers."""
        for number in _SIGNALS:
            _signal.signal(number, self._note)

    def _note(self, number: int, _frame: "FrameType | None") -> None:
        self._asked = number
        if self._raise_at_once:
            self.check()

    def check(self) -> None:
        """Raise Cancelled, once: what follows is the undoing, which is not interrupted."""
        if self._asked and not self._answered:
            self._answered = True
            raise Cancelled(
                f"stopped by signal {self._asked} before the call was done",
                hint="the runtime repeats the call",
            )

    def __enter__(self) -> "Cancel":
        self._raise_at_once = True
        self.check()
        return self

    def __exit__(self, *_: object) -> None:
        self._raise_at_once = False


def may_raise_anywhere() -> bool:
    """Whether this process has a handler of these signals that is not `Cancel`'s, such as that of the command line."""
    handlers = (_signal.getsignal(number) for number in _SIGNALS)
    return any(callable(one) and getattr(one, "__func__", None) is not Cancel._note for one in handlers)  # noqa: SLF001
