"""Tests that run in several processes: each runs once, and whatever happens to a process, no test is lost silently."""

import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.test_lint import ROOT

pytestmark = pytest.mark.root

TESTS = """
import os, signal, pytest

@pytest.fixture(scope="module")
def made():
    yield os.getpid()
    record("down")

def record(word):
    with open({file!r}, "a") as file:
        file.write(f"{{word}} {{os.getpid()}}\\n")

@pytest.mark.parametrize("number", range({count}))
def test_it(number, made, tmp_path):
    assert made == os.getpid()
    record(number)
    {body}
"""


class Run:
    """Runs that many tests with a body, in three processes: the numbers of the tests that ran, and the output."""

    def __init__(self, folder, count, body, *options):
        (folder / "pytest.ini").touch()
        file = folder / "test_it.py"
        file.write_text(TESTS.format(file=str(folder / "ran"), count=count, body=body))
        words = ["-p", "tests.forked", "-p", "no:cacheprovider", "--processes=3", *options, "-c"]
        command = [sys.executable, "-m", "pytest", *words, folder / "pytest.ini", file]
        wide = os.environ | {"COLUMNS": "300"}
        done = subprocess.run(command, cwd=ROOT, env=wide, capture_output=True, text=True, check=False)
        lines = [line.split() for line in (folder / "ran").read_text().splitlines()]
        self.code, self.output = done.returncode, done.stdout + done.stderr
        self.ran = Counter(int(word) for word, _ in lines if word != "down")
        self.processes = {process for word, process in lines if word != "down"}
        self.torn_down = [process for word, process in lines if word == "down"]


def test_each_test_runs_once_and_fixtures_end_with_their_process(tmp_path):
    run = Run(tmp_path, 40, "assert number not in (7, 31), 'it is wrong'")
    assert run.ran == dict.fromkeys(range(40), 1), run.output
    assert len(run.processes) == 3
    assert sorted(run.torn_down) == sorted(run.processes)
    assert run.code == pytest.ExitCode.TESTS_FAILED
    assert set(re.findall(r"FAILED \S+\[(\d+)\] - AssertionError: it is wrong", run.output)) == {"7", "31"}
    assert re.search(r"2 failed, 38 passed in", run.output)


def test_who_has_nothing_left_takes_from_the_others(tmp_path):
    run = Run(tmp_path, 30, "import time; time.sleep(1.5 if number < 2 else 0)")
    assert run.ran == dict.fromkeys(range(30), 1), run.output
    assert run.code == pytest.ExitCode.OK
    assert "30 passed in" in run.output


def test_a_process_that_dies_is_a_failure_of_its_test(tmp_path):
    run = Run(tmp_path, 30, "number == 3 and os.kill(os.getpid(), signal.SIGKILL)")
    assert run.code == pytest.ExitCode.TESTS_FAILED
    assert re.search(r"FAILED \S+\[3\] - the process that ran this test has ended with signal 9", run.output)
    assert set(range(30)) - set(run.ran) <= {4}, run.output  # which it had taken already
    assert ("1 tests were not run" in run.output) == (4 not in run.ran)


def test_after_the_first_failure_it_stops_where_it_is_asked_to(tmp_path):
    run = Run(tmp_path, 300, "import time; time.sleep(0.01); assert number != 2", "--exitfirst")
    assert run.code == pytest.ExitCode.TESTS_FAILED
    assert len(run.ran) < 200
    assert sorted(run.torn_down) == sorted(run.processes)
    assert "stopping after 1 failures" in run.output
