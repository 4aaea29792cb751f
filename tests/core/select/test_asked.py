"""What a pod asks of a network, as text that can be compared."""

import json

from genie_core.model import Choice, NetConf, PluginConf, Selection
from genie_core.select.asked import asked_by
from genie_core.select.npwg import parse_selections

NETWORK = NetConf("net-a", "1.0.0", [PluginConf("bridge", '{"type": "bridge"}')], "/etc/cni/net.d/a.conf")


def attachment(text):
    (selection,) = parse_selections(text, "shop", "annotation")
    choice = Choice(selection, NETWORK, label=selection.label, default_route=selection.default_route)
    return json.loads(asked_by(choice))


def test_a_network_of_the_node():
    assert json.loads(asked_by(Choice(Selection("a", "eth3", "x"), NETWORK))) == {
        "network": "cni/net-a",
        "interface": "eth3",
    }


def test_a_logical_network():
    assert json.loads(asked_by(Choice(Selection("red", "", "x"), NETWORK, label="shop/red"))) == {
        "network": "logical/shop/red"
    }


def test_both_forms_of_a_definition_are_one():
    assert attachment("blue@net5") == attachment('[{"name": "blue", "interface": "net5"}]')


def test_requests_beside_the_network():
    keys = '"ips": ["10.1.0.5/24"], "default-route": [], "cni-args": {"x": 1}, "mac": "c2:b0:57:49:47:f1"'
    assert attachment(f'[{{"name": "blue", {keys}}}]') == {
        "network": "shop/blue",
        "ips": ["10.1.0.5/24"],
        "mac": "c2:b0:57:49:47:f1",
        "default-route": [],
        "cni-args": {"x": 1},
    }
    assert "default-route" not in attachment('[{"name": "blue"}]')
