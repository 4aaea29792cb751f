"""A node per test, on which Genie was installed once per run."""

import pytest

from tests.system.node import Node, install_plugin


@pytest.fixture(scope="session")
def plugins(tmp_path_factory):
    """The folder that `genie install` put Genie into."""
    return install_plugin(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def node(tmp_path, plugins, cni_bin):
    """A node with networks blue, red and green."""
    made = Node(tmp_path / "node", plugins)
    try:
        made.configure_three()
        yield made
    finally:
        made.remove()
