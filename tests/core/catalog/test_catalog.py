"""The catalogue: every type described in the same way, recognised, and its template accepted by its own checks."""

from pathlib import Path

import jsonschema
import pytest

from genie_core.catalog import PLUGINS, Ipam, NodeView, Role, of_type, recognise
from genie_core.catalog.plugin import LinkView, Wanted
from genie_core.catalog.schema import Field, check_object
from genie_core.errors import InvalidConfig
from genie_core.findings import Severity

PROMISED = (
    "bridge macvlan ipvlan vlan ptp host-device tap dummy loopback sriov ovs calico canal flannel cilium weave romana "
    "kube-router multus genie portmap bandwidth tuning firewall sbr vrf host-local static dhcp calico-ipam whereabouts"
).split()
NODE = NodeView(
    links={
        "eth0": LinkView(name="eth0", mtu=1500),
        "eth1": LinkView(name="eth1", mtu=9000, up=False),
        "vx0": LinkView(name="vx0", kind="vxlan"),
    },
    default_link="eth0",
)
WANTED = Wanted(name="n", subnet="10.5.0.0/24", addresses=("10.5.0.9/24",), master="eth0", default_route=True)


def known(type_):
    plugin = of_type(type_)
    assert plugin is not None
    return plugin


def template(name, wanted, node):
    return PLUGINS[name].entry(wanted, node)


def problems(type_, node=NODE, **members):
    """(path, severity, text) of every problem of an object of this type."""
    plugin = known(type_)
    return [
        (p.path, p.severity, p.text) for p in plugin.problems({"type": type_} | members, "plugins[0]", node)
    ]


def errors(type_, node=NODE, **members):
    return [path for path, severity, _ in problems(type_, node, **members) if severity is Severity.ERROR]


def test_every_promised_type_has_a_module_of_its_own():
    assert list(PLUGINS) == PROMISED
    folder = Path(__file__).parents[3] / "genie_core" / "catalog"
    assert {name.replace("-", "_") for name in PROMISED} <= {path.stem for path in folder.glob("*.py")}


@pytest.mark.parametrize("name", PROMISED)
def test_a_template_passes_its_own_checks_and_its_own_schema(name):
    plugin = PLUGINS[name]
    wanted = WANTED if name != "host-device" else Wanted(master="eth1")
    entry = template(name, wanted, NODE)
    if plugin.ipam is Ipam.REQUIRED and "ipam" not in entry:
        entry["ipam"] = template("host-local", WANTED, NODE)
    found = [p for p in plugin.problems(entry, "", NODE) if p.severity.rank <= Severity.ERROR.rank]
    assert found == []
    jsonschema.Draft202012Validator.check_schema(plugin.schema())
    jsonschema.validate(entry, plugin.schema())


@pytest.mark.parametrize("name", PROMISED)
def test_every_field_is_documented_and_defaults_are_valid(name):
    for field in PLUGINS[name].fields:
        assert field.doc, field.name
        assert not [*check_object([field], {field.name: field.default})] or field.default is None


@pytest.mark.parametrize(
    "chain,file,kind",
    [
        ([{"type": "calico", "ipam": {"type": "calico-ipam"}}], "10-calico.conflist", "calico"),
        ([{"type": "calico", "ipam": {"type": "host-local"}}], "10-x.conflist", "canal"),
        ([{"type": "bridge"}], "10-kuberouter.conf", "kube-router"),
        ([{"type": "bridge", "bridge": "kube-bridge"}], "x.conf", "kube-router"),
        ([{"type": "bridge"}], "x.conf", "bridge"),
        ([{"type": "cilium-cni"}], "05-cilium.conf", "cilium"),
        ([{"type": "weave-net"}], "", "weave"),
        ([{"type": "multus-shim"}], "", "multus"),
        ([{"type": "acme"}], "", "acme"),
        ([], "", ""),
    ],
)
def test_recognising(chain, file, kind):
    assert recognise(chain, file) == kind


def test_an_unknown_type_is_no_problem():
    assert of_type("acme") is None


@pytest.mark.parametrize(
    "type_,members,path",
    [
        ("bridge", {"mtu": "1500"}, "plugins[0].mtu"),
        ("bridge", {"mtu": -1}, "plugins[0].mtu"),
        ("bridge", {"mtu": True}, "plugins[0].mtu"),
        ("bridge", {"vlan": 4095}, "plugins[0].vlan"),
        ("bridge", {"bridge": "a-name-of-16-byte"}, "plugins[0].bridge"),
        ("bridge", {"bridge": "a/b"}, "plugins[0].bridge"),
        ("bridge", {"bridge": "vx0"}, "plugins[0].bridge"),
        ("bridge", {"hairpinMode": True, "promiscMode": True}, "plugins[0].promiscMode"),
        (
            "bridge",
            {"isDefaultGateway": True, "ipam": {"routes": [{"dst": "0.0.0.0/0"}]}},
            "plugins[0].isDefaultGateway",
        ),
        ("bridge", {"vlanTrunk": [{"id": 1}, {"minID": "x"}]}, "plugins[0].vlanTrunk[1].minID"),
        ("macvlan", {"mode": "bridged", "ipam": {}}, "plugins[0].mode"),
        ("macvlan", {"master": "eth7"}, "plugins[0].master"),
        ("macvlan", {"master": "eth0", "mtu": 9000}, "plugins[0].mtu"),
        ("ipvlan", {"master": "eth0"}, "plugins[0].ipam"),
        ("vlan", {"master": "eth0", "ipam": {"type": "dhcp"}}, "plugins[0].vlanId"),
        ("host-device", {}, "plugins[0].device"),
        ("host-device", {"device": "eth0"}, "plugins[0].device"),
        ("dummy", {}, "plugins[0].ipam"),
        ("sriov", {"vlanQoS": 3}, "plugins[0].vlanQoS"),
        ("sriov", {"min_tx_rate": 10, "max_tx_rate": 5}, "plugins[0].min_tx_rate"),
        ("sriov", {"spoofchk": "maybe"}, "plugins[0].spoofchk"),
        ("flannel", {"delegate": {"name": "x"}}, "plugins[0].delegate.name"),
        ("flannel", {"delegate": {"name": "x", "type": 5}}, "plugins[0].delegate.name"),
        ("flannel", {"delegate": {"type": 5}}, "plugins[0].delegate.type"),
        ("bandwidth", {"ingressRate": 5}, "plugins[0].ingressBurst"),
        ("tuning", {"sysctl": {"kernel.shm": "1"}}, "plugins[0].sysctl"),
        ("tuning", {"sysctl": {"net.core.somaxconn": 1}}, "plugins[0].sysctl"),
        ("vrf", {}, "plugins[0].vrfname"),
        ("whereabouts", {}, "plugins[0].range"),
        ("whereabouts", {"range": "10.0.0.0/24", "gateway": "10.9.0.1"}, "plugins[0].gateway"),
        ("static", {"addresses": [{"address": "10.0.0.1"}]}, "plugins[0].addresses[0].address"),
        (
            "static",
            {"addresses": [{"address": "10.0.0.1/24", "gateway": "10.9.0.1"}]},
            "plugins[0].addresses[0].gateway",
        ),
        ("host-local", {}, "plugins[0].ranges"),
        ("host-local", {"subnet": "10.0.0.0/31"}, "plugins[0].subnet"),
        ("host-local", {"subnet": "10.0.0.5/24"}, "plugins[0].subnet"),
        ("host-local", {"subnet": "10.0.0.0/24", "routes": [{"dst": "default"}]}, "plugins[0].routes[0].dst"),
        ("host-local", {"subnet": "10.0.0.0/24", "routes": [{"dst": "::/0"}]}, "plugins[0].routes[0].dst"),
        (
            "host-local",
            {"subnet": "10.0.0.0/24", "ranges": [[{"subnet": "10.1.0.0/24"}]]},
            "plugins[0].subnet",
        ),
        (
            "host-local",
            {"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "10.0.0.0/25"}]]},
            "plugins[0].ranges[1][0].subnet",
        ),
    ],
)
def test_values_that_a_plugin_would_refuse(type_, members, path):
    assert path in errors(type_, **members)


@pytest.mark.parametrize(
    "type_,members",
    [
        ("bridge", {"IPMasq": True}),
        ("bridge", {"mtu": 9000, "isDefaultGateway": True}),
        ("macvlan", {"master": "eth0", "mtu": 1400, "ipam": {"type": "dhcp"}}),
        ("macvlan", {"master": "eth9", "linkInContainer": True}),
        ("host-local", {"subnet": "usePodCidr"}),
        ("host-local", {"subnet": "FD00:1:0::/64"}),
        ("host-local", {"subnet": "fd00:1::/64", "rangeStart": "fd00:1::10", "routes": [{"dst": "::/0"}]}),
        ("host-device", {"capabilities": {"deviceID": True}}),
        (
            "genie",
            {
                "etcd_endpoints": "http://x",
                "capabilities": dict.fromkeys(("portMappings", "bandwidth"), True),
            },
        ),
    ],
)
def test_keys_that_a_plugin_takes(type_, members):
    assert errors(type_, **members) == []


def test_interfaces_are_not_judged_where_the_node_is_unknown():
    assert errors("macvlan", node=NodeView(), master="eth9") == []


def test_a_slip_gets_the_nearest_key():
    (problem,) = known("bridge").problems({"type": "bridge", "isGatway": True}, "", NODE)
    assert (problem.severity, problem.hint) == (Severity.WARNING, "did you mean isGateway?")


def test_an_unknown_key_is_reported_and_not_refused():
    assert problems("bridge", zzz=1)[0][1] is Severity.INFO


def test_a_secret_is_not_shown():
    field = Field(name="password", kind="integer", secret=True)
    (problem,) = check_object([field], {"password": "hunter2"})
    assert "hunter2" not in problem.text


def test_parts_of_a_chain_have_their_role():
    roles = {plugin.role for plugin in PLUGINS.values()}
    assert roles == set(Role)


def test_host_device_needs_a_spare_interface():
    with pytest.raises(InvalidConfig, match="no spare one"):
        template("host-device", Wanted(), NodeView(links={"lo": LinkView(name="lo")}))
