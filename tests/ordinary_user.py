"""Programs run as an ordinary user, on a copy of the code that such a user may read."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534
ROOT = Path(__file__).parent.parent
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]


@contextmanager
def readable_copy():
    """A folder with the core's code in it; the clone itself may be where only root can go."""
    folder = Path(tempfile.mkdtemp(prefix=f"gt{os.getpid()}-"))
    try:
        shutil.copytree(
            ROOT / "genie_core", folder / "genie_core", ignore=shutil.ignore_patterns("__pycache__")
        )
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


def python():
    """An interpreter that an ordinary user can start: this one, else Debian's."""
    for candidate in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        # By a shell: setpriv itself still has root's rights when it looks for the program.
        question = '"$0" -ISc "import sys; sys.exit(sys.version_info < (3, 11))"'
        if (
            subprocess.run(
                [*AS_NOBODY, "sh", "-c", question, candidate], capture_output=True, check=False
            ).returncode
            == 0
        ):
            return candidate
    raise AssertionError("no Python 3.11 that an ordinary user can start")
