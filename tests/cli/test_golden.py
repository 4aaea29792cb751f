"""The commands' output, stored in tests/golden/cli: tables at 80 and 160 columns, documents.

GOLDEN=1 rewrites the files, so that `git diff` shows the difference. What differs from run to run is a placeholder.
"""

import json
import os
import re

import pytest

from genie_cli.render import show
from genie_cli.views.gc import view
from genie_core.tasks.gc import GCReport, Leftover
from tests import warm
from tests.test_lint import ROOT

GOLDEN = ROOT / "tests" / "golden" / "cli"
CONTAINER = "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592"
VOLATILE = [
    (r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b", "<MAC>"),
    (r"\bveth[0-9a-f]+\b", "<veth>"),
    (r"\bcni-[0-9a-f]{16}\b", "<netns>"),
    (r"\b[0-9a-f]{12}\.\.\.", "<container>"),
    (r"\b\d+(\.\d+)? (ms|s)\b", r"<time>"),
    (r"( {2,})\d+\.\d$", r"  <ms>"),
    (r"^(Python|kernel|genie) .*$", r"\1  <version>"),
]


def scrubbed(text):
    for pattern, shown in VOLATILE:
        text = re.sub(pattern, shown, text, flags=re.MULTILINE)
    return "".join(re.sub(r" +", " ", line).rstrip() + "\n" for line in text.splitlines())


def compare(file, text):
    if os.environ.get("GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / file).write_text(text)
    assert text == (GOLDEN / file).read_text()


def genie(*arguments, columns=80):
    done = warm.run(*arguments, env={**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    return done.stdout


LINES = {
    "help": [],
    "help-dry-run": ["dry-run", "--help"],
    "help-exit-codes": ["help", "exit-codes"],
    "explain-code": ["explain", "GN0402"],
    "explain-cni": ["explain", "CNI11"],
    "explain-key": ["explain", "kubernetes"],
    "schema": ["schema"],
    "version": ["version", "--bin-dir", "/nonexistent"],
}


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("name", LINES)
def test_tables(name, columns):
    shown = genie(*LINES[name], columns=columns)
    assert max(map(len, shown.splitlines())) <= columns
    compare(f"{name}-{columns}.txt", scrubbed(shown))


@pytest.mark.root
@pytest.mark.usefixtures("code_in_place")
@pytest.mark.parametrize("columns", [80, 160])
def test_a_dry_run(columns):
    shown = genie("dry-run", "--samples", "--cni", "bridge,macvlan@net1", columns=columns)
    assert max(map(len, shown.splitlines())) <= columns
    compare(f"dry-run-{columns}.txt", scrubbed(shown))


@pytest.mark.root
@pytest.mark.usefixtures("code_in_place")
def test_a_dry_run_as_a_document():
    """Its shape: every member, and what kind of value it has."""
    document = json.loads(genie("dry-run", "--samples", "--cni", "bridge", "-o", "json"))
    compare("dry-run.json", json.dumps(shape(document), indent=2, sort_keys=True) + "\n")


def shape(value):
    """Objects by member; of arrays, what their first element is; of values, their type."""
    if isinstance(value, dict):
        return {key: shape(member) for key, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


REPORT = GCReport(
    dry_run=False,
    source="the runtime at /run/containerd/containerd.sock",
    seconds=5,
    leftovers=(
        Leftover(
            kind="pending",
            name="bridge@eth0, macvlan@net1",
            container=CONTAINER,
            network="bridge",
            evidence=("the node has been rebooted since it was attached", "it was pod shop/web-0"),
            removed=True,
        ),
        Leftover(
            kind="lease",
            name="/var/lib/cni/networks/bridge/10.22.0.9",
            container=CONTAINER,
            network="bridge",
            evidence=("no record has its container", "no namespace has the address 10.22.0.9"),
            problem="/var/lib/cni/networks/bridge/10.22.0.9: Read-only file system",
        ),
    ),
    skipped={"chain": "iptables-save is not installed"},
)


@pytest.mark.parametrize("columns", [80, 160])
def test_a_garbage_collection(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    show(view(REPORT, wide=False))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= columns
    compare(f"gc-{columns}.txt", shown)


def test_a_garbage_collection_as_a_document():
    assert REPORT.exit_code == 1
    compare("gc.json", json.dumps(REPORT.as_json(), indent=2) + "\n")
