"""`--processes=N`: the tests run in N processes, which are forked when all tests have been collected and imported.

Each process has a range of neighbouring tests, which share their fixtures. One that has none left takes the back half
of the longest range. It sends its reports to the first process, which prints them. A warning is an error here
(pyproject.toml), so none is sent.
"""

import atexit
import fcntl
import mmap
import os
import random
import sys
import traceback
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

import pytest
from _pytest.config import create_terminal_writer

from tests import own_node

_INTEGER = 4  # bytes
_shared: list[Path] = []


def shared_folder(tmp_path_factory):
    """The temporary folder that all processes of this run have in common."""
    return _shared[0] if _shared else tmp_path_factory.getbasetemp()


def pytest_addoption(parser):
    parser.addoption("--processes", type=int, default=0, metavar="N", help="run the tests in N processes")


class Ranges:
    """The tests that no process has taken yet, as numbers: a range for each process, in memory that they share."""

    def __init__(self, tests: int, processes: int):
        self._file = os.memfd_create("ranges")
        os.ftruncate(self._file, 3 * processes * _INTEGER)
        numbers = memoryview(mmap.mmap(self._file, 3 * processes * _INTEGER)).cast("i")
        self._first, self._end = numbers[:processes], numbers[processes : 2 * processes]
        # The test that a process runs now.
        self.running = numbers[2 * processes :]
        for process in range(processes):
            self._first[process] = self.running[process] = tests * process // processes
            self._end[process] = tests * (process + 1) // processes

    def take(self, process: int) -> int | None:
        """The number of the next test for a process; None where there is none left."""
        with self._alone():
            if self._first[process] == self._end[process]:
                self._take_half(process)
            number = self._first[process]
            if number == self._end[process]:
                return None
            self._first[process] += 1
            return number

    def clear(self):
        """Nothing more is to be run."""
        with self._alone():
            self._first[:] = self._end

    def _take_half(self, process):
        longest = max(range(len(self._end)), key=lambda one: self._end[one] - self._first[one])
        end = self._end[longest]
        middle = (self._first[longest] + end) // 2
        self._first[process], self._end[process], self._end[longest] = middle, end, middle

    @contextmanager
    def _alone(self):
        """While no other process does this; the kernel ends it with the process."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


@dataclass(frozen=True, slots=True)
class Child:
    """A process: its number, its PID, a descriptor that shows its end, and the pipe with its reports."""

    number: int
    pid: int
    ended: int
    reports: Connection


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Run the tests in forked processes, where the command line asks for it."""
    processes = min(session.config.option.processes, len(session.items))
    if not processes or session.testsfailed or session.config.option.collectonly:
        return None
    _shared.append(session.config._tmp_path_factory.getbasetemp())
    session.config.pluginmanager.getplugin("terminalreporter").showfspath = False
    ranges = Ranges(len(session.items), processes)
    children = [_fork(session, ranges, number) for number in range(processes)]
    try:
        ran = _listen(session, ranges, children)
    finally:
        ranges.clear()
        for child in children:
            os.waitid(os.P_PIDFD, child.ended, os.WEXITED)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
    if ran < len(session.items) and not session.shouldfail:
        session.shouldfail = f"{len(session.items) - ran} tests were not run"
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    return True


def _fork(session, ranges: Ranges, number: int) -> Child:
    reader, writer = Pipe(duplex=False)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        reader.close()
        _be_a_child(session, ranges, number, writer)
    writer.close()
    return Child(number, pid, os.pidfd_open(pid), reader)


# --- in the first process ---------------------------------------------------------------------------------


def _listen(session, ranges: Ranges, children: list[Child]) -> int:
    """Publish the children's reports until the last child has ended; the number of tests that were run."""
    ran, left = 0, deque(children)
    while left:
        ready = wait([*(child.reports for child in left), *(child.ended for child in left)])
        for child in [one for one in left if one.reports in ready or one.ended in ready]:
            if child.reports in ready and (message := _received(child)):
                number, reports = message
                _publish(session, session.items[number], reports)
                ran += 1
            elif child.ended in ready:
                left.remove(child)
                ran += _publish_its_end(session, ranges, child)
        if session.shouldfail or session.shouldstop:
            ranges.clear()
    return ran


def _received(child: Child) -> tuple[int, list[Any]] | None:
    try:
        received: tuple[int, list[Any]] = child.reports.recv()
    except EOFError:
        return None
    return received


def _publish_its_end(session, ranges: Ranges, child: Child) -> bool:
    """Whether a process has ended in the middle of a test, which has failed then."""
    ended = os.waitid(os.P_PIDFD, child.ended, os.WEXITED | os.WNOWAIT)
    if not ended or not ended.si_status:
        return False
    item = session.items[ranges.running[child.number]]
    how = "exit code" if ended.si_code == os.CLD_EXITED else "signal"
    words = f"the process that ran this test has ended with {how} {ended.si_status}"
    _publish(session, item, [pytest.TestReport(item.nodeid, item.location, {}, "failed", words, "call")])
    return True


def _publish(session, item, reports):
    hook = session.config.hook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for one in reports:
        report = one
        if isinstance(one, dict):
            report = hook.pytest_report_from_serializable(config=session.config, data=one)
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


# --- in a forked process ----------------------------------------------------------------------------------


class Reporter:
    """What a child has instead of the terminal's reporter: it keeps the reports of a test until they are sent.

    pytest-timeout writes the stacks of a test that hangs to `_tw`.
    """

    def __init__(self, config):
        self._config, self._reports = config, []
        self._tw = create_terminal_writer(config, sys.stderr)

    def pytest_runtest_logreport(self, report):
        self._reports.append(
            self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        )

    def take(self):
        taken, self._reports = self._reports, []
        return taken


def _be_a_child(session, ranges: Ranges, process: int, reports: Connection):
    """Run tests as long as there are any; then this process ends."""
    code = 1
    try:
        reporter = _begin(session, process)
        number = ranges.take(process)
        while number is not None and not (session.shouldfail or session.shouldstop):
            ranges.running[process] = number
            following = ranges.take(process)
            item = session.items[number]
            after = None if following is None else session.items[following]
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            reports.send((number, reporter.take()))
            number = following
        code = 0
    except (KeyboardInterrupt, BrokenPipeError):
        pass  # the first process says it, or has ended itself
    except BaseException:  # noqa: BLE001 (nothing may return into the first process's work)
        traceback.print_exc()
    finally:
        _end(session, code)


def _begin(session, process: int) -> Reporter:
    """A node, a temporary folder and captured output of its own; reports go to the first process."""
    random.seed()  # else all would have the same numbers
    if os.geteuid() == 0:
        own_node.enter()
    config = session.config
    plugins = config.pluginmanager
    for name in ("terminalreporter", "terminalprogress-plugin"):
        if plugins.hasplugin(name):
            plugins.unregister(name=name)
    reporter = Reporter(config)
    plugins.register(reporter, "terminalreporter")
    capture = plugins.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    capture.suspend_global_capture()
    folder = _shared[0] / f"process{process}"
    folder.mkdir()
    config._tmp_path_factory._basetemp = folder
    return reporter


def _end(session, code: int):
    """End without what the first process has still to do: take fixtures down, then what the tests registered."""
    try:
        session._setupstate.teardown_exact(None)
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
