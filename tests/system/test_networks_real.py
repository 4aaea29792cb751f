"""Network attachments with real plugins in real namespaces: C11-C25, C33-C36, C46-C50, A73, A74, A80-A82.

The default network is a bridge of both families; the pod asks for more.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests.manifests import logical, physical
from tests.netns import Namespace
from tests.patience import wait_until
from tests.system import audit
from tests.system.cluster import Cluster

pytestmark = [pytest.mark.root, pytest.mark.system]

MAC = "c2:b0:57:49:47:f1"


@pytest.fixture
def cluster(node):
    """blue is the default network: a bridge with IPv4 and IPv6."""
    (node.conf / "10-blue.conf").unlink()
    configure_default(node, "10.1.0.0/16", "fd01::/64")
    running = Cluster(node)
    yield running
    running.close()


def configure_default(node, *subnets, **fields):
    bridge = {"type": "bridge", "bridge": "br0", "isDefaultGateway": True, "ipMasq": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    chain = [{**bridge, "ipam": node.ipam(*subnets)}, ports]
    node.configure("10-blue.conflist", {"cniVersion": "1.0.0", "name": "blue", "plugins": chain, **fields})


def macvlan(node, subnet, **more):
    return {"type": "macvlan", "master": "up0", "ipam": node.ipam(subnet), **more}


def mac_of(namespace, link):
    return json.loads(namespace.run("ip", "-json", "link", "show", link).stdout)[0]["address"]


def addresses(namespace):
    """Interface -> its addresses but the link-local ones."""
    return {
        link: [address for address in found if not address.startswith("fe80:")]
        for link, found in namespace.links().items()
    }


# --- where the configuration is


def test_c33_c34_c35_configurations_of_every_form(cluster):
    """A single plugin, a list without a name, and a file on the node."""
    node = cluster.node
    cluster.nad("single", {"name": "own-name", **macvlan(node, "10.4.0.0/24")})
    cluster.nad("chain", [{"type": "ptp", "ipam": node.ipam("10.5.0.0/24")}, {"type": "tuning", "mtu": 1300}])
    cluster.nad("red")
    result = cluster.add("single,chain,red@last")
    assert addresses(node.pod) == {
        "eth0": ["10.1.0.2/16", "fd01::2/64"],
        "net1": ["10.4.0.2/24"],
        "net2": ["10.5.0.2/24"],
        "last": ["10.2.0.2/16"],
    }
    assert [(entry["name"], entry["interface"], entry["ips"]) for entry in cluster.status()] == [
        ("blue", "eth0", ["10.1.0.2", "fd01::2"]),
        ("ns/single", "net1", ["10.4.0.2"]),
        ("ns/chain", "net2", ["10.5.0.2"]),
        ("ns/red", "last", ["10.2.0.2"]),
    ]
    assert [entry.get("default") for entry in cluster.status()] == [True, None, None, None]
    leases = {path.parent.name for path in audit.lease_files(node.leases)}
    assert leases == {"blue", "own-name", "chain", "red"}
    assert [ip["address"] for ip in result["ips"]][:2] == ["10.1.0.2/16", "fd01::2/64"]
    node.delete()
    assert (node.pod.links(), node.held(), node.state_files()) == ({}, [], [])


def test_c11_several_interfaces_of_one_network(cluster):
    node = cluster.node
    cluster.nad("flat", macvlan(node, "10.4.0.0/24"))
    cluster.add("flat,flat@eth7,flat")
    assert addresses(node.pod) == {
        "eth0": ["10.1.0.2/16", "fd01::2/64"],
        "net1": ["10.4.0.2/24"],
        "eth7": ["10.4.0.3/24"],
        "net3": ["10.4.0.4/24"],
    }
    macs = {entry["mac"] for entry in cluster.status()}
    assert len(macs) == 4
    assert macs == {mac_of(node.pod, link) for link in ("eth0", "net1", "eth7", "net3")}
    node.delete()
    assert (node.pod.links(), node.held()) == ({}, [])


def test_c46_c50_dual_stack_on_both_networks(cluster):
    node = cluster.node
    both = [{"dst": "10.96.0.0/12", "gw": "10.4.0.1"}, {"dst": "fd96::/48", "gw": "fd04::1"}]
    cluster.nad("ptp", {"type": "ptp", "ipam": {**node.ipam("10.4.0.0/24", "fd04::/64"), "routes": both}})
    result = cluster.add("ptp")
    assert cluster.status()[1]["ips"] == ["10.4.0.2", "fd04::2"]
    assert {ip["address"]: result["interfaces"][ip["interface"]]["name"] for ip in result["ips"]} == {
        "10.1.0.2/16": "eth0",
        "fd01::2/64": "eth0",
        "10.4.0.2/24": "net1",
        "fd04::2/64": "net1",
    }
    assert "dev net1" in node.pod.run("ip", "route", "show", "10.96.0.0/12").stdout
    assert "dev net1" in node.pod.run("ip", "-6", "route", "show", "fd96::/48").stdout
    assert sorted(cluster.status()[0]["gateway"]) == ["10.1.0.1", "fd01::1"]
    assert "gateway" not in cluster.status()[1]
    node.delete()


# --- what a pod may ask


def test_c14_static_addresses(cluster):
    node = cluster.node
    static = {"type": "macvlan", "master": "up0", "capabilities": {"ips": True}, "ipam": {"type": "static"}}
    cluster.nad("static", static)
    cluster.add([{"name": "static", "ips": ["10.7.0.9/24", "fd07::9/64"]}])
    assert addresses(node.pod)["net1"] == ["10.7.0.9/24", "fd07::9/64"]
    assert cluster.status()[1]["ips"] == ["10.7.0.9", "fd07::9"]
    node.delete()


@pytest.mark.parametrize("plugin", ["macvlan", "tuning"])
def test_c16_a_mac_address(cluster, plugin):
    node = cluster.node
    offer = {"capabilities": {"mac": True}}
    chain = [macvlan(node, "10.4.0.0/24"), {"type": "tuning"}]
    chain[plugin == "tuning"].update(offer)
    cluster.nad("flat", chain)
    cluster.add([{"name": "flat", "mac": MAC}])
    assert mac_of(node.pod, "net1") == MAC
    assert cluster.status()[1]["mac"] == MAC
    node.pod.run("ip", "link", "set", "net1", "address", "c2:b0:57:49:47:f2")
    assert cluster.check().status == 1
    node.delete()


def test_c20_b47_ports_of_the_runtime_and_of_the_pod(cluster):
    """The runtime's go to the default network, the annotation's to the network that is named."""
    node = cluster.node
    # portmap 1.1 looks for IPv6 rules of IPv4 ports when it checks: B72 spares it that
    configure_default(node, "10.1.0.0/16", disableCheck=True)
    ptp = {"type": "ptp", "ipam": node.ipam("10.4.0.0/24")}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": False}
    cluster.nad("ports", {"plugins": [ptp, portmap], "disableCheck": True})
    runtime = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
    entry = {"name": "ports", "portMappings": [{"hostPort": 9090, "containerPort": 90, "protocol": "UDP"}]}
    cluster.add([entry], runtime=runtime)
    rules = node.host.run("iptables-save", "-t", "nat").stdout
    assert "--dport 8080 -j DNAT --to-destination 10.1.0.2:80" in rules
    assert "-p udp -m udp --dport 9090 -j DNAT --to-destination 10.4.0.2:90" in rules
    assert "10.4.0.2:80" not in rules
    node.delete()
    left = node.host.run("iptables-save", "-t", "nat").stdout
    assert "8080" not in left
    assert "9090" not in left
    assert (node.pod.links(), node.held(), node.state_files()) == ({}, [], [])


def test_c21_bandwidth(cluster):
    node = cluster.node
    ptp = {"type": "ptp", "ipam": node.ipam("10.4.0.0/24")}
    cluster.nad("slow", [ptp, {"type": "bandwidth", "capabilities": {"bandwidth": True}}])
    limit = {"ingressRate": 1_000_000, "ingressBurst": 800_000, "egressRate": 2_000_000}
    result = cluster.add([{"name": "slow", "bandwidth": limit}])
    shown = node.host.run("tc", "qdisc", "show").stdout
    assert "tbf" in shown
    assert "rate 1Mbit" in shown
    assert "rate 2Mbit" in shown
    assert "net1" in {link["name"] for link in result["interfaces"]}
    assert cluster.status()[1]["interface"] == "net1"
    node.delete()
    assert "tbf" not in node.host.run("tc", "qdisc", "show").stdout


def test_c15_a_capability_that_no_plugin_offers_attaches_nothing(cluster):
    node = cluster.node
    cluster.nad("flat", macvlan(node, "10.4.0.0/24"))
    outcome = cluster.call("ADD", [{"name": "flat", "ips": ["10.4.0.9"]}])
    assert (outcome.status, outcome.reply["code"]) == (1, 7)
    assert (node.pod.links(), node.held(), node.state_files()) == ({}, [], [])


def test_d22_a_logical_networks_subnet(cluster):
    """host-local gives the pod one address, inside the logical network's part."""
    node = cluster.node
    cluster.objects.add(physical("phy", dedicatedNet=True, plugin="red", subnet="10.2.0.0/16"))
    cluster.objects.add(logical("part", physicalNet="phy", sub_subnet="10.2.77.0/24"))
    args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p"
    outcome = node.call("ADD", annotations={"cni": "", "networks": "part"}, env={"CNI_ARGS": args})
    assert outcome.status == 0, outcome
    assert addresses(node.pod) == {"eth0": ["10.2.77.2/24"]}
    node.delete()
    assert node.held() == []


# --- CHECK


SABOTAGE = {
    "interface": ("ip", "link", "delete", "net1"),
    "address": ("ip", "address", "flush", "dev", "net1"),
    "route": ("ip", "route", "delete", "10.96.0.0/12"),
    "primary address": ("ip", "address", "delete", "10.1.0.2/16", "dev", "eth0"),
    "primary default route": ("ip", "route", "delete", "default"),
}


@pytest.mark.parametrize("what", SABOTAGE)
def test_a74_b72_check_fails_for_missing_parts(cluster, what):
    node = cluster.node
    # with a gateway: the reference plugins' CHECK does not find again what they added without
    routes = {"routes": [{"dst": "10.96.0.0/12", "gw": "10.4.0.1"}]}
    cluster.nad("ptp", {"type": "ptp", "ipam": {**node.ipam("10.4.0.0/24"), **routes}})
    cluster.add("ptp")
    node.pod.run(*SABOTAGE[what])
    outcome = cluster.check()
    assert outcome.status == 1
    assert outcome.reply["msg"]
    node.delete()
    assert (node.pod.links(), node.held()) == ({}, [])


# --- many at once

PODS, LANES = 16, 8  # `make torture` has 10,000


def test_a80_a82_many_pods_and_gc_between_them_leave_nothing(cluster):
    """Eight lanes add and delete; meanwhile GC reclaims pods of which the runtime knows nothing, and those alone."""
    node = cluster.node
    cluster.nad("flat", macvlan(node, "10.4.0.0/16"))
    lanes = [Namespace() for _ in range(LANES)]
    lost = [Namespace() for _ in range(3)]
    node.pods += [*lanes, *lost]
    names = [f"pod{number}" for number in range(PODS)]
    for name in names:
        cluster.objects.add(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "ns"}}
        )
    node.settings["log_level"] = "error"
    node.settings["kubernetes"] = {"k8s_api_root": cluster.server.url}
    for number, namespace in enumerate(lost):
        assert cluster.call("ADD", "flat", f"lost{number}", namespace.path).status == 0
    assert len(node.state_files()) == 3
    listed = [{"containerID": name, "ifname": "eth0"} for name in names]
    ended = Event()

    def lane(number):
        for name in names[number::LANES]:
            added = cluster.call("ADD", "flat", name, lanes[number].path)
            assert added.status == 0, added
            found = addresses(lanes[number])
            assert {len(found["eth0"]), len(found["net1"])} == {1, 2}, found
            deleted = cluster.call("DEL", None, name, lanes[number].path)
            assert (deleted.status, deleted.reply) == (0, None), deleted

    def collect():
        while not ended.wait(0.1):
            outcome = cluster.call("GC", version="1.1.0", **{"cni.dev/valid-attachments": listed})
            assert (outcome.status, outcome.reply) == (0, None), outcome

    with ThreadPoolExecutor(LANES + 1) as pool:
        collecting = pool.submit(collect)
        working = [pool.submit(lane, number) for number in range(LANES)]
        for future in working:
            future.result()
        wait_until(lambda: node.state_files() == [])
        ended.set()
        collecting.result()
    assert node.state_files() == []
    assert node.held() == []
    assert [namespace.links() for namespace in (*lanes, *lost)] == [{}] * (LANES + 3)
    left = [line for line in node.trace() if "veth" in line or "DNAT" in line or "MASQ" in line]
    assert left == []
