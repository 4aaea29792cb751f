"""From a NetworkAttachmentDefinition to a network: C13-C17, C20-C25, C32-C36, B13, B38."""

import json

import pytest

from genie_core.errors import InvalidConfig

NPWG = "k8s.v1.cni.cncf.io/networks"


@pytest.fixture
def node(desk):
    desk.file("a")
    return desk


def attachment(desk, config, **keys):
    """The attachment of a definition with this configuration, asked for with these keys."""
    desk.nad("net", config)
    data = {key.replace("_", "-"): value for key, value in keys.items()}
    return desk.plan({NPWG: json.dumps([{"name": "net", **data}])})[1]


def network(desk, config, **keys):
    return attachment(desk, config, **keys).network


def refusal(desk, config, **keys):
    with pytest.raises(InvalidConfig) as caught:
        attachment(desk, config, **keys)
    return str(caught.value)


def bodies(found):
    return [json.loads(plugin.text) for plugin in found.plugins]


def test_c32_x22_one_get_of_the_object(node):
    attachment(node, {"type": "macvlan"})
    (asked,) = node.api.requests
    assert (asked.method, asked.target) == (
        "GET",
        "/apis/k8s.cni.cncf.io/v1/namespaces/ns/network-attachment-definitions/net",
    )


# --- where the configuration is


@pytest.mark.parametrize("config", [None, "", "  \n"])
def test_c33_without_configuration_the_file_of_that_name_counts(node, config):
    node.file("net", "ptp", file="50-something.conflist")
    found = network(node, config)
    assert (found.name, found.plugins[0].type) == ("net", "ptp")


@pytest.mark.parametrize("spec", [None, {}, {"config": None}])
def test_c33_absent_and_empty_specifications(node, spec):
    node.file("net", "ptp")
    node.objects.add(
        {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": "net", "namespace": "ns"},
            "spec": spec,
        }
    )
    assert node.seen({NPWG: "net"}) == ["a@eth0", "ns/net@net1"]


def test_b03_c33_lists_before_single_plugins(node):
    (node.conf / "10-first.conf").write_text('{"name": "net", "type": "bridge"}')
    node.file("net", "ptp", file="20-second.conflist")
    assert network(node, None).plugins[0].type == "ptp"


def test_c33_a_file_name_is_not_a_network_name(node):
    node.file("other", "ptp", file="10-net.conflist")
    assert 'no net configuration with name "net" in ' in refusal(node, None)


def test_c33_b04_an_unreadable_file_is_named(node):
    (node.conf / "20-broken.conflist").write_text("{")
    assert "20-broken.conflist" in refusal(node, None)


def test_c41_a_file_that_calls_genie_is_not_found(node):
    node.file("net", "genie")
    assert refusal(node, None)


# --- what the configuration is


def test_c34_a_single_plugin_and_a_list(node):
    single = network(node, {"cniVersion": "0.4.0", "name": "x", "type": "macvlan", "mode": "bridge"})
    assert (single.name, single.version, len(single.plugins)) == ("x", "0.4.0", 1)
    chain = network(node, {"name": "x", "plugins": [{"type": "macvlan"}, {"type": "tuning"}]})
    assert [plugin.type for plugin in chain.plugins] == ["macvlan", "tuning"]


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "macvlan",
        "[]",
        "5",
        '"x"',
        "{}",
        '{"name": "x"}',
        '{"plugins": []}',
        '{"plugins": null}',
        '{"plugins": [{}]}',
        '{"plugins": [null]}',
        '{"plugins": {"type": "a"}}',
        '{"type": 5}',
        '{"type": "../x"}',
        '{"type": "a", "name": 5}',
        '{"type": "a", "name": "a/b"}',
        '{"type": "a", "capabilities": {"ips": "yes"}}',
    ],
)
def test_c34_b14_an_invalid_configuration(node, config):
    assert "NetworkAttachmentDefinition ns/net" in refusal(node, config)


def test_b15_a_definition_that_leads_back_to_genie(node):
    assert "back to Genie" in refusal(node, {"plugins": [{"type": "bridge"}, {"type": "genie"}]})


@pytest.mark.parametrize("name", [{}, {"name": None}, {"name": ""}, {"name": "  "}])
def test_c35_the_objects_name_where_the_configuration_has_none(node, name):
    assert network(node, {"type": "macvlan", **name}).name == "net"
    assert network(node, {**name, "plugins": [{"type": "macvlan", "name": "inner"}]}).name == "net"


@pytest.mark.parametrize("name", ["other", "null"])
def test_c35_c36_a_name_of_its_own_is_kept(node, name):
    found = attachment(node, {"type": "macvlan", "name": name})
    assert (found.network.name, found.label) == (name, "ns/net")


def test_b13_an_object_has_no_folder_of_plugins_beside_it(node):
    (node.conf / "net").mkdir()
    (node.conf / "net" / "10-tuning.conf").write_text('{"type": "tuning"}')
    assert len(network(node, {"name": "net", "plugins": [{"type": "macvlan"}]}).plugins) == 1


def test_b38_a_definition_without_version_means_what_cni_genie_filled_in(node):
    assert network(node, {"type": "macvlan"}).version == "0.3.0"


def test_b39_everything_else_is_kept_to_the_byte(node):
    found = network(node, '{"type": "macvlan", "x": 9007199254740993, "y": 1.0, "z": {"deep": [1e2]}}')
    assert '"x":9007199254740993' in found.plugins[0].text.replace(" ", "")
    assert "1e2" in found.plugins[0].text


# --- capabilities

OFFERED = {"ips": True, "mac": True, "portMappings": True, "bandwidth": True, "infinibandGUID": True}
ASKED = {
    "ips": ["10.0.0.5/24"],
    "mac": "c2:b0:57:49:47:f1",
    "portMappings": [{"hostPort": 1, "containerPort": 2}],
    "bandwidth": {"ingressRate": 1, "ingressBurst": 1},
    "infiniband_guid": "c2:11:22:33:44:55:66:77",
}


@pytest.mark.parametrize("key", ASKED)
def test_c15_c17_a_capability_goes_to_the_plugins_that_offer_it(node, key):
    name = "infinibandGUID" if key == "infiniband_guid" else key
    chain = {"plugins": [{"type": "macvlan"}, {"type": "tuning", "capabilities": {name: True}}]}
    assert set(attachment(node, chain, **{key: ASKED[key]}).capabilities) == {name}


@pytest.mark.parametrize("key", ASKED)
@pytest.mark.parametrize("offer", [{}, {"capabilities": {}}, {"capabilities": dict.fromkeys(OFFERED, False)}])
def test_c15_a_capability_that_no_plugin_offers_is_an_error(node, key, offer):
    text = refusal(node, {"type": "macvlan", **offer}, **{key: ASKED[key]})
    assert 'entry 1 ("net")' in text
    assert "offers it" in text


def test_the_error_names_the_key_of_the_annotation(node):
    text = refusal(node, {"type": "ib-sriov"}, infiniband_guid=ASKED["infiniband_guid"])
    assert ": infiniband-guid is asked for, and no plugin" in text
    assert '"capabilities": {"infinibandGUID": true}' in text


def test_c25_no_addresses_in_cni_args(node):
    found = attachment(node, {"type": "macvlan", "capabilities": OFFERED}, ips=ASKED["ips"], mac=ASKED["mac"])
    assert "IP=" not in found.args
    assert "MAC=" not in found.args


# --- cni-args, devices


def test_c22_cni_args_are_merged_into_every_plugin(node):
    chain = {"plugins": [{"type": "x", "args": {"cni": {"a": 1, "b": 2}, "other": 3}}, {"type": "y"}]}
    x, y = bodies(network(node, chain, cni_args={"b": "pod", "c": [4]}))
    assert x["args"] == {"cni": {"a": 1, "b": "pod", "c": [4]}, "other": 3}
    assert y["args"] == {"cni": {"b": "pod", "c": [4]}}


@pytest.mark.parametrize("args", [[], "x", 5, {"cni": []}, {"cni": "x"}])
def test_c22_arguments_that_are_no_object(node, args):
    assert "no object" in refusal(node, {"type": "x", "args": args}, cni_args={"a": 1})


@pytest.mark.parametrize("args", [None, {"cni": None}])
def test_c22_null_arguments_count_as_absent(node, args):
    (found,) = bodies(network(node, {"type": "x", "args": args}, cni_args={"a": 1}))
    assert found["args"]["cni"] == {"a": 1}


def test_c24_a_device_reaches_every_plugin(node):
    chain = {"plugins": [{"type": "sriov"}, {"type": "tuning", "capabilities": {"deviceID": True}}]}
    found = attachment(node, chain, deviceID="0000:03:02.0")
    assert [(body["deviceID"], body["pciBusID"]) for body in bodies(found.network)] == [
        ("0000:03:02.0",) * 2
    ] * 2
    assert found.capabilities == {"deviceID": '"0000:03:02.0"'}


def test_c24_a_device_that_no_plugin_knows_is_no_error(node):
    assert attachment(node, {"type": "sriov"}, deviceID="0000:03:02.0").capabilities == {}


def test_c54_a_plugin_that_describes_its_device_gets_the_path_for_it(node):
    found = attachment(node, {"type": "sriov", "capabilities": {"CNIDeviceInfoFile": True}})
    assert json.loads(found.capabilities["CNIDeviceInfoFile"]) == (
        "/var/run/k8s.cni.cncf.io/devinfo/cni/ns-net-cid1_net1"
    )


@pytest.mark.parametrize("half", ["\\ud800", "\\udbff"])
def test_x22_a_lone_surrogate_in_the_configuration_is_an_error(node, half):
    """The object's JSON can write it, and no plugin could be given it (found by fuzzing)."""
    config = json.loads(f'"{half}"').join(['{"type": "a", "x": "', '"}'])
    assert "lone surrogate" in refusal(node, config)
