"""Policies between networks are switched on, and no agent enforces them."""

import json
import shutil
from pathlib import Path

import pytest

from genie_core.edges import policy_dir
from tests.discover import nodes
from tests.discover.conftest import codes, the


@pytest.fixture
def limited(node):
    def write(**settings):
        nodes.install_genie(node, **settings)
        return node.discover()

    yield write
    shutil.rmtree(policy_dir.DIRECTORY, ignore_errors=True)


def test_no_agent_has_run(limited):
    assert "GN1615" not in codes(limited())
    found = the(limited(policy_engine=True), "GN1615")
    assert "pods with more networks than the primary do not start (policy_fail: closed)" in found.title
    assert "without their policies" in the(limited(policy_engine=True, policy_fail="open"), "GN1615").title
    policy_dir.write({})
    assert "GN1615" not in codes(limited(policy_engine=True))


def test_failures_of_the_agent(limited):
    policy_dir.write({})
    Path(policy_dir.DIRECTORY, "status.json").write_text(
        json.dumps({"problems": ["the program nft is not on this node"]})
    )
    for settings in ({"policy_engine": True}, {}):  # switched on by the key, or by the agent's flag alone
        assert "the program nft is not on this node" in the(limited(**settings), "GN1616").title
