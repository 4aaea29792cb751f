"""Whatever a pod's annotations and the cluster's objects say: networks, or an error in words; never a crash.

The strategies are biased towards what is nearly right. Conformance C07, C12, C34, D05, X21, X22, X28.
"""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genie_core.errors import INTERNAL, GenieError, InvalidConfig
from genie_core.select.names import parse_names
from genie_core.spec.request import ifname_problem
from tests import manifests
from tests.desk import Desk

pytestmark = pytest.mark.property

NAMES = st.sampled_from(
    ["a", "b", "net", "logical", "phy", "nobody", "", "A", "a/b", "ns/net", "../x", "a.b", "ä"]
)
IFNAMES = st.sampled_from(["eth0", "eth1", "net1", "lo", "", "x" * 16, "a:b", "a b", "eth1\n"])
SUBNETS = st.sampled_from(
    ["10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/24", "fd00::/64", "x", "", "0.0.0.0/0", "10.0.0.0/33"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
JSON = st.recursive(
    SCALARS | NAMES | SUBNETS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
ITEMS = st.tuples(NAMES, st.sampled_from(["", "@", ":", "@@", " @ "]), IFNAMES).map("".join)
SHORT = st.lists(ITEMS, max_size=4).map(",".join)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES | JSON,
        "namespace": NAMES | JSON,
        "interface": IFNAMES | JSON,
        "ips": st.lists(SUBNETS) | JSON,
        "mac": JSON,
        "bandwidth": JSON,
        "portMappings": JSON,
        "cni-args": st.dictionaries(st.text(max_size=4), JSON, max_size=2) | JSON,
        "default-route": JSON,
        "deviceID": JSON,
    },
)
LONG = st.lists(ENTRY | JSON, max_size=3).map(json.dumps)
VALUES = SHORT | LONG | JSON.map(json.dumps) | st.text(max_size=20)
ANNOTATIONS = st.fixed_dictionaries(
    {},
    optional={
        "cni": VALUES,
        "networks": VALUES,
        "k8s.v1.cni.cncf.io/networks": VALUES,
        "v1.multus-cni.io/default-network": VALUES,
    },
)
PLUGIN = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["a", "b", "genie", "../x", ""]) | JSON,
        "name": NAMES | JSON,
        "capabilities": st.dictionaries(st.sampled_from(["ips", "mac", "x"]), st.booleans()) | JSON,
        "ipam": st.fixed_dictionaries(
            {}, optional={"type": st.text(max_size=5), "subnet": SUBNETS, "ranges": JSON}
        )
        | JSON,
        "args": st.fixed_dictionaries({}, optional={"cni": JSON}) | JSON,
    },
)
CONFIG = PLUGIN | st.fixed_dictionaries(
    {"plugins": st.lists(PLUGIN, max_size=2) | JSON},
    optional={"name": NAMES | JSON, "cniVersion": st.sampled_from(["1.0.0", "0.4.0", "9.9.9", ""]) | JSON},
)
NAD_SPEC = st.fixed_dictionaries({}, optional={"config": CONFIG.map(json.dumps) | JSON}) | JSON
LOGICAL_SPEC = (
    st.fixed_dictionaries(
        {}, optional={"physicalNet": NAMES | JSON, "plugin": NAMES | JSON, "sub_subnet": SUBNETS | JSON}
    )
    | JSON
)
STATUS = (
    st.fixed_dictionaries(
        {}, optional={"dedicatedNet": st.booleans() | JSON, "plugin": NAMES | JSON, "subnet": SUBNETS | JSON}
    )
    | JSON
)
PHYSICAL_SPEC = st.fixed_dictionaries({}, optional={"sharedStatus": STATUS, "sharedStaus": STATUS}) | JSON


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.file("a", {"type": "a", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/16"}]]}})
    desk.file("b", {"type": "b", "capabilities": {"ips": True}})
    desk.timeout = 0.1
    return desk


def reset(desk, nad=None, logical=None, physical=None):
    """Put these specifications in place of the ones that work."""
    good = {
        "nad": {"config": '{"cniVersion": "1.0.0", "type": "b", "capabilities": {"ips": true, "mac": true}}'},
        "logical": {"physicalNet": "phy", "plugin": "a", "sub_subnet": "10.1.2.0/24"},
        "physical": {"sharedStatus": {"dedicatedNet": False, "subnet": "10.1.0.0/16"}},
    }
    desk.objects.add({**manifests.nad("net"), "spec": good["nad"] if nad is None else nad})
    desk.objects.add(
        {**manifests.logical("logical"), "spec": good["logical"] if logical is None else logical}
    )
    desk.objects.add(
        {**manifests.physical("phy"), "spec": good["physical"] if physical is None else physical}
    )


def check(desk, annotations):
    """Decide; the decision or the error must be consistent."""
    desk.api.requests.clear()
    try:
        planned = desk.plan(annotations, smart_selection={"candidates": ["b"]})
    except GenieError as error:
        assert error.code != INTERNAL, error
        assert error.msg
    else:
        names = [item.ifname for item in planned]
        assert "eth0" in names
        assert len(set(names)) == len(names)
        assert not any(ifname_problem(name) for name in names)
        assert all(plugin.type != "genie" for item in planned for plugin in item.network.plugins)
    paths = [request.target.split("/") for request in desk.api.requests]
    assert all(".." not in path and "secrets" not in path for path in paths)


relaxed = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=120
)


@relaxed
@given(ANNOTATIONS)
def test_any_annotations(desk, annotations):
    reset(desk)
    check(desk, annotations)


@relaxed
@given(
    NAD_SPEC,
    st.sampled_from(["net", '[{"name": "net", "ips": ["10.0.0.1"], "cni-args": {"a": 1}, "deviceID": "d"}]']),
)
def test_x28_any_network_attachment_definition(desk, spec, value):
    reset(desk, nad={} if spec is None else spec)
    check(desk, {"k8s.v1.cni.cncf.io/networks": value})


@relaxed
@given(LOGICAL_SPEC, PHYSICAL_SPEC)
def test_x28_any_logical_and_physical_network(desk, logical, physical):
    reset(desk, logical={} if logical is None else logical, physical={} if physical is None else physical)
    check(desk, {"cni": "", "networks": "logical"})


@given(
    st.lists(
        st.tuples(
            st.text("abc-.é_", min_size=1, max_size=9),
            st.none() | st.from_regex(r"[abcXYZ09_.][abcXYZ09_.-]{2,14}", fullmatch=True),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_d03_names_are_read_as_they_were_written(items):
    written = ",".join(name + (f" @ {to} " if to else "") for name, to in items)
    assert [(selection.name, selection.ifname) for selection in parse_names(written, "x")] == [
        (name, to or "") for name, to in items
    ]


@given(st.text(max_size=30) | SHORT)
def test_d05_any_text_names_networks_or_is_refused_by_item(text):
    try:
        selections = parse_names(text, "annotation cni")
    except InvalidConfig as error:
        assert error.msg.startswith("annotation cni, item ")
    else:
        assert all(
            selection.name and not ifname_problem(selection.ifname or "ok") for selection in selections
        )
