"""What the runtime gets of several networks (conformance A47-A51, D28, D29, X12, X18)."""

import json

import pytest

from tests.plugin.cluster import NPWG


def result_of(ifname, address, **more):
    return {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": f"veth-{ifname}"}, {"name": ifname, "sandbox": "/run/netns/x"}],
        "ips": [{"address": address, "interface": 1}],
        **more,
    }


def by_interface(result):
    """Interface name -> addresses, as containerd's go-cni reads a result: without an index, eth0's."""
    found: dict[str, list[str]] = {}
    for ip in result["ips"]:
        name = result["interfaces"][ip["interface"]]["name"] if "interface" in ip else "eth0"
        found.setdefault(name, []).append(ip["address"])
    return found


@pytest.mark.parametrize("index", [-1, 5, 1])
def test_a47_an_index_that_points_nowhere_does_not_reach_the_runtime(node, index):
    node.networks("a")
    node.answer(
        "ADD",
        "a",
        stdout={
            "cniVersion": "0.4.0",
            "interfaces": [{"name": "eth0", "sandbox": "/x"}],
            "ips": [{"version": "4", "address": "10.0.0.9/24", "interface": index}],
        },
    )
    assert node.add().result["ips"] == [{"address": "10.0.0.9/24", "interface": 0}]


def test_a48_the_primary_network_comes_first_wherever_it_stands(node):
    node.networks("a", "b", "c")
    for number, name in enumerate("abc", 1):
        node.answer("ADD", name, stdout={"ips": [{"address": f"10.{number}.0.2/24"}]})
    result = node.add("a@eth5,b@eth0,c").result
    assert [ip["address"] for ip in result["ips"]] == ["10.2.0.2/24", "10.1.0.2/24", "10.3.0.2/24"]
    assert result["interfaces"] == [
        {"name": name, "sandbox": node.netns} for name in ("eth0", "eth5", "eth1")
    ]


def test_a48_x18_the_primary_interface_is_the_one_that_the_runtime_names(node):
    node.networks("a")
    result = node.add("a", env={"CNI_IFNAME": "net9"}).result
    assert result["interfaces"] == [{"name": "net9", "sandbox": node.netns}]


def test_a49_a_bare_address_of_a_second_network_is_not_the_pods(node):
    node.networks("a", "calico")
    node.answer(
        "ADD", "calico", stdout={"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.7.0.2/32"}]}
    )
    assert by_interface(node.add("a,calico").result) == {"eth0": ["10.0.0.2/24"], "eth1": ["10.7.0.2/32"]}


def test_a50_merged_is_the_default_and_primary_can_be_asked_for(node):
    node.networks("a", "b")
    node.answer("ADD", "b", stdout=result_of("eth1", "10.8.0.2/24"))
    both = {"eth0": ["10.0.0.2/24"], "eth1": ["10.8.0.2/24"]}
    assert by_interface(node.add("a,b").result) == both
    node.delete()
    assert by_interface(node.add("a,b", result="merged").result) == both
    node.delete()
    assert by_interface(node.add("a,b", result="primary").result) == {"eth0": ["10.0.0.2/24"]}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_a49_a38_old_results_hold_the_primary_networks_addresses_alone(node, version):
    """They name no interface: runtimes take each address for the primary one's."""
    node.networks("a", "b")
    six = {"ips": [{"address": "fd00::2/64"}], "routes": [{"dst": "fd01::/64", "gw": "fd00::1"}]}
    node.answer("ADD", "b", stdout=six)
    assert node.add("a,b", cniVersion=version).result == {
        "cniVersion": version,
        "ip4": {"ip": "10.0.0.2/24"},
        "dns": {},
    }


@pytest.mark.parametrize("version", [None, "1.1.0"])
def test_a51_what_the_plugins_before_genie_did_is_passed_on(node, version):
    node.networks("a")
    previous = {"interfaces": [{"name": "before"}], "ips": [{"address": "10.3.0.1/24", "interface": 0}]}
    if version:
        previous["cniVersion"] = version
    result = node.add(prevResult=previous).result
    assert by_interface(result) == {"before": ["10.3.0.1/24"], "eth0": ["10.0.0.2/24"]}
    assert "prevResult" not in node.calls()[0].config  # B41: it is not the delegate's


# --- behind a plugin that has made the pod's first interface


def before_genie(node):
    """The result of a plugin before Genie in the same chain."""
    link = {"name": "eth0", "sandbox": node.netns, "mac": "0a:00:00:00:00:01"}
    return {
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "veth1"}, link],
        "ips": [{"address": "10.3.0.2/24", "gateway": "10.3.0.1", "interface": 1}],
        "routes": [{"dst": "0.0.0.0/0"}],
    }


@pytest.mark.parametrize("verb", ["DEL", "CHECK"])
def test_a51_without_an_annotation_what_the_chain_made_is_passed_on_and_nothing_else_is_done(node, verb):
    """The default network is that of the chain: another one would take its interface, in DEL too."""
    node.networks("a")
    previous = before_genie(node)
    assert node.add(prevResult=previous).result == previous
    assert node.call(verb, prevResult=previous).is_silent_success
    assert node.said() == []
    assert node.delete(prevResult=previous).is_silent_success
    assert node.leftovers() == []


@pytest.mark.parametrize("setting", ["merged", "primary"])
def test_a51_the_chains_interface_is_the_primary_one_and_what_is_asked_for_comes_beside_it(node, setting):
    node.networks("a", "b")
    for name, address in (("a", "10.1.0.2/24"), ("b", "10.2.0.2/24")):
        node.answer("ADD", name, stdout=result_of("X", address, routes=[{"dst": "0.0.0.0/0"}]))
    result = node.add("a,b@net7", prevResult=before_genie(node), result=setting).result
    assert node.said() == ["ADD a@eth1", "ADD b@net7"]
    assert result["interfaces"][:2] == before_genie(node)["interfaces"]
    assert [ip["address"] for ip in result["ips"]] == ["10.3.0.2/24", "10.1.0.2/24", "10.2.0.2/24"][
        : 3 if setting == "merged" else 1
    ]
    assert [route["dst"] for route in result["routes"]] == ["0.0.0.0/0"]  # the chain's own
    assert node.delete().is_silent_success
    assert node.said("DEL") == ["DEL b@net7", "DEL a@eth1"]
    assert node.leftovers() == []


def test_a51_network_attachments_behind_an_interface_plugin(node, cluster):
    node.network("a")
    node.install("x")
    cluster.nad("net", {"cniVersion": "1.0.0", "type": "x"})
    result = node.add(annotations={NPWG: "net,net"}, prevResult=before_genie(node)).result
    assert node.said() == ["ADD x@net1", "ADD x@net2"]
    assert [link["name"] for link in result["interfaces"]][:2] == ["veth1", "eth0"]
    status = json.loads(cluster.annotations()["k8s.v1.cni.cncf.io/network-status"])
    assert [(entry["name"], entry["interface"], entry.get("default", False)) for entry in status] == [
        ("genie", "eth0", True),
        ("ns/net", "net1", False),
        ("ns/net", "net2", False),
    ]


@pytest.mark.parametrize(
    "annotations", [{"cni": "a@eth0"}, {"v1.multus-cni.io/default-network": "kube-system/other"}]
)
def test_a51_the_chains_interface_cannot_be_asked_for_and_the_hint_leads_out(node, annotations):
    node.networks("a")
    document = node.add(annotations=annotations, prevResult=before_genie(node)).error(7)
    assert "made by a plugin before Genie in its chain" in document["msg"]
    assert "make Genie the only plugin of its conflist: `genie install`" in document["details"]
    assert node.said() == []


@pytest.mark.root
@pytest.mark.parametrize("links", [[{"name": "cali1"}], []])
def test_a51_a_result_that_leaves_the_pods_interface_out(node, netns, links):
    """Calico names its interface on the node alone; older results have no interfaces at all."""
    node.networks("a", "b")
    pod = netns()
    pod.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other")
    node.netns = str(pod.path)
    previous = {"cniVersion": "1.1.0", "interfaces": links, "ips": [{"address": "10.9.0.2/32"}]}
    result = node.add("b", prevResult=previous).result
    assert node.said() == ["ADD b@eth1"]
    assert by_interface(result) == {"eth0": ["10.9.0.2/32"], "eth1": ["10.0.0.2/24"]}
    assert node.delete().is_silent_success
    assert node.said("DEL") == ["DEL b@eth1"]


@pytest.mark.parametrize(
    "previous", [{"cniVersion": "0.2.0"}, {"ips": 7}, [1], [], "x", "", 0, False, {"cniVersion": "9.9.9"}]
)
def test_a51_a_bad_prev_result_fails_the_add_and_leaves_nothing(node, previous):
    node.networks("a")
    assert "prevResult" in node.add(prevResult=previous).error(6)["msg"]
    assert "prevResult" in node.check(prevResult=previous).error(6)["msg"]
    assert node.said("ADD") == node.said("DEL") == [] or node.said() == ["ADD a@eth0", "DEL a@eth0"]
    assert node.leftovers() == []


def test_d28_indexes_follow_their_interfaces(node):
    node.networks("a", "b")
    node.answer("ADD", "a", stdout=result_of("eth0", "10.1.0.2/24", dns={"nameservers": ["10.1.0.1"]}))
    node.answer("ADD", "b", stdout=result_of("eth1", "10.2.0.2/24", dns={"nameservers": ["10.2.0.1"]}))
    result = node.add("a,b").result
    assert [ip["interface"] for ip in result["ips"]] == [1, 3]
    assert result["dns"] == {"nameservers": ["10.1.0.1", "10.2.0.1"]}


def test_d29_x12_each_route_keeps_its_own_networks_gateway(node):
    """A route of a network without gateway is no error, and takes nothing away."""
    node.networks("a", "b", "c")
    routes = [{"dst": "192.168.0.0/16"}]
    for number, name in ((1, "a"), (2, "b")):
        ip = {"address": f"10.{number}.0.2/24", "gateway": f"10.{number}.0.1"}
        node.answer("ADD", name, stdout={"ips": [ip], "routes": routes})
    node.answer("ADD", "c", stdout={"ips": [{"address": "10.3.0.2/24"}], "routes": routes})
    assert node.add("a,b,c").result["routes"] == [
        {"dst": "192.168.0.0/16", "gw": "10.1.0.1"},
        {"dst": "192.168.0.0/16", "gw": "10.2.0.1"},
        {"dst": "192.168.0.0/16"},
    ]


def test_a39_a_result_that_the_version_cannot_say_is_undone(node):
    node.network("l2", version="0.4.0")
    node.answer("ADD", "l2", stdout={"interfaces": [{"name": "eth0"}]})
    assert "no valid IP addresses" in node.add(cniVersion="0.2.0").error(7)["msg"]
    assert node.said() == ["ADD l2@eth0", "DEL l2@eth0"]
    assert node.leftovers() == []
