"""Configurations: text -> NetConf -> a plugin's stdin, as rules (conformance B06-B16, B37-B44, B74)."""

import json

import pytest

from genie_core.errors import InvalidConfig
from genie_core.spec.conf import capabilities_of, check_plugin_type, parse_file, parse_network, plugin_input
from genie_core.spec.request import DELEGATE_MARK, delegate_env

PLUGIN = '{"type": "p",  "x": 9007199254740993, "f": 1.10}'


def network(plugin=PLUGIN, **fields):
    return parse_network(
        json.dumps({"cniVersion": "1.0.0", "name": "n", **fields})[:-1] + f', "plugins": [{plugin}]}}', "file"
    )


def test_a_list_keeps_its_plugins_to_the_byte():
    found = network(disableCheck="TRUE", disableGC=True)
    assert [(plugin.type, plugin.text) for plugin in found.plugins] == [("p", PLUGIN)]
    assert (found.name, found.version, found.source) == ("n", "1.0.0", "file")
    assert (found.disable_check, found.disable_gc) == (True, True)


def test_b07_a_single_configuration():
    text = '{"cniVersion": "0.4.0", "name": "n", "type": "p", "x":1.10}'
    found = parse_file(text, "/net.d/10-n.conf")
    assert [(plugin.type, plugin.text) for plugin in found.plugins] == [("p", text)]


@pytest.mark.parametrize(
    "text,path",
    [(PLUGIN[:-1] + ', "name": "n"}', "x.conflist"), ('{"name":"n","plugins":[{"type":"p"}]}', "x.conf")],
)
def test_b07_each_kind_has_its_extension(text, path):
    with pytest.raises(InvalidConfig, match=f"^{path}: ") as refused:
        parse_file(text, path)
    assert refused.value.code == 7
    with pytest.raises(InvalidConfig):
        parse_file("{}", path)


def test_b38_without_version():
    assert parse_network('{"name": "n", "type": "p"}', "f").version == "0.3.0"
    assert parse_network('{"name": "n", "type": "p", "cniVersion": ""}', "f").version == "0.3.0"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "7",
        "{}",
        '{"name": "n"}',
        '{"type": "p"}',
        '{"name": "n", "type": ""}',
        '{"name": "n", "type": 7}',
        '{"name": "n", "plugins": null}',
        '{"name": "n", "plugins": [[]]}',
        '{"name": "n", "plugins": 7, "plugins": []}',
        '{"name": "n", "plugins": [{"type": "p"}], "plugins": {}}',
        '{"name": "n", "type": "p", "cniVersion": "x"}',
        '{"name": "n", "type": "p", "capabilities": 7}',
        '{"name": "n", "type": "p", "cniVersions": [7]}',
    ],
)
def test_b06_b14_whatever_is_malformed_is_code_7_and_names_the_source(text):
    with pytest.raises(InvalidConfig, match=r"^/net\.d/x: "):
        parse_network(text, "/net.d/x")


def test_b11_b13_siblings():
    asked = []

    def siblings(name):
        asked.append(name)
        return [("/net.d/n/10-q.conf", '{"type": "q"}')]

    text = '{"name": "n", "plugins": [{"type": "p"}]}'
    assert [plugin.type for plugin in parse_network(text, "f", siblings=siblings).plugins] == ["p", "q"]
    assert [plugin.type for plugin in parse_network('{"name": "n"}', "f", siblings=siblings).plugins] == ["q"]
    assert [plugin.type for plugin in parse_network(text, "f").plugins] == ["p"]
    assert asked == ["n", "n"]


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", ".", "", "a\\u0000"])
def test_b12_no_folder_is_asked_for_under_a_name_that_leaves(name):
    def siblings(_):
        raise AssertionError

    with pytest.raises(InvalidConfig):
        parse_network(f'{{"name": "{name}", "plugins": [{{"type": "p"}}]}}', "f", siblings=siblings)


@pytest.mark.parametrize("type_", ["..", ".", "a/b", "/a", "a\\b", "a\0", "a\n", "\ud800"])
def test_b16_types_that_leave(type_):
    with pytest.raises(InvalidConfig, match="invalid plugin name"):
        check_plugin_type(type_)


@pytest.mark.parametrize("type_", ["p", "host-local", "...", "a b", "ü"])
def test_b16_types(type_):
    check_plugin_type(type_)


def stdin(plugin=PLUGIN, **options):
    found = network(plugin)
    return plugin_input(found, found.plugins[0], **options)


def test_b37_b39_what_the_plugin_reads():
    assert stdin() == '{"type":"p","x":9007199254740993,"f":1.10,"name":"n","cniVersion":"1.0.0"}'


def test_b40_b44_reserved_keys_are_taken_out():
    reserved = '"capabilities": {}, "runtimeConfig": {}, "prevResult": {}, "cni.dev/a": 1, "args": {"cni": 1}'
    assert json.loads(stdin(f'{{"type": "p", {reserved}}}')) == {
        "type": "p",
        "args": {"cni": 1},
        "name": "n",
        "cniVersion": "1.0.0",
    }


def test_b43_capabilities():
    plugin = '{"type": "p", "capabilities": {"a": true, "b": false, "c": true}}'
    assert capabilities_of(network(plugin).plugins[0]) == {"a", "c"}
    supplied = {"a": "1.10", "b": "2", "d": "3"}
    assert '"runtimeConfig":{"a":1.10}' in stdin(plugin, capabilities=supplied)
    assert "runtimeConfig" not in stdin(plugin, capabilities={"b": "2"})
    assert "runtimeConfig" not in stdin(PLUGIN, capabilities=supplied)


def test_b42_b74_previous_results_and_further_members():
    text = stdin(prev_result='{"x":1.10}', extra={"cni.dev/valid-attachments": "[ ]"})
    assert text.endswith(',"prevResult":{"x":1.10},"cni.dev/valid-attachments":[ ]}')


def test_b20_b21_the_environment():
    caller = {"A": "1", "CNI_PATH": "/bin", "CNI_IFNAME": "eth0", "CNI_ARGS": "x=y", "CNI_OTHER": "2"}
    assert delegate_env(caller, "STATUS", path=["/opt"]) == {
        "A": "1",
        "CNI_OTHER": "2",
        "CNI_COMMAND": "STATUS",
        "CNI_CONTAINERID": "",
        "CNI_NETNS": "",
        "CNI_IFNAME": "",
        "CNI_ARGS": "",
        "CNI_PATH": "/bin",
        DELEGATE_MARK: "1",
    }
    assert delegate_env({}, "ADD", path=["/opt", "/x"], ifname="eth1")["CNI_PATH"] == "/opt:/x"
    assert caller["CNI_IFNAME"] == "eth0"  # X34: the caller's own is not touched
