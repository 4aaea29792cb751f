"""The one place where an exception becomes text on stderr and an exit code. Nothing else catches broadly.

With `-o json` or `-o yaml` a failure is also one document on stdout, so that a script which parses the
output never meets an empty one: {"apiVersion", "kind": "Error", "code", "exitCode", "message", "details", "hint"}.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from typer import Abort, Exit, TyperException

from genie_cli import terminal
from genie_cli.output import OutputFormat
from genie_cli.terminal import STDOUT
from genie_core import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a command gave no report: what is wrong and where, the evidence, and what to do about it."""

    kind: ClassVar[str] = "Error"
    code: int
    exit_code: int
    message: str
    details: str = ""
    hint: str = ""

    def as_json(self) -> dict[str, object]:
        """code (the CNI error code), exitCode, message, details, hint."""
        return {
            "code": self.code,
            "exitCode": self.exit_code,
            "message": self.message,
            "details": self.details,
            "hint": self.hint,
        }


def guard(command: Callable[[], int], argv: Sequence[str]) -> int:
    """Run `command`; its exit code, or that of its failure, which is printed on stderr."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that `with` and `finally` clean up, as for ^C
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(number, _interrupt)
    try:
        code = _answer(command, argv)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_went_away()
    except OSError as error:
        return _result_was_lost(error)
    return code


def _answer(command: Callable[[], int], argv: Sequence[str]) -> int:
    try:
        return command()
    except BrokenPipeError:
        raise
    except Exit as stop:
        return stop.exit_code
    except (Exception, KeyboardInterrupt) as error:  # the boundary: every failure is reported
        if isinstance(error, OSError) and error.filename == STDOUT:
            raise
        failure = explain(error)
        if not terminal.current.get().quiet or failure.exit_code == errors.EXIT_USAGE:
            print_failure(failure, wanted_output(argv))
        return failure.exit_code


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _reader_went_away() -> int:
    """`genie ... | head`: the reader has closed the pipe."""
    _silence_stdout()
    return errors.EXIT_PIPE


def _result_was_lost(error: OSError) -> int:
    """`genie ... >file` on a full disk: the file is not complete, so the exit code says so."""
    _silence_stdout()
    print_failure(explain(OSError(error.errno, error.strerror, STDOUT)), OutputFormat.TABLE)
    return errors.EXIT_FAILURE


def _silence_stdout() -> None:
    """The interpreter flushes stdout when it exits: that must not fail a second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# --output, or -o behind letters without a value (-vo); the value may be in the same word
_OUTPUT = re.compile(r"(?:--output(?:=|$)|-[vqwyA]*o=?)(?P<value>.*)")


def wanted_output(argv: Sequence[str]) -> OutputFormat:
    """The output that a command line asks for, also where the command line cannot be parsed."""
    wanted = ""
    for flag, following in zip(argv, [*argv, ""][1:], strict=True):
        if flag == "--":
            break
        if found := _OUTPUT.fullmatch(flag):
            wanted = found["value"] or following
    machine = {str(output): output for output in OutputFormat if output.for_machines}
    return machine.get(wanted.lower(), OutputFormat.TABLE)


def explain(error: BaseException) -> Failure:
    """The failure that an exception stands for, in words for the person at the command line."""
    if isinstance(error, errors.GenieError):
        return Failure(
            code=_code_of(error),
            exit_code=error.exit_code,
            message=error.msg,
            details=error.details,
            hint=terminal.as_root(error.hint),
        )
    if isinstance(error, TyperException):
        return _misused(error)
    if isinstance(error, KeyboardInterrupt | Abort):
        return Failure(code=errors.TRY_AGAIN, exit_code=errors.EXIT_INTERRUPTED, message="interrupted")
    if isinstance(error, TimeoutError):
        return Failure(
            code=errors.TRY_AGAIN, exit_code=errors.EXIT_TIMEOUT, message=str(error) or "timed out"
        )
    if isinstance(error, OSError):
        return _refused(error)
    return _bug(error)


def _code_of(error: errors.GenieError) -> int:
    """Its CNI code; 999 is for bugs, and an error that was raised on purpose is none."""
    if error.code != errors.INTERNAL:
        return error.code
    return errors.TRY_AGAIN if error.exit_code == errors.EXIT_TIMEOUT else errors.IO_FAILURE


def _misused(error: TyperException) -> Failure:
    context = getattr(error, "ctx", None)
    message = (
        " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "") or "wrong usage"
    )
    return Failure(
        code=errors.INVALID_CONFIG,
        exit_code=error.exit_code,
        message=message[:1].lower() + message[1:],
        details=context.get_usage() if context else "",
        hint=f"see {context.command_path} --help" if context else "",
    )


def _refused(error: OSError) -> Failure:
    place = f"{error.filename}: " if error.filename else ""
    denied = isinstance(error, PermissionError)
    return Failure(
        code=errors.IO_FAILURE,
        exit_code=errors.EXIT_DENIED if denied else errors.EXIT_FAILURE,
        message=f"{place}{error.strerror or error}",
        hint="run it as root, or as a user who may do this" if denied else "",
    )


def _bug(error: BaseException) -> Failure:
    verbose = terminal.current.get().verbosity > 0
    return Failure(
        code=errors.INTERNAL,
        exit_code=errors.EXIT_FAILURE,
        message=f"unexpected {type(error).__name__}: {error}".rstrip(": "),
        details="".join(traceback.format_exception(error)).rstrip() if verbose else "",
        hint="this is a bug in genie" + ("" if verbose else "; run it again with -v to see where"),
    )


def print_failure(failure: Failure, output: OutputFormat) -> None:
    """Print a failure as text on stderr, and with -o json or -o yaml as a document on stdout."""
    if output.for_machines:
        from genie_cli.render import emit  # rich and yaml are loaded only here

        emit(failure, output)
    lines = [_red("error:") + " " + terminal.visible(failure.message)]
    lines += ["  " + terminal.visible(line, keep="\t") for line in failure.details.splitlines()]
    if failure.hint:
        lines.append(f"  hint: {terminal.visible(failure.hint)}")
    print("\n".join(lines), file=sys.stderr)


def _red(text: str) -> str:
    return f"\x1b[1;31m{text}\x1b[0m" if terminal.current.get().colored(sys.stderr) else text
