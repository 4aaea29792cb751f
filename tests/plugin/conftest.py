"""The plugin as `genie install` leaves it, once for all tests, and a node of its own for each test."""

import shutil
import tempfile
from pathlib import Path

import pytest

from genie_core.tasks.install.run import InstallOptions, install
from tests import compiled
from tests.plugin.cluster import Cluster
from tests.plugin.harness import Node


@pytest.fixture(scope="session")
def installed():
    """The report of `genie install` into directories that every user may read."""
    root = Path(tempfile.mkdtemp(prefix="genie-installed-"))
    root.chmod(0o755)
    compiled.add_to(root / "bin")
    try:
        yield install(InstallOptions(bin_dir=root / "bin", conf_dir=root / "net.d", state_dir=root / "state"))
    finally:
        shutil.rmtree(root)


@pytest.fixture
def node(installed, tmp_path):
    return Node(installed.launcher, tmp_path)


@pytest.fixture
def cluster(node):
    """An API server that the node knows."""
    running = Cluster(node)
    yield running
    running.close()
