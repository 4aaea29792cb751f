"""Indicators of load that are programs of the node: `smart_selection.indicators`.

Each is run once for each candidate, with the network's name as its last argument, all of them at the same time. What it
prints is one number, 0 or more; the larger, the busier. One that fails for one candidate counts for none of them.
"""

import posix
from time import monotonic

from genie_core.edges.files import refuse_open_way
from genie_core.errors import GenieError
from genie_core.settings import PROGRAM_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from subprocess import Popen

    from genie_core.ports import Log

    # Name and command of each
    Indicators = Sequence[tuple[str, Sequence[str]]]

_ENV = {"PATH": PROGRAM_PATH, "LC_ALL": "C"}
_GROUP_OR_OTHERS_WRITE = 0o022
_KIND, _REGULAR = 0o170000, 0o100000
_LONGEST_NUMBER = 64
_READING_SECONDS = 0.02  # for the answer of one that has ended, when another one used up the time
_SIGKILL = 9


class Runs:
    """The programs that run, from `start` to `collect`."""

    def __init__(self, indicators: "Indicators", candidates: "Iterable[str]", log: "Log") -> None:
        self._log = log
        self._runs: dict[str, dict[str, Popen[bytes]]] = {}
        names = list(candidates)
        for indicator, command in indicators:
            try:
                refuse_foreign_program(command[0])
                self._runs[indicator] = {name: _start(command, name) for name in names}
            except (GenieError, OSError) as error:
                self._no_opinion(indicator, str(error))

    def collect(self, until: float) -> dict[str, dict[str, float]]:
        """The numbers by indicator and candidate. A late program is killed; its candidate then has no number."""
        found = {}
        for indicator, runs in self._runs.items():
            numbers, problems = {}, []
            for name, process in runs.items():
                try:
                    numbers[name] = _number(process, until)
                except GenieError as error:
                    problems.append(f"{name}: {error.msg}")
            if problems:
                self._no_opinion(indicator, problems[0])
            else:
                found[indicator] = numbers
        return found

    def _no_opinion(self, indicator: str, problem: str) -> None:
        self._log.warning("indicator without opinion", indicator=indicator, problem=problem)


def refuse_foreign_program(path: str) -> None:
    """Raise GenieError, or OSError, unless the file, and the way to it, can be changed by root alone.

    A user namespace that does not know root shows another owner of root's files (user_namespaces(7)): that of /, too.
    """
    refuse_open_way(path)
    found = posix.stat(path)
    trusted = (0, posix.geteuid(), posix.stat("/").st_uid)
    if found.st_mode & _KIND != _REGULAR or found.st_uid not in trusted:
        raise GenieError(f"{path} is not a file of root")
    if found.st_mode & _GROUP_OR_OTHERS_WRITE:
        raise GenieError(f"{path} can be changed by others than root")


def _start(command: "Sequence[str]", candidate: str) -> "Popen[bytes]":
    from subprocess import DEVNULL, PIPE, Popen  # 5 ms

    return Popen(
        [*command, candidate],
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,
        env=_ENV,
        cwd="/",
        start_new_session=True,
    )


def _number(process: "Popen[bytes]", until: float) -> float:
    from subprocess import TimeoutExpired

    try:
        printed, _ = process.communicate(timeout=max(until - monotonic(), _READING_SECONDS))
    except TimeoutExpired:
        posix.killpg(process.pid, _SIGKILL)
        process.communicate()
        raise GenieError("no answer in time") from None
    if process.returncode:
        raise GenieError(f"exit status {process.returncode}")
    try:
        number = float(printed[:_LONGEST_NUMBER]) if len(printed) <= _LONGEST_NUMBER else -1
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise GenieError("what it prints is not one number, 0 or more")
    return number
