"""A node whose policy engine runs, for the tests that need no other one."""

import pytest

from tests.policy.engine_node import EngineNode


@pytest.fixture
def node(tmp_path, plugins):
    made = EngineNode(tmp_path / "node", plugins)
    try:
        made.start_engine()
        yield made
    finally:
        made.close()
