"""The page of metrics: the names of the documentation, each once, from the start."""

import re

from prometheus_client.parser import text_string_to_metric_families

from genie_core.metrics import Run, counted
from genie_core.tasks.agent.metrics import Metrics
from tests.live.live import ROOT


def families(page):
    return [line.split()[2] for line in page.decode().splitlines() if line.startswith("# TYPE ")]


def test_the_documentation_lists_what_is_served(tmp_path):
    file = tmp_path / "genie.prom"
    file.write_text(
        "node_load1 1\ngenie_sync_total 7\n" + counted("", "ADD", 0, 1, [Run("ADD", "a", "b", 1)])
    )
    file.chmod(0o600)
    listed = re.findall(r"^\| `(genie_\w+)` \|", (ROOT / "docs" / "watch-it.md").read_text(), re.MULTILINE)
    served = families(Metrics().page(str(file)))
    assert sorted(served) == sorted(listed)


def test_counters_begin_with_zero():
    found = list(text_string_to_metric_families(Metrics().page("").decode()))
    (sync,) = [family for family in found if family.name == "genie_sync"]
    assert len(sync.samples) == 12
    assert {sample.value for sample in sync.samples} == {0}


def test_the_metric_of_a_network_without_pods_is_removed():
    metrics = Metrics()
    metrics.set_attachments({"blue": 2, "red": 1}, {"blue": (2, 254)})
    metrics.set_attachments({"blue": 1}, {})
    text = metrics.page("").decode()
    assert 'genie_attachments{network="blue"} 1.0' in text
    assert "red" not in text
    assert "genie_addresses{" not in text
