"""Genie, installed once per run."""

import pytest

from tests.system.node import install_plugin


@pytest.fixture(scope="session")
def plugins(tmp_path_factory, cni_bin):
    """The folder that `genie install` put Genie into."""
    return install_plugin(tmp_path_factory.mktemp("installed"))
