"""Programs run as an ordinary user, on a copy of the code that such a user may read."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import typer

ORDINARY_UID = 65534
ROOT = Path(__file__).parent.parent
AS_ORDINARY_USER = ["setpriv", f"--reuid={ORDINARY_UID}", f"--regid={ORDINARY_UID}", "--clear-groups", "--"]


@contextmanager
def readable_copy():
    """A folder with the code in it; the clone itself may be where only root can go."""
    folder = Path(tempfile.mkdtemp(prefix=f"gt{os.getpid()}-"))
    try:
        for package in ("genie_core", "genie_cli"):
            # with what is compiled: such a user cannot write it, and would compile everything each time
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.pyc.*"))
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
                [*AS_ORDINARY_USER, "sh", "-c", question, candidate], capture_output=True, check=False
            ).returncode
            == 0
        ):
            return candidate
    raise AssertionError("no Python 3.11 that an ordinary user can start")


def run_python(code, folder, *words):
    """Run code with a copy of ours in `folder`, which is its first word; what it prints as JSON."""
    command = [*AS_ORDINARY_USER, python(), "-I", "-c", code, str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


_GENIE = (
    "import sys; sys.path[:0] = sys.argv[1:3]; from genie_cli.app import main; sys.exit(main(sys.argv[3:]))"
)


def genie(folder, *argv, inside=()):
    """The command as an ordinary user runs it, on the copy in `folder`; the finished process.

    `inside` is a command of root's that runs it, as `ip netns exec NAME`.

    The installed packages are mounted into the copy, in a mount namespace of the command's own.
    """
    packages = folder / "packages"
    packages.mkdir(exist_ok=True)
    installed = os.path.dirname(os.path.dirname(typer.__file__))
    mount = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount --bind "$0" "$1" && shift && exec "$@"',
        installed,
        packages,
    ]
    command = [*inside, *mount, *AS_ORDINARY_USER, python(), "-I", "-c", _GENIE, folder, packages, *argv]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd="/"
    )
