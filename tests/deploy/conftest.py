"""The image's file system, made once for all test processes."""

import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests import own_node

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="session")
def tree(request, tmp_path_factory):
    """The tree that deploy/build-rootfs makes, read-only."""
    worker = getattr(request.config, "workerinput", None)
    shared = Path(worker["shared"]) if worker else tmp_path_factory.getbasetemp()
    root = shared / "rootfs"
    with (shared / "rootfs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "SHA256SUMS").exists():
            build = own_node.outside(sys.executable, DEPLOY / "build-rootfs", root)
            subprocess.run(build, check=True, capture_output=True)
    return root


@pytest.fixture(scope="module")
def beside(tree):
    """A folder on the tree's file system: its files can be linked there, and much of it need not be in memory."""
    with tempfile.TemporaryDirectory(dir=tree.parent) as folder:
        yield Path(folder)
