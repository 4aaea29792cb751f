"""`parallel_attachments` with real plugins in real namespaces: bridge, ptp and macvlan at once."""

import json
import re

import pytest

from tests.system import audit, kills
from tests.system.node import THREE
from tests.system.test_default_routes import FAMILIES, defaults, routes
from tests.torture.steps import Delegates, Steps

pytestmark = [pytest.mark.root, pytest.mark.system]

PLUGINS = ("bridge", "ptp", "macvlan")
# Before it attaches, each plugin waits until the others were called: one after the other that fails.
MEET = """\
[ "$CNI_COMMAND" = ADD ] || exec "$REAL"
: >{folder}/${{0##*/}}
tries=0
for other in bridge ptp macvlan; do
    until [ -e {folder}/$other ]; do [ $((tries += 1)) -gt 300 ] && exit 1; sleep 0.05; done
done
exec "$REAL"
"""


@pytest.fixture
def beside(node):
    """The node, whose networks are attached side by side; all bring a default route."""
    node.settings["parallel_attachments"] = True
    for path in node.conf.iterdir():
        document = json.loads(path.read_text())
        document["ipam"]["routes"] = [{"dst": "0.0.0.0/0"}]
        path.write_text(json.dumps(document))
    return node


def test_three_plugins_meet(beside):
    folder = beside.root / "met"
    folder.mkdir()
    for plugin in PLUGINS:
        beside.wrap(plugin, MEET.format(folder=folder))
    result = beside.add()
    assert [link["name"] for link in result["interfaces"] if "sandbox" in link] == ["eth0", "net1", "net2"]
    assert sorted(beside.pod.links()) == ["eth0", "net1", "net2"]
    beside.delete()
    assert (beside.pod.links(), beside.held(), beside.state_files()) == ({}, [], [])


def lasting(value):
    """Without what is another one for each pod: MAC addresses, names of host ends, host-local's next address."""
    text = json.dumps(value, indent=1)
    text = re.sub(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC", text)
    return re.sub(r"\bveth[0-9a-f]+\b", "VETH", re.sub(r"\b(10\.[123]\.0\.)\d+", r"\1N", text))


def test_the_result_and_the_namespace_are_those_of_one_after_the_other(beside):
    seen = []
    for parallel in (False, True):
        beside.settings["parallel_attachments"] = parallel
        result = beside.add()
        found = [routes(beside.pod, family) for family in FAMILIES]
        rules = len(re.findall("MASQUERADE", beside.host.run("iptables-save", "-t", "nat").stdout))
        seen.append(lasting([result, found, defaults(beside.pod), sorted(beside.pod.links()), rules]))
        beside.delete()
    assert seen[0] == seen[1]


def test_one_fails_and_nothing_is_left(beside):
    before = audit.settle(beside)
    beside.wrap("ptp", '[ "$CNI_COMMAND" != ADD ] || exit 1\nexec "$REAL"')
    outcome = beside.call("ADD", annotations={"cni": THREE})
    assert (outcome.status, outcome.reply["code"]) == (1, 101)
    assert 'network "red"' in outcome.reply["msg"]
    assert audit.difference(before, beside.trace()) == ""


def test_killed_before_a_system_call(beside):
    steps = Steps(beside)
    places = kills.spread(steps.points("ADD"), 10)
    came = {place: steps.kill("ADD", place) for place in places}
    assert {place: problem for place, problem in came.items() if problem} == {}
    assert sum(problem is not None for problem in came.values()) >= len(places) * 0.5


def test_plugins_killed_before_a_system_call(beside):
    campaign = Delegates(beside)
    calls = (
        ("bridge", "execve", 2),
        ("ptp", "openat", 6),
        ("macvlan", "sendto", 2),
        ("host-local", "flock", 1),
    )
    came = {call: campaign.kill("ADD", *call) for call in calls}
    assert {call: problem for call, problem in came.items() if problem} == {}
    assert list(came.values()).count("") > 1
