"""The image's file system, made once for all test processes."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import own_node

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """The tree that deploy/build-rootfs makes, read-only."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    root = shared / "rootfs"
    with (shared / "rootfs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "SHA256SUMS").exists():
            build = own_node.outside(sys.executable, DEPLOY / "build-rootfs", root)
            subprocess.run(build, check=True, capture_output=True)
    return root
