"""Saved facts: read again elsewhere, also those of older versions; what is no snapshot is refused in one sentence."""

import io
import json
import os
import pty
import shlex
import subprocess
import sys

import pytest

from genie_cli.app import main
from genie_core.errors import GenieError
from genie_core.findings import (
    CheckResult,
    Code,
    Command,
    Confidence,
    Evidence,
    Finding,
    Remedy,
    Severity,
    Status,
    Subject,
)
from genie_core.survey.facts import Event, Facts, Sandbox
from genie_core.survey.kernel import Netns
from genie_core.tasks.debug import bundle
from genie_core.tasks.debug.options import DebugOptions
from genie_core.tasks.debug.report import DiagnosisReport
from genie_core.tasks.debug.snapshot import from_snapshot, snapshot
from tests.diagnose import world

NO_POD = DebugOptions(namespace="", name="")


def saved(tmp_path, document):
    path = tmp_path / "facts.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


def document(**facts):
    return {"apiVersion": "genie/v1alpha1", "kind": "Snapshot", "facts": facts}


def test_new_facts_are_in_it(tmp_path):
    facts = Facts(
        namespace="shop", pod_name="web-0", node_name="node1",
        events=(Event(kind="Pod", name="web-0", reason="FailedCreatePodSandBox", message=world.SANDBOX, count=3),),
        sandboxes=(Sandbox(id="a1", pod="shop/web-0", netns="/run/netns/a1", ips=("10.0.0.1",), created=1.5),),
    )  # fmt: skip
    report = DiagnosisReport(facts=facts, state="no-sandbox", reason="pod shop/web-0 is Pending")
    again = from_snapshot(saved(tmp_path, snapshot(report)), NO_POD)
    assert again.facts == facts
    assert (again.state, again.reason) == ("no-sandbox", "pod shop/web-0 is Pending")
    assert [finding.code for finding in again.findings] == ["GN0901"]


def test_what_was_found_in_the_nodes_files_is_in_it(tmp_path):
    found = Finding(
        code=Code.declared["GN1001"], severity=Severity.FATAL,
        title="05-a.conf: trailing comma", object=Subject(kind="file", line=1),
        evidence=(Evidence(source="05-a.conf", value="}"),), confidence=Confidence.LOW,
        remedy=Remedy(text="delete it", commands=(Command(argv=("rm", "05-a.conf")),)),
    )  # fmt: skip
    checks = (CheckResult(id="readable", status=Status.FAIL),)
    report = DiagnosisReport(facts=Facts(), of_files=(found,), file_checks=checks)
    again = from_snapshot(saved(tmp_path, snapshot(report)), NO_POD)
    assert again.findings == (found,)
    assert again.checks[-1:] == checks


@pytest.mark.parametrize(
    "broken", [{"findings": [{"code": "GN1001", "severity": "awful"}]}, {"checks": 3}, []]
)
def test_findings_that_are_none_are_refused(tmp_path, broken):
    with pytest.raises(GenieError, match="--from"):
        from_snapshot(saved(tmp_path, document() | {"files": broken or [3]}), NO_POD)


def test_one_of_an_older_version_is_read(tmp_path):
    """Without members of later versions, and with members that were removed."""
    older = document(
        namespace="shop", pod_name="web-0", pod={"links": [{"index": 1, "name": "lo", "up": True}]},
        tenants=[{"path": "/run/netns/x", "nsid": 1, "processes": 3}], files={"namespaces": ["/run/netns/x"]},
        sandboxes=None, missing={"objects": "--no-api"},
    )  # fmt: skip
    report = from_snapshot(saved(tmp_path, older), NO_POD)
    assert (report.facts.events, report.facts.tenants[0].path) == ((), "/run/netns/x")
    assert report.state == "diagnosed"


DEEP = "[" * 100_000
GARBAGE = [
    "", "\0\1", "nothing", "[]", "{}", "3", DEEP, '{"kind": "Snapshot"}', '{"a": 1, "a": ',
    document() | {"kind": "Pod"}, document() | {"apiVersion": "genie/v9"}, document() | {"facts": None},
    document(node_name=5), document(missing=[]), document(missing={"a": 1}), document(node={"links": 3}),
    document(pod={"links": [{"index": "x", "name": "y"}]}), document(pod={"links": [{"name": "y"}]}),
    document(events=[{"kind": "Pod"}]), document(time="soon"), document(pod={"sysctls": {"a": {}}}),
    document(pod_object={"metadata": 3}), document(objects=[{"kind": "Pod", "spec": []}]), document(objects=[3]),
    document(pod={"addresses": [{"index": 1, "ip": "x", "prefix": 99}], "links": [{"index": 1, "name": "eth0"}]}),
    document(node={"firewall": {"nft": [{"rule": 3}]}}, pod={}, objects=[{"kind": "Service", "spec": {"ports": 3}}]),
]  # fmt: skip


@pytest.mark.parametrize("text", GARBAGE, ids=lambda text: str(text)[:40])
def test_garbage_is_an_error_in_one_sentence_or_facts_like_others(tmp_path, text):
    """It may be diagnosed, it may be refused; it never ends in a crash."""
    try:
        from_snapshot(saved(tmp_path, text), NO_POD)
    except GenieError as error:
        assert "--from" in error.msg
        assert error.exit_code in (1, 2)


@pytest.mark.parametrize(
    "facts, place",
    [
        ({"node_name": 5}, "node_name must be a string, not a number"),
        ({"pod": {"links": [{"name": 1}]}}, "pod.links[0]."),
    ],
)
def test_the_member_that_is_wrong_is_named(tmp_path, facts, place):
    with pytest.raises(GenieError) as raised:
        from_snapshot(saved(tmp_path, document(**facts)), NO_POD)
    assert place in raised.value.msg


def test_facts_come_from_standard_input_too(tmp_path, capsys, monkeypatch):
    """As `ssh node genie debug pod ... --save - | genie debug pod --from -`."""
    facts = Facts(
        namespace="shop", pod_name="web-0", node_name="node1", node=Netns(), pod=Netns(), time=1_800_000_000
    )
    path = saved(tmp_path, snapshot(DiagnosisReport(facts=facts)))
    assert main(["debug", "pod", "--from", path, "--save", "-", "--fail-on", "never"]) == 0
    passed_on = capsys.readouterr()
    assert "the facts are of 2027-01-15T08:00:00Z" in passed_on.err
    monkeypatch.setattr("sys.stdin", io.StringIO(passed_on.out))
    assert main(["debug", "pod", "--from", "-", "-o", "json", "--fail-on", "never"]) == 0
    assert json.loads(capsys.readouterr().out)["metadata"]["node"] == "node1"


def test_a_snapshot_of_a_pod_elsewhere_says_so_again(tmp_path, capsys):
    facts = Facts(namespace="shop", pod_name="web-0", node=Netns())
    path = saved(tmp_path, snapshot(DiagnosisReport(facts=facts, state="not-here", reason="on node2")))
    assert main(["debug", "pod", "--from", path, "-o", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["target"]["reason"] == "on node2"


def test_facts_that_cannot_be_saved_are_not_collected(tmp_path, capsys):
    path = tmp_path / "none/facts.json"
    assert main(["debug", "pod", "shop/web-0", "--save", str(path), "-o", "json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["message"] == f"{path}: No such file or directory"
    assert answer["hint"] == "name another file with --save"


@pytest.mark.parametrize("named, right", [(["shop/web-0"], True), (["shop/db-0"], False), ([], True)])
def test_saved_facts_are_not_taken_for_another_pods(tmp_path, capsys, named, right):
    facts = Facts(namespace="shop", pod_name="web-0", node=Netns())
    path = saved(tmp_path, snapshot(DiagnosisReport(facts=facts)))
    code = main(["debug", "pod", *named, "--from", path, "-o", "json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["kind"] == ("DiagnosisReport" if right else "Error")
    assert right or code == 3
    assert right or "has the facts of pod shop/web-0, not of pod shop/db-0" in answer["message"]


def test_a_bundle_is_diagnosed_elsewhere(tmp_path, capsys):
    """As docs/on-call.md says: the file that is handed over is enough."""
    facts = Facts(namespace="shop", pod_name="web-0", node_name="node1", node=Netns(), pod=Netns())
    members, path = bundle.contents(DiagnosisReport(facts=facts)), str(tmp_path / "b.tar.gz")
    bundle.write(members, path, 1.0)
    assert main(["debug", "pod", "shop/web-0", "--from", path, "-o", "json", "--fail-on", "never"]) == 0
    assert json.loads(capsys.readouterr().out)["metadata"]["node"] == "node1"
    assert main(["debug", "pod", "shop/db-0", "--from", path]) == 3
    several = str(tmp_path / "all.tar.gz")
    bundle.write(bundle.of_nodes({"node1": members}), several, 1.0)
    (tmp_path / "no.gz").write_bytes(b"\x1f\x8bno")
    for other in (several, str(tmp_path / "no.gz")):
        capsys.readouterr()
        assert main(["debug", "pod", "--from", other]) == 2
        assert "is no bundle of one node\n  hint: one of several nodes has" in capsys.readouterr().err


def test_a_bundle_is_not_written_to_a_terminal():
    shown, terminal = pty.openpty()
    line = [sys.executable, "-m", "genie_cli", "debug", "bundle", "-f", "-"]
    done = subprocess.run(line, stdout=terminal, stderr=subprocess.PIPE, text=True, check=False)
    os.close(terminal)
    os.close(shown)
    assert done.returncode == 2
    assert "error: -f -: a bundle is not for a terminal\n" in done.stderr


def test_the_group_lists_the_checks_too(capsys):
    assert main(["debug", "--list-checks", "-o", "json"]) == 0
    of_group = capsys.readouterr().out
    assert main(["debug", "pod", "--list-checks", "-o", "json"]) == 0
    assert of_group == capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["pod", "shop/web-0", "--save"], ["bundle", "shop/web-0", "--output-file"]]
)
def test_a_read_only_disk_is_no_missing_permission(tmp_path, words):
    genie = shlex.join([sys.executable, "-m", "genie_cli", "debug", *words, f"{tmp_path}/x"])
    script = f"mount -t tmpfs -o ro none {tmp_path} && exec {genie}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, f"error: {tmp_path}/x: Read-only file system" in done.stderr) == (4, True)
