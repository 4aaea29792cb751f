"""The pages for three kinds of readers: their links and commands exist, and the first example works."""

import json
import re
import subprocess

import pytest
import yaml

from genie_cli.app import main
from genie_core.model import Result
from genie_core.status import MULTI_IP_PREFERENCES, multi_ip_preferences
from genie_core.tasks.explain import explain
from tests.desk import Desk
from tests.test_lint import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
WITH_COMMANDS = ("faq.md", "on-call.md")
NETWORKS = (DOCS / "networks.md").read_text()


def anchors(page):
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_pages_and_headings(page):
    for target, _, anchor in re.findall(r"\]\(([^)#:\s]*)(#([^)]*))?\)", page.read_text()):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_commands_of_the_pages_exist(name, capsys):
    text = (DOCS / name).read_text()
    commands = {found for found in re.findall(r"`genie ([^`]*)`", text) if not found.startswith("agent")}
    assert len(commands) > 8
    for words in (command.split() for command in commands):
        assert main([*words, "--help"]) == 0, (words, capsys.readouterr().err)
        if words[0] == "explain" and words[1] != "pod":
            assert explain(words[1])


def test_the_door_of_the_readme_leads_to_each_page():
    readme = (ROOT / "README.md").read_text()
    for page in DOCS.glob("*.md"):
        assert f"](docs/{page.name}" in readme, page.name


@pytest.fixture
def deployment():
    (text,) = re.findall(r"^```yaml\n# web.yaml\n(.*?)^```", NETWORKS, re.DOTALL | re.MULTILINE)
    return yaml.safe_load(text)


def test_the_first_deployment_gets_what_the_page_says(deployment, tmp_path):
    (shown,) = re.findall(r'^```json\n(\{"multi_entry".*?)^```', NETWORKS, re.DOTALL | re.MULTILINE)
    addresses = {entry["interface"]: entry["ip"] for entry in json.loads(shown)["ips"].values()}
    desk = Desk(tmp_path, namespace="shop")
    for name in ("bridge", "macvlan"):
        desk.file(name)
    plan = desk.plan(deployment["spec"]["template"]["metadata"]["annotations"])
    assert [(item.ifname, item.label) for item in plan] == [("eth0", "bridge"), ("net1", "macvlan")]
    results = [
        (name, Result(ips=[{"address": f"{address}/24"}], interfaces=[], routes=[], dns={}))
        for name, address in addresses.items()
    ]
    assert json.loads(multi_ip_preferences(results) or "") == json.loads(shown)


def test_the_command_that_reads_the_addresses(deployment, tmp_path):
    (path,) = re.findall(r"kubectl get pod web-0 -n shop -o jsonpath='(.*)'", NETWORKS)
    pod = deployment["spec"]["template"] | {"apiVersion": "v1", "kind": "Pod"}
    pod["metadata"] = {"name": "web-0", "annotations": {MULTI_IP_PREFERENCES: "the addresses"}}
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod))
    command = ["kubectl", "annotate", "--local", "-f", tmp_path / "pod.yaml", "a=b", "-o", f"jsonpath={path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "the addresses", done.stderr
