"""The short form of `python -m tests.torture --only served`."""

import pytest

from tests.system.node import Node, install_plugin
from tests.torture.served import ServedCampaign

pytestmark = [pytest.mark.system]


def test_pods_in_lanes_while_the_server_is_killed(tmp_path, cni_bin):
    run_dir = tmp_path / "run"
    node = Node(tmp_path / "node", install_plugin(tmp_path / "installed", serve=True, run_dir=run_dir))
    try:
        node.configure_three()
        node.settings["log_level"] = "error"
        campaign = ServedCampaign(node, run_dir, pods=16, lanes=4, killed=0.3)
        campaign.run()
    finally:
        node.remove()
    assert campaign.problems == []
    assert campaign.figures["server ended"] > 1
    assert campaign.figures["calls, served"] > 10
    assert campaign.figures["calls, noServer"] > 0
    assert campaign.figures["calls, otherNamespace"] == 0
