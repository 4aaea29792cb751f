"""A node with real plugins, an API server, and an agent beside them."""

import pytest

from tests.live.agent.running import Running


@pytest.fixture
def node(tmp_path, plugins, cni_bin):
    made = Running(tmp_path / "node", plugins)
    try:
        yield made
    finally:
        made.close()
