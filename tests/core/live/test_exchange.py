"""A change of a running pod's networks: done, failed and killed at every step."""

import itertools
from contextlib import suppress

import pytest

from genie_core import attach
from genie_core.errors import DelegateFailed, GenieError, IOFailure
from genie_core.jsontext import decode, encode
from genie_core.live.exchange import addresses_of, exchange
from genie_core.live.restore import finish_interrupted
from genie_core.model import Attachment, NetConf, PluginConf
from genie_core.state import decode_plan
from genie_core.steps import AttachmentEvent, Invoke
from tests.core.test_attach import Killed, World, make_plan, network


class Pod(World):
    """A world whose DEL removes the interface, whatever has it."""

    def __init__(self, broken=lambda step: None):
        super().__init__(broken)
        self.links = {}

    def invoke(self, step, error):
        if step.verb == "CHECK" and step.ifname not in self.links:
            raise DelegateFailed(f"{step.ifname} is not there")
        if step.verb == "ADD":
            self.links[step.ifname] = step.network
        elif step.verb == "DEL" and error is None:
            self.links.pop(step.ifname, None)
        return super().invoke(step, error)

    def write(self, step, error):
        """What happened to an attachment is recorded by its place, so the plan on disk must be the same."""
        if isinstance(step, AttachmentEvent):
            assert places(self.plan) == places(step.plan)
        return super().write(step, error)

    @property
    def plan(self):
        return decode_plan(self.disk)


def places(plan):
    return [(item.ifname, item.label) for item in plan.attachments]


def started(broken=lambda step: None):
    """A pod with a on eth0, b on eth1 and c on eth2."""
    pod = Pod()
    pod.drive(attach.add(make_plan()))
    pod.broken = broken
    return pod


def coming(name, ifname):
    return Attachment(network(name, [f"{name}1"]), ifname, name)


def change(plan):
    """c is removed, d takes b's interface, e is added."""
    going = [item for item in plan.attachments if item.label in ("b", "c")]
    return exchange(plan, going, [coming("d", "eth1"), coming("e", "eth3")], ["eth3", "eth0", "eth1"])


BEFORE = {"eth0": "a", "eth1": "b", "eth2": "c"}
AFTER = {"eth0": "a", "eth1": "d", "eth3": "e"}


def has(pod, links):
    """Whether this is what the pod has, what is held and what the journal says."""
    planned = {item.ifname: item.network.name for item in pod.plan.attachments}
    names = {type_[0] for type_, _ in pod.held}
    whole = all(item.result and not item.changing and not item.releasing for item in pod.plan.attachments)
    return pod.links == links == planned and names == set(links.values()) and whole


def test_a_change():
    pod = started()
    outcome = pod.drive(change(pod.plan))
    assert outcome.error is None
    assert has(pod, AFTER)
    assert [line for line in pod.log[5:] if "c1" not in line and "c2" not in line] == [
        "DEL b2@eth1", "DEL b1@eth1", "ADD d1@eth1", "ADD e1@eth3"
    ]  # fmt: skip


def test_plugins_of_unchanged_networks_are_not_called():
    pod = started()
    pod.drive(change(pod.plan))
    assert not any("a1" in line for line in pod.log[5:])


@pytest.mark.parametrize("failing", ["d1", "e1"])
def test_an_add_that_fails_brings_everything_back(failing):
    pod = started(
        lambda step: (
            DelegateFailed("no")
            if isinstance(step, Invoke) and (step.verb, step.type) == ("ADD", failing)
            else None
        )
    )
    outcome = pod.drive(change(pod.plan))
    assert outcome.error.msg == "no"
    assert outcome.left == []
    assert has(pod, BEFORE)


@pytest.mark.parametrize("failing", ["b1", "b2", "c1", "c2"])
def test_a_del_that_fails_is_kept_for_the_next_change(failing):
    refuses = [True]
    pod = started(
        lambda step: (
            DelegateFailed("no")
            if refuses and isinstance(step, Invoke) and (step.verb, step.type) == ("DEL", failing)
            else None
        )
    )
    outcome = pod.drive(change(pod.plan))
    assert [item.label for item, _ in outcome.left] == [failing[0]]
    assert {item.ifname: item.network.name for item in pod.plan.attachments} == BEFORE
    refuses.clear()
    pod.drive(finish_interrupted(pod.plan, "/netns"))
    assert has(pod, {name: network for name, network in BEFORE.items() if network != failing[0]})


def steps_of(change_of):
    pod = started()
    before = pod.steps
    pod.drive(change_of(pod.plan))
    return range(pod.steps - before)


@pytest.mark.parametrize("effect_first", [False, True])
@pytest.mark.parametrize("step", steps_of(change))
def test_killed_then_the_runtime_releases_everything(step, effect_first):
    pod = started()
    pod.kill_after(step, effect_first=effect_first)
    with pytest.raises(Killed):
        pod.drive(change(pod.plan))
    assert pod.drive(attach.delete(pod.plan, "/netns")) == []
    assert (pod.held, pod.links, pod.disk) == (set(), {}, "")


@pytest.mark.parametrize("effect_first", [False, True])
@pytest.mark.parametrize("step", steps_of(change))
def test_killed_then_the_next_change_ends_it(step, effect_first):
    pod = started()
    pod.kill_after(step, effect_first=effect_first)
    with pytest.raises(Killed):
        pod.drive(change(pod.plan))
    again(pod, AFTER)
    assert has(pod, AFTER)


@pytest.mark.parametrize("step", steps_of(change))
def test_killed_then_taken_back(step):
    """The annotation is as it was before, when the next change comes."""
    pod = started()
    pod.kill_after(step)
    with pytest.raises(Killed):
        pod.drive(change(pod.plan))
    again(pod, BEFORE)
    assert pod.links == BEFORE


def again(pod, wanted):
    """A change to what is wanted, from whatever there is."""
    plan = pod.drive(finish_interrupted(pod.plan, "/netns")).plan
    held = {item.ifname: item for item in plan.attachments}
    going = [item for item in plan.attachments if wanted.get(item.ifname) != item.network.name]
    new = [
        coming(name, ifname) for ifname, name in wanted.items() if ifname not in held or held[ifname] in going
    ]
    if going or new:
        assert pod.drive(exchange(plan, going, new, list(wanted))).error is None


@pytest.mark.parametrize("step", steps_of(change))
def test_a_step_that_fails_loses_nothing(step):
    """Each step fails once: the pod has its old or its new networks, or the journal has all that is held."""
    count = itertools.count()

    def broken(_step):
        return IOFailure("disk full") if next(count) == step else None

    pod = started()
    plan = pod.plan
    pod.broken = broken
    try:
        outcome = pod.drive(change(plan))
    except GenieError:
        outcome = None
    pod.broken = lambda step: None
    if outcome and outcome.error is None:
        assert has(pod, AFTER)
    elif outcome and not outcome.left:
        assert has(pod, BEFORE)
    else:
        assert {name[0] for name, _ in pod.held} <= {item.network.name for item in pod.plan.attachments}
    again(pod, AFTER)
    assert pod.links == AFTER
    assert pod.drive(attach.delete(pod.plan, "/netns")) == []
    assert pod.held == set()


def test_killed_twice():
    for first, second in itertools.product(steps_of(change), range(0, 40, 3)):
        pod = started()
        pod.kill_after(first)
        with pytest.raises(Killed):
            pod.drive(change(pod.plan))
        pod.kill_after(second)
        try:
            again(pod, BEFORE)
        except Killed:
            again(pod, AFTER)
            assert has(pod, AFTER)


def test_check_passes_over_what_was_cut_off():
    for step, effect_first in itertools.product(steps_of(change), (False, True)):
        pod = started()
        pod.kill_after(step, effect_first=effect_first)
        with pytest.raises(Killed):
            pod.drive(change(pod.plan))
        pod.drive(attach.check(pod.plan, "/netns"))


class Asked(Pod):
    """Plugins that give the address that they are asked for; else each time another one."""

    ignores: frozenset[str] = frozenset()  # plugins that do not heed it

    def invoke(self, step, error):
        printed = super().invoke(step, error)
        if step.type in self.ignores:
            return printed
        ips = decode(step.stdin).get("runtimeConfig", {}).get("ips")
        return encode({"cniVersion": "1.0.0", "ips": [{"address": ips[0]}]}) if printed and ips else printed


def can_be_asked(name):
    plugin = PluginConf(f"{name}1", f'{{"type": "{name}1", "capabilities": {{"ips": true}}}}')
    return NetConf(name, "1.0.0", [plugin], "")


def with_such_a_first():
    """A pod as in `started`, whose first network can be asked for an address."""
    pod, plan = Asked(), make_plan()
    first = plan.attachments[0].replace(network=can_be_asked("a"))
    pod.drive(attach.add(plan.replace(attachments=[first, *plan.attachments[1:]])))
    return pod


def change_first(plan):
    """d takes the first interface over, and is asked for the same address; b is removed."""
    ips = encode(addresses_of(plan.attachments[0]))
    first = Attachment(can_be_asked("d"), "eth0", "d", capabilities={"ips": ips})
    return exchange(plan, plan.attachments[:2], [first], ["eth0", "eth2"])


def test_killed_while_the_first_interface_is_replaced():
    """Killed at each step, and again at each step of what finishes it: the pod has the same address afterwards."""
    for first, second, effect_first in itertools.product(range(22), range(0, 14, 2), (False, True)):
        pod = with_such_a_first()
        address = addresses_of(pod.plan.attachments[0])
        pod.kill_after(first, effect_first=effect_first)
        try:
            pod.drive(change_first(pod.plan))
        except Killed:
            pod.kill_after(second)
            try:
                pod.drive(finish_interrupted(pod.plan, "/netns"))
            except Killed:
                assert pod.drive(finish_interrupted(pod.plan, "/netns")).error is None
        pod.left = None
        held = {item.ifname: item for item in pod.plan.attachments}
        assert held["eth0"].label in ("a", "d")
        assert addresses_of(held["eth0"]) == address, (first, second, effect_first)
        assert has(pod, pod.links), (first, second, effect_first)


def killed_in_change_of_first(step, *, effect_first=False, other_address=False):
    """Such a pod, with the change of its first network killed after so many steps, and the address that it had."""
    pod = with_such_a_first()
    address = addresses_of(pod.plan.attachments[0])
    if other_address:
        pod.ignores = frozenset({"d1"})
    pod.kill_after(step, effect_first=effect_first)
    with suppress(Killed):
        pod.drive(change_first(pod.plan))
    pod.left = None
    return pod, address


def refusing(*plugins):
    """Their ADD fails."""
    return lambda step: (
        DelegateFailed(f"{step.type} is broken")
        if isinstance(step, Invoke) and step.verb == "ADD" and step.type in plugins
        else None
    )


def first_of(pod):
    return [(item.label, addresses_of(item)) for item in pod.plan.attachments if item.ifname == "eth0"]


CHANGE_OF_FIRST = [(step, effect_first) for step in range(16) for effect_first in (False, True)]


@pytest.mark.parametrize("step, effect_first", CHANGE_OF_FIRST)
def test_the_old_first_network_comes_back_where_the_new_one_cannot_be_attached(step, effect_first):
    pod, address = killed_in_change_of_first(step, effect_first=effect_first)
    if first_of(pod) == [("d", address)]:
        return
    pod.broken = refusing("d1")
    assert pod.drive(finish_interrupted(pod.plan, "/netns")).error is None
    assert first_of(pod) == [("a", address)] or (
        first_of(pod) == [("d", address)] and pod.links["eth0"] == "d"
    )
    assert has(pod, pod.links)


def test_the_new_first_network_is_attached_where_the_old_one_cannot_come_back():
    ended = set()
    for step, effect_first in CHANGE_OF_FIRST:
        pod, address = killed_in_change_of_first(step, effect_first=effect_first)
        pod.broken = refusing("a1")
        assert pod.drive(finish_interrupted(pod.plan, "/netns")).error is None, step
        ((label, got),) = first_of(pod)
        assert got == address, step
        assert has(pod, pod.links), step
        ended.add(label)
    assert ended == {"a", "d"}


@pytest.mark.parametrize("step, effect_first", CHANGE_OF_FIRST)
def test_another_first_address_is_not_kept(step, effect_first):
    """The new network gives another address than it was asked for: refused after a kill, too."""
    pod, address = killed_in_change_of_first(step, effect_first=effect_first, other_address=True)
    assert pod.drive(finish_interrupted(pod.plan, "/netns")).error is None
    assert first_of(pod) == [("a", address)]
    assert has(pod, pod.links)


def test_a_first_interface_that_nothing_can_be_attached_on_waits():
    """Each try asks for the same address, and the network that is mended first gets the interface."""
    for mended, effect_first in itertools.product("ad", (False, True)):
        pod, address = killed_in_change_of_first(9, effect_first=effect_first)
        pod.broken = refusing("a1", "d1")
        for _ in range(2):
            outcome = pod.drive(finish_interrupted(pod.plan, "/netns"))
            assert outcome.error is not None
            assert pod.links.get("eth0") is None or outcome.left
        pod.broken = refusing(*({"a1", "d1"} - {f"{mended}1"}))
        assert pod.drive(finish_interrupted(pod.plan, "/netns")).error is None
        assert first_of(pod) == [(mended, address)]
        assert pod.drive(attach.delete(pod.plan, "/netns")) == []
        assert pod.held == set()
