"""`genie explain network`: the pods that use it, on this node and in the cluster, and its overlaps."""

import json

import pytest

from genie_cli.app import main
from genie_core.edges.store import Store
from genie_core.model import Attachment, NetConf, Plan, PluginConf, PodRef
from genie_core.select.underlay import bridge_name, parse_subnet
from genie_core.steps import Attached, Released
from tests import manifests
from tests.apiserver import API, APIServer, Objects
from tests.manifests import logical, physical

SUBNET = "10.32.7.0/24"
BRIDGE = bridge_name("shop/orders", parse_subnet(SUBNET, ""))


def pod(name, networks, namespace="shop", phase="Running", **annotations):
    made = manifests.pod({"networks": networks, **annotations}, name=name, namespace=namespace)
    return made | {
        "spec": {"nodeName": "n7"},
        "status": {"phase": phase, "podIPs": [{"ip": "10.32.7.9"}]},
    }


@pytest.fixture
def place(tmp_path):
    """A node with the networks `lan` (bridge) and `flat` (macvlan), and the pod shop/here in its state."""
    conf = tmp_path / "conf"
    conf.mkdir()
    for name, type_ in (("lan", "bridge"), ("flat", "macvlan")):
        (conf / f"{name}.conf").write_text(json.dumps({"name": name, "type": type_}))
    store = Store(str(tmp_path / "state"))
    store.prepare()
    result: dict = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": "/n"}]}
    result["ips"] = [{"address": "10.32.7.2/24", "interface": 0}]
    for name, released in (("here", False), ("left", True)):
        network = NetConf("lan", "1.0.0", [PluginConf("bridge", '{"type": "bridge"}')], "/x")
        attachment = Attachment(network, "eth0", "shop/orders")
        plan = Plan(f"c-{name}", "eth0", "/n", [], PodRef("shop", name), "b", [attachment])
        store.save(plan)
        store.record(Attached(plan, 0, json.dumps(result)))
        if released:
            store.record(Released(plan, 0))
    return ["--conf-dir", str(conf), "--state-dir", str(tmp_path / "state")]


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    objects = Objects(
        physical("fabric", "shop", subnet="10.32.0.0/16"),
        logical(
            "orders", "shop", "2026-02-01T00:00:00Z", physicalNet="fabric", plugin="lan", sub_subnet=SUBNET
        ),
    )
    with APIServer(API(objects)) as server:
        server.write_kubeconfig(tmp_path / "kubeconfig")
        yield server


@pytest.fixture
def cluster(server):
    return server.api.objects


@pytest.fixture
def ask(place, cluster, tmp_path, capsys):
    """The document that is answered."""

    def ask(*words, code=0, kubeconfig=tmp_path / "kubeconfig"):
        arguments = [*words, *place, "--kubeconfig", str(kubeconfig), "-o", "json"]
        assert main(["explain", "network", *arguments]) == code
        return json.loads(capsys.readouterr().out)

    return ask


def test_the_object_of_the_network(ask):
    found = ask("shop/orders")
    assert found["kind"] == "NetworkUsage"
    assert {key: found[key] for key in ("object", "plugin", "physical", "subnet", "bridge", "created")} == {
        "object": "Logicalnetwork",
        "plugin": "lan",
        "physical": "fabric",
        "subnet": SUBNET,
        "bridge": BRIDGE,
        "created": "2026-02-01T00:00:00Z",
    }
    assert ask("orders", "-n", "shop") == found


def test_who_uses_it(ask, cluster):
    cluster.add(pod("here", "orders"))
    cluster.add(pod("alone", "orders@eth0"))
    entry = {"name": "shop/orders", "interface": "eth1", "ips": ["10.32.7.4"]}
    cluster.add(pod("two", "x,orders", **{"k8s.v1.cni.cncf.io/network-status": json.dumps([entry])}))
    cluster.add(pod("silent", "x,orders"))
    for other in (
        pod("no", "x"),
        pod("ended", "orders", phase="Succeeded"),
        pod("else", "orders", namespace="b"),
        pod("named", "orders", cni="lan"),
        pod("broken", "orders,,"),
    ):
        cluster.add(other)
    found = {user.pop("pod"): user for user in ask("shop/orders")["pods"]}
    nowhere = {"here": False, "node": "n7"}
    assert found == {
        "shop/here": {"here": True, "node": "", "interface": "eth0", "addresses": ["10.32.7.2"]},
        "shop/alone": {**nowhere, "interface": "eth0", "addresses": ["10.32.7.9"]},
        "shop/two": {**nowhere, "interface": "eth1", "addresses": ["10.32.7.4"]},
        "shop/silent": {**nowhere, "interface": "", "addresses": []},
    }


def test_a_network_of_the_node_s_files_is_found_by_its_name(ask, place, tmp_path):
    """`genie explain network lan` said that no pod of the node has it, and looked for the object default/lan."""
    store = Store(str(tmp_path / "state"))
    network = NetConf("lan", "1.0.0", [PluginConf("bridge", '{"type": "bridge"}')], "/x")
    plan = Plan(
        "c-plain", "eth0", "/n", [], PodRef("bank", "plain"), "b", [Attachment(network, "eth0", "lan")]
    )
    store.save(plan)
    store.record(Attached(plan, 0, json.dumps({"cniVersion": "1.0.0", "ips": [{"address": "10.9.0.2/24"}]})))
    found = ask("lan")
    assert (found["network"], [user["pod"] for user in found["pods"]]) == ("lan", ["bank/plain"])
    assert "`genie networks lan` lists the pods of all nodes" in found["problem"]
    assert "shop/lan" in ask("shop/lan", code=3)["message"]


def test_its_overlaps(ask, cluster):
    cluster.add(logical("old", "a", "2026-01-01T00:00:00Z", plugin="lan", sub_subnet="10.32.0.0/16"))
    cluster.add(logical("new", "b", "2026-03-01T00:00:00Z", plugin="bridge", sub_subnet="10.32.7.128/25"))
    cluster.add(logical("far", "b", "2026-01-01T00:00:00Z", plugin="lan", sub_subnet="10.33.0.0/16"))
    cluster.add(logical("flat", "b", "2026-01-01T00:00:00Z", plugin="flat", sub_subnet=SUBNET))
    assert ask("shop/orders")["overlaps"] == [
        {"network": "a/old", "subnet": "10.32.0.0/16", "older": True},
        {"network": "b/new", "subnet": "10.32.7.128/25", "older": False},
    ]


def test_an_attachment_definition(ask, cluster):
    cluster.add(manifests.nad("storage", {"type": "macvlan"}, "shop"))
    npwg = "k8s.v1.cni.cncf.io/networks"
    cluster.add(manifests.pod({npwg: "storage"}, name="one", namespace="shop"))
    cluster.add(
        manifests.pod({npwg: '[{"name": "storage", "namespace": "shop"}]'}, name="two", namespace="b")
    )
    cluster.add(manifests.pod({npwg: "storage"}, name="three", namespace="b"))
    cluster.add(manifests.pod({"v1.multus-cni.io/default-network": "shop/storage"}, name="four"))
    found = ask("shop/storage")
    assert found["object"] == "NetworkAttachmentDefinition"
    assert [user["pod"] for user in found["pods"]] == ["b/two", "ns/four", "shop/one"]


def test_without_a_server_it_is_this_nodes_state(ask, tmp_path):
    gone = tmp_path / "gone"
    dead: dict = {"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}]}
    dead |= {"contexts": [{"name": "x", "context": {"cluster": "c"}}], "current-context": "x"}
    gone.write_text(json.dumps(dead))
    found = ask("shop/orders", kubeconfig=gone)
    assert [user["pod"] for user in found["pods"]] == ["shop/here"]
    assert "cannot be reached" in found["problem"]
    assert found["object"] == ""


def test_an_unknown_network(ask):
    error = ask("shop/nothing", code=3)
    assert error["message"] == (
        "network shop/nothing is in no pod's state on this node, and not in the cluster: "
        "there is neither a Logicalnetwork nor a NetworkAttachmentDefinition shop/nothing"
    )
    assert error["hint"] == "`genie networks` lists the cluster's networks"


def test_a_network_is_not_called_unknown_where_the_cluster_does_not_answer(ask, server, tmp_path):
    server.api.forbidden |= {("get", "logicalnetworks"), ("get", "network-attachment-definitions")}
    refused = ask("shop/nothing", code=4)
    assert "it could not be read from the cluster: the API server does not allow" in refused["message"]


def test_an_attachment_definition_of_an_account_that_may_read_no_logical_networks(ask, server, cluster):
    cluster.add(manifests.nad("storage", {"type": "macvlan"}, "shop"))
    server.api.forbidden.add(("get", "logicalnetworks"))
    assert ask("shop/storage")["object"] == "NetworkAttachmentDefinition"


def test_as_people_read_it(place, cluster, tmp_path, capsys):
    cluster.add(logical("old", "a", "2026-01-01T00:00:00Z", plugin="lan", sub_subnet="10.32.0.0/16"))
    assert (
        main(["explain", "network", "shop/orders", *place, "--kubeconfig", str(tmp_path / "kubeconfig")]) == 0
    )
    said = capsys.readouterr().out
    assert "shop/here  this node  eth0       10.32.7.2" in said
    assert "a/old    10.32.0.0/16  those of that one, which is older" in said


@pytest.mark.parametrize("words", [["network"], ["network", "a/b/c"], ["network", "a/b", "-n", "c"]])
def test_wrong_usage(words, capsys):
    assert main(["explain", *words]) == 2
    assert "network" in capsys.readouterr().err
