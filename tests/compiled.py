"""The plugin's compiled code: made once for all test processes, and copied to where a test installs the plugin.

To compile it takes half a second of a processor, and most tests of an installed plugin are not about that.
"""

import atexit
import fcntl
import shutil
import tempfile
from pathlib import Path

from genie_core.tasks.install.conflist import InstallOptions
from genie_core.tasks.install.run import CODE, put

_shared: list[Path] = []


def share(folder):
    """Have the processes that are given the same folder make it once; None is for a process of its own."""
    if folder is None:
        folder = tempfile.mkdtemp(prefix="genie-code-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _shared[:] = [Path(folder)]


def add_to(bin_dir):
    """Put it where `genie install` puts it, which then need not compile it; without `share`, nothing."""
    for made in map(_made, _shared):
        target = bin_dir / CODE / made.name
        if not target.exists():
            shutil.copytree(made, target, symlinks=True)


def _made(shared):
    with (shared / "code.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = shared / "code"  # what is made is there, or nothing is
        if not folder.exists():
            put(InstallOptions(bin_dir=shared / "begun/bin", conf_dir=shared / "begun/net.d"))
            (shared / "begun/bin" / CODE).rename(folder)
            shutil.rmtree(shared / "begun")
        (made,) = (one for one in folder.iterdir() if one.is_dir())
        return made
