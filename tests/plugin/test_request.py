"""What a delegate is given (conformance B36-B52, C43-C45, D34, X10, X18)."""

import json
from itertools import pairwise

import pytest

from tests.plugin.harness import ARGS, POD_ANNOTATIONS


@pytest.mark.parametrize("env,code", [({"CNI_CONTAINERID": "-"}, 4), ({"CNI_IFNAME": "a/b"}, 4)])
def test_b36_everything_is_checked_before_anything_runs(node, env, code):
    node.networks("a")
    node.add(env=env).error(code)
    assert node.said() == []


def test_b37_name_and_version_are_those_of_the_list(node):
    node.network("outer", {"type": "a", "name": "inner", "cniVersion": "0.1.0"}, version="0.4.0")
    assert node.add().result
    assert node.calls()[0].config == {"type": "a", "name": "outer", "cniVersion": "0.4.0"}


def test_b38_a_file_without_version_is_0_3_0(node):
    node.install("a")
    node.file("10-a.conf", {"name": "a", "type": "a"})
    node.answer("ADD", "a", stdout={"ips": [{"version": "4", "address": "10.4.0.2/24"}]})
    assert node.add().result["ips"][0]["address"] == "10.4.0.2/24"
    assert node.calls()[0].config["cniVersion"] == "0.3.0"


def test_b39_every_byte_that_is_not_ours_arrives(node):
    inside = (
        '"x":9007199254740993,"f":1.10,"e":1E+2,"u":"\\u00e4ä\\/","n":{"deep":[ 1 ,null,  {"a":"b"}]},"big":'
        + "9" * 300
    )
    node.install("a")
    node.file("10-a.conflist", '{"cniVersion":"1.0.0","name":"a","plugins":[{"type":"a",' + inside + "}]}")
    assert node.add().result
    text = node.calls()[0].stdin.decode()
    for part in (
        "9007199254740993",
        "1.10",
        "1E+2",
        '"\\u00e4ä\\/"',
        '{"deep":[ 1 ,null,  {"a":"b"}]}',
        "9" * 300,
    ):
        assert part in text
    assert node.delete().is_silent_success
    assert '{"deep":[ 1 ,null,  {"a":"b"}]}' in node.calls()[1].stdin.decode()


def test_b39_bytes_that_are_no_text_arrive_too(node):
    node.install("a")
    node.file("10-a.conflist", b'{"cniVersion":"1.0.0","name":"a","plugins":[{"type":"a","x":"\xff\xc3"}]}')
    assert node.add().result
    assert node.delete().is_silent_success
    assert [b'"\xff\xc3"' in call.stdin for call in node.calls()] == [True, True]


def test_b40_b44_what_only_a_runtime_may_set_is_taken_out(node):
    node.network(
        "a",
        {
            "type": "a",
            "capabilities": {"mac": True},
            "runtimeConfig": {"mac": "02:00:00:00:00:01"},
            "prevResult": {"ips": []},
            "cni.dev/valid-attachments": [],
            "cni.dev/other": 1,
            "args": {"cni": {"kept": True}},
        },
    )
    reply = node.add()
    assert reply.result
    assert node.calls()[0].config == {
        "type": "a",
        "name": "a",
        "cniVersion": "1.0.0",
        "args": {"cni": {"kept": True}},
    }
    (dropped,) = reply.events("keys of the runtime dropped")
    assert (dropped["network"], dropped["plugin"]) == ("a", "a")
    assert dropped["keys"] == ["runtimeConfig", "prevResult", "cni.dev/valid-attachments", "cni.dev/other"]


def test_b44_no_word_of_keys_that_a_plugin_may_have(node):
    node.network("a", {"type": "a", "capabilities": {"mac": True}, "x": {"runtimeConfig": 1}})
    reply = node.add()
    assert reply.result
    assert reply.events("keys of the runtime dropped") == []


def test_b41_the_first_plugin_has_no_previous_result(node):
    node.networks("a", "b")
    assert node.add("a,b", prevResult={"cniVersion": "1.1.0", "ips": []}, **{"cni.dev/x": 1}).result
    for call in node.calls():
        assert set(call.config) == {"type", "name", "cniVersion"}


def test_b42_a_chain_sees_its_previous_result_in_the_lists_version(node):
    node.network("chain", "a", "b", "c", version="0.4.0")
    node.answer(
        "ADD", "a", stdout={"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.2/24", "gateway": "10.1.0.1"}}
    )
    node.answer(
        "ADD", "b", stdout={"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.2.0.2/24"}]}
    )
    assert node.add().result
    first, second, third = node.calls()
    assert "prevResult" not in first.config
    assert second.config["prevResult"]["cniVersion"] == third.config["prevResult"]["cniVersion"] == "0.4.0"
    assert second.config["prevResult"]["ips"] == [
        {"version": "4", "address": "10.1.0.2/24", "gateway": "10.1.0.1"}
    ]
    assert third.config["prevResult"]["ips"][0]["address"] == "10.2.0.2/24"


PORTS = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
SUPPLIED = {
    "portMappings": PORTS,
    "bandwidth": {"ingressRate": 1000, "ingressBurst": 9007199254740993},
    "ipRanges": [[{"subnet": "10.1.0.0/16"}]],
    "dns": {"servers": ["10.0.0.1"], "searches": ["x"], "options": ["ndots:5"]},
    "ips": ["10.1.0.9/16"],
    "mac": "02:00:00:00:00:01",
    "infinibandGUID": "24:8a:07:03:00:8d:ae:2e",
    "deviceID": "0000:03:02.3",
    "aliases": ["web"],
    "cgroupPath": "/kubepods/x",
    "org.example.new": {"A": [1.10]},
}


def test_b43_b45_x10_each_plugin_gets_what_it_declares_and_the_runtime_supplies(node):
    node.network(
        "chain",
        {"type": "a", "capabilities": dict.fromkeys(SUPPLIED, True)},
        {"type": "b", "capabilities": {"portMappings": True, "mac": False, "unsupplied": True}},
        {"type": "c", "capabilities": {"unsupplied": True}},
        {"type": "d"},
    )
    assert node.add(runtimeConfig=SUPPLIED).result
    configs = [call.config.get("runtimeConfig") for call in node.calls()]
    assert configs == [SUPPLIED, {"portMappings": PORTS}, None, None]


def test_b43_b45_b47_the_pods_annotations_go_to_a_primary_network_that_takes_them(node):
    """Calico reads the pod's own addresses and pools there."""
    for name in ("a", "b"):
        node.network(name, {"type": name, "capabilities": {POD_ANNOTATIONS: True}})
    annotations = {"cni": "a,b", "cni.projectcalico.org/ipv4pools": '["pool"]'}
    assert node.add(annotations=annotations).result
    first, second = node.calls()
    assert first.config["runtimeConfig"] == {POD_ANNOTATIONS: annotations}
    assert "runtimeConfig" not in second.config
    assert node.delete().is_silent_success
    assert node.calls("DEL")[-1].config["runtimeConfig"] == first.config["runtimeConfig"]


def test_b46_as_containerd_writes_them(node):
    """go-cni's types have no JSON tags: capitalised keys, passed on as they are."""
    node.network("a", {"type": "a", "capabilities": {"portMappings": True, "dns": True}})
    supplied = {
        "portMappings": [{"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""}],
        "dns": {"Servers": ["10.0.0.1"], "Searches": None, "Options": None},
    }
    assert node.add(runtimeConfig=supplied).result
    assert node.calls()[0].config["runtimeConfig"] == supplied


@pytest.mark.parametrize("cni,owner", [("a,b", "a"), ("a@net5,b", "b"), ("a@net5,b@eth0", "b")])
def test_b47_what_the_runtime_asks_for_is_the_primary_networks(node, cni, owner):
    for name in ("a", "b"):
        node.network(name, {"type": name, "capabilities": {"portMappings": True}})
    assert node.add(cni, runtimeConfig={"portMappings": PORTS}).result
    assert [call.type for call in node.calls() if "runtimeConfig" in call.config] == [owner]


def test_b48_the_installed_configuration_declares_what_delegates_may_need(installed):
    [plugin] = json.loads(installed.conflist.read_text())["plugins"]
    missing = {name for name in SUPPLIED if name != "org.example.new"} - plugin["capabilities"].keys()
    assert not missing
    assert set(plugin["capabilities"].values()) == {True}
    assert POD_ANNOTATIONS in plugin["capabilities"]


def test_b49_annotations_from_the_runtime_need_no_api_server(node):
    """They come first, even where an API server is configured: this one does not exist."""
    for name in ("a", "b"):
        node.network(name, {"type": name, "capabilities": {POD_ANNOTATIONS: True}})
    reply = node.add("b", kubernetes={"k8s_api_root": "http://127.0.0.1:1"})
    assert reply.result
    assert node.said() == ["ADD b@eth0"]


@pytest.mark.parametrize(
    "args", [ARGS, "", "FOO=1;K8S_POD_UID=u;;x=a=b", "IgnoreUnknown=1;K8S_POD_NAME=p;K8S_POD_NAMESPACE=n;Ü=ß"]
)
def test_b50_x10_cni_args_are_passed_on_as_they_are(node, args):
    node.networks("a", "b")
    assert node.add("a,b", env={"CNI_ARGS": args}).result
    assert [call.env["CNI_ARGS"] for call in node.calls()] == [args, args]


def test_b51_the_interface_is_the_attachments_and_the_rest_is_the_runtimes(node):
    node.networks("a", "b")
    assert node.add("a,b@net9").result
    for call, ifname in zip(node.calls(), ("eth0", "net9"), strict=True):
        assert (call.env["CNI_IFNAME"], call.env["CNI_CONTAINERID"], call.env["CNI_NETNS"]) == (
            ifname,
            "cid1",
            node.netns,
        )


def test_b52_one_container_has_one_delegate_at_a_time(node):
    node.network("chain", "a", "b")
    node.networks("c")
    node.answer("ADD", shell="sleep 0.05; echo '{}'")
    assert node.add("chain,c,chain").result
    times = [(call.started, call.ended) for call in node.calls()]
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(times))


NAMES = {
    # (annotation, CNI_IFNAME) -> the interfaces
    ("a,b,c", "eth0"): ["eth0", "eth1", "eth2"],
    ("a,b@eth0,c", "eth0"): ["eth1", "eth0", "eth2"],
    ("a@eth1,b,c", "eth0"): ["eth1", "eth0", "eth2"],
    ("a,b@eth2,c,a", "eth0"): ["eth0", "eth2", "eth1", "eth3"],
    ("a@net1,b,c", "eth0"): ["net1", "eth0", "eth1"],
    ("a,b", "net1"): ["net1", "eth1"],
    ("a,b,c", "eth1"): ["eth1", "eth2", "eth3"],
    ("a@x,b@eth1,c", "eth5"): ["x", "eth1", "eth5"],
}


@pytest.mark.parametrize("case", NAMES, ids=str)
def test_c43_c44_d34_x18_names_of_interfaces(node, case):
    cni, primary = case
    node.networks("a", "b", "c")
    assert node.add(cni, env={"CNI_IFNAME": primary}).result
    assert [call.ifname for call in node.calls()] == NAMES[case]
    assert node.delete(env={"CNI_IFNAME": primary}).is_silent_success
    assert [call.ifname for call in node.calls("DEL")] == NAMES[case][::-1]  # C45


def test_c43_a_prefix_of_ones_own(node):
    node.networks("a", "b")
    assert node.add("a,b,a@net1", interface_prefix="net").result
    assert [call.ifname for call in node.calls()] == ["eth0", "net2", "net1"]


@pytest.mark.parametrize("prefix", ["a/b", "a b", "abcdefghijkl", "é" * 6, "a\x00", "\ud800", 7])
def test_c43_a_prefix_that_makes_no_names(node, prefix):
    node.networks("a")
    assert "interface_prefix" in node.add(interface_prefix=prefix).error(7)["msg"]
    assert node.said() == []


def test_d34_a_name_is_given_once(node):
    node.networks("a", "b")
    assert "Repeated request for same interface name: x" in node.add("a@x,b@x,a").error(7)["msg"]
    assert node.said() == []


def test_x18_one_network_must_have_the_primary_interface(node):
    node.networks("a", "b")
    document = node.add("a@eth3,b@eth4").error(7)
    assert "eth0" in document["msg"]
    assert "give eth0 to one of them" in document["details"]
    assert node.said() == []
