"""The examples of docs/networks.md, run through the real rules; its tables name what there is."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from genie_core.attach import drive
from genie_core.default_routes import by_interface, settle
from genie_core.errors import GenieError
from genie_core.indicators import INDICATORS
from genie_core.jsontext import encode
from genie_core.model import Plan
from genie_core.routes import owners_by_results
from genie_core.spec.result import convert
from genie_core.steps import SetDefaultRoutes
from tests.desk import Desk
from tests.plugin.test_devices import RESOURCE, VF, Kubelet

DOCS = Path(__file__).parent.parent / "docs"
V4, V6 = "0.0.0.0/0", "::/0"
PAGE = (DOCS / "networks.md").read_text()
FENCES = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
YAML = [yaml.safe_load(text) for kind, text in FENCES if kind == "yaml"]
# A pod's annotations, and the block behind them: what it gets.
EXAMPLES = [
    (yaml.safe_load(text)["metadata"]["annotations"], outcome)
    for (kind, text), (behind, outcome) in pairwise(FENCES)
    if (kind, behind) == ("yaml", "text")
]


@pytest.fixture
def desk(tmp_path):
    """The page's node and its objects."""
    desk = Desk(tmp_path, namespace="shop")
    desk.settings["default_plugin"] = "bridge"
    desk.settings["kubelet_dir"] = str(tmp_path / "kubelet")
    Kubelet(tmp_path / "kubelet").allocate(("u1", "app", RESOURCE, {"-1": VF[:2]}))
    for name in ("bridge", "flannel", "macvlan", "weave"):
        desk.file(name)
    for manifest in YAML:
        if "kind" in manifest:
            desk.objects.add(manifest)
    return desk


@pytest.mark.parametrize("annotations, outcome", EXAMPLES)
def test_examples(desk, annotations, outcome):
    if outcome.startswith("refused: "):
        with pytest.raises(GenieError) as caught:
            desk.plan(annotations)
        assert caught.value.msg.startswith(outcome.removeprefix("refused: ").strip())
        return
    got = [[item.ifname, item.label] for item in desk.plan(annotations)]
    assert got == [line.split() for line in outcome.splitlines()]


TENANTS = (DOCS / "tenants.md").read_text()
TENANTS_CONFIG, *_ = (
    json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", TENANTS, re.DOTALL | re.MULTILINE)
)
TENANTS_EXAMPLES = re.findall(
    r"^```yaml\n# namespace: (\w+)\n(.*?)^```\n\n```text\n(.*?)^```$", TENANTS, re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize("namespace, manifest, outcome", TENANTS_EXAMPLES)
def test_examples_of_the_tenants_page(tmp_path, namespace, manifest, outcome):
    desk = Desk(tmp_path, namespace=namespace)
    desk.settings |= TENANTS_CONFIG | {"default_plugin": "bridge"}
    for name in ("bridge", "storage", "macvlan"):
        desk.file(name)
    desk.nad("backup", {"type": "x"}, namespace="infra")
    desk.logical("orders", plugin="storage")
    for labels in ({"name": "shop"}, {"name": "lab"}):
        desk.objects.add({"apiVersion": "v1", "kind": "Namespace", "metadata": labels})
    test_examples(desk, yaml.safe_load(manifest)["metadata"]["annotations"], outcome)


def test_every_example_has_an_outcome():
    assert len(TENANTS_EXAMPLES) == TENANTS.count("```yaml") == 4

    assert len(EXAMPLES) == sum("annotations" in item["metadata"] for item in YAML if "kind" not in item) > 7


# The table of "Which network has the default routes", and what its plugins bring.
ROUTED = re.findall(r"^\| (nothing.*|`\S+: .*`) \| (`\w+`|none) \| (`\w+`|none) \|$", PAGE, re.MULTILINE)
BRINGS = {
    "bridge": [V4, V6],
    "macvlan": [V4],
    "shop/storage": [V4],
    "shop/orders": [V4],
    "weave": [V6],
    "flannel": [],
}


@pytest.mark.parametrize("asked, v4, v6", ROUTED)
def test_which_network_has_the_default_routes(desk, asked, v4, v6):
    said = yaml.safe_load(asked.strip("`")) if asked.startswith("`") else {}
    key = next(iter(said), "")
    annotations, settings = ({}, said) if key.startswith("default_") else (said, {})
    attachments = desk.plan(annotations, **settings)
    plan = Plan("c1", "eth0", "/netns", [], None, "boot", attachments)
    routes = [[{"dst": dst} for dst in BRINGS[item.label]] for item in attachments]
    texts = [encode({"cniVersion": "1.0.0", "routes": item}) for item in routes]
    results = [convert(text, "1.0.0", "1.0.0", "") for text in texts]
    settle_without_kernel(plan, results)
    left = {item.ifname: result.text for item, result in zip(attachments, results, strict=True)}
    for dst, expected in ((V4, v4), (V6, v6)):
        owners = [ifname for ifname, text in left.items() if dst in text]
        assert owners == ([] if expected == "none" else [expected.strip("`")])


def settle_without_kernel(plan, results):
    """The kernel's part: each change is made as the results have it."""
    parsed = by_interface(plan, results)

    def perform(step):
        changes = step.changes if isinstance(step, SetDefaultRoutes) else []
        owners = owners_by_results(changes, parsed)
        return encode([owner or change.ifname for owner, change in zip(owners, changes, strict=True)])

    drive(settle(plan, results), perform)


def test_the_table_of_default_routes_is_found():
    assert len(ROUTED) == 13


@pytest.mark.parametrize("name, indicator", INDICATORS.items())
def test_the_weights_of_the_table(name, indicator):
    assert re.search(rf"^\| `{name}` \|.*\| {indicator.weight:g} \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if "://" in target:
            continue
        found = page.parent / file if file else page
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, target
