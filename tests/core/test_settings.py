"""Genie's own configuration (conformance D14, D15; every key of the contract)."""

from typing import Any

import pytest

from genie_core.errors import InvalidConfig
from genie_core.settings import Settings

DEFAULTS: dict[str, Any] = {
    "default_plugin": "",
    "cadvisor_address": "",
    "log_level": "info",
    "log_file": "",
    "kubernetes": {},
    "policy": {},
    "conf_dirs": ["/etc/cni/net.d", "/etc/cni/genie/net.d"],
    "bin_dirs": ["/opt/cni/bin"],
    "state_dir": "/var/lib/cni/genie",
    "kubelet_dir": "/var/lib/kubelet",
    "api_timeout": 30,
    "delegate_timeout": 60,
    "default_networks": [],
    "system_namespaces": ["kube-system"],
    "namespace_isolation": False,
    "global_namespaces": ["default"],
    "allowed_networks": None,
    "annotation_dialects": ["cni", "networks", "attachments", "default-network"],
    "allow_cni_args": ["*"],
    "interface_prefix": "",
    "result": "merged",
    "readiness_file": "",
    "max_parallel_adds": 0,
    "parallel_attachments": False,
    "generate_missing": False,
    "live": True,
    "live_primary": False,
    "repair": "report",
    "repair_interval": 60,
    "collect_interval": 600,
    "problems": [],
}
KEYS = {"cadvisor_address": "cAdvisor_address", "api_timeout": "api_timeout_seconds"}
KEYS["delegate_timeout"] = "delegate_timeout_seconds"
KEYS |= {"repair_interval": "repair_interval_seconds", "collect_interval": "collect_interval_seconds"}

GOOD: dict[str, Any] = {
    "default_plugin": "weave, flannel@eth1",
    "cadvisor_address": "http://127.0.0.1:4194/",
    "log_level": "debug",
    "log_file": "/var/log/genie.log",
    "kubernetes": {"kubeconfig": "/k"},
    "policy": {"type": "k8s"},
    "conf_dirs": ["/a", "/b"],
    "bin_dirs": ["/c"],
    "state_dir": "/s",
    "kubelet_dir": "/k",
    "api_timeout": 0.5,
    "delegate_timeout": 10,
    "default_networks": ["a", "ns/b"],
    "system_namespaces": [],
    "namespace_isolation": True,
    "global_namespaces": ["shared"],
    "allowed_networks": {"shop": ["a", "vlan-*", "infra/*"], "team-*": [], "tier=gold,zone=a": ["*"]},
    "annotation_dialects": ["cni"],
    "allow_cni_args": ["*", "mtu", "example.com/*"],
    "interface_prefix": "net",
    "result": "primary",
    "readiness_file": "/run/flannel/subnet.env",
    "max_parallel_adds": 8,
    "parallel_attachments": True,
    "generate_missing": True,
    "live": False,
    "live_primary": True,
    "repair": "fix",
    "repair_interval": 5,
    "collect_interval": 30,
}
BAD: dict[str, list[Any]] = {
    "default_plugin": [["a"], 7],
    "cadvisor_address": [7],
    "log_level": [7, ["debug"]],
    "log_file": ["relative", 7, "/a\0b"],
    "kubernetes": ["x", []],
    "policy": ["x", []],
    "conf_dirs": ["/a", [7], ["relative"], ["/a", ""], ["/\0"], ["/\ud83e"], {}],
    "bin_dirs": ["/a", [None], ["relative"]],
    "state_dir": ["relative", "/\ud83e", 7],
    "kubelet_dir": ["relative", "/\ud83e", 7],
    "api_timeout": ["5", -1, 0, True, 1e9],
    "delegate_timeout": ["5", -1, 0, [], 1e9],
    "default_networks": ["a", [7], ["a/b/c"], [""], ["/b"], ["a/ "]],
    "system_namespaces": ["a", [7]],
    "namespace_isolation": ["perhaps", 1],
    "global_namespaces": ["a", [7]],
    "allowed_networks": [
        "a",
        ["a"],
        {"shop": "a"},
        {"shop": [7]},
        {"shop": [""]},
        {"shop": ["a/b/c"]},
        {"": ["a"]},
        {"=gold": ["a"]},
        {"tier=": ["a"]},
        {"tier=gold,": ["a"]},
        {"shop": ["a\n"]},
    ],
    "annotation_dialects": ["cni", ["multus"], [7], {}],
    "allow_cni_args": ["mtu", [7], [""], ["a\n"], {}],
    "interface_prefix": ["a/b", "a b", "abcdefghijkl", 7, "é" * 6, "\0", "%d", "-x", 'a"b'],
    "result": ["both", 7],
    "readiness_file": ["relative", 7],
    "max_parallel_adds": [-1, "8", True],
    "parallel_attachments": ["perhaps", 1],
    "generate_missing": ["perhaps", 1],
    "live": ["perhaps", 1],
    "live_primary": ["perhaps", 1],
    "repair": ["mend", 1],
    "repair_interval": [0, "x"],
    "collect_interval": [0, "x"],
}


def settings(**values):
    return Settings({KEYS.get(name, name): value for name, value in values.items()})


def test_defaults():
    found = vars(settings())
    assert {name: found[name] for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize("name", GOOD)
def test_each_key_is_taken_and_null_is_absent(name):
    assert getattr(settings(**{name: GOOD[name]}), name) == GOOD[name]
    assert getattr(settings(**{name: None}), name) == DEFAULTS[name]


@pytest.mark.parametrize("name,value", [(name, value) for name, values in BAD.items() for value in values])
def test_each_key_is_checked_and_named(name, value):
    key = KEYS.get(name, name)
    with pytest.raises(InvalidConfig, match=f"^{key}"):
        settings(**{name: value})


@pytest.mark.parametrize("name", BAD)
def test_a_del_goes_on_with_the_default_and_says_so(name):
    """A64: forgiving, for what must not fail."""
    found = Settings({KEYS.get(name, name): BAD[name][0]}, forgiving=True)
    assert getattr(found, name) == DEFAULTS[name]
    assert len(found.problems) == 1


@pytest.mark.parametrize(
    "word,level",
    [
        ("WARN", "warning"),
        ("Fatal", "error"),
        ("panic", "error"),
        ("trace", "info"),
        ("", "info"),
        ("Error", "error"),
    ],
)
def test_levels_as_cni_genie_took_them(word, level):
    assert settings(log_level=word).log_level == level


def test_dialects_are_called_by_their_annotations_too():
    keys = ["k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network", "cni"]
    assert settings(annotation_dialects=keys).annotation_dialects == ["attachments", "default-network", "cni"]


def test_d14_unknown_keys_are_ignored():
    keys = ("datastore_type", "hostname", "romana_root", "segment_label_name", "etcd_endpoints")
    assert vars(Settings(dict.fromkeys(keys, "x")))["problems"] == []


@pytest.mark.parametrize("prefix", ["abcdefghijk", "é" * 5, "net", "ETH_"])
def test_prefixes_leave_room_for_a_number(prefix):
    assert settings(interface_prefix=prefix).interface_prefix == prefix


def test_an_indicator_is_a_name_and_a_command():
    own = [{"name": "rtt_1", "exec": "/a"}, {"name": "b", "exec": ["/b", "-q"]}]
    found = settings(smart_selection={"indicators": own}).smart_selection
    assert found.indicators == [("rtt_1", ["/a"]), ("b", ["/b", "-q"])]


@pytest.mark.parametrize(
    "indicators",
    [
        "rtt",
        ["rtt"],
        [{"name": "rtt"}],
        [{"exec": "/a"}],
        [{"name": "rtt", "exec": "a"}],
        [{"name": "rtt", "exec": []}],
        [{"name": "rtt", "exec": ["a"]}],
        [{"name": "rtt", "exec": ["/a", 7]}],
        [{"name": "rtt", "exec": "/a\0"}],
        [{"name": "address_use", "exec": "/a"}],
        [{"name": "a b", "exec": "/a"}],
        [{"name": "rtt", "exec": "/a"}, {"name": "rtt", "exec": "/b"}],
    ],
)
def test_an_indicator_that_cannot_be_one(indicators):
    with pytest.raises(InvalidConfig, match=r"^smart_selection\.indicators"):
        settings(smart_selection={"indicators": indicators})
