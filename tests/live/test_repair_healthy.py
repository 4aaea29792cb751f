"""Healthy pods are not changed, whatever their plugins; and repairs of rarer kinds."""

import json

import pytest

from tests.patience import wait_until

pytestmark = [pytest.mark.root, pytest.mark.system]

NETWORKS = ("plain", "noaddress", "oldest", "older", "fixed", "chain", "routed", "device")


@pytest.fixture(scope="module")
def many(node):
    """A pod with networks of many kinds: (its namespace, interface -> network)."""
    lan = {"type": "bridge", "isGateway": True}
    plugins = {
        "plain": [{**lan, "bridge": "brp", "hairpinMode": True, "ipam": node.node.ipam("10.20.0.0/24")}],
        "noaddress": [{"type": "bridge", "bridge": "brn"}],
        "oldest": [{**lan, "bridge": "bro", "ipam": node.node.ipam("10.21.0.0/24")}],
        "older": [{"type": "ptp", "ipam": node.node.ipam("10.22.0.0/24")}],
        "fixed": [
            {**lan, "bridge": "brf", "ipam": {"type": "static", "addresses": [{"address": "10.23.0.5/24"}]}}
        ],
        "chain": [
            {"type": "macvlan", "master": "up0", "ipam": node.node.ipam("10.24.0.0/24")},
            {"type": "tuning", "mtu": 1400},
            {"type": "firewall", "backend": "iptables"},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
        "routed": [
            {
                "type": "macvlan",
                "master": "up0",
                "ipam": {**node.node.ipam("10.25.0.0/24"), "routes": [{"dst": "0.0.0.0/0"}]},
            },
            {"type": "sbr"},
        ],
        "device": [{"type": "host-device", "device": "spare0", "ipam": node.node.ipam("10.26.0.0/24")}],
    }
    versions = {"oldest": "0.2.0", "older": "0.3.1"}
    for name, chain in plugins.items():
        document = {"cniVersion": versions.get(name, "1.0.0"), "name": name, "plugins": chain}
        node.node.configure(f"50-{name}.conflist", document)
    node.host.run("ip", "link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
    node.host.run("ip", "link", "set", "spare1", "up")
    namespace = node.node.add_pod()
    asked = ",".join(f"{name}@n{number}" for number, name in enumerate(NETWORKS))
    node.start("many", netns=namespace.path, cni=f"blue,{asked}")
    yield namespace
    node.node.delete("many", netns=namespace.path)


def test_healthy_pods_are_left_alone(ward, many):
    before = state(many)
    assert ward.repair("report") == []
    assert ward.repair("fix") == []
    assert state(many) == before


@pytest.mark.parametrize("number", range(len(NETWORKS)))
def test_each_interface_set_down_is_as_before(ward, many, number):
    if NETWORKS[number] == "noaddress":  # its plugin leaves it as it is
        return
    before = state(many)
    many.run("ip", "link", "set", f"n{number}", "down")
    done = ward.repair("fix")
    assert {(one["interface"], one["result"]) for one in done} == {(f"n{number}", "mended")}, done
    wait_until(lambda: state(many) == before)


def test_an_interface_whose_chained_plugin_fails_without_it(ward, many):
    """sbr does in DEL: the interface is made again nevertheless."""
    before = state(many)
    number = NETWORKS.index("routed")
    many.run("ip", "link", "del", f"n{number}")
    (done,) = ward.repair("fix")
    assert (done["kind"], done["result"]) == ("interface", "mended"), done
    wait_until(lambda: state(many)[0][f"n{number}"][3] == before[0][f"n{number}"][3])
    assert ward.repair("report") == []


def state(namespace):
    """Interface -> whether it is up, MTU, MAC and IPv4 addresses; and the IPv4 routes of all tables."""
    links = json.loads(namespace.run("ip", "-json", "address").stdout)
    routes = namespace.run("ip", "-4", "route", "show", "table", "all").stdout.splitlines()
    kept = {
        link["ifname"]: (
            "UP" in link["flags"],
            link["mtu"],
            link["address"],
            [ip["local"] for ip in link["addr_info"] if ip["family"] == "inet"],
        )
        for link in links
    }
    return kept, sorted(line.strip() for line in routes)
