"""The engine without I/O: each step done, failed and killed (B53-B56, A60-A66).

`World` is the driver: it holds what the delegates hold and, as text, what the disk holds, so that a kill at any
step loses all that a real one would.
"""

import itertools

import pytest

from genie_core import attach, node_verbs
from genie_core.errors import DelegateFailed, Denied, InvalidNetns, IOFailure
from genie_core.jsontext import decode, encode
from genie_core.model import Attachment, NetConf, Plan, PluginConf
from genie_core.state import decode_plan, encode_event, encode_journal, encode_plan
from genie_core.steps import Event, Forget, Invoke, PluginMissing, Save, SetDefaultRoutes

RESULT = '{"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.%d/24"}]}'
CHAINS = {"a": ["a1"], "b": ["b1", "b2"], "c": ["c1", "c2"]}


def network(name, types, version="1.0.0", **fields):
    plugins = [PluginConf(type_, f'{{"type": "{type_}"}}') for type_ in types]
    return NetConf(name, version, plugins, f"/net.d/{name}.conflist", **fields)


def make_plan(chains=None, **fields):
    attachments = [
        Attachment(network(name, types, **fields), f"eth{number}", name, binaries=[])
        for number, (name, types) in enumerate((chains or CHAINS).items())
    ]
    return Plan("cid1", "eth0", "/netns", ["/bin"], None, "boot", attachments)


class Killed(BaseException):
    """SIGKILL."""


class World:
    """Delegates and disk. `broken` says which steps fail: a function from the step to an error, or None."""

    def __init__(self, broken=lambda step: None):
        self.held = set()  # (plugin, interface) with resources
        self.disk = ""  # the state file's text
        self.log = []
        self.broken = broken
        self.printed = {}  # plugin -> what it prints on ADD
        self.needs_result = set()  # plugins whose DEL finds nothing to release without prevResult
        self.changes = []  # of the pod's default routes
        self.steps = 0
        self.left = None  # how many steps until the kill
        self.effect_first = False  # the last of them is done, but its answer is lost

    def drive(self, steps):
        return attach.drive(steps, self.perform)

    def perform(self, step):
        killed = self.left is not None and self.steps >= self.left
        if killed:
            self.left = None  # the next driver is not killed
            if not self.effect_first:
                raise Killed
        self.steps += 1
        error = self.broken(step)
        try:
            return self.invoke(step, error) if isinstance(step, Invoke) else self.write(step, error)
        finally:
            if killed:
                raise Killed

    def kill_after(self, steps, *, effect_first=False):
        """Kill it so many steps from now."""
        self.left = self.steps + steps
        self.effect_first = effect_first

    def invoke(self, step, error):
        self.log.append(f"{step.verb} {step.type}@{step.ifname}")
        holding = (step.type, step.ifname)
        if step.verb == "ADD":
            self.held.add(holding)  # a delegate that fails may still hold something
        if error is not None:
            raise error
        if step.verb == "DEL" and (step.type not in self.needs_result or "prevResult" in decode(step.stdin)):
            self.held.discard(holding)
        return self.printed.get(step.type, RESULT % len(self.log)) if step.verb == "ADD" else ""

    def write(self, step, error):
        if error is not None:
            raise error
        if isinstance(step, SetDefaultRoutes):
            self.changes += step.changes
            return encode([change.ifname for change in step.changes])
        if isinstance(step, Save):
            self.disk = encode_journal(step.plan)
        elif isinstance(step, Forget):
            self.disk = ""
        elif isinstance(step, Event):
            self.disk += f"\n{encode_event(step)}\n"
        return ""

    def delete(self, netns="/netns"):
        """What the runtime's DEL does, from the disk alone."""
        if not self.disk:
            return []
        return self.drive(attach.delete(decode_plan(self.disk), netns))

    @property
    def is_clean(self):
        return not self.held and not self.disk


def failing(verb, *types, error=None):
    def broken(step):
        if isinstance(step, Invoke) and step.verb == verb and step.type in types:
            return error or DelegateFailed(f"{step.type} does not want to", code=123)
        return None

    return broken


def added(world=None):
    world = world or World()
    world.drive(attach.add(make_plan()))
    return world


ADD_STEPS = added().steps
DEL_STEPS = 3 + 5 + 1  # a Released for each network, a DEL for each plugin, Forget


def test_an_add_and_a_del():
    world = World()
    results = world.drive(attach.add(make_plan()))
    assert [printed.result.ips[0]["address"] for printed in results] == [
        "10.0.0.1/24",
        "10.0.0.3/24",
        "10.0.0.5/24",
    ]
    assert world.delete() == []
    assert world.is_clean
    assert world.log == [
        *("ADD a1@eth0", "ADD b1@eth1", "ADD b2@eth1", "ADD c1@eth2", "ADD c2@eth2"),
        *("DEL c2@eth2", "DEL c1@eth2", "DEL b2@eth1", "DEL b1@eth1", "DEL a1@eth0"),
    ]


def test_the_plan_is_on_the_disk_before_anything_runs():
    """B61, design 6: the very first step."""
    first = next(attach.add(make_plan()))
    assert isinstance(first, Save)
    assert decode_plan(encode_plan(first.plan)) == make_plan()


def test_a_plan_that_cannot_be_written_runs_nothing():
    world = World(lambda step: IOFailure("full") if isinstance(step, Save) else None)
    with pytest.raises(IOFailure):
        added(world)
    assert world.log == []


def assert_released_after_a_kill(world, number, effect_first):
    """Kill an ADD at a step; a DEL then leaves nothing."""
    world.kill_after(number, effect_first=effect_first)
    with pytest.raises(Killed):
        added(world)
    assert world.delete() == []
    assert world.is_clean


@pytest.mark.parametrize("effect_first", [False, True])
@pytest.mark.parametrize("number", range(ADD_STEPS))
def test_an_add_that_is_killed_at_any_step_leaves_nothing_after_a_del(number, effect_first):
    assert_released_after_a_kill(World(), number, effect_first)


@pytest.mark.parametrize("effect_first", [False, True])
@pytest.mark.parametrize("number", range(ADD_STEPS))
def test_a_plugin_whose_del_needs_a_result_is_released_wherever_its_add_was_killed(number, effect_first):
    """As the reference plugin firewall, whose rules only its previous result names."""
    world = World()
    world.needs_result = {"b2", "c2"}
    assert_released_after_a_kill(world, number, effect_first)


def test_an_add_that_fails_inside_a_chain_gives_del_the_last_result():
    world = World(failing("ADD", "b3"))
    world.needs_result = {"b2"}
    with pytest.raises(DelegateFailed, match="b3"):
        world.drive(attach.add(make_plan({"b": ["b1", "b2", "b3"]})))
    assert world.is_clean


def test_a_repeated_add_takes_the_earlier_result_back():
    """The address in it is released, and may be another pod's by the time of the DEL."""
    interrupted = [DelegateFailed("interrupted system call")]

    def broken(step):
        first = isinstance(step, Invoke) and (step.verb, step.type) == ("ADD", "b2") and interrupted
        return interrupted.pop() if first else None

    world = World(broken)
    world.kill_after(
        8
    )  # Save, ADD b1, Passed, ADD b2, DEL b2, DEL b1, Passed: killed in the second ADD of b1
    with pytest.raises(Killed):
        world.drive(attach.add(make_plan({"b": ["b1", "b2"]})))
    assert decode_plan(world.disk).attachments[0].partial == ""


def test_what_ran_in_a_repeated_add_counts_as_held_though_it_did_not_run_in_the_first():
    """The first try ends in b1, the second one is cut off behind b2, and b2 cannot be released then."""
    interrupted = [DelegateFailed("interrupted system call")]

    def broken(step):
        call = (step.verb, step.type) if isinstance(step, Invoke) else None
        if call == ("ADD", "b1") and interrupted:
            return interrupted.pop()
        if call == ("ADD", "b3"):
            return IOFailure("stopped")
        return DelegateFailed("iptables fails") if call == ("DEL", "b2") and ran(world) else None

    def ran(world):
        return "ADD b2@eth0" in world.log

    world = World(broken)
    with pytest.raises(IOFailure):
        world.drive(attach.add(make_plan({"b": ["b1", "b2", "b3"]})))
    assert ("b2", "eth0") in world.held
    assert not decode_plan(world.disk).attachments[0].refused


@pytest.mark.parametrize("number", range(ADD_STEPS))
def test_an_add_that_fails_at_any_step_leaves_nothing(number):
    """Each step fails once: a delegate, or the disk."""
    steps = itertools.count()
    world = World(lambda step: DelegateFailed("here", code=123) if next(steps) == number else None)
    with pytest.raises(DelegateFailed, match="here"):
        added(world)
    assert world.is_clean


# --- default routes of several networks

ROUTED = '{"cniVersion": "1.0.0", "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}]}'


def routed(*types, broken=lambda step: None):
    """A world in which these plugins bring a default route."""
    world = World(broken)
    world.printed = dict.fromkeys(types, ROUTED)
    return world


def refusing(error):
    return lambda step: error if isinstance(step, SetDefaultRoutes) else None


def recorded(world):
    """Which networks have a default route by their recorded results."""
    return ["routes" in decode(attachment.result) for attachment in decode_plan(world.disk).attachments]


ROUTED_STEPS = added(routed("a1", "b2", "c2")).steps


@pytest.mark.parametrize("types", [[], ["a1"]])
def test_nothing_is_asked_of_the_kernel_where_only_the_primary_brings_a_default_route(types):
    assert added(routed(*types)).changes == []


def test_the_primarys_default_route_stays_and_the_others_results_lose_theirs():
    world = added(routed("a1", "b2", "c2"))
    assert [(change.ifname, change.v4, change.successors) for change in world.changes] == [
        ("eth0", True, ["eth1", "eth2"])
    ]
    assert recorded(world) == [True, False, False]


def test_without_a_namespace_the_results_alone_decide():
    world = added(routed("b2", "c2", broken=refusing(InvalidNetns("no namespace"))))
    assert recorded(world) == [False, True, False]


def test_routes_that_cannot_be_changed_fail_the_add_and_undo_it():
    world = routed("a1", "b2", broken=refusing(Denied("no")))
    with pytest.raises(Denied):
        added(world)
    assert world.is_clean


@pytest.mark.parametrize("effect_first", [False, True])
@pytest.mark.parametrize("number", range(ROUTED_STEPS))
def test_an_add_that_is_killed_while_routes_change_leaves_nothing_after_a_del(number, effect_first):
    assert_released_after_a_kill(routed("a1", "b2", "c2"), number, effect_first)


@pytest.mark.parametrize("effect_first", [False, True])
@pytest.mark.parametrize("number", range(DEL_STEPS))
def test_a_del_that_is_killed_at_any_step_is_finished_by_the_next(number, effect_first):
    world = added()
    world.kill_after(number, effect_first=effect_first)
    with pytest.raises(Killed):
        world.delete()
    assert world.delete() == []
    assert world.is_clean


@pytest.mark.parametrize("failing_type", ["a1", "b1", "b2", "c1", "c2"])
@pytest.mark.parametrize("number", range(ADD_STEPS + DEL_STEPS))
def test_a_failing_add_that_is_killed_at_any_step_of_its_undoing_is_finished_by_a_del(failing_type, number):
    is_finished_by_a_del(World(failing("ADD", failing_type)), make_plan(), number)


def is_finished_by_a_del(world, plan, number):
    """The ADD of the plan fails, or is killed after so many steps: a DEL leaves nothing."""
    world.kill_after(number)
    with pytest.raises((Killed, DelegateFailed)):
        world.drive(attach.add(plan))
    world.left = None
    assert world.delete() == []
    assert world.is_clean


@pytest.mark.parametrize("stuck", ["a1", "b1", "b2", "c1", "c2"])
def test_a_del_that_fails_keeps_what_it_could_not_release(stuck):
    """A66, B71: the rest of that chain waits, the other networks go."""
    world = added()
    world.broken = failing("DEL", stuck)
    assert [error.code for error in world.delete()] == [123]
    assert {name[0] for name, _ in world.held} == {stuck[0]}
    world.broken = lambda step: None
    world.log.clear()
    assert world.delete() == []
    assert world.is_clean
    assert {line[4] for line in world.log} == {stuck[0]}  # what was released is left alone


@pytest.mark.parametrize("stuck", ["a1", "b1", "b2"])
def test_b55_an_undoing_that_fails_leaves_the_rest_to_the_next_del(stuck):
    world = World()
    world.broken = lambda step: failing("ADD", "b2")(step) or failing("DEL", stuck)(step)
    with pytest.raises(DelegateFailed, match="b2 does not want to"):
        added(world)
    world.broken = lambda step: None
    world.log.clear()
    assert world.delete() == []
    assert world.is_clean
    assert {line[4] for line in world.log} == {stuck[0]}  # neither the released ones nor c, never attempted


def test_a_missing_plugin_waits_and_the_others_of_its_chain_go():
    world = added()
    world.broken = failing("DEL", "b2", error=PluginMissing("no b2"))
    assert [type(error) for error in world.delete()] == [PluginMissing]
    assert world.held == {("b2", "eth1")}
    assert world.disk


def test_one_network_twice_is_tried_once_more():
    """A plugin that can release the first of two only after the second was asked for."""
    plan = make_plan({"a": ["a1"]})
    plan = plan.replace(attachments=[plan.attachments[0], plan.attachments[0].replace(ifname="eth1")])
    world = World()
    world.drive(attach.add(plan))
    refused: list[Invoke] = []

    def broken(step):
        if isinstance(step, Invoke) and step.ifname == "eth1" and not refused:
            refused.append(step)
            return DelegateFailed("chain in use")
        return None

    world.broken = broken
    assert world.delete() == []
    assert world.is_clean
    assert world.log[2:] == ["DEL a1@eth1", "DEL a1@eth0", "DEL a1@eth1"]


@pytest.mark.parametrize("printed", ["", "  \n"])
def test_b29_no_result_is_a_failure(printed):
    world = World()
    world.printed["b1"] = printed
    with pytest.raises(DelegateFailed, match="printed no result"):
        added(world)
    assert world.is_clean


def inputs(steps, answer=RESULT % 1):
    """The (step, decoded stdin) of every call, each answered alike."""
    found = []
    try:
        step = next(steps)
        while True:
            if isinstance(step, Invoke):
                found.append((step, decode(step.stdin)))
            step = steps.send(answer)
    except StopIteration:
        return found


def test_b41_b42_previous_results_go_along_the_chain():
    given = [
        config.get("prevResult") for _, config in inputs(attach.add(make_plan({"x": ["p", "q"], "y": ["r"]})))
    ]
    assert given == [None, decode(RESULT % 1), None]


@pytest.mark.parametrize("version,has", [("0.3.1", False), ("0.4.0", True), ("1.1.0", True)])
def test_b69_b70_del_gives_the_final_result(version, has):
    plan = make_plan({"x": ["p", "q"]}, version=version)
    plan.attachments[0].result = RESULT % 9
    assert ["prevResult" in config for _, config in inputs(attach.delete(plan, ""))] == [has, has]


def test_b72_check_goes_forward_with_each_networks_own_result():
    plan = make_plan()
    for number, attachment in enumerate(plan.attachments):
        attachment.result = RESULT % number
    calls = inputs(attach.check(plan, "/netns"), "")
    assert [step.type for step, _ in calls] == ["a1", "b1", "b2", "c1", "c2"]
    addresses = [config["prevResult"]["ips"][0]["address"] for _, config in calls]
    assert addresses == [f"10.0.0.{number}/24" for number in (0, 1, 1, 2, 2)]


@pytest.mark.parametrize("fields", [{"version": "0.3.1"}, {"disable_check": True}])
def test_b72_check_is_left_out(fields):
    plan = make_plan({"x": ["p"]}, **fields)
    plan.attachments[0].result = RESULT % 1
    assert inputs(attach.check(plan, "")) == []


def test_b73_b74_gc_asks_every_plugin_of_every_network_that_does_gc():
    plan = make_plan(version="1.1.0")
    pairs = [(plan, attachment) for attachment in plan.attachments]
    plan.attachments[0].network.disable_gc = True
    world = World(failing("GC", "b1"))
    errors = world.drive(node_verbs.collect(pairs, [("cid1", "eth0")]))
    assert [error.code for error in errors] == [123]
    assert world.log == ["GC b1@", "GC b2@", "GC c1@", "GC c2@"]
    for _, config in inputs(node_verbs.collect(pairs, [("cid1", "eth0")])):
        assert config["cni.dev/valid-attachments"] == [{"containerID": "cid1", "ifname": "eth0"}]
        assert config["cni.dev/attachments"] == config["cni.dev/valid-attachments"]


@pytest.mark.parametrize("result", ["", RESULT % 1])
def test_what_a_repair_left_half_made_stays_recorded_where_its_del_fails(result):
    """The runtime's DEL, or gc, has to be able to try again: the second plugin may hold rules on the node."""
    plan = make_plan({"b": ["b1", "b2"]})
    half = plan.attachments[0].replace(changing=True, restoring=True, result=result)
    plan = plan.replace(attachments=[half])
    world = World(
        lambda step: DelegateFailed("no") if isinstance(step, Invoke) and step.type == "b2" else None
    )
    world.disk = encode_journal(plan)
    assert [error.msg for error in world.drive(attach.delete(plan, "/netns", thorough=True))] == ["no"]
    assert not decode_plan(world.disk).attachments[0].released


def test_b75_status_stops_at_the_first_error():
    networks = [network("old", ["o"], "1.0.0"), network("x", ["p", "q"], "1.1.0")]
    world = World(failing("STATUS", "p", error=DelegateFailed("no", code=50)))
    with pytest.raises(DelegateFailed, match="no"):
        world.drive(node_verbs.status(["/bin"], networks))
    assert world.log == ["STATUS p@"]


def test_a_step_says_where_it_is():
    steps = attach.add(make_plan())
    next(steps)
    step = steps.send("")
    assert isinstance(step, Invoke)
    assert step.where == 'network "a" (eth0): plugin type="a1" failed (add)'
    assert (step.container_id, step.netns, step.path) == ("cid1", "/netns", ["/bin"])


@pytest.mark.parametrize("changing", [False, True])
def test_a_network_that_leaves_a_running_pod_is_not_released_by_its_ipam_alone(changing):
    """Its interface may still be there, and the pod goes on: another pod must not get its address."""
    plugin = PluginConf("macvlan", '{"type": "macvlan", "ipam": {"type": "host-local"}}')
    lan = NetConf("lan", "1.0.0", [plugin], "/net.d/lan.conf")
    leaving = Attachment(lan, "net1", "lan", result=RESULT % 1, changing=changing)
    plan = Plan("cid1", "eth0", "/netns", ["/bin"], None, "boot", [leaving])
    world = World(
        lambda step: DelegateFailed("Link not found") if getattr(step, "type", "") == "macvlan" else None
    )
    if changing:
        with pytest.raises(DelegateFailed):
            world.drive(attach.release_network(plan, 0, "/netns"))
    else:
        world.drive(attach.release_network(plan, 0, "/netns"))
