"""The table of special plugin types: its types are in the catalogue, but for those without packets in the kernel."""

import pytest

from genie_core.catalog import PLUGINS, of_type
from genie_core.gojson import view
from genie_core.jsontext import encode
from genie_core.plugin_types import TYPES, PluginType, maker_of, plugin_type
from genie_core.survey.facts import ConfFile
from genie_core.survey.versions import needed


@pytest.mark.parametrize("name", TYPES)
def test_each_type_is_in_the_catalogue(name):
    assert of_type(name) or name in PLUGINS or TYPES[name].userspace
    assert vars(TYPES[name]).keys() <= vars(PluginType).keys()


@pytest.mark.parametrize(
    "conf, maker, bridge",
    [
        ({}, "bridge", None),
        ({"delegate": {"bridge": "br0"}}, "bridge", "br0"),
        ({"delegate": {"Bridge": "br0"}}, "bridge", "br0"),
        ({"delegate": {"bridge": "br0", "BRIDGE": "br1"}}, "bridge", "br0"),
        ({"delegate": {"Type": "macvlan"}}, "bridge", None),
        ({"delegate": {"type": "macvlan"}}, "macvlan", None),
        ({"delegate": "x"}, "bridge", None),
    ],
)
def test_flannel_has_another_plugin_make_the_interface(conf, maker, bridge):
    assert maker_of("macvlan", conf) == ("macvlan", conf)
    type_, given = maker_of("flannel", view(encode(conf)))
    assert (type_, given.get("bridge"), given["isGateway"]) == (maker, bridge, True)
    assert plugin_type(type_).plain


@pytest.mark.parametrize(
    "ipam, types",
    [
        ({}, ["flannel", "bridge", "host-local"]),
        ({"ipam": {"type": "whereabouts"}}, ["flannel", "whereabouts", "bridge"]),
    ],
)
def test_flannel_needs_its_makers_address_plugin(ipam, types):
    file = ConfFile(path="/etc/cni/net.d/10-flannel.conf", chain=({"type": "flannel", **ipam},))
    assert [plugin.type for plugin in needed(file)] == types
