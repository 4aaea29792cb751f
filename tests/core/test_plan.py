"""The plan: names, capabilities, order (conformance B47, C43, C44, D34, X18)."""

import pytest

from genie_core.errors import InvalidConfig
from genie_core.model import Choice, NetConf, PluginConf, Selection
from genie_core.plan import POD_ANNOTATIONS, make_plan, name_interfaces, primary_first
from genie_core.spec.request import parse_request


def choices(*ifnames, additional=False, plugin='{"type": "p"}'):
    return [
        Choice(
            Selection(f"n{number}", ifname, f"item {number}"),
            NetConf(f"n{number}", "1.0.0", [PluginConf("p", plugin)], "f"),
            additional=additional,
        )
        for number, ifname in enumerate(ifnames, 1)
    ]


def request(ifname="eth0", runtime_config="{}"):
    env = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "cid",
        "CNI_NETNS": "/netns",
        "CNI_IFNAME": ifname,
        "CNI_PATH": "/bin",
        "CNI_ARGS": "A=1",
    }
    return parse_request(env, f'{{"name": "genie", "runtimeConfig": {runtime_config}}}')


@pytest.mark.parametrize(
    "asked,primary,prefix,given",
    [
        (["", "", ""], "eth0", "", ["eth0", "eth1", "eth2"]),
        (["", "eth0", ""], "eth0", "", ["eth1", "eth0", "eth2"]),
        (["", "eth4", "eth3"], "eth0", "", ["eth0", "eth4", "eth3"]),
        (["eth1", "", "", "eth2"], "eth0", "", ["eth1", "eth0", "eth3", "eth2"]),
        (["x", ""], "eth0", "", ["x", "eth0"]),
        (["", ""], "net1", "", ["net1", "eth1"]),
        (["", ""], "eth1", "", ["eth1", "eth2"]),
        (["", "", ""], "eth0", "net", ["eth0", "net1", "net2"]),
        (["", "net1", ""], "eth0", "net", ["eth0", "net1", "net2"]),
        (["", "", ""], "net1", "net", ["net1", "net2", "net3"]),
        (["eth00", "eth01", ""], "eth0", "", ["eth00", "eth01", "eth0"]),
    ],
)
def test_c43_c44_d34_names(asked, primary, prefix, given):
    assert name_interfaces(choices(*asked), primary, prefix) == given


def test_d34_the_same_name_twice():
    with pytest.raises(InvalidConfig, match=r"^item 3: Repeated request for same interface name: x;"):
        name_interfaces(choices("x", "", "x"), "eth0")


def test_x18_no_network_gets_the_primary():
    with pytest.raises(InvalidConfig, match=r"^item 1: no network of this pod gets the interface eth0"):
        name_interfaces(choices("x", "y"), "eth0")


def test_the_plan_has_all_that_the_runtime_said():
    plan = make_plan(request(), None, "boot", choices("", "x"))
    assert (plan.container_id, plan.ifname, plan.netns, plan.path) == ("cid", "eth0", "/netns", ["/bin"])
    assert [(item.ifname, item.label, item.args) for item in plan.attachments] == [
        ("eth0", "n1", "A=1"),
        ("x", "n2", "A=1"),
    ]
    assert plan.key == ("cid", "eth0")


@pytest.mark.parametrize("asked,owner", [(["", "x"], 0), (["x", ""], 1), (["x", "eth0"], 1)])
def test_b47_what_the_runtime_asks_for_is_the_primarys(asked, owner):
    declaring = '{"type": "p", "capabilities": {"mac": true, "ips": false, "io.kubernetes.cri.pod-annotations": true}}'
    supplied = f'{{"mac": "02:00", "ips": [1.10], "other": 1, "{POD_ANNOTATIONS}": {{}}}}'
    plan = make_plan(request(runtime_config=supplied), None, "boot", choices(*asked, plugin=declaring))
    given = [dict(item.capabilities) for item in plan.attachments]
    assert given[owner] == {"mac": '"02:00"', POD_ANNOTATIONS: "{}"}
    assert given[1 - owner] == {}
    assert primary_first(plan)[0] is plan.attachments[owner]
    assert plan.attachments[owner].ifname == "eth0"


@pytest.mark.parametrize("supplied", ["null", "{}"])
def test_b43_nothing_is_supplied(supplied):
    plan = make_plan(request(runtime_config=supplied), None, "boot", choices(""))
    assert plan.attachments[0].capabilities == {}


@pytest.mark.parametrize("supplied", ["[]", '"x"', "7", "true"])
def test_a_runtime_config_that_is_no_object(supplied):
    with pytest.raises(InvalidConfig, match="runtimeConfig must be an object"):
        make_plan(request(runtime_config=supplied), None, "boot", choices(""))
