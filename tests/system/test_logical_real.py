"""Logical networks with the real bridge, ptp, macvlan, host-local and static: they attach, and keep apart.

The pods of two tenants and those of the default network come and go in every order on one node.
"""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from errno import ECONNREFUSED
from itertools import permutations

import pytest

from genie_core.edges.netns import inside
from tests.manifests import logical, physical, pod
from tests.netns import Namespace
from tests.system.cluster import Cluster

pytestmark = [pytest.mark.root, pytest.mark.system]

NETWORK = {"a": "10.66.0.0/24", "b": "10.67.0.0/24"}


@pytest.fixture
def cluster(node):
    """The tenants a and b have a logical network each on the bridge network blue, which is the default one."""
    running = Cluster(node)
    for tenant, subnet in NETWORK.items():
        running.objects.add(logical("net", tenant, plugin="blue", sub_subnet=subnet))
    yield running
    running.close()


class Pods:
    """Pods by name, each in a network namespace of its own."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.node = cluster.node
        self.netns = {}

    def call(self, verb, name, namespace, networks=""):
        if name not in self.netns:
            self.netns[name] = Namespace()
            self.node.pods.append(self.netns[name])
        args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}"
        annotations = {"networks": networks} if networks else {}
        path = self.netns[name].path
        return self.node.call(verb, name, netns=path, annotations=annotations, env={"CNI_ARGS": args})

    def add(self, name, namespace, networks=""):
        """An ADD that must succeed: the address of eth0."""
        self.cluster.objects.add(pod(name=name, namespace=namespace))
        outcome = self.call("ADD", name, namespace, networks)
        assert outcome.status == 0, outcome
        return outcome.reply["ips"][0]["address"].partition("/")[0]

    def delete(self, name):
        outcome = self.call("DEL", name, "x")
        assert (outcome.status, outcome.reply) == (0, None), outcome

    def reaches(self, name, address, seconds=60):
        """Whether a packet and its answer pass in time: a port without a listener refuses a connection."""
        return inside(str(self.netns[name].path), lambda: _is_refused(address, seconds))


def _is_refused(address, seconds):
    with socket.socket() as sock:
        sock.settimeout(seconds)
        return sock.connect_ex((address, 9)) == ECONNREFUSED


@pytest.fixture
def pods(cluster):
    return Pods(cluster)


def bridge_of(node):
    """Bridge -> its addresses, on the host."""
    shown = json.loads(node.host.run("ip", "-json", "address", "show", "type", "bridge").stdout)
    return {
        link["ifname"]: [item["local"] for item in link["addr_info"] if item["family"] == "inet"]
        for link in shown
    }


COMERS = {"tenant-a": ("a", "net"), "tenant-b": ("b", "net"), "default": ("d", "")}


def test_every_order_of_coming_and_going(pods):
    """None of the three fails because of another, and each reaches its own gateway while the others are there."""
    gateways = {"tenant-a": "10.66.0.1", "tenant-b": "10.67.0.1", "default": "10.1.0.1"}
    orders = list(permutations(COMERS))
    for coming, going in zip(orders, reversed(orders), strict=True):
        for name in coming:
            pods.add(name, *COMERS[name])
        assert all(pods.reaches(name, gateway) for name, gateway in gateways.items())
        for name in going:
            pods.delete(name)
            pods.add(f"{name}-next", *COMERS[name])
            assert pods.reaches(f"{name}-next", gateways[name])
        for name in coming:
            pods.delete(f"{name}-next")
    assert pods.node.held() == []
    assert pods.node.state_files() == []


def own_bridges(node):
    return [name for name in bridge_of(node) if name.startswith("genie")]


def test_the_bridge_goes_with_the_last_pod(pods):
    node = pods.node
    pods.add("one", "a", "net")
    pods.add("two", "a", "net")
    (bridge,) = own_bridges(node)
    pods.delete("one")
    assert own_bridges(node) == [bridge]
    pods.delete("two")
    assert own_bridges(node) == []
    # or the subnet's next owner would find it in the node's routing table
    pods.cluster.objects.add(logical("other", "b", plugin="blue", sub_subnet="10.66.0.0/24", created="2027"))
    objects = pods.cluster.objects
    objects.remove(objects.kind_of(logical("net")), "a", "net")
    pods.add("three", "b", "other")
    assert pods.reaches("three", "10.66.0.1")


@pytest.mark.parametrize("plugin", ["blue", "red", "green"])
def test_an_ipv6_subnet(pods, plugin):
    pods.cluster.objects.add(logical("six", "a", plugin=plugin, sub_subnet="fd66::/64"))
    assert pods.add("one", "a", "six") == "fd66::2"
    pods.delete("one")
    assert (own_bridges(pods.node), pods.node.held()) == ([], [])


def test_a_failed_add_leaves_no_bridge(pods):
    node = pods.node
    node.wrap("host-local", '[ "$CNI_COMMAND" = DEL ] || exit 1\nexec "$REAL"')
    assert pods.call("ADD", "one", "a", "net").status == 1
    assert own_bridges(node) == []


def test_pods_that_come_while_others_go_find_the_bridge(pods):
    """One lane's DEL sees the bridge without a port while the other's plugin is about to make one."""
    lanes, turns = 3, 4

    def lane(number):
        for _ in range(turns):
            pods.add(f"pod{number}", "a", "net")
            pods.delete(f"pod{number}")

    with ThreadPoolExecutor(lanes) as pool:
        for _ in pool.map(lane, range(lanes)):
            pass
    assert own_bridges(pods.node) == []


def test_a_part_of_the_files_subnet_takes_nothing_from_its_pods(pods):
    pods.cluster.objects.add(logical("part", "a", plugin="blue", sub_subnet="10.1.77.0/24"))
    assert pods.add("first", "d") == "10.1.0.2"
    assert pods.add("one", "a", "part") == "10.1.77.2"
    assert pods.add("second", "d") == "10.1.0.3"
    assert pods.reaches("first", "10.1.0.1")
    assert pods.reaches("one", "10.1.77.1")
    assert pods.reaches("second", "10.1.0.1")


def test_the_whole_subnet_of_the_file_is_the_files_network(pods):
    pods.cluster.objects.add(physical("whole", "a", dedicatedNet=True, plugin="blue", subnet="10.1.0.0/16"))
    pods.cluster.objects.add(logical("whole", "a", physicalNet="whole"))
    default = pods.add("first", "d")
    one = pods.add("one", "a", "whole")
    assert pods.reaches("first", one)
    assert pods.reaches("one", default)
    assert pods.reaches("one", "10.1.0.1")


def test_pods_of_version_1_0_keep_their_bridge(pods):
    """It put the subnet onto the bridge of the file: a second bridge would have the same gateway and route."""
    host = pods.node.host
    host.run("ip", "link", "add", "br0", "type", "bridge")
    host.run("ip", "link", "set", "br0", "up")
    host.run("ip", "address", "add", "10.66.0.1/24", "dev", "br0")
    pods.add("one", "a", "net")
    assert own_bridges(pods.node) == []
    assert pods.reaches("one", "10.66.0.1")


@pytest.mark.parametrize("plugin", ["blue", "red"])
@pytest.mark.parametrize("lan, subnet", [("192.168.7.9/24", "192.168.0.0/16"), ("fd07::9/64", "fd07::/64")])
def test_the_nodes_own_subnets_are_not_taken(pods, plugin, lan, subnet):
    node = pods.node
    node.host.run("ip", "address", "add", lan, "dev", "up0", "nodad")
    pods.cluster.objects.add(logical("lan", "a", plugin=plugin, sub_subnet=subnet))
    outcome = pods.call("ADD", "one", "a", "lan")
    assert outcome.reply["code"] == 7
    assert "which is on the node's interface up0" in outcome.reply["msg"]
    assert node.state_files() == []


def test_two_logical_networks_of_one_pod(pods):
    pods.cluster.objects.add(logical("more", "a", plugin="blue", sub_subnet="10.68.0.0/24"))
    pods.add("both", "a", "net,more@net1")
    links = pods.netns["both"].links()
    assert [links["eth0"][0], links["net1"][0]] == ["10.66.0.2/24", "10.68.0.2/24"]
    assert pods.reaches("both", "10.66.0.1")
    assert pods.reaches("both", "10.68.0.1")
    pods.delete("both")
    assert (pods.netns["both"].links(), pods.node.held()) == ({}, [])


def test_pods_of_one_network_reach_each_other(pods):
    pods.add("one", "a", "net")
    assert pods.reaches("one", pods.add("two", "a", "net"))


def test_no_frame_leads_from_one_logical_network_into_another(pods):
    """Even with an address of the other subnet, set by a pod that may change its network."""
    pods.add("thief", "a", "net")
    other = pods.add("victim", "b", "net")
    pods.netns["thief"].run("ip", "address", "add", "10.67.0.99/24", "dev", "eth0")
    assert not pods.reaches("thief", other, seconds=1)
    pods.netns["thief"].run("ip", "address", "add", "10.1.0.99/16", "dev", "eth0")
    assert not pods.reaches("thief", pods.add("default", "d"), seconds=1)


def test_the_node_routes_between_networks_with_a_gateway(pods):
    """docs/networks.md says so: a bridge of its own keeps frames apart; packets to the gateway are routed."""
    pods.add("one", "a", "net")
    other = pods.add("other", "b", "net")
    assert not pods.reaches("one", other, seconds=1)  # `isGateway` alone gives the pod no route
    for name, gateway in (("one", "10.66.0.1"), ("other", "10.67.0.1")):
        pods.netns[name].run("ip", "route", "add", "default", "via", gateway)
    assert pods.reaches("one", other)


def test_without_a_gateway_there_is_no_way_between_them(pods):
    node = pods.node
    bridge = {"type": "bridge", "bridge": "br0", "ipam": node.ipam("10.1.0.0/16")}
    node.configure("40-apart.conf", {"cniVersion": "1.0.0", "name": "apart", **bridge})
    for tenant, subnet in NETWORK.items():
        pods.cluster.objects.add(logical("apart", tenant, plugin="apart", sub_subnet=subnet))
    # the older ones are on the same routing table; these tenants have no others
    for tenant in NETWORK:
        objects = pods.cluster.objects
        objects.remove(objects.kind_of(logical("net")), tenant, "net")
    pods.add("one", "a", "apart")
    other = pods.add("other", "b", "apart")
    assert [addresses for name, addresses in bridge_of(node).items() if name.startswith("genie")] == [[], []]
    for name in ("one", "other"):
        pods.netns[name].run("ip", "route", "add", "default", "dev", "eth0")
    assert not pods.reaches("one", other, seconds=1)


@pytest.mark.parametrize("plugin", ["red", "green"])
def test_ptp_and_macvlan_take_a_subnet_too(pods, plugin):
    for tenant, subnet in (("a", "10.76.0.0/24"), ("b", "10.77.0.0/24")):
        pods.cluster.objects.add(logical("flat", tenant, plugin=plugin, sub_subnet=subnet))
    assert pods.add("one", "a", "flat") == "10.76.0.2"
    assert pods.add("two", "b", "flat") == "10.77.0.2"
    assert pods.add("three", "d").startswith("10.1.0.")
    for name in ("one", "three", "two"):
        pods.delete(name)
    assert pods.node.held() == []


def test_refer_nic_is_the_parent_of_a_macvlan(pods):
    node = pods.node
    node.host.run("ip", "link", "add", "nic1", "type", "veth", "peer", "name", "nic2")
    node.host.run("ip", "link", "set", "nic1", "up")
    pods.cluster.objects.add(physical("lan", "a", nic="nic1", dedicatedNet=True, plugin="green"))
    pods.cluster.objects.add(logical("lan", "a", physicalNet="lan"))
    pods.add("one", "a", "lan")
    (link,) = json.loads(pods.netns["one"].run("ip", "-json", "link", "show", "eth0").stdout)
    (parent,) = json.loads(node.host.run("ip", "-json", "link", "show", "nic1").stdout)
    assert link["link_index"] == parent["ifindex"]
    node.host.run("ip", "link", "delete", "nic1")
    outcome = pods.call("ADD", "two", "a", "lan")
    assert outcome.reply["code"] == 7
    assert "Physicalnetwork a/lan: refer_nic 'nic1' is no interface of this node" in outcome.reply["msg"]
    assert (pods.netns["two"].links(), node.state_files()) == ({}, ["one@eth0"])


def test_an_address_outside_the_subnet_is_undone(pods):
    """static takes its addresses from the configuration, whatever the subnet is."""
    node = pods.node
    static = {"type": "static", "addresses": [{"address": "10.99.0.5/24"}]}
    fixed = {"type": "macvlan", "master": "up0", "ipam": static}
    node.configure("40-fixed.conf", {"cniVersion": "1.0.0", "name": "fixed", **fixed})
    pods.cluster.objects.add(logical("fixed", "a", plugin="fixed", sub_subnet="10.86.0.0/24"))
    outcome = pods.call("ADD", "one", "a", "net,fixed@net1")
    assert outcome.reply["code"] == 7
    assert "10.99.0.5/24, which is outside the network's subnet 10.86.0.0/24" in outcome.reply["msg"]
    assert (pods.netns["one"].links(), node.held(), node.state_files()) == ({}, [], [])
    pods.cluster.objects.add(logical("fixed", "a", plugin="fixed", sub_subnet="10.99.0.0/24"))
    assert pods.add("one", "a", "fixed") == "10.99.0.5"
