"""A failed test and the programs that it had begun."""

import subprocess
from typing import Any

import pytest

from tests import failures, warm
from tests.patience import wait_until
from tests.processes import children, has_ended


class Holder:
    """An object with a program, as a fixture's value and a test's own object have one."""

    def __init__(self):
        self.process = subprocess.Popen(["sleep", "1000"])


def failing(fixture, seen):
    """A test that fails while a program runs, one of another program, and one of a fork of the warm server."""
    plain = subprocess.Popen(["sh", "-c", "sleep 1000; :"])
    held, warmed = Holder(), warm.start("genie_cli", "debug", "pod", "--help")
    wait_until(lambda: children(plain.pid))
    seen += [plain, held.process, warmed, *children(plain.pid)]
    fixture.used = True
    raise AssertionError("it fails")


def test_the_programs_of_a_failed_test_are_ended_and_those_of_fixtures_are_not():
    fixture = Holder()
    seen: list[Any] = []
    try:
        with pytest.raises(AssertionError) as caught:
            failing(fixture, seen)
        failures.put_away(caught.value, [fixture])
        *programs, grandchild = seen
        assert all(program.poll() is not None for program in programs)
        wait_until(lambda: has_ended(grandchild))
        assert fixture.process.poll() is None
    finally:
        fixture.process.kill()
        fixture.process.wait()


def test_a_program_that_cannot_be_started_is_no_failure_of_the_test_process():
    with pytest.raises(FileNotFoundError) as caught:
        subprocess.run(["/no/such/program"], check=False)
    failures.put_away(caught.value, [])
