"""Prometheus' rules and Grafana's dashboard are what these programs read, and name nothing that the agent lacks."""

import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from genie_core.findings import Severity
from genie_core.metrics import Run, counted
from genie_core.tasks.agent.metrics import Metrics
from genie_core.tasks.explain import explain

MONITORING = Path(__file__).parents[2] / "deploy/monitoring"
RULES = yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
EXPRESSIONS = [
    *[pytest.param(rule["expr"], id=rule["alert"]) for rule in RULES],
    *[
        pytest.param(target["expr"], id=panel["title"])
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    ],
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Name of a sample -> its labels, and the values of each that there are from the start."""
    file = tmp_path_factory.mktemp("metrics") / "genie.prom"
    file.write_text(counted("", "ADD", 0, 0.1, [Run("ADD", "n", "bridge", 0.1)]))
    metrics = Metrics()
    metrics.set_attachments({"n": 1}, {"n": (1, 10)})
    metrics.set_findings({("GN1610", str(severity)): 1.0 for severity in Severity})
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(metrics.page(str(file)).decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_metric_of_an_expression_is_served(served, expression):
    asked = re.findall(r"(genie_\w+)(?:\{([^}]*)\})?", expression)
    assert asked or expression.startswith("up{")
    for name, selector in asked:
        assert name in served
        for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', selector):
            if label == "instance":  # Prometheus adds it
                continue
            wanted = set(value.split("|")) if operator == "=~" else {value}
            assert wanted <= served[name][label], (label, value)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_labels_that_are_summed_by_are_served(served, expression):
    names = re.findall(r"genie_\w+", expression)
    for labels in re.findall(r"\bby \(([^)]*)\)", expression):
        for label in labels.split(", "):
            assert label == "instance" or all(label in served[name] for name in names), label


def test_genie_explain_knows_the_word_that_an_alert_names():
    descriptions = [rule["annotations"]["description"] for rule in RULES]
    codes = re.findall(r"genie explain (\w+)", " ".join(descriptions))
    assert codes
    for code in codes:
        assert explain(code)


def test_each_alert_says_what_it_means():
    for rule in RULES:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert {"summary", "description"} == rule["annotations"].keys()
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_panels_do_not_overlap():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def promtool(*words):
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_the_rules():
    promtool("check", "rules", "--lint=all", "--lint-fatal", MONITORING / "rules.yaml")


def test_each_alert_fires_where_it_should(tmp_path):
    cases = Path(__file__).with_name("rules_test.yaml").read_text()
    assert all(cases.count(rule["alert"]) == 2 for rule in RULES)
    (tmp_path / "test.yaml").write_text(cases.replace("RULES", str(MONITORING / "rules.yaml")))
    promtool("test", "rules", tmp_path / "test.yaml")


def test_prometheus_reads_the_dashboards_expressions(tmp_path):
    """As recording rules, with Grafana's variables filled in."""
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    filled = [one.replace("$instance", ".*").replace("$__rate_interval", "5m") for one in expressions]
    rules = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(filled)]
    assert not any("$" in one for one in filled)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", tmp_path / "rules.yaml")


# Grafana's JSON model of a dashboard (its documentation, "Dashboard JSON model"), as far as this one uses it.
DATASOURCE = {
    "type": "object",
    "required": ["type", "uid"],
    "properties": {"type": {"const": "prometheus"}, "uid": {"const": "${datasource}"}},
    "additionalProperties": False,
}
TARGET = {
    "type": "object",
    "required": ["datasource", "expr", "refId"],
    "properties": {"datasource": DATASOURCE, "expr": {"type": "string"}, "refId": {"pattern": "^[A-Z]$"}},
}
PANEL = {
    "type": "object",
    "required": ["id", "title", "type", "datasource", "gridPos", "fieldConfig", "options", "targets"],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "title": {"type": "string", "minLength": 1},
        "type": {"enum": ["bargauge", "gauge", "heatmap", "stat", "table", "timeseries"]},
        "datasource": DATASOURCE,
        "gridPos": {
            "type": "object",
            "required": ["x", "y", "w", "h"],
            "additionalProperties": {"type": "integer", "minimum": 0},
        },
        "fieldConfig": {"type": "object", "required": ["defaults", "overrides"]},
        "options": {"type": "object"},
        "targets": {"type": "array", "minItems": 1, "items": TARGET},
    },
}
MODEL = {
    "type": "object",
    "required": ["title", "uid", "schemaVersion", "panels", "templating", "time", "annotations"],
    "properties": {
        "title": {"type": "string"},
        "uid": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$"},
        "id": {"type": "null"},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "panels": {"type": "array", "items": PANEL},
        "time": {"type": "object", "required": ["from", "to"]},
        "templating": {
            "type": "object",
            "properties": {
                "list": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "type", "query"],
                        "properties": {"type": {"enum": ["datasource", "query"]}},
                    },
                }
            },
        },
        "annotations": {"type": "object", "required": ["list"]},
    },
}


def test_the_dashboard_has_grafanas_form():
    jsonschema.validate(DASHBOARD, MODEL)
    named = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"])))
    assert used - {"__rate_interval"} == named
