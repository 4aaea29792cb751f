"""The entry point of the programs `genie` and `kubectl-genie`: preparations before any other module is loaded."""

from __future__ import annotations

import codecs
import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> int:
    """This process's own command line; its exit code."""
    _open_what_is_closed()
    codecs.register_error("genie", _escaped)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout = _named(sys.stdout)
    try:
        from genie_cli.app import main as run

        return run()
    except KeyboardInterrupt:  # while modules are loaded; later `boundary.guard` handles it
        sys.stderr.write("error: interrupted\n")
        return 130


class _Stdout(FileIO):
    """Standard output, whose errors name it: of a full disk the operating system does not say which."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            from genie_cli.terminal import STDOUT

            error.filename = STDOUT
            raise


def _named(stream: TextIOWrapper) -> TextIOWrapper:
    raw = _Stdout(stream.fileno(), "w", closefd=False)
    return TextIOWrapper(
        raw if stream.write_through else BufferedWriter(raw),  # as CPython does with -u
        encoding=stream.encoding,
        errors="genie",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """What stdout's encoding lacks, as JSON escapes it: names and annotations may have any character."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end


def _open_what_is_closed() -> None:
    """`genie ... >&-`: open /dev/null in place of a closed stream, so that no file or socket gets its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number, so this one
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 (until the process ends)
