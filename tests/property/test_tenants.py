"""Whatever files, objects, settings and annotations there are: a pod never gets a network that it may not take."""

import itertools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genie_core.errors import GenieError
from genie_core.select.allowed import is_allowed
from genie_core.select.files import derived_name
from tests.desk import Desk
from tests.plugin.cluster import NPWG
from tests.security.test_pod_authors import DEFAULT_NETWORK

pytestmark = pytest.mark.property

NAMES = st.sampled_from(["a", "b", "c", "d", "10-a", "20-b"])
# the name inside a file and its plugin may be other files' names
FILES = st.lists(st.tuples(NAMES, st.sampled_from(["a", "b", "c"]), NAMES), min_size=2, max_size=4)
WISHES = st.tuples(NAMES, st.sampled_from(["", "@x0", "@x1"])).map("".join)
NETWORKS = st.lists(WISHES, min_size=1, max_size=3).map(",".join)
DEFINITIONS = st.sampled_from(["a", "b", "ns/b", "other/a", "other/b"])
OBJECTS = st.lists(DEFINITIONS, min_size=1, max_size=2).map(",".join)
ANNOTATIONS = st.one_of(
    st.fixed_dictionaries({"cni": NETWORKS | st.just("")}),
    st.fixed_dictionaries({"networks": NETWORKS}),
    st.fixed_dictionaries({NPWG: OBJECTS}, optional={DEFAULT_NETWORK: OBJECTS, "cni": NETWORKS}),
    st.fixed_dictionaries({DEFAULT_NETWORK: OBJECTS}),
)
PATTERNS = st.lists(NAMES | st.sampled_from(["*", "1*", "other/*", "other/a"]), max_size=2)
RULES = st.dictionaries(st.sampled_from(["ns", "n*", "other", "tier=gold", "tier=no"]), PATTERNS, max_size=3)
NUMBERS = itertools.count()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(FILES, ANNOTATIONS, RULES, st.dictionaries(NAMES, NAMES, max_size=2))
def test_no_pod_gets_what_its_namespace_may_not_take(tmp_path, files, annotations, rules, logical):
    folder = tmp_path / str(next(NUMBERS))
    folder.mkdir()
    desk = Desk(folder)
    for number, (name, inner, plugin) in enumerate(files):
        desk.file(inner, plugin, file=f"{number}0-{name}.conflist")
    for name, plugin in logical.items():
        desk.logical(name, plugin=plugin)
    for namespace, name in itertools.product(("ns", "other"), ("a", "b")):
        desk.nad(name, {"type": "x"} if name == "a" else None, namespace=namespace)
    labels = {"tier": "gold"}
    desk.objects.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns", "labels": labels}})
    try:
        plan = desk.plan(annotations, namespace_isolation=True, allowed_networks=rules)
    except GenieError:
        return
    (default,) = desk.plan({})
    for attachment in plan:
        source = attachment.network.source
        if attachment.label.startswith("other/"):
            assert is_allowed(rules, "ns", attachment.label, lambda: labels)
        if source.startswith("/") and source != default.network.source:
            assert is_allowed(rules, "ns", derived_name(source), lambda: labels), json.dumps([source, rules])
