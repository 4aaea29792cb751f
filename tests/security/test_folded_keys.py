"""Plugins find a key in every spelling that Go's decoder takes for it: letters in either case, U+017F for s, U+212A for
k. So does Genie, where it judges a definition; and what it gives out of an annotation it builds, key by key."""

import itertools
import json

import pytest

from genie_core.errors import InvalidConfig
from genie_core.gojson import fold
from tests.desk import Desk, read_by_plugins
from tests.plugin.cluster import NPWG

NFT = 'tcp"; flush ruleset; add rule x'
MAC = "c2:b0:57:49:47:f1"


def spellings(key):
    """Other spellings of a key that Go takes for it."""
    letters = key.replace("s", "\u017f").replace("k", "\u212a")
    found = [key.upper(), key.swapcase(), key[0].swapcase() + key[1:], key.title(), letters]
    return [other for other in dict.fromkeys(found) if other != key]


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.file("a")
    desk.nad(
        "net",
        {"type": "x", "capabilities": dict.fromkeys(["portMappings", "bandwidth", "ips", "mac"], True)},
    )
    return desk


def second(desk, config, **entry):
    """What the plugin of a definition is given."""
    desk.nad("bad", config)
    return read_by_plugins(desk.plan({NPWG: json.dumps([{"name": "bad", **entry}])}))[1]


def refusal(desk, entry):
    with pytest.raises(InvalidConfig) as caught:
        desk.plan({NPWG: json.dumps([{"name": "net", **entry}])})
    assert caught.value.code == 7
    assert 'annotation k8s.v1.cni.cncf.io/networks, entry 1 ("net")' in caught.value.msg
    return caught.value.msg


# --- annotations ---------------------------------------------------------------------------------------------

MAPPING = {"hostPort": 8080, "containerPort": 80}


@pytest.mark.parametrize("key", ["hostPort", "containerPort", "protocol", "hostIP"])
def test_a_port_mapping_has_its_four_keys_spelled_so(desk, key):
    for other in spellings(key):
        for value in (NFT, 22, "tcp"):
            problem = refusal(desk, {"portMappings": [MAPPING, {**MAPPING, other: value}]})
            assert f"portMappings[1].{other}: an unknown key" in problem


@pytest.mark.parametrize("key", ["conditionsV4", "snat", "x", "\ud800", "a\nb"])
def test_a_port_mapping_has_no_other_keys(desk, key):
    assert "an unknown key" in refusal(desk, {"portMappings": [{**MAPPING, key: 1}]})


def test_a_port_mapping_is_built(desk):
    given = [{**MAPPING, "protocol": "UDP", "hostIP": "2001:DB8::0:1"}]
    (_, body) = read_by_plugins(desk.plan({NPWG: json.dumps([{"name": "net", "portMappings": given}])}))
    assert body["runtimeConfig"] == {
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "udp", "hostIP": "2001:db8::1"}]
    }


@pytest.mark.parametrize("host_ip", ["10.0.0.1/24", "::/0", NFT, "10.0.0.1 tcp", "fe80::1%eth0", "010.0.0.1"])
def test_a_host_address_is_one_address(desk, host_ip):
    assert "portMappings[0].hostIP" in refusal(desk, {"portMappings": [{**MAPPING, "hostIP": host_ip}]})


@pytest.mark.parametrize("key", ["ingressRate", "ingressBurst", "egressRate", "egressBurst"])
def test_bandwidth_has_its_keys_spelled_so(desk, key):
    for other in spellings(key):
        assert f"bandwidth.{other}: an unknown key" in refusal(
            desk, {"bandwidth": {"ingressRate": 1, "egressRate": 1, other: NFT}}
        )


ENTRY = [
    "name", "namespace", "ips", "mac", "infiniband-guid", "portMappings", "bandwidth", "deviceID", "cni-args",
    "interface", "interfaceRequest", "default-route", "ipam-claim-reference",
]  # fmt: skip


@pytest.mark.parametrize("key", ENTRY)
def test_a_key_of_the_standard_in_another_spelling_is_an_error_that_names_both(desk, key):
    for other in spellings(key):
        problem = refusal(desk, {other: NFT})
        assert f"{other}: an unknown key" in problem


def test_the_other_unknown_keys_are_ignored_and_reach_no_plugin(desk):
    entry = {"unknown": NFT, "RuntimeConfig": NFT, "Type": NFT, "portMapping": NFT}
    assert NFT not in json.dumps(read_by_plugins(desk.plan({NPWG: json.dumps([{"name": "net", **entry}])})))


# --- definitions ---------------------------------------------------------------------------------------------

BACK = [
    lambda type_, _: {type_: "genie"},
    lambda type_, _: {"plugins": [{"type": "x"}, {type_: "genie"}]},
    lambda type_, ipam: {"type": "bridge", ipam: {type_: "genie"}},
    lambda type_, _: {"type": "flannel", "Delegate": {type_: "genie"}},
    lambda type_, ipam: {"type": "x", "deep": {"er": [[{ipam: {type_: "genie"}}]]}},
]


@pytest.mark.parametrize("config", BACK)
def test_no_spelling_leads_back_to_genie(desk, config):
    for type_, ipam in itertools.product(["type", *spellings("type")], ["ipam", *spellings("ipam")]):
        with pytest.raises(InvalidConfig, match="leads back to Genie"):
            second(desk, config(type_, ipam))


@pytest.mark.parametrize(
    "config",
    [
        '{"type": "x", "Type": "genie"}',
        '{"Type": "genie", "type": "x"}',
        '{"type": "genie", "type": "x"}',
        '{"type": "x", "ipam": {"TYPE": "genie", "type": "host-local"}}',
        '{"type": "x", "ipam": {"type": "genie"}, "IPAM": {"type": "host-local"}}',
        '{"type": "x", "ipam": {"type": "genie", "type": null}}',
        '{"type": "x", "name": "n", "plugins": [{"type": "\\u0067enie", "type": "x"}]}',
    ],
)
def test_a_shadowed_key_leads_back_too(desk, config):
    with pytest.raises(InvalidConfig, match="leads back to Genie"):
        second(desk, config)


@pytest.mark.parametrize(
    "config",
    [
        '{"type": "x", "Type": "y"}',
        '{"type": "x", "type": "x"}',
        '{"type": "x", "ipam": {}, "IPAM": {}}',
        '{"type": "x", "mtu": 1400, "MTU": 1500}',
        '{"type": "x", "a": [{"b": {"mas": 1, "ma\\u017f": 2}}]}',
        '{"type": "x", "runtimeConfig": {}, "RuntimeConfig": {}}',
        '{"name": "x", "plugins": [{"type": "x"}], "Plugins": [{"type": "y"}]}',
    ],
)
def test_one_key_twice_in_an_object_of_a_definition_is_an_error(desk, config):
    with pytest.raises(InvalidConfig, match="in one object are one key to a plugin"):
        second(desk, config)


@pytest.mark.parametrize("key", ["capabilities", "runtimeConfig", "prevResult", "cni.dev/valid-attachments"])
def test_a_definition_does_not_set_the_runtimes_keys_in_any_spelling(desk, key):
    for other in (key, *spellings(key)):
        given = second(desk, {"type": "x", other: {"portMappings": True}})
        assert set(given) == {"type", "name", "cniVersion"}, other
    assert fold("CNI.dev/x") == "cni.dev/x"


@pytest.mark.parametrize("key", ["runtimeConfig", "prevResult", "cni.dev/attachments"])
def test_nor_to_a_delegate_of_its_plugin(desk, key):
    """flannel and Multus pass such an object on as it is."""
    for other in (key, *spellings(key)):
        for config in (
            {"type": "flannel", "delegate": {"type": "portmap", other: {}}},
            {"type": "multus", "delegates": [{"plugins": [{"type": "portmap", other: {}}]}]},
        ):
            with pytest.raises(InvalidConfig, match="is the runtime's to set"):
                second(desk, config)


@pytest.mark.parametrize("key", ["deviceID", "pciBusID"])
def test_a_definitions_device_in_any_spelling_is_not_the_pods_to_choose(desk, key):
    for other in (key, *spellings(key), "pciBusId", "deviceId"):
        assert second(desk, {"type": "host-device", other: "0000:03:00.1"})[other] == "0000:03:00.1"
        with pytest.raises(InvalidConfig, match="names a device itself"):
            second(desk, {"type": "host-device", other: "0000:03:00.1"}, deviceID="0000:00:1f.6")


def test_an_empty_device_in_another_spelling_gives_way_to_the_pods(desk):
    given = second(desk, {"type": "sriov", "DeviceId": "", "PCIBUSID": ""}, deviceID="0000:00:1f.6")
    assert {key: value for key, value in given.items() if "id" in key.lower()} == {
        "deviceID": "0000:00:1f.6",
        "pciBusID": "0000:00:1f.6",
    }


def test_cni_args_take_the_place_of_the_definitions_in_any_spelling(desk):
    given = second(
        desk, {"type": "x", "ARGS": {"CNI": {"Kept": 1, "LABEL": 2}}}, **{"cni-args": {"label": 3}}
    )
    assert given["args"] == {"cni": {"Kept": 1, "label": 3}}
    assert "ARGS" not in given


# --- the administrator's files -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plugin, given",
    [
        ('{"type": "x", "mtu": 1, "mtu": 2}', {"type": "x", "mtu": 2}),
        ('{"type": "y", "Type": "x", "IPAM": {"a": 1}}', {"Type": "x", "IPAM": {"a": 1}}),
        ('{"type": "x", "ipam": {"a": 1}, "IPAM": {"b": 1}}', {"type": "x", "IPAM": {"b": 1}}),
        ('{"type": "x", "RuntimeConfig": {}, "PREVRESULT": {}, "Capabilitie\\u017f": {}}', {"type": "x"}),
    ],
)
def test_a_files_plugin_gets_the_one_value_that_was_judged(desk, plugin, given):
    """libcni accepts a key twice, and takes the last one (conformance B39)."""
    text = f'{{"cniVersion": "1.0.0", "name": "file", "plugins": [{plugin}]}}'
    (desk.conf / "20-file.conflist").write_text(text)
    (item,) = desk.plan({"cni": "file"})
    assert [plugin.type for plugin in item.network.plugins] == ["x"]
    assert read_by_plugins([item]) == [{**given, "name": "file", "cniVersion": "1.0.0"}]


def test_a_file_that_leads_back_in_any_spelling_is_no_network(desk):
    text = '{"cniVersion": "1.0.0", "name": "file", "plugins": [{"type": "x", "ipam": {"TYPE": "genie"}}]}'
    (desk.conf / "20-file.conflist").write_text(text)
    with pytest.raises(InvalidConfig, match="calls Genie itself"):
        desk.plan({"cni": "file"})
