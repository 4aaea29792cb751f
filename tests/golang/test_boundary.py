"""What plugins get, decoded as Go decodes it, is what Genie's own model says that it gave: whatever the definition and
whatever the annotation. No key of a definition is read otherwise by a plugin than by Genie, and no value of an
annotation reaches a plugin but in its own place."""

import ipaddress
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genie_core.errors import InvalidConfig
from genie_core.gojson import view
from genie_core.spec.conf import capabilities_of, plugin_input
from tests.desk import Desk
from tests.golang import texts
from tests.golang.decoder import Any, GoError, Map, Pointer, Slice, Struct, decode, with_floats
from tests.golang.plugin import PLUGIN
from tests.plugin.cluster import NPWG

pytestmark = pytest.mark.property
few = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
SEEDS = st.integers(0, 2**40)
# What only Genie and the runtime set: their own fields of the struct.
SET_BY_GENIE = ("cniVersion", "name", "type", "capabilities", "prevResult", "cni.dev/valid-attachments",
                "cni.dev/attachments", "runtimeConfig")  # fmt: skip
MAC, DEVICE = "c2:b0:57:49:47:f1", "0000:03:02.0"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.file("a")
    return desk


def given_to_plugins(desk, annotations):
    """(attachment, plugin, what a plugin decodes of its stdin) of the second network; [] where the ADD is refused."""
    try:
        item = desk.plan(annotations)[-1]
    except InvalidConfig as error:
        assert error.code == 7
        return []
    given = []
    for plugin in item.network.plugins:
        stdin = plugin_input(item.network, plugin, capabilities=item.capabilities)
        try:
            given.append((item, plugin, decode(PLUGIN, stdin.encode())))
        except GoError:  # the plugin ends before it does anything
            return []
    return given


# --- definitions ---------------------------------------------------------------------------------------------


def definition(rng):
    """A plugin's configuration, nearly right."""
    keys = [
        "type",
        *rng.sample(list(PLUGIN.fields), rng.randrange(6)),
        *rng.choices(["unknown", "type"], k=rng.randrange(2)),
    ]
    pairs = [(texts.respelled(rng, key), texts.text(rng, PLUGIN.fields.get(key, Any()), 1)) for key in keys]
    if rng.random() < 0.8:
        pairs[0] = (texts.respelled(rng, "type"), rng.choice(['"bridge"', '"x"', '"genie"']))
    rng.shuffle(pairs)
    single = texts.members(rng, pairs)
    if rng.random() < 0.6:
        return single
    return texts.members(rng, [("name", '"n"'), (texts.respelled(rng, "plugins"), f"[{single}]")])


def projected(shape, value):
    """Genie's view of a value, in the form of the struct: each field looked up as Genie looks keys up."""
    if isinstance(shape, Pointer):
        return None if value is None else projected(shape.shape, value)
    if isinstance(shape, Struct):
        return {
            name: projected(inner, value.get(name) if value else None) for name, inner in shape.fields.items()
        }
    if value is None:
        return shape.zero
    if isinstance(shape, Slice):
        return [projected(shape.shape, inner) for inner in value]
    if isinstance(shape, Map):
        return {_clean(key): projected(shape.shape, inner) for key, inner in value.items()}
    return with_floats(_clean(value)) if isinstance(shape, Any) else _clean(value)


def _clean(value):
    """Genie keeps a lone surrogate's escape as it is, and Go puts U+FFFD in its place."""
    if isinstance(value, dict):
        return {_clean(key): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in value)
    return value


def is_called_genie(value):
    """Whether an object of a decoded value has a key that a further Go program takes for `type`, with that name."""
    if isinstance(value, dict):
        return any(
            (key.lower() == "type" and inner == "genie") or is_called_genie(inner)
            for key, inner in value.items()
        )
    return isinstance(value, list) and any(map(is_called_genie, value))


def judge_definition(desk, seed):
    """Judge one definition; whether it was accepted."""
    rng = random.Random(seed)
    desk.nad("net", definition(rng))
    given = given_to_plugins(desk, {NPWG: '[{"name": "net"}]'})
    for item, plugin, found in given:
        assert (found["type"], found["name"], found["cniVersion"]) == (
            plugin.type, item.network.name, item.network.version,
        )  # fmt: skip
        own = {name: found[name] for name in SET_BY_GENIE[3:]}
        assert own == {name: PLUGIN.zero[name] for name in SET_BY_GENIE[3:]}
        assert not is_called_genie(found)
        seen = view(plugin.text)
        for key, shape in PLUGIN.fields.items():
            assert key in SET_BY_GENIE or found[key] == projected(shape, seen.get(key)), key
    return bool(given)


@few
@given(SEEDS)
def test_a_plugin_reads_of_a_definition_what_genie_reads(desk, seed):
    judge_definition(desk, seed)


def test_many_definitions_are_taken(desk):
    """The property is tested with enough accepted definitions."""
    assert sum(judge_definition(desk, seed) for seed in range(200)) > 40


# --- annotations ---------------------------------------------------------------------------------------------

ALL = {
    "type": "bridge",
    "capabilities": dict.fromkeys(["ips", "mac", "portMappings", "bandwidth", "deviceID"], True),
}
GOOD = {
    "ips": ["10.1.2.3/24", "2001:DB8::1"],
    "mac": MAC,
    "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "UDP", "hostIP": "2001:DB8:0::7"}],
    "bandwidth": {"ingressRate": 1000, "egressRate": 2000, "egressBurst": 3000},
    "deviceID": DEVICE,
    "cni-args": {"label": "x", "deep": {"type": "genie"}},
    "default-route": ["10.1.2.1"],
}  # fmt: skip


def entry(rng):
    """An entry of the annotation, now and then with one thing wrong."""
    found = {"name": "net", **{key: GOOD[key] for key in rng.sample(list(GOOD), rng.randrange(len(GOOD)))}}
    if rng.random() < 0.3:
        found["unknown"] = "pwned"
    text = json.dumps(found)
    if rng.random() < 0.6:
        keys = [
            key
            for key in ("hostPort", "protocol", "hostIP", "ingressRate", "mac", "ips", *GOOD)
            if f'"{key}"' in text
        ]
        if keys:
            key = rng.choice(keys)
            value = rng.choice(['"pwned"', "22", "null", '["pwned"]', '{"pwned": 1}', "80"])
            added = f'{texts.string(rng, texts.respelled(rng, key))}: {value}, "{key}"'
            text = text.replace(f'"{key}"', added, 1)
    return text


def expected(written):
    """runtimeConfig and the rest, from the entry as written, without a line of Genie's."""
    data = json.loads(written)
    built = PLUGIN.zero["runtimeConfig"]
    if "ips" in data:
        built["ips"] = [_address(ip) for ip in data["ips"]]
    built["mac"] = data.get("mac") or ""
    built["deviceID"] = data.get("deviceID") or ""
    if data.get("portMappings"):
        built["portMappings"] = [
            {
                "hostPort": item["hostPort"],
                "containerPort": item["containerPort"],
                "protocol": item.get("protocol", "tcp").lower(),
                "hostIP": _address(item["hostIP"]) if item.get("hostIP") else "",
            }
            for item in data["portMappings"]
        ]
    if data.get("bandwidth"):
        rates = {key: value for key, value in data["bandwidth"].items() if value is not None}
        for side in ("ingress", "egress"):
            if f"{side}Rate" in rates:
                rates.setdefault(f"{side}Burst", 2**31 - 1)
        built["bandwidth"] = {
            **dict.fromkeys(["ingressRate", "ingressBurst", "egressRate", "egressBurst"], 0),
            **rates,
        }
    return built


def _address(text):
    address, slash, length = text.partition("/")
    return f"{ipaddress.ip_address(address)}{slash}{length}"


def judge_annotation(desk, seed):
    rng = random.Random(seed)
    written = entry(rng)
    desk.nad("net", ALL)
    ((_, _, plain),) = given_to_plugins(desk, {NPWG: '[{"name": "net"}]'})
    given = given_to_plugins(desk, {NPWG: f"[{written}]"})
    for item, plugin, found in given:
        assert capabilities_of(plugin) == set(ALL["capabilities"])
        assert found["runtimeConfig"] == expected(written), written
        device = json.loads(written).get("deviceID") or ""
        args = json.loads(written).get("cni-args")
        stdin = json.loads(plugin_input(item.network, plugin, capabilities=item.capabilities))
        assert stdin.pop("args", {"cni": args or {}}) == {"cni": args or {}}
        stdin.pop("runtimeConfig", None)
        assert {key: stdin[key] for key in stdin if key not in {"deviceID", "pciBusID"}} == {
            key: plain[key] for key in ("type", "name", "cniVersion")
        }
        assert (found["deviceID"], found["pciBusID"]) == (device, device)
    return bool(given)


@few
@given(SEEDS)
def test_a_plugin_reads_of_an_annotation_what_it_says_and_nothing_else(desk, seed):
    judge_annotation(desk, seed)


def test_many_annotations_are_taken(desk):
    assert sum(judge_annotation(desk, seed) for seed in range(200)) > 80
