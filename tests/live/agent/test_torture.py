"""A small torture of the agent; `make torture` has the long one."""

import pytest

from tests.torture.live import LiveCampaign

pytestmark = [pytest.mark.root, pytest.mark.system]


def test_changes_in_lanes_with_random_kills(node):
    campaign = LiveCampaign(node, pods=4, changes=24, lanes=2, seed=3)
    campaign.run(patience=200)
    assert campaign.problems == []
    assert campaign.figures["agents killed"] + campaign.figures["changes killed"] > 0
