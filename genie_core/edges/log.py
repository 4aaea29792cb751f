"""The log: one JSON line per event, to stderr and to `log_file`. On the kubelet path.

Fields are chosen by the caller, one by one: never a configuration, an environment or a body as a whole, so
that no secret gets into it. A log that cannot be written never fails a call.
"""

import posix
from time import gmtime, strftime, time

from genie_core.edges.files import failure, open_private, refuse_open_way
from genie_core.errors import IOFailure
from genie_core.jsontext import encode
from genie_core.settings import LOG_LEVELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ROTATE_BYTES = 10 << 20
_MAX_TEXT = 2000


class JSONLog:
    """Writes events at or above a level. `context` are fields of every line (container, verb)."""

    def __init__(self, level: str = "info", file: str = "", fd: int = 2) -> None:
        self._fd = fd
        self.context: dict[str, Any] = {}
        self.configure(level, file)

    def configure(self, level: str, file: str) -> None:
        """Set the level, one of LOG_LEVELS, and the file, "" for none."""
        self._rank = LOG_LEVELS.index(level)
        self._file = file

    def debug(self, event: str, **fields: "Any") -> None:
        self._write("debug", event, fields)

    def info(self, event: str, **fields: "Any") -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: "Any") -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: "Any") -> None:
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: "dict[str, Any]") -> None:
        if LOG_LEVELS.index(level) < self._rank:
            return
        now = time()
        stamp = f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(now))}.{int(now % 1 * 1000):03d}Z"
        line = {"time": stamp, "level": level, "event": event, **self.context, **fields}
        data = (encode({key: _shorten(value) for key, value in line.items()}) + "\n").encode("ascii")
        _write_quietly(self._fd, data)
        if self._file:
            self._append(data)

    def _append(self, data: bytes) -> None:
        try:
            refuse_open_way(self._file)
            fd = open_private(self._file, posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT)
        except IOFailure as error:
            self._give_up("log file not written", error)
            return
        _write_quietly(fd, data)
        full = posix.fstat(fd).st_size > ROTATE_BYTES
        posix.close(fd)
        if full:
            self._rotate()

    def _rotate(self) -> None:
        """Replace the older log; a link in its place is replaced, not followed."""
        try:
            posix.rename(self._file, self._file + ".1")
        except OSError as error:
            self._give_up("log file not rotated", failure("rename", self._file, error))

    def _give_up(self, event: str, error: IOFailure) -> None:
        """Said once by each process, then stderr alone."""
        file, self._file = self._file, ""
        self.warning(event, file=file, problem=error.msg)


def _shorten(value: "Any") -> "Any":
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        return value[:_MAX_TEXT] + "..."
    return value


def _write_quietly(fd: int, data: bytes) -> None:
    try:
        posix.write(fd, data)
    except OSError:
        return


SILENT = JSONLog("error", fd=-1)  # writes nothing
