"""Control groups of a test's own."""

import os
from contextlib import contextmanager, suppress
from pathlib import Path

from genie_core.edges.cgroups import group_mount
from tests.netns import PREFIX
from tests.patience import wait_until


@contextmanager
def own_groups(process):
    """Put the process into a new group of each hierarchy that is mounted here and may be written; the groups' folders.

    In the end the process is killed, and the groups are removed.
    """
    made = []
    try:
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            with suppress(OSError):
                folder = Path(f"{group_mount(controllers)}{path}/{PREFIX}-{os.getpid()}")
                folder.mkdir()
                made.append(folder)
                (folder / "cgroup.procs").write_text(str(process.pid))
        yield made
    finally:
        process.kill()
        process.wait()
        for folder in made:
            wait_until(lambda folder=folder: not (folder / "cgroup.procs").read_text())
            folder.rmdir()
