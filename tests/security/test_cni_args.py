"""`cni-args` goes to every plugin of a definition: it is no way around the consent that its capabilities give."""

import json
import re
from pathlib import Path

import pytest

from genie_core.errors import InvalidConfig
from genie_core.select.cni_args import GUARDED
from tests.desk import Desk, read_by_plugins
from tests.plugin.cluster import NPWG
from tests.security.test_folded_keys import MAC, spellings

VALUES = {"ips": ["10.9.0.5/24"], "mac": MAC, "sysctl": {"net.ipv4.conf.all.forwarding": "1"}}
SETTINGS = ["mtu", "promisc", "allmulti", "txQLen", "sysctl", "sysctls", "gateway", "routes", "subnet"]


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.file("a")
    desk.nad("net", {"type": "x"})
    desk.nad("open", {"type": "x", "capabilities": {"ips": True, "mac": True}})
    return desk


def given(desk, args, name="net", **settings):
    """What the definition's plugin reads under args.cni."""
    annotations = {NPWG: json.dumps([{"name": name, "cni-args": args}])}
    return read_by_plugins(desk.plan(annotations, **settings))[1]["args"]["cni"]


def refusal(desk, args, **settings):
    with pytest.raises(InvalidConfig) as caught:
        given(desk, args, **settings)
    assert caught.value.code == 7
    assert caught.value.msg.startswith('annotation k8s.v1.cni.cncf.io/networks, entry 1 ("')
    return str(caught.value)


@pytest.mark.parametrize("key", GUARDED)
def test_what_needs_consent_is_not_set_by_cni_args_in_any_spelling(desk, key):
    for other in (key, *spellings(key)):
        value = VALUES.get(key, 1)
        for allowed in (["*"], [], ["*", "x*", "m*", "ip*"]):
            problem = refusal(desk, {"label": 1, other: value}, allow_cni_args=allowed) if allowed else ""
            assert not problem or f"cni-args: {other} is not a pod's to set on this node" in problem
    assert "allow_cni_args" in refusal(desk, {key: value})


@pytest.mark.parametrize("key", ["ips", "mac"])
def test_the_definitions_capability_is_that_consent(desk, key):
    for other in (key, *spellings(key)):
        assert given(desk, {other: VALUES[key]}, name="open") == {other: VALUES[key]}
    with pytest.raises(InvalidConfig, match="is not a pod's to set"):
        given(desk, {"gateway": "10.9.0.1"}, name="open")


@pytest.mark.parametrize("key", SETTINGS)
def test_an_administrator_allows_a_setting_by_its_name(desk, key):
    value = VALUES.get(key, 1)
    for other in (key, *spellings(key)):
        assert given(desk, {key: value, "label": 2}, allow_cni_args=["*", other]) == {key: value, "label": 2}
    assert given(desk, {key: value}, allow_cni_args=[key]) == {key: value}


def test_patterns_name_what_is_allowed_besides(desk):
    allowed = ["labels", "example.com/*"]
    args = {"labels": {"a": 1}, "example.com/x": "y"}
    assert given(desk, args, allow_cni_args=allowed) == args
    for key in ("label", "example.org/x", "xlabels"):
        assert f"cni-args: {key} is not" in refusal(desk, {key: 1}, allow_cni_args=allowed)
        assert f"cni-args: {key} is not" in refusal(desk, {key: 1}, allow_cni_args=[])


@pytest.mark.parametrize("name", ["net", "open"])
@pytest.mark.parametrize(
    "args",
    [
        {"ips": ["127.0.0.1/8"]}, {"ips": ["0.0.0.0/0"]}, {"ips": ["224.0.0.1"]}, {"ips": "10.0.0.1"}, {"ips": [5]},
        {"ips": ["10.0.0.1; x"]}, {"IPs": ["10.0.0.300"]}, {"mac": "x"}, {"Mac": 5}, {"mac": None}, {"ips": None},
    ],
)  # fmt: skip
def test_allowed_addresses_are_judged_as_those_of_the_standards_keys(desk, name, args):
    refusal(desk, args, name=name, allow_cni_args=["ips", "mac"])


@pytest.mark.parametrize(
    "args", [{"label": 1, "LABEL": 2}, {"mtu": 1, "MTU": 2}, {"deep": [{"a\u017f": 1, "aS": 2}]}]
)
def test_a_key_that_is_there_twice_is_refused(desk, args):
    assert "in one object are one key to a plugin" in refusal(desk, args, allow_cni_args=["*", "mtu"])


def test_the_page_lists_the_guarded_keys():
    page = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()
    (listed,) = re.findall(r"never for a guarded key: (.*?)\. Letter", page, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", listed)) == set(GUARDED)
