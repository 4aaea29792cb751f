"""From the first packet on: what ADD does before it returns, and DEL before addresses are free again."""

import json
import os
import shutil
import socket
import struct
import time
from pathlib import Path

import pytest

from genie_core.edges import policy_dir
from genie_core.edges.netns import inside
from tests import warm
from tests.policy.pings import answers, ping
from tests.system.node import Node

ARGS = {"CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u1"}
DIRECTORY = Path(policy_dir.DIRECTORY)
NETLINK_NETFILTER = 12
ALL_PODS = {"namespace": "shop", "podSelector": {}}


@pytest.fixture
def node(tmp_path, plugins):
    """A node with policies switched on: blue (a bridge, the default), red (ptp), green (macvlan), sea (a bridge)."""
    made = Node(tmp_path / "node", plugins)
    made.configure_three()
    sea = {"type": "bridge", "bridge": "br9", "isGateway": True, "ipam": made.ipam("10.9.0.0/16")}
    made._single("40-sea.conf", "sea", **sea)
    made.settings |= {"policy_engine": True}
    yield made
    made.remove()
    shutil.rmtree(DIRECTORY, ignore_errors=True)


def select(**networks):
    policy_dir.write({name.replace("_", "/"): entries for name, entries in networks.items()})


def call(node, verb, networks="", container="c1", netns=None, **more):
    annotations = {"annotations": {"cni": networks}} if networks else {}
    return node.call(verb, container, netns=netns, env=ARGS, **annotations, **more)


def rules(namespace):
    return namespace.run("nft", "list", "ruleset").stdout


def test_without_an_agent_a_pod_with_more_networks_waits(node):
    outcome = call(node, "ADD", "blue,red")
    assert (outcome.status, outcome.reply["code"]) == (1, 11)
    assert "genie agent has not run on this node yet" in outcome.reply["msg"]
    assert node.pod.links() == {}
    assert call(node, "ADD", "blue").status == 0


def test_an_agent_that_is_away_for_long(node):
    select()
    old = time.time() - 700
    os.utime(DIRECTORY / "stamp", (old, old))
    assert "was last at work 12 minutes ago" in call(node, "ADD", "blue,red").reply["msg"]
    os.utime(DIRECTORY / "stamp")
    assert call(node, "ADD", "blue,red").status == 0


@pytest.mark.parametrize("fail, passes", [("closed", False), ("open", True)])
def test_a_pod_with_one_network_while_the_agent_is_away_for_long(node, fail, passes):
    """It starts, and on a network that a policy selects nothing passes until the agent is back."""
    node.settings["policy_fail"] = fail
    select(cni_blue=[ALL_PODS])
    old = time.time() - 700
    os.utime(DIRECTORY / "stamp", (old, old))
    assert call(node, "ADD", "blue").status == 0
    assert ("genie_policy" not in rules(node.host)) is passes


def test_policy_fail_open(node):
    node.settings["policy_fail"] = "open"
    outcome = call(node, "ADD", "blue,red")
    assert outcome.status == 0
    assert [line["event"] for line in outcome.events].count("network policies are not guarded") > 0


def test_the_directory_is_closed_to_others(node):
    select(cni_red=[ALL_PODS])
    assert DIRECTORY.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in DIRECTORY.iterdir()} == {
        "networks.json": 0o600,
        "stamp": 0o600,
    }


@pytest.mark.parametrize("selected", [{}, {"cni_red": [{"namespace": "bank", "podSelector": {}}]}])
def test_a_network_that_no_policy_of_the_namespace_selects_gets_no_rules(node, selected):
    select(**selected)
    assert call(node, "ADD", "blue,red@net1").status == 0
    assert "genie_policy" not in rules(node.host) + rules(node.pod)


@pytest.mark.parametrize(
    "network, gateway, where",
    [("sea", "10.9.0.1", "host"), ("red", "10.2.0.1", "host"), ("green", "", "pod")],
)
def test_nothing_passes_until_the_rules_are_compiled(node, network, gateway, where):
    select(**{f"cni_{network}": [ALL_PODS]})
    other = node.add_pod()
    assert call(node, "ADD", f"blue,{network}@net1", container="other", netns=other.path).status == 0
    assert call(node, "ADD", f"blue,{network}@net1").status == 0
    text = {"host": rules(node.host), "pod": rules(node.pod)}
    assert "genie_policy" in text[where]
    assert "genie_policy" not in text["pod" if where == "host" else "host"]
    peer = other.links()["net1"][0].partition("/")[0]
    assert not ping(node.pod, gateway or peer, "net1")
    for namespace in (node.host, node.pod, other):
        for family in ("inet", "bridge"):
            namespace.run("nft", "delete", "table", family, "genie_policy", check=False)
    assert answers(node.pod, gateway or peer, "net1")


def test_the_networks_beside_the_primary(node):
    """The network "*" of the list."""
    policy_dir.write({"*": [ALL_PODS]})
    assert call(node, "ADD", "blue,sea@net1").status == 0
    listed = json.loads(node.host.run("nft", "-j", "list", "table", "bridge", "genie_policy").stdout)
    (found,) = [item["set"]["elem"] for item in listed["nftables"] if "set" in item]
    assert len(found) == 1  # not the primary's


def test_a_del_takes_the_rules_away(node):
    policy_dir.write({"cni/sea": [ALL_PODS], "cni/red": [ALL_PODS]})
    outcome = call(node, "ADD", "blue,sea@net1,red@net2")
    assert outcome.status == 0
    addresses = [ip["address"].partition("/")[0] for ip in outcome.reply["ips"]]
    peers = ", ".join([*addresses, "192.0.2.7"])
    table = (
        f"table inet genie_policy {{ set p4_x {{ type ipv4_addr; elements = {{ {peers} }}; }}\n"
        f'map egress_4 {{ type ifname . ipv4_addr : verdict; elements = {{ "br9" . {addresses[1]} : drop }}; }}; }}'
    )
    node.host.run("nft", table)
    assert rules(node.host).count(addresses[1]) == 2
    node.delete(env=ARGS)
    left = rules(node.host)
    assert addresses[1] not in left
    assert addresses[2] not in left
    assert addresses[0] not in left
    assert "192.0.2.7" in left
    assert "veth" not in left


def generation():
    """The number of transactions that have changed the rules of this namespace (NFT_MSG_GETGEN)."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.send(struct.pack("=IHHII4x", 20, 10 << 8 | 16, 1, 1, 0))
        return struct.unpack_from(">I", kernel.recv(1 << 12), 24)[0]


def test_a_del_takes_its_addresses_from_all_sets_at_once(node):
    """A pod may be a peer of hundreds of policies, and each run of nft takes its time."""
    policy_dir.write({"cni/sea": [ALL_PODS]})
    outcome = call(node, "ADD", "blue,sea@net1")
    address = outcome.reply["ips"][1]["address"].partition("/")[0]
    sets = " ".join(f"set p{n} {{ type ipv4_addr; elements = {{ {address} }}; }};" for n in range(40))
    node.host.run("nft", f"table inet genie_policy {{ {sets} }}")
    before = inside(str(node.host.path), generation)
    node.delete(env=ARGS)
    assert inside(str(node.host.path), generation) - before < 20
    assert address not in rules(node.host)


def test_without_nft_it_is_closed(node):
    """The runtime is asked to try again, and what was attached is released."""
    select(cni_sea=[ALL_PODS])
    hidden = ("unshare", "--mount", "sh", "-c", 'mount --bind /dev/null /usr/sbin/nft; exec "$@"', "sh")
    outcome = node.call("ADD", env=ARGS, annotations={"cni": "blue,sea"}, wrap=hidden)
    assert (outcome.status, outcome.reply["code"]) == (1, 11)
    said = "network cni/sea is not guarded by its policies: nft cannot be run: Permission denied"
    assert said in outcome.reply["msg"]
    assert (node.pod.links(), list((node.state / "containers").iterdir())) == ({}, [])


def test_each_pod_with_several_networks_has_a_status(node):
    from tests import manifests
    from tests.system.cluster import Cluster

    select()
    cluster = Cluster(node)
    try:
        cluster.objects.add(manifests.pod(name="web-0", namespace="shop"))
        assert call(node, "ADD", "blue,red@net1").status == 0
        kind = cluster.objects.kind_of(manifests.pod())
        notes = cluster.objects.get(kind, "shop", "web-0")["metadata"]["annotations"]
        entries = json.loads(notes["k8s.v1.cni.cncf.io/network-status"])
        assert [one["genie.cni.dev/network"] for one in entries] == ["cni/blue", "cni/red"]
        assert "multi-ip-preferences" in notes
    finally:
        cluster.close()


def test_a_pod_with_one_network_that_it_asks_for_has_a_status(node):
    """Policies of other nodes know its network from there alone; a pod that asks for none has the default network."""
    from tests import manifests
    from tests.system.cluster import Cluster

    select()
    cluster = Cluster(node)
    try:
        kind = cluster.objects.kind_of(manifests.pod())
        cluster.objects.add(manifests.pod(name="web-0", namespace="shop"))
        assert call(node, "ADD").status == 0
        node.delete(env=ARGS)
        assert not cluster.objects.get(kind, "shop", "web-0")["metadata"].get("annotations")
        assert call(node, "ADD", "red").status == 0
        notes = cluster.objects.get(kind, "shop", "web-0")["metadata"]["annotations"]
        (entry,) = json.loads(notes["k8s.v1.cni.cncf.io/network-status"])
        assert (entry["genie.cni.dev/network"], entry["ips"]) == ("cni/red", ["10.2.0.2"])
    finally:
        cluster.close()


def test_an_uninstallation_takes_the_rules_away(node, tmp_path):
    policy_dir.write({"cni/sea": [ALL_PODS]})
    assert call(node, "ADD", "blue,sea@net1").status == 0
    node.delete(env=ARGS)
    assert "genie_policy" in rules(node.host)
    bins = tmp_path / "bin"
    shutil.copytree(node.plugins, bins, symlinks=True)
    node.plugins = bins
    conf = {"cniVersion": "1.0.0", "name": "genie", "plugins": [json.loads(node.stdin())]}
    node.configure("00-genie.conflist", conf)
    words = ["uninstall", "--conf-dir", node.conf, "--state-dir", node.state, "--bin-dir", bins, "--force"]
    done = warm.run(*words, netns=node.host.path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "genie_policy" not in rules(node.host)
    assert not DIRECTORY.exists()
