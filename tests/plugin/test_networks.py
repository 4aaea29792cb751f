"""Network attachments through the installed plugin: what delegates get, and that nothing begins too early (C11-C45)."""

import json

import pytest

from tests.manifests import logical, nad, physical
from tests.plugin.cluster import NPWG
from tests.plugin.harness import ARGS

CAPABLE = {
    "capabilities": {"ips": True, "mac": True, "portMappings": True, "bandwidth": True, "deviceID": True}
}


@pytest.fixture
def pod(node, cluster):
    """A node with a default network, a cluster with a network attachment of two plugins."""
    node.networks("a")
    cluster.nad("net", ["x", {"type": "y", **CAPABLE}])
    return node


def add(node, value, **options):
    """ADD of a pod with this annotation: text, or entries of the JSON form."""
    return node.call(
        "ADD", annotations={NPWG: value if isinstance(value, str) else json.dumps(value)}, **options
    )


def calls(node, verb, type_):
    return [call for call in node.calls(verb) if call.type == type_]


# --- order


def test_c11_c32_c39_the_default_network_first_then_each_entry(pod, cluster):
    assert add(pod, "net,net@my0").result
    assert pod.said() == ["ADD a@eth0", "ADD x@net1", "ADD y@net1", "ADD x@my0", "ADD y@my0"]
    assert cluster.asked() == ["GET network-attachment-definitions/net"] * 2 + ["PATCH p/status"]


def test_c39_the_runtimes_interface_is_not_always_eth0(pod):
    assert add(pod, "net", env={"CNI_IFNAME": "pod0"}).result
    assert pod.said("ADD") == ["ADD a@pod0", "ADD x@net1", "ADD y@net1"]


def test_c42_another_default_network_alone(pod, cluster):
    assert pod.call("ADD", annotations={"v1.multus-cni.io/default-network": "ns/net@eth9"}).result
    assert pod.said() == ["ADD x@eth0", "ADD y@eth0"]
    assert [entry["name"] for entry in cluster.status()] == ["ns/net"]


def test_c45_b63_names_and_configuration_are_those_of_the_add(pod, cluster):
    assert add(pod, "net@my0,net").result
    cluster.remove(nad("net"))
    pod.forget_calls()
    assert pod.check().is_silent_success
    assert pod.delete().is_silent_success
    names = ["a@eth0", "x@my0", "y@my0", "x@net2", "y@net2"]
    assert pod.said("CHECK") == [f"CHECK {name}" for name in names]
    assert pod.said("DEL") == [f"DEL {name}" for name in reversed(names)]


def test_a74_b72_every_attachment_is_checked_with_its_own_result(pod, cluster):
    pod.answer("ADD", "x", stdout={"cniVersion": "1.0.0", "ips": [{"address": "10.7.0.1/24"}]})
    assert add(pod, "net").result
    assert pod.check().is_silent_success
    previous = {call.type: call.config["prevResult"] for call in pod.calls("CHECK")}
    assert previous["a"]["ips"][0]["address"] == "10.0.0.2/24"
    assert previous["x"] == previous["y"]
    assert previous["x"]["interfaces"][0]["name"] == "net1"


# --- nothing is attached before all is found


@pytest.mark.parametrize(
    "value, code",
    [
        ("net,nobody", 7),
        ("net,", 7),
        ("net@eth0", 7),
        ("net@b,net@b", 7),
        ("net,broken", 7),
        ("net,missing", 7),
        ([{"name": "net"}, {"name": "net", "mac": "zz"}], 7),
        ([{"name": "net", "infiniband-guid": "c2:11:22:33:44:55:66:77"}], 7),
        ([{"name": "plain", "ips": ["10.0.0.1"]}], 7),
        ([{"name": "net", "default-route": ["10.0.0.1"]}, {"name": "net", "default-route": ["10.0.0.2"]}], 7),
        ([None], 7),
        ("[", 7),
    ],
)
def test_c12_c13_c15_c18_c27_refused_before_anything_runs(pod, cluster, value, code):
    cluster.nad("plain", ["x"])
    cluster.nad("broken", "{")
    cluster.add(nad("missing", {"type": "not-installed"}))
    document = add(pod, value).error(code)
    assert document["details"] or "annotation" in document["msg"]
    assert pod.said() == []
    assert pod.states() == []
    assert cluster.patches() == []


@pytest.mark.parametrize("annotation", [NPWG, "v1.multus-cni.io/default-network"])
def test_c37_isolation_is_decided_before_anything_is_read(pod, cluster, annotation):
    cluster.nad("theirs", ["x"], namespace="other")
    document = pod.call("ADD", annotations={annotation: "other/theirs"}, namespace_isolation=True).error(7)
    assert "a pod in namespace ns may not use a network of namespace other" in document["msg"]
    assert pod.said() == []
    assert cluster.asked() == []


def test_c13_a_server_that_is_away_and_no_copy(pod, cluster):
    cluster.api.fail(503, times=99)
    assert NPWG in add(pod, "net", api_timeout_seconds=0.3).error(11)["msg"]
    assert pod.said() == []


def test_a_server_that_is_away_and_a_copy(pod, cluster):
    assert add(pod, "net").result
    assert pod.delete().is_silent_success
    cluster.close()
    reply = add(pod, "net", api_timeout_seconds=0.3)
    assert reply.result
    (event,) = reply.events("API server away, last good copy used")
    assert event["object"] == "NetworkAttachmentDefinition ns/net"
    assert event["ageSeconds"] in range(10)
    assert reply.events("pod not annotated")


def test_no_api_server_at_all(node):
    node.networks("a")
    assert "no API server is configured" in add(node, "net").error(7)["msg"]


# --- what delegates get


def test_c14_to_c21_capabilities_go_to_the_plugins_that_offer_them(pod):
    entry = {
        "name": "net",
        "ips": ["10.2.2.42/24", "2001:db8::5"],
        "mac": "c2:b0:57:49:47:f1",
        "portMappings": [{"hostPort": 8080, "containerPort": 80}],
        "bandwidth": {"ingressRate": 2048, "ingressBurst": 1600},
        "deviceID": "0000:03:02.0",
    }
    assert add(pod, [entry]).result
    (y,) = calls(pod, "ADD", "y")
    assert y.config["runtimeConfig"] == {
        "ips": entry["ips"],
        "mac": entry["mac"],
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}],
        "bandwidth": entry["bandwidth"],
        "deviceID": entry["deviceID"],
    }
    (x,) = calls(pod, "ADD", "x")
    assert "runtimeConfig" not in x.config
    assert (x.config["deviceID"], x.config["pciBusID"]) == (entry["deviceID"],) * 2
    assert all("runtimeConfig" not in call.config for call in calls(pod, "ADD", "a"))
    assert pod.delete().is_silent_success
    assert calls(pod, "DEL", "y")[0].config["runtimeConfig"] == y.config["runtimeConfig"]


def test_c15_each_of_two_entries_has_its_own(pod):
    assert add(
        pod, [{"name": "net", "ips": ["10.0.0.1/8"]}, {"name": "net", "mac": "c2:b0:57:49:47:f1"}]
    ).result
    first, second = (call.config["runtimeConfig"] for call in calls(pod, "ADD", "y"))
    assert (first, second) == ({"ips": ["10.0.0.1/8"]}, {"mac": "c2:b0:57:49:47:f1"})


def test_c22_cni_args(pod, cluster):
    cluster.nad("net", {"cniVersion": "1.0.0", "type": "x", "args": {"cni": {"a": 1, "b": 2}, "keep": True}})
    assert add(pod, [{"name": "net", "cni-args": {"b": "pod", "c": 3}}]).result
    (x,) = calls(pod, "ADD", "x")
    assert x.config["args"] == {"cni": {"a": 1, "b": "pod", "c": 3}, "keep": True}


NESTED = pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")])


@NESTED
@pytest.mark.parametrize("levels", [100, 975, 9988, 9990, 9992, 9994])
def test_c22_cni_args_that_are_nested_too_deeply(pod, opening, closing, levels):
    """Python's limit depends on who calls: what could be read at first could not be read with eth0 attached."""
    value = f'[{{"name": "net", "cni-args": {{"x": {opening * levels}1{closing * levels}}}}}]'
    assert "nested" in add(pod, value).error(7)["msg"]
    assert pod.said() == []
    assert pod.states() == []


@NESTED
@pytest.mark.parametrize("levels", [100, 9990, 9993])
def test_a_definition_that_is_nested_too_deeply(pod, cluster, opening, closing, levels):
    cluster.nad("deep", f'{{"type": "x", "name": "deep", "x": {opening * levels}1{closing * levels}}}')
    assert "nested" in add(pod, "deep").error(7)["msg"]
    assert pod.said() == []


def test_c25_x24_b50_cni_args_stay_as_the_runtime_wrote_them(pod):
    assert add(pod, [{"name": "net", "ips": ["10.0.0.1/8"], "mac": "c2:b0:57:49:47:f1"}]).result
    assert {call.env["CNI_ARGS"] for call in pod.calls()} == {ARGS}


def test_b47_x25_what_the_runtime_asks_is_for_the_default_network(pod):
    pod.network("a", {"type": "a", **CAPABLE})
    ports = [{"hostPort": 1, "containerPort": 2, "protocol": "tcp"}]
    runtime = {"portMappings": ports, "io.kubernetes.cri.pod-annotations": {NPWG: "net"}}
    assert pod.call("ADD", runtimeConfig=runtime).result
    assert calls(pod, "ADD", "a")[0].config["runtimeConfig"] == {"portMappings": ports}
    assert "runtimeConfig" not in calls(pod, "ADD", "y")[0].config


@pytest.mark.parametrize(
    "chain, problem",
    [
        (["a"], "no plugin of the pod's primary network offers portMappings"),
        (["macvlan", {"type": "portmap", "capabilities": {"portMappings": True}}], "cannot reach a macvlan"),
        (["a", {"type": "portmap", "capabilities": {"portMappings": True}}], ""),
    ],
)
def test_a_host_port_that_cannot_work_is_warned_of(pod, chain, problem):
    pod.network("a", *chain)
    runtime = {"portMappings": [{"hostPort": 1, "containerPort": 2, "protocol": "tcp"}]}
    reply = pod.call("ADD", runtimeConfig=runtime)
    assert reply.result
    warned = reply.events("hostPort has no effect")
    assert [event["network"] for event in warned] == (["a"] if problem else [])
    assert all(problem in event["problem"] for event in warned)


@pytest.mark.parametrize(
    "key, value", [("bandwidth", {"ingressRate": 8}), ("ips", ["10.0.0.9"]), ("mac", "c2:b0:57:49:47:f1")]
)
def test_what_the_runtime_asks_for_and_no_plugin_offers_is_warned_of(pod, key, value):
    pod.network("a", "a")
    assert pod.call("ADD", runtimeConfig={key: value, "dns": {"servers": ["10.0.0.3"]}}).events(
        f"{key} has no effect"
    )
    pod.delete()
    pod.network("a", {"type": "a", "capabilities": {key: True}})
    assert not pod.call("ADD", runtimeConfig={key: value}).events(f"{key} has no effect")


def test_c35_c36_the_configurations_name_is_what_delegates_see(pod, cluster):
    cluster.nad("own", {"cniVersion": "1.0.0", "name": "another", "type": "x"})
    assert add(pod, "net,own").result
    assert [call.config["name"] for call in calls(pod, "ADD", "x")] == ["net", "another"]


def test_c33_the_configuration_in_a_file(pod, cluster):
    pod.network("here", "z", file="99-anything.conflist")
    cluster.add(nad("here"))
    assert add(pod, "here").result
    assert pod.said() == ["ADD a@eth0", "ADD z@net1"]


def test_a_version_that_genie_does_not_know_is_refused_before_anything_is_attached(pod, cluster):
    cluster.nad("new", {"cniVersion": "9.9.9", "type": "x"})
    document = add(pod, "net,new").error(1)
    assert 'item 2 ("new"): Genie does not know cniVersion "9.9.9" of network' in document["msg"]
    assert "1.1.0" in document["details"]
    assert pod.said() == []
    assert pod.states() == []


@pytest.mark.parametrize("version", ["1.0", "0.5.0", "0.10.0"])
def test_a_version_between_those_that_genie_supports_is_refused_before_another_is_attached(
    pod, cluster, version
):
    """No plugin takes it, and no result of it can be read."""
    cluster.nad("between", {"cniVersion": version, "type": "x"})
    assert f'cniVersion "{version}" of network' in add(pod, "net,between").error(1)["msg"]
    assert pod.said() == []


def test_b77_no_delegate_is_asked_for_its_version(pod):
    pod.fail("ADD", "x", code=1, msg="incompatible CNI versions")
    assert "incompatible CNI versions" in add(pod, "net").error(1)["msg"]
    assert pod.calls("VERSION") == []


def test_b37_b40_what_a_plugin_of_a_definition_reads(pod):
    assert add(pod, "net").result
    (y,) = calls(pod, "ADD", "y")
    assert set(y.config) == {"type", "name", "cniVersion", "prevResult"}


# --- failing


def test_c13_b54_a_failing_attachment_fails_the_pod(pod, cluster):
    pod.fail("ADD", "y", msg="y says no")
    document = add(pod, "net,net").error(7)
    assert "y says no" in document["msg"]
    assert '"net" (net1)' in document["msg"]
    assert pod.said() == ["ADD a@eth0", "ADD x@net1", "ADD y@net1", "DEL y@net1", "DEL x@net1", "DEL a@eth0"]
    assert cluster.patches() == []


def test_default_networks_and_system_namespaces(pod, cluster):
    pod.networks("b")
    more = {"default_networks": ["b", "ns/net"]}
    assert pod.call("ADD", annotations={}, **more).result
    assert pod.said() == ["ADD a@eth0", "ADD b@net1", "ADD x@net2", "ADD y@net2"]
    assert [entry["name"] for entry in cluster.status()] == ["a", "b", "ns/net"]
    assert pod.delete().is_silent_success
    pod.forget_calls()
    assert pod.call("ADD", annotations={}, system_namespaces=["ns"], **more).result
    assert pod.said() == ["ADD a@eth0"]


def test_an_entry_of_default_networks_is_one_network(pod, cluster):
    """The rest of it must not be lost in silence."""
    document = pod.call("ADD", annotations={}, default_networks=["net,ns/net"]).error(7)
    assert "default_networks, item 1: names 2 networks" in document["msg"]
    assert pod.said() == []


def test_a81_definitions_of_one_name_in_two_namespaces_are_two_networks(pod, cluster):
    cluster.nad("same", {"cniVersion": "1.1.0", "type": "x"})
    cluster.nad("same", {"cniVersion": "1.1.0", "type": "y"}, namespace="other")
    assert add(pod, "same,other/same").result
    assert pod.gc(("cid1", "eth0")).is_silent_success
    assert pod.said("GC") == ["GC x@", "GC y@"]


def test_d19_d21_logical_networks(node, cluster):
    node.network("weave", {"type": "weave-net", "ipam": {"type": "host-local", "subnet": "10.1.0.0/16"}})
    cluster.add(physical("phy", dedicatedNet=True, plugin="weave", subnet="10.32.0.0/16"))
    cluster.add(logical("net1", physicalNet="phy", sub_subnet="10.32.7.0/24"))
    assert node.call("ADD", annotations={"cni": "", "networks": "net1"}).result
    (call,) = node.calls()
    assert call.config["ipam"] == {"type": "host-local", "subnet": "10.32.7.0/24"}
    assert cluster.asked() == [
        "GET logicalnetworks/net1",
        "GET physicalnetworks/phy",
        "GET v1/logicalnetworks?limit=500",
    ]
