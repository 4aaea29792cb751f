"""From the kernel's state and recorded attachments to faults and their repair."""

import json
import re
from pathlib import Path

import pytest

from genie_core.live.repair import (
    DROP_ROUTE,
    GATEWAY_ROUTE,
    KINDS,
    LINK_ROUTE,
    MASTER,
    SET_ADDRESS,
    UP,
    faults_of,
)
from genie_core.live.seen import Seen, SeenLink, SeenRoute
from genie_core.model import Attachment, NetConf, Plan, PluginConf

IPAM = {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}
RESULT = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "veth1"}, {"name": "eth0", "sandbox": "/n"}],
    "ips": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1", "interface": 1}],
    "routes": [{"dst": "0.0.0.0/0"}],
}


def attachment(*plugins, result=RESULT, **more):
    chain = [PluginConf(plugin["type"], json.dumps(plugin)) for plugin in plugins]
    return Attachment(NetConf("n", "1.0.0", chain, ""), "eth0", "n", result=json.dumps(result), **more)


def plan(item, **more):
    return Plan("c1", "eth0", "/n", [], None, "boot", [item], **more)


def pod(*, up=True, address=True, default=True, kind="veth", extra=()):
    return Seen(
        [SeenLink("lo", 1), SeenLink("eth0", 2, kind, up, peer=9)],
        [(2, "10.1.0.5")] if address else [],
        [
            *([SeenRoute("10.1.0.0/24", 2)] if address and up else []),
            *([SeenRoute("0.0.0.0/0", 2, "10.1.0.1")] if default else []),
            *extra,
        ],
    )


NODE = Seen([SeenLink("br0", 3, "bridge"), SeenLink("veth1", 9, "veth", master=3), SeenLink("up0", 4)])
BRIDGE = {"type": "bridge", "bridge": "br0", "ipam": IPAM}


def found(item, there, node=NODE, **more):
    return [(fault.kind, fault.again, fault.obstacle) for fault in faults_of(plan(item, **more), there, node)]


def puts(item, there, node=NODE):
    return [put.what for fault in faults_of(plan(item), there, node) for put in fault.puts]


def test_a_healthy_one():
    assert found(attachment(BRIDGE), pod()) == []


def test_what_is_down_is_put_up_first():
    there = pod(up=False, default=False)
    assert found(attachment(BRIDGE), there) == [("link", False, ""), ("default-route", False, "")]
    assert puts(attachment(BRIDGE), there) == [UP, GATEWAY_ROUTE]


def test_an_address_brings_its_route_along():
    assert puts(attachment(BRIDGE), pod(address=False)) == [SET_ADDRESS]


def test_a_route_of_the_subnet_alone():
    there = Seen(pod().links.values(), [(2, "10.1.0.5")], [SeenRoute("0.0.0.0/0", 2, "10.1.0.1")])
    assert puts(attachment(BRIDGE), there) == [LINK_ROUTE]


def test_ptp_has_routes_of_its_own():
    """The kernel's route of the address is in the place of the plugin's."""
    there = pod()
    node = Seen([SeenLink("veth1", 9, "veth")], [(9, "10.1.0.1")], [SeenRoute("10.1.0.5/32", 9)])
    assert puts(attachment({"type": "ptp", "ipam": IPAM}), there, node) == [
        LINK_ROUTE,
        DROP_ROUTE,
        GATEWAY_ROUTE,
    ]


def test_the_host_end_by_its_index_where_it_has_another_name():
    node = Seen([SeenLink("br0", 3, "bridge"), SeenLink("renamed", 9, "veth", master=7)])
    assert puts(attachment(BRIDGE), pod(), node)[0] == MASTER


@pytest.mark.parametrize("kind", ["macvlan", "ipvlan", "vlan"])
def test_a_parent(kind):
    item = attachment({"type": kind, "master": "up0", "ipam": IPAM})
    assert found(item, pod(kind=kind)) == []
    down = Seen([SeenLink("up0", 4, up=False)])
    ((fault, _, obstacle),) = found(item, pod(kind=kind), down)
    assert (fault, "up0 is the node's" in obstacle) == ("link", True)
    gone = Seen([SeenLink("lo", 1)])
    assert found(item, Seen([SeenLink("lo", 1)]), gone) == [
        ("interface", True, "its parent up0 is not there")
    ]


@pytest.mark.parametrize(
    "plugins",
    [
        [{"type": "calico", "capabilities": {"ips": True}}],
        [{**BRIDGE}, {"type": "sbr"}],
        [{**BRIDGE, "vlan": 5}],
    ],
)
def test_other_plugins_make_it_again(plugins):
    node = Seen([SeenLink("br0", 3, "bridge"), SeenLink("veth1", 9, "veth", master=0)])
    faults = found(attachment(*plugins), pod(address=False), node)
    assert all(again for kind, again, _ in faults if kind != "address" or len(plugins) > 1)
    assert any(again for _, again, _ in faults)


def test_the_first_interface_needs_its_address():
    item = attachment({"type": "calico"})
    ((kind, _, obstacle),) = found(item, pod(address=False))
    assert (kind, "recreate the pod" in obstacle) == ("address", True)


def test_flannel_has_bridge_do_it():
    item = attachment({"type": "flannel", "delegate": {"hairpinMode": True}}, {"type": "portmap"})
    node = Seen([SeenLink("cni0", 3, "bridge"), SeenLink("veth1", 9, "veth")], [(3, "10.1.0.1")])
    assert found(item, pod(), node) == [("bridge-port", False, "")]
    assert puts(item, pod(), node)[0] == MASTER
    assert found(item, pod(up=False, default=False), node)[0] == ("link", False, "")
    ((kind, again, obstacle),) = found(item, Seen())
    assert (kind, again, "recreate the pod" in obstacle) == ("interface", True, True)


def test_a_default_route_in_the_place_of_ours():
    there = Seen(
        [*pod().links.values(), SeenLink("tun0", 7)],
        [(2, "10.1.0.5")],
        [SeenRoute("10.1.0.0/24", 2), SeenRoute("0.0.0.0/0", 7)],
    )
    assert found(attachment(BRIDGE), there) == [
        ("default-route", False, "another route has its place, through tun0")
    ]


def test_an_interface_that_was_never_made_is_no_fault():
    absent = ["eth0 address 10.1.0.5/24", "eth0 default IPv4"]
    assert found(attachment(BRIDGE), pod(address=False, default=False), absent=absent) == []


def test_what_a_change_left_half_done_is_no_fault():
    item = attachment(BRIDGE)
    for state in ({"releasing": True}, {"result": ""}, {"released": True}):
        assert found(item.replace(**state), Seen()) == []


def test_a_device_of_a_device_plugin_is_not_made_again():
    item = attachment(BRIDGE, asked=json.dumps({"device": "x"}))
    ((_, _, obstacle),) = found(item, Seen())
    assert "device plugin" in obstacle


@pytest.mark.parametrize(
    "keys, is_kept",
    [({"ipMasq": True}, True), ({}, False), ({"ipMasq": True, "ipMasqBackend": "nftables"}, False)],
)
def test_one_of_two_of_a_network_that_masquerades_is_not_made_again(keys, is_kept):
    """Its plugin's DEL empties the chain that both share."""
    one = attachment(BRIDGE | keys)
    gone = {**RESULT, "interfaces": [{"name": "veth2"}, {"name": "net1", "sandbox": "/n"}]}
    two = one.replace(ifname="net1", result=json.dumps(gone))
    both = plan(one).replace(attachments=[one, two])
    (fault,) = faults_of(both, pod(), NODE)
    assert (fault.ifname, fault.kind, fault.again) == ("net1", "interface", True)
    assert ("other interface of its network" in fault.obstacle) is is_kept


def test_the_page_names_each_kind():
    page = (Path(__file__).parents[3] / "docs/let-genie-repair.md").read_text()
    rows = re.findall(r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \|", page.partition("| kind |")[2], re.MULTILINE)
    assert {word.strip("`") for row in rows for word in row.split(", ")} == set(KINDS)
