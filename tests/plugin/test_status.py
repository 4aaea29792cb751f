"""STATUS: could an ADD work now? (conformance A76-A78, B75, C40)"""

import json

import pytest


@pytest.fixture
def ready(node):
    node.network("a", "a", "tuning", version="1.1.0")
    return node


def test_a76_ready_is_silent(ready):
    assert ready.call("STATUS").is_silent_success
    assert ready.said() == ["STATUS a@", "STATUS tuning@"]


@pytest.mark.parametrize("code", [50, 51, 999, 100])
def test_a77_b75_the_delegates_code_is_answered_unchanged(ready, code):
    ready.fail("STATUS", "a", code=code, msg="not yet")
    assert "not yet" in ready.call("STATUS").error(code)["msg"]
    assert ready.said() == ["STATUS a@"]


def test_a77_old_lists_are_not_asked(node):
    node.network("a", version="1.0.0")
    assert node.call("STATUS").is_silent_success
    assert node.said() == []


def test_a77_all_default_networks_are_asked(node):
    for name in ("a", "b", "c"):
        node.network(name, version="1.1.0")
    assert node.call("STATUS", default_plugin="c,b@eth5,c").is_silent_success
    assert set(node.said()) == {"STATUS c@", "STATUS b@"}


def test_a77_what_every_pod_gets_besides_is_asked_too(node):
    """An ordinary pod's ADD would fail without it."""
    for name in ("a", "b"):
        node.network(name, version="1.1.0")
    more = {"default_networks": ["b", "kube-system/definition"]}  # which no API server is asked for
    assert node.call("STATUS", **more).is_silent_success
    assert node.said() == ["STATUS a@", "STATUS b@"]
    node.fail("STATUS", "b", code=51, msg="not yet")
    assert "not yet" in node.call("STATUS", **more).error(51)["msg"]
    (node.bin / "b").unlink()
    assert '"b"' in node.call("STATUS", **more).error(50)["msg"]
    assert "nosuch" in node.call("STATUS", default_networks=["nosuch"]).error(50)["msg"]


def test_a78_no_configuration(node):
    assert node.call("STATUS").error(50)
    assert node.call("STATUS", default_plugin="a").error(50)


def test_a78_no_binary(ready):
    (ready.bin / "tuning").unlink()
    assert '"tuning"' in ready.call("STATUS").error(50)["msg"]
    assert ready.said() == []


@pytest.mark.parametrize(
    "setting, problem",
    [
        ({"default_plugin": "a@net1"}, "no network of this pod gets the interface eth0"),
        ({"default_plugin": "a,a@x,a@x"}, "Repeated request for same interface name: x"),
        ({"default_plugin": "new"}, 'Genie does not know cniVersion "9.9.9"'),
        ({"default_networks": ["a@eth0"]}, "interface eth0 belongs to the default network"),
        ({"default_networks": ["ns/net@lo"]}, "lo is the loopback interface"),
        ({"default_networks": ["new"]}, 'Genie does not know cniVersion "9.9.9"'),
    ],
)
def test_a78_a_configuration_with_which_every_add_fails(ready, setting, problem):
    ready.network("new", "a", version="9.9.9")
    assert problem in ready.call("STATUS", **setting).error(50)["msg"]
    assert problem in json.loads(ready.add(**setting).stdout)["msg"]
    assert ready.said() == []


@pytest.mark.parametrize(
    "chain, code", [(["bridge", "genie"], 0), (["genie", "bridge"], 50), (["genie"], 50)]
)
def test_a78_behind_another_plugin_no_other_network_is_needed(node, chain, code):
    """The pod has its interface from the first plugin of the chain."""
    plugins = [{"type": type_} for type_ in chain]
    node.file("10-genie.conflist", {"cniVersion": "1.1.0", "name": "genie", "plugins": plugins})
    node.install("b")
    reply = node.call("STATUS")
    assert reply.is_silent_success if not code else reply.error(code)
    node.network("more", "b", version="1.1.0", file="20-more.conflist")
    (node.bin / "b").unlink()
    node.call("STATUS", default_networks=["more"]).error(50)
    node.install("b")
    assert node.call("STATUS", default_networks=["more"]).is_silent_success


def test_a78_behind_another_plugin_the_default_network_is_not_asked(ready):
    """No pod gets it, so it says nothing about the node."""
    plugins = [{"type": "bridge"}, {"type": "genie"}]
    ready.file("90-genie.conflist", {"cniVersion": "1.1.0", "name": "genie", "plugins": plugins})
    ready.answer("STATUS", status=1, stdout={"cniVersion": "1.1.0", "code": 50, "msg": "not ready"})
    assert ready.call("STATUS").is_silent_success
    assert ready.said() == []


def test_a78_an_api_server_that_is_down_does_not_matter(ready):
    assert ready.call("STATUS", kubernetes={"k8s_api_root": "http://127.0.0.1:1"}).is_silent_success


def test_c40_the_readiness_file(ready):
    file = ready.root / "subnet.env"
    assert str(file) in ready.call("STATUS", readiness_file=str(file)).error(50)["msg"]
    assert str(file) in ready.add(readiness_file=str(file)).error(11)["msg"]
    assert ready.said() == []
    file.write_text("")
    assert ready.call("STATUS", readiness_file=str(file)).is_silent_success


def test_b21_the_containers_variables_are_there_and_empty(ready):
    assert ready.call("STATUS").is_silent_success
    for call in ready.calls():
        assert [call.env[f"CNI_{name}"] for name in ("CONTAINERID", "NETNS", "IFNAME", "ARGS")] == [""] * 4


def test_b75_status_is_asked_without_prev_result_and_runtime_config(ready):
    assert ready.call("STATUS", annotations={}, prevResult={"cniVersion": "1.1.0"}).is_silent_success
    assert ready.calls()[0].config == {"type": "a", "name": "a", "cniVersion": "1.1.0"}
