"""The torture campaign's short form; `make torture` is the long one."""

import pytest

from tests.torture.lanes import Campaign
from tests.torture.steps import Delegates

pytestmark = [pytest.mark.system]


def test_pods_in_lanes_while_everything_is_killed(node):
    node.settings["log_level"] = "error"
    campaign = Campaign(node, pods=12, lanes=4, killed=0.5)
    campaign.run()
    assert campaign.problems == []
    assert sum(number for what, number in campaign.figures.items() if what.endswith("killed")) > 3
    assert campaign.figures["GC"] + campaign.figures["GC killed"] > 0


# Threads are counted one by one, so that some of these may not be reached in some runs.
PLACES = (
    ("ADD", "bridge", "sendto", 1),
    ("ADD", "bridge", "execve", 2),
    ("ADD", "ptp", "openat", 6),
    ("ADD", "macvlan", "sendto", 2),
    ("ADD", "host-local", "flock", 1),
    ("DEL", "bridge", "sendto", 1),
    ("DEL", "bridge", "execve", 2),
    ("DEL", "ptp", "openat", 4),
    ("DEL", "host-local", "unlinkat", 1),
)


def test_plugins_killed_before_a_system_call(node):
    campaign = Delegates(node)
    came = {place: campaign.kill(*place) for place in PLACES}
    assert {place: problem for place, problem in came.items() if problem} == {}
    assert list(came.values()).count("") > 2
