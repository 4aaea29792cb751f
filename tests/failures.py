"""What a failed test leaves: its programs are ended, and its objects are kept, so that no later test fails for it."""

import inspect
import os
import signal
import subprocess
from contextlib import suppress

from tests import warm
from tests.processes import descendants

# Exceptions with their frames. What is garbage in the middle of a later test would be a warning there, hence an error.
_kept: list[BaseException] = []


def put_away(error, fixtures):
    """End the programs that the failed functions had begun, with all that these began.

    What the values of the test's fixtures have begun is theirs: it may be for other tests too.
    """
    _kept.append(error)
    others = {id(value) for value in fixtures}
    trace = error.__traceback__
    while trace:
        for value in trace.tb_frame.f_locals.values():
            program = inspect.getattr_static(value, "process", value)
            if isinstance(program, subprocess.Popen | warm.Program) and not {id(value), id(program)} & others:
                _end(program)
        trace = trace.tb_next


def _end(program):
    could_not_be_started = program.pid is None  # the frame of its own start is one of those that failed
    if not could_not_be_started and program.poll() is None:
        for pid in descendants(program.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        program.kill()
        program.wait()
