"""SIGKILL at any step of a change of a running pod; `python -m tests.torture --only syncs` kills before every step."""

import pytest

from tests.live.agent.running import Running
from tests.system import kills
from tests.torture.syncs import NEXT, SyncSteps

pytestmark = [pytest.mark.root, pytest.mark.system]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory, plugins, cni_bin):
    running = Running(tmp_path_factory.mktemp("steps") / "node", plugins)
    try:
        yield SyncSteps(running)
    finally:
        running.close()


def sampled(points, kill, change, count):
    """The problems of that many places, each followed by the next event in turn; at least half were reached."""
    places = kills.spread(points(change), count)
    came = {
        (point, then): kill(change, point, then)
        for number, point in enumerate(places)
        for then in [NEXT[number % len(NEXT)]]
    }
    assert sum(problem is not None for problem in came.values()) >= len(came) * 0.5
    return {place: problem for place, problem in came.items() if problem}


@pytest.mark.parametrize("change, count", [("plug", 2), ("unplug", 2), ("replace", 3)])
def test_a_change_is_killed_before_a_system_call(campaign, change, count):
    assert sampled(campaign.points, campaign.kill, change, count) == {}


def test_the_agents_one_pass_is_killed_before_a_system_call(campaign):
    assert sampled(campaign.agent_points, campaign.kill_agent, "replace", 1) == {}


# Threads are counted one by one, so that one of these may not be reached in some runs.
PLACES = (
    ("plug", "ADD", "macvlan", "sendto", 2, "sync"),
    ("unplug", "DEL", "macvlan", "sendto", 1, "GC"),
    ("replace", "ADD", "ptp", "openat", 6, "DEL"),
)


def test_plugins_of_a_change_are_killed(campaign):
    campaign.wrap_plugins()
    came = {place: campaign.kill_plugin(*place) for place in PLACES}
    assert {place: problem for place, problem in came.items() if problem} == {}
    assert list(came.values()).count("") > 0, came
