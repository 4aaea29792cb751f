"""A pod's author chooses networks, and nothing else: no files, no paths, no URLs, no programs, no hardware that a
definition keeps for itself; and with namespace isolation no other namespace's networks, on any way."""

import json

import pytest

from genie_core.errors import GenieError, InvalidConfig
from tests.desk import Desk, read_by_plugins
from tests.plugin.cluster import NPWG

DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
EVIL = "/var/tmp/evil"


@pytest.fixture
def desk(tmp_path):
    """The pod is in `ns`; the definition `secret` is in `other`, `shared` in `default`, `mine` in the pod's own."""
    desk = Desk(tmp_path)
    desk.file("a")
    desk.nad("mine", {"type": "x", "mtu": 1400})
    for namespace, name in (("other", "secret"), ("default", "shared"), ("kube-system", "system")):
        desk.nad(name, {"type": "x"}, namespace=namespace)
    return desk


# --- isolation -----------------------------------------------------------------------------------------------

ACROSS = [
    {NPWG: "other/secret"},
    {NPWG: "mine,other/secret@net7"},
    {NPWG: '[{"name": "secret", "namespace": "other"}]'},
    {NPWG: '[{"name": "mine"}, {"namespace": "other", "name": "secret", "interface": "net7"}]'},
    {DEFAULT_NETWORK: "other/secret"},
    {DEFAULT_NETWORK: '[{"name": "secret", "namespace": "other"}]'},
    {DEFAULT_NETWORK: "system"},  # which means kube-system
    {NPWG: "mine", DEFAULT_NETWORK: "other/secret"},
    {"cni": "a", NPWG: "other/secret"},
]


@pytest.mark.parametrize("annotations", ACROSS)
def test_isolation_holds_on_every_way(desk, annotations):
    with pytest.raises(InvalidConfig, match="a pod in namespace ns may not use a network of namespace"):
        desk.plan(annotations, namespace_isolation=True)
    assert not [request for request in desk.api.requests if "/other/" in request.target]
    assert desk.plan(annotations, namespace_isolation=False)


@pytest.mark.parametrize("dialect", ["cni", "networks"])
@pytest.mark.parametrize(
    "name", ["other/secret", "other%2fsecret", "../other/secret", "other.secret", "secret"]
)
def test_the_other_dialects_know_no_namespaces(desk, dialect, name):
    with pytest.raises(GenieError):
        desk.plan({dialect: name}, namespace_isolation=True)
    assert not [request for request in desk.api.requests if "/other/" in request.target]


def test_isolation_leaves_the_pods_own_and_the_global_namespaces(desk):
    found = desk.seen({NPWG: "mine,ns/mine@net8,default/shared"}, namespace_isolation=True)
    assert found[1:] == ["ns/mine@net1", "ns/mine@net8", "default/shared@net3"]
    with pytest.raises(InvalidConfig):
        desk.plan({NPWG: "default/shared"}, namespace_isolation=True, global_namespaces=["kube-system"])


def test_a_setting_that_is_no_boolean_switches_nothing_off(desk):
    with pytest.raises(InvalidConfig, match="namespace_isolation"):
        desk.plan({NPWG: "other/secret"}, namespace_isolation="true")


def test_what_a_copy_holds_is_isolated_too(desk):
    """The last good copy of another namespace's definition is no way around."""
    assert desk.plan({NPWG: "other/secret"})
    with pytest.raises(InvalidConfig, match="may not use"):
        desk.plan({NPWG: "other/secret"}, namespace_isolation=True)


# --- only networks -----------------------------------------------------------------------------------------------

# Keys of Genie's configuration, of definitions and of runtimes, in the pod's own annotation.
FOREIGN_KEYS = {
    "config": '{"type": "evil"}', "type": "evil", "plugins": [{"type": "evil"}], "conf_dirs": [EVIL],
    "bin_dirs": [EVIL], "binDir": EVIL, "cniPath": EVIL, "confDir": EVIL, "state_dir": EVIL,
    "log_file": EVIL, "logFile": EVIL,
    "readiness_file": EVIL, "kubeconfig": EVIL, "kubernetes": {"k8s_api_root": "http://evil"}, "master": "eth0",
    "bridge": "cbr0", "socketPath": EVIL, "dataDir": EVIL, "ipam": {"type": "evil", "dataDir": EVIL},
    "runtimeConfig": {"evil": EVIL}, "capabilities": {"evil": True}, "prevResult": {}, "args": {"evil": 1},
    "CNIDeviceInfoFile": EVIL, "cgroupPath": EVIL, "namespace_isolation": False, "global_namespaces": ["other"],
    "cniVersion": "9", "disableCheck": True, "pciBusID": "0000:00:1f.6", "delegate": {"type": "evil"},
}  # fmt: skip


def test_keys_that_are_not_the_standards_reach_no_plugin(desk):
    plain = read_by_plugins(desk.plan({NPWG: '[{"name": "mine"}]'}))
    entry = {"name": "mine", **FOREIGN_KEYS}
    assert read_by_plugins(desk.plan({NPWG: json.dumps([entry])}, namespace_isolation=True)) == plain


def test_cni_args_stay_in_their_place(desk):
    args = dict(FOREIGN_KEYS)
    entry = {"name": "mine", "cni-args": args}
    [_, plain], [_, found] = (
        read_by_plugins(desk.plan({NPWG: json.dumps([e])})) for e in ({"name": "mine"}, entry)
    )
    assert found == {**plain, "args": {"cni": args}}


def test_capabilities_need_the_definitions_consent(desk):
    for key, value in {
        "ips": ["10.0.0.1/24"],
        "mac": "c2:b0:57:49:47:f1",
        "portMappings": [{"hostPort": 22, "containerPort": 22}],
        "bandwidth": {"ingressRate": 1},
        "infiniband-guid": "c2:11:22:33:44:55:66:77",
    }.items():
        with pytest.raises(InvalidConfig, match="no plugin of network mine offers it"):
            desk.plan({NPWG: json.dumps([{"name": "mine", key: value}])})


@pytest.mark.parametrize("key", ["deviceID", "pciBusID"])
def test_a_definitions_device_is_not_the_pods_to_choose(desk, key):
    desk.nad("nic", {"plugins": [{"type": "host-device", key: "0000:03:00.1"}, {"type": "x"}]})
    assert desk.plan({NPWG: "nic"})
    with pytest.raises(InvalidConfig, match="names a device itself"):
        desk.plan({NPWG: '[{"name": "nic", "deviceID": "0000:00:1f.6"}]'})


@pytest.mark.parametrize(
    "device",
    ["/dev/sda", "../../..", "0000:03:00.0/../..", "0000:03:00.0\n", "x y", "..", "-x", "%2e", "a\\b"],
)
def test_a_device_is_no_path(desk, device):
    with pytest.raises(InvalidConfig, match="deviceID"):
        desk.plan({NPWG: json.dumps([{"name": "mine", "deviceID": device}])})


@pytest.mark.parametrize("device", ["0000:03:02.3", "mlx5_core.sf.4", "mlx5_core.eth-rep.0"])
def test_devices_as_they_are_called_go_through(desk, device):
    found = read_by_plugins(desk.plan({NPWG: json.dumps([{"name": "mine", "deviceID": device}])}))
    assert (found[1]["deviceID"], found[1]["pciBusID"]) == (device, device)


def test_annotations_that_genie_does_not_read_change_nothing(desk):
    others = {f"genie/{key}": json.dumps(value) for key, value in FOREIGN_KEYS.items()}
    others |= {
        "multi-ip-preferences": "{}",
        "k8s.v1.cni.cncf.io/network-status": "[]",
        "CNI": "x",
        "Networks": "x",
    }
    assert read_by_plugins(desk.plan({"cni": "a", **others})) == read_by_plugins(desk.plan({"cni": "a"}))


# --- authors of definitions ------------------------------------------------------------------------------------

# Their plugins' configuration is theirs (docs/security.md); Genie's own is not.
OWN_KEYS = {
    "log_file": EVIL,
    "state_dir": EVIL,
    "bin_dirs": [EVIL],
    "policy": {"k8s_api_root": "https://evil"},
}
BACK = [
    {"type": "genie"},
    {"plugins": [{"type": "x"}, {"type": "genie"}]},
    {"type": "bridge", "ipam": {"type": "genie"}},
    {"type": "flannel", "delegate": {"type": "genie"}},
    {"type": "multus", "delegates": [{"name": "n", "plugins": [{"type": "genie"}]}]},
    {"type": "x", "deep": {"er": [[{"ipam": {"type": "genie"}}]]}},
]


@pytest.mark.parametrize("config", BACK)
@pytest.mark.parametrize(
    "written", [json.dumps, lambda value: json.dumps(value).replace('"genie"', '"\\u0067enie"')]
)
def test_a_definition_cannot_call_genie_with_its_own_settings(desk, config, written):
    """As an IPAM plugin or another's delegate, root's Genie would write where the definition says (conformance B15)."""
    desk.nad("back", written({**config, **OWN_KEYS}))
    with pytest.raises(InvalidConfig, match="leads back to Genie"):
        desk.plan({NPWG: "back"})


def test_it_is_found_at_any_depth_without_exhausting_the_stack(desk):
    depth = 900
    text = '{"type": "x", "deep": ' + "[" * depth + '{"type": "genie"}' + "]" * depth + "}"
    desk.nad("back", text)
    with pytest.raises(InvalidConfig):
        desk.plan({NPWG: "back"})


def test_a_definition_does_not_set_the_runtimes_keys(desk):
    """`runtimeConfig` and `prevResult` of a stored configuration are taken out (conformance B44)."""
    desk.nad("loud", {"type": "x", "runtimeConfig": {"mac": "c2:b0:57:49:47:f1"}, "prevResult": {"ips": []}})
    assert set(read_by_plugins(desk.plan({NPWG: "loud"}))[1]) == {"type", "name", "cniVersion"}


# --- authors of logical networks ---------------------------------------------------------------------------------


@pytest.fixture
def tenant(desk):
    """The node has a bridge with a gateway, which is the default network, and a macvlan."""
    gateway = {"isGateway": True, "ipam": {"type": "host-local", "subnet": "10.1.0.0/16"}}
    desk.file("bridge", {"type": "bridge", "bridge": "cni0", **gateway})
    desk.file("lan", {"type": "macvlan", "master": "lo"})
    return desk


def test_a_logical_network_gives_its_plugin_a_subnet_and_nothing_else(tenant):
    given = {"plugin": "bridge", "dedicatedNet": True}
    tenant.logical("net", **FOREIGN_KEYS | given | {"sub_subnet": "10.66.0.0/24"})
    tenant.physical("phy", **FOREIGN_KEYS | given | {"subnet": "10.67.0.0/24"})
    tenant.logical("part", physicalNet="phy")
    for name, subnet in (("net", "10.66.0.0/24"), ("part", "10.67.0.0/24")):
        (found,) = read_by_plugins(tenant.plan({"networks": name}))
        bridge = found.pop("bridge")
        assert bridge.startswith("genie")
        assert found == {
            "cniVersion": "1.0.0",
            "name": f"bridge.{bridge[5:]}",
            "type": "bridge",
            "isGateway": True,
            "ipam": {"type": "host-local", "subnet": subnet},
        }


@pytest.mark.parametrize("subnet", ["10.1.0.0/16", "10.1.0.0/24", "10.0.0.0/8", "10.66.0.0/24", "fd00::/8"])
def test_no_subnet_leads_onto_the_bridge_of_the_other_pods_with_another_gateway(tenant, subnet):
    """That failed the ADD of every default pod. The file's own subnet has the file's own gateway."""
    tenant.logical("net", plugin="bridge", sub_subnet=subnet)
    (found,) = read_by_plugins(tenant.plan({"networks": "net"}))
    assert (found["bridge"] == "cni0") is (subnet == "10.1.0.0/16")


@pytest.mark.parametrize("plugin", ["bridge", "lan"])
@pytest.mark.parametrize(
    "subnet",
    [
        "0.0.0.0/0",
        "::/0",
        "127.0.0.0/24",
        "169.254.169.0/24",
        "224.0.0.0/8",
        "::/64",
        "fe80::/64",
        "ff02::/64",
    ],
)
def test_no_subnet_takes_what_every_node_needs(tenant, plugin, subnet):
    tenant.logical("net", plugin=plugin, sub_subnet=subnet)
    with pytest.raises(InvalidConfig, match="which pods cannot have"):
        tenant.plan({"networks": "net"})


@pytest.mark.parametrize(
    "nic", ["../lo", "lo/../lo", "lo ", "lo\n", "x" * 16, "l\0o", "%s", "", "-", "\ud800"]
)
def test_a_parent_interface_is_one_of_the_nodes(tenant, nic):
    tenant.physical("phy", nic=nic, dedicatedNet=True, plugin="lan")
    tenant.logical("net", physicalNet="phy")
    if nic:
        with pytest.raises(GenieError, match="refer_nic"):
            tenant.plan({"networks": "net"})
    else:
        assert read_by_plugins(tenant.plan({"networks": "net"}))[0]["master"] == "lo"


@pytest.mark.parametrize("created", ["", "0001-01-01T00:00:00Z", "1970"])
def test_an_older_network_of_another_namespace_is_not_taken_over(tenant, created):
    """The API server sets creationTimestamp; without one a network counts as old."""
    tenant.logical("theirs", "other", created=created, plugin="bridge", sub_subnet="10.66.0.0/24")
    tenant.logical("net", plugin="bridge", sub_subnet="10.66.0.0/25")
    with pytest.raises(InvalidConfig, match="Logicalnetwork other/theirs, which is older"):
        tenant.plan({"networks": "net"})
