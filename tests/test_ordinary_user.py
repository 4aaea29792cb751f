"""Without root, the test run says so in one sentence, by one process and by several."""

import subprocess
import sys

import pytest

from tests.test_lint import ROOT

# A user namespace without a mapping: not root, and yet able to read this clone, wherever it is.
NOT_ROOT = ["unshare", "--user", "--"]


@pytest.mark.parametrize("how", [["--numprocesses=2"], []], ids=["several", "one"])
def test_it_is_said_plainly(how):
    command = [
        *NOT_ROOT,
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        *how,
        "tests/test_machine.py",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr
    assert "needs root: run `make test` as root" in done.stderr + done.stdout
    assert "INTERNALERROR" not in done.stdout + done.stderr
