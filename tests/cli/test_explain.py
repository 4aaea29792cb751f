"""`genie explain`: codes, configuration keys, and why a pod has its networks."""

import json

import pytest

from genie_cli.app import main
from genie_core import errors
from genie_core.catalog import PLUGINS
from genie_core.checks.registry import FILES, NETWORK, TRACE
from genie_core.settings import Settings
from genie_core.tasks.explain import ALL, explain, explain_key, key_names
from tests.apiserver import API, APIServer, Authority, Objects
from tests.diagnose import world
from tests.plugin.test_devices import RESOURCE, VF, Kubelet, definition

ANNOTATED = """
kind: Pod
metadata:
  name: web-0
  namespace: shop
  annotations:
    cni: "blue,red@net1"
    networks: ignored
"""


def answer(capsys, *arguments, code=0):
    assert main(["explain", *arguments, "-o", "json"]) == code
    return json.loads(capsys.readouterr().out)


def test_every_code_of_the_error_tree_is_explained():
    codes = {
        value
        for name, value in vars(errors).items()
        if name.isupper() and isinstance(value, int) and not name.startswith(("EXIT", "LONGEST", "TYPE"))
    }
    assert {f"CNI{code}" for code in codes} <= set(ALL)


@pytest.mark.parametrize("spelled", ["CNI7", "cni7", "CNI-7", "7"])
def test_a_cni_code_however_it_is_spelled(capsys, spelled):
    (item,) = answer(capsys, spelled)["explanations"]
    assert item["code"] == "CNI7"
    assert all(item.values())


def test_a_check_is_explained_by_the_codes_that_it_reports(capsys):
    """Reports and --list-checks name checks by their ids."""
    for check in (*NETWORK, *FILES, *TRACE):
        assert explain(check.id).items == tuple(dict.fromkeys(check.codes))
    assert main(["explain", "bridge-port"]) == 0
    shown = capsys.readouterr().out
    assert "GN0402: the host end is in no bridge\n  cause " in shown
    assert "\nGN0403: the host end is in another bridge\n  cause " in shown


def test_codes_are_listed_in_the_order_of_their_numbers():
    codes = [str(code) for code in explain("").items]
    assert codes.index("CNI7") < codes.index("CNI11") < codes.index("CNI100") < codes.index("GN0101")


@pytest.mark.parametrize("key", [key for key in vars(Settings({})) if key != "problems"])
def test_every_setting_is_a_key_that_can_be_explained(key):
    timed = ("api_timeout", "delegate_timeout", "repair_interval", "collect_interval")
    names = {"cadvisor_address": "cAdvisor_address"} | {name: f"{name}_seconds" for name in timed}
    assert explain_key(names.get(key, key)).field.doc


def test_keys_of_objects_and_of_other_plugins(capsys):
    assert "kubernetes.kubeconfig" in key_names()
    assert answer(capsys, "bridge.ipMasq")["type"] == "boolean"
    assert answer(capsys, "key", "log_level")["plugin"] == "genie"
    assert PLUGINS["genie"].summary


@pytest.mark.parametrize(
    "words, said, hint",
    [
        (["GN9999"], "no code", "genie explain lists them all"),
        (["default_plugins"], "no configuration key", "did you mean default_plugin"),
        (["bridge.ipmask"], "no configuration key", "bridge.ipMasq"),
        (["hello"], "neither a code, a check nor", "genie explain pod NAMESPACE/hello"),
        (["bridge-prt"], "neither a code, a check nor", "did you mean bridge-port"),
        (["NetworkFalt"], "neither a code, a check nor", "did you mean NetworkFault"),
        (["bridge"], "is a plugin, and its keys", "genie generate-config bridge --schema lists them"),
    ],
)
def test_an_unknown_word_gets_similar_ones(capsys, words, said, hint):
    error = answer(capsys, *words, code=3)
    assert said in error["message"]
    assert hint in error["hint"]


def test_three_words_are_no_topic(capsys):
    assert "no topic" in answer(capsys, "a", "b", "c", code=2)["message"]


@pytest.fixture
def node(tmp_path):
    """A node's directory with networks, and Genie's own file in it; the flags that name them."""
    for number, name in enumerate(("blue", "red"), 1):
        text = {"cniVersion": "1.0.0", "name": name, "type": "bridge"}
        (tmp_path / f"{number}0-{name}.conf").write_text(json.dumps(text))
    own = {"type": "genie", "conf_dirs": [str(tmp_path)], "state_dir": str(tmp_path / "state")}
    (tmp_path / "00-genie.conflist").write_text(
        json.dumps({"cniVersion": "1.0.0", "name": "genie", "plugins": [own]})
    )
    (tmp_path / "pod.yaml").write_text(ANNOTATED)
    return tmp_path, ["--conf-dir", str(tmp_path), "--pod-file", str(tmp_path / "pod.yaml")]


def test_why_a_pod_would_get_its_networks(capsys, node):
    folder, flags = node
    report = answer(capsys, "pod", *flags)
    assert report["pod"] == "shop/web-0"
    assert report["decides"] == "cni"
    assert report["annotations"] == {"cni": "blue,red@net1", "networks": "ignored"}
    assert [(item["interface"], item["network"], item["source"]) for item in report["now"]] == [
        ("eth0", "blue", f"{folder}/10-blue.conf"),
        ("net1", "red", f"{folder}/20-red.conf"),
    ]
    assert report["now"][1]["why"] == 'annotation cni, item 2 ("red@net1")'
    assert report["attached"] is None


def test_a_pod_that_would_get_none_says_why(capsys, node):
    folder, flags = node
    (folder / "20-red.conf").unlink()
    report = answer(capsys, "pod", *flags, code=1)
    assert report["now"] is None
    assert "item 2" in report["problem"]
    assert report["hint"].startswith("there is blue; `genie generate-config TYPE --name red --write`")
    assert main(["explain", "pod", *flags]) == 1
    assert report["hint"] in " ".join(capsys.readouterr().out.split())


def test_what_the_state_has_and_what_would_be_chosen_now(capsys, node):
    """The state keeps the annotation and the file of each network, also after the file has changed."""
    from genie_core.edges.store import Store, boot_id
    from genie_core.model import Attachment, NetConf, Plan, PluginConf, PodRef

    folder, flags = node
    network = NetConf("green", "1.0.0", [PluginConf("ptp", "{}")], "/etc/cni/net.d/30-green.conf")
    attachment = Attachment(network, "eth0", "green", origin="the node's default network")
    plan = Plan("c1", "eth0", "/run/netns/x", [], PodRef("shop", "web-0"), boot_id(), [attachment])
    store = Store(str(folder / "state"))
    store.prepare()
    store.save(plan)
    report = answer(capsys, "pod", *flags)
    assert report["attached"] == [
        {
            "network": "green",
            "interface": "eth0",
            "why": "the node's default network",
            "source": "/etc/cni/net.d/30-green.conf",
            "plugins": ["ptp"],
        }
    ]
    assert report["changed"] is True


def test_each_network_is_shown_with_its_own_addresses(capsys, node):
    """kubectl shows those of eth0 alone; those of a second network of two families are in the annotation only."""
    from genie_core.edges.store import Store, boot_id
    from genie_core.model import Attachment, NetConf, Plan, PluginConf, PodRef

    folder, flags = node

    def attached(name, ifname, *addresses):
        result = {"cniVersion": "1.0.0", "ips": [{"address": one} for one in addresses]}
        network = NetConf(name, "1.0.0", [PluginConf("ptp", "{}")], f"/etc/cni/net.d/{name}.conf")
        return Attachment(network, ifname, name, origin="", result=json.dumps(result))

    attachments = [
        attached("red", "net1", "203.0.113.7/24", "2001:db8::7/64"),
        attached("blue", "eth0", "10.1.0.2/16"),
    ]
    plan = Plan("c1", "eth0", "/run/netns/x", [], PodRef("shop", "web-0"), boot_id(), attachments)
    store = Store(str(folder / "state"))
    store.prepare()
    store.save(plan)
    report = answer(capsys, "pod", *flags)
    assert report["addresses"] == {"eth0": ["10.1.0.2"], "net1": ["203.0.113.7", "2001:db8::7"]}
    main(["explain", "pod", *flags])
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.strip().startswith("net1"))
    assert line.split()[:4] == ["net1", "red", "203.0.113.7,", "2001:db8::7"]
    assert "has those of eth0 alone, not of net1" in out.replace("\n", " ")


def limit(folder, **limits):
    conflist = json.loads((folder / "00-genie.conflist").read_text())
    conflist["plugins"][0] |= limits
    (folder / "00-genie.conflist").write_text(json.dumps(conflist))


def test_what_the_pods_namespace_can_take(capsys, node, monkeypatch):
    folder, flags = node
    keys = ["cni", "networks", "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"]
    everything: dict[str, object] = {
        "networks": None,
        "definitions": None,
        "byLabels": {},
        "annotations": keys,
        "cniArgs": ["*"],
    }
    assert answer(capsys, "pod", *flags)["canTake"] == everything

    rules = {"shop": ["vlan-*", "infra/backup"], "lab": ["red"], "tier=gold": ["red"]}
    words = ["cni", "attachments"]
    limit(
        folder,
        namespace_isolation=True,
        allowed_networks=rules,
        annotation_dialects=words,
        allow_cni_args=["*", "mtu"],
    )
    report = answer(capsys, "pod", *flags, code=1)
    assert report["canTake"] == {
        "networks": ["vlan-*"],
        "definitions": ["shop/*", "default/*", "infra/backup"],
        "byLabels": {"tier=gold": ["red"]},
        "annotations": ["cni", "k8s.v1.cni.cncf.io/networks"],
        "cniArgs": ["*", "mtu"],
    }
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["explain", "pod", *flags]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "What pods of namespace shop can take" in shown
    assert "the default network, vlan-*" in shown
    assert "with tier=gold red" in shown
    assert "cni-args can set *, mtu" in shown


def test_why_an_add_would_be_refused(capsys, node):
    """Blue is the default network; labels are not needed to refuse red."""
    folder, flags = node
    limit(folder, namespace_isolation=True)
    problem = answer(capsys, "pod", *flags, code=1)["problem"]
    assert problem == (
        'annotation cni, item 2 ("red@net1"): a pod in namespace shop may not use red, a network of the node'
    )


def test_two_namespaces_are_both_named(capsys):
    error = answer(capsys, "pod", "shop/web-0", "-n", "other", code=2)
    assert error["message"] == "pod shop/web-0 is in namespace shop, and -n names other"


def test_an_empty_namespace_is_not_the_default_one(capsys):
    """As a script writes it whose variable is not set: `$NAMESPACE/web-0`."""
    assert "'/web-0' names no pod" in answer(capsys, "pod", "/web-0", code=2)["message"]


def test_an_unknown_pod(capsys, node, monkeypatch):
    folder, _ = node
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("HOME", str(folder))
    error = answer(capsys, "pod", "shop/web-1", "--conf-dir", str(folder), code=3)
    assert "shop/web-1 is not in this node's state" in error["message"]
    assert "no API server is known" in error["message"]


@pytest.fixture
def own_server(node, tmp_path, monkeypatch):
    """The API server that only the node's own configuration names, in CNI-Genie's form and file."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "pki").mkdir()
    authority = Authority(tmp_path / "pki")
    metadata = {"name": "web-7", "namespace": "shop", "annotations": {"cni": "red"}}
    api = API(Objects({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}), {"good-token": "genie"})
    folder, _ = node
    (folder / "00-genie.conflist").unlink()
    with APIServer(api, authority=authority) as server:
        policy = {
            "type": "k8s",
            "k8s_api_root": f"{server.url}/api/v1/",
            "k8s_auth_token": "good-token",
            "k8s_certificate_authority": str(authority.ca_file),
        }
        own = {
            "cniVersion": "0.3.1",
            "name": "genie",
            "type": "genie",
            "policy": policy,
            "conf_dirs": [str(folder)],
        }
        (folder / "00-genie.conf").write_text(json.dumps(own | {"state_dir": str(folder / "state")}))
        yield server


def test_the_nodes_own_configuration_names_the_server(capsys, node, own_server):
    folder, _ = node
    report = answer(capsys, "pod", "shop/web-7", "--conf-dir", str(folder))
    assert report["annotations"] == {"cni": "red"}
    assert [item["network"] for item in report["now"]] == ["red"]
    assert main(["dry-run", "--pod", "shop/web-8", "--conf-dir", str(folder)]) == 3
    assert "pod shop/web-8 does not exist" in capsys.readouterr().err
    assert [request.user for request in own_server.api.requests] == ["genie", "genie"]


def test_a_pods_devices_are_found_by_its_uid(capsys, node, own_server):
    folder, _ = node
    Kubelet(folder / "kubelet").allocate(("u7", "c", RESOURCE, {"-1": VF[:1]}))
    asked = {"k8s.v1.cni.cncf.io/networks": "vf"}
    metadata = {"name": "vf-7", "namespace": "shop", "uid": "u7", "annotations": asked}
    own_server.api.objects.add({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    vf = definition("vf", {"cniVersion": "1.0.0", "type": "sriov"})
    vf["metadata"]["namespace"] = "shop"
    own_server.api.objects.add(vf)
    own = json.loads((folder / "00-genie.conf").read_text())
    (folder / "00-genie.conf").write_text(json.dumps(own | {"kubelet_dir": str(folder / "kubelet")}))
    report = answer(capsys, "pod", "shop/vf-7", "--conf-dir", str(folder))
    assert [item["network"] for item in report["now"]] == ["blue", "vf"]
    Kubelet(folder / "other").allocate()
    (folder / "00-genie.conf").write_text(json.dumps(own | {"kubelet_dir": str(folder / "other")}))
    report = answer(capsys, "pod", "shop/vf-7", "--conf-dir", str(folder), code=1)
    assert "kubelet has allocated none of it to pod shop/vf-7 (UID u7)" in report["problem"]


def test_what_the_person_names_counts_more_than_the_nodes_own(capsys, node, own_server, monkeypatch):
    folder, _ = node
    path = world.kubeconfig(folder / "home/other", {"c": "http://127.0.0.1:1"}, current="c")
    monkeypatch.setenv("KUBECONFIG", str(path))
    error = answer(capsys, "pod", "shop/web-7", "--conf-dir", str(folder), code=3)
    assert "http://127.0.0.1:1 cannot be reached" in error["message"]
    assert own_server.api.requests == []


@pytest.mark.parametrize("named", [["--node", "node2"], []])
def test_a_pod_of_another_node_is_not_explained_by_this_ones_files(capsys, node, own_server, named):
    """Neither on the wrong node, nor on a machine that is no node: an ADD here would choose other networks."""
    folder, _ = node
    own_server.api.objects.add(world.pod("far", "node1", "10.0.0.9", cni="red"))
    own_server.api.objects.add(world.node("node1", "192.0.2.77", "10.0.0.0/24"))
    own_server.api.objects.add(world.node("node2", "127.0.0.1", "10.0.1.0/24"))
    error = answer(capsys, "pod", "shop/far", "--conf-dir", str(folder), *named, code=3)
    assert error["message"] == "pod shop/far is on node node1, this is node2: run genie explain pod there"
    assert answer(capsys, "pod", "shop/far", "--conf-dir", str(folder), "--node", "node1")["now"]


def test_a_host_whose_name_is_not_its_nodes_is_known_by_its_address(capsys, node, own_server):
    folder, _ = node
    own_server.api.objects.add(world.pod("near", "node1", "10.0.0.9", cni="red"))
    own_server.api.objects.add(world.node("node1", "127.0.0.1", "10.0.0.0/24"))
    report = answer(capsys, "pod", "shop/near", "--conf-dir", str(folder))
    assert [item["network"] for item in report["now"]] == ["red"]


def test_a_machine_without_any_configuration_answers_nothing(capsys, node, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "")
    folder, _ = node
    (tmp_path / "empty").mkdir()
    flags = ["--conf-dir", str(tmp_path / "empty"), "--pod-file", str(folder / "pod.yaml")]
    error = answer(capsys, "pod", *flags, "--state-dir", str(tmp_path / "none"), code=3)
    assert "this machine has no CNI configuration" in error["message"]


def test_the_table(capsys, node, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["explain", "pod", *node[1]]) == 0
    shown = capsys.readouterr().out
    assert "Annotation cni decides: it names networks" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())


@pytest.mark.parametrize("word", ["pod", "po", "code", "key"])
def test_a_kind_alone_asks_for_the_name(word, capsys):
    assert main(["explain", word]) == 2
    assert "genie explain pod NAMESPACE/NAME" in capsys.readouterr().err
