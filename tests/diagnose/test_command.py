"""`genie debug` from outside: its documents, its exit codes, its files, and what it leaves out."""

import json
import os
import re
import resource
import shlex
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import jsonschema
import pytest

from genie_core.errors import IOFailure
from genie_core.tasks.debug import bundle
from tests import warm
from tests.diagnose.lab import Lab

SCHEMA = json.loads((Path(__file__).parents[2] / "genie_cli/schemas/DiagnosisReport.json").read_text())

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with Lab(tmp_path_factory.mktemp("lab") / "files", tag="t") as built:
        built.sh("n link set veth1 nomaster")
        yield built


def genie(lab, *argv):
    """The command inside the lab's node: the finished process."""
    return warm.run(*argv, netns=lab.netns("node"))


def asked(lab, *extra, output="json"):
    arguments = lab.arguments("p1")
    return genie(lab, *arguments[:-2], "-o", output, "--no-probes", *extra)


def test_the_document_is_what_the_schema_says(lab):
    done = asked(lab)
    report = json.loads(done.stdout)
    jsonschema.validate(report, SCHEMA)
    assert done.returncode == 1
    assert report["findings"][0]["code"] == "GN0402"
    assert report["target"]["interfaces"][1] == {"name": "eth0", "addresses": ["10.244.1.10/24"]}


def test_the_same_facts_give_the_same_findings_in_the_same_order(lab):
    one, other = (json.loads(asked(lab).stdout) for _ in range(2))
    assert one["findings"] == other["findings"]


def test_a_saved_snapshot_gives_the_same_diagnosis_elsewhere(lab, tmp_path):
    file = tmp_path / "facts.json"
    here = json.loads(asked(lab, "--save", str(file), "--skip", "conf|plugin|runtime|genie|leases").stdout)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    there = warm.run("debug", "pod", "--from", file, "-o", "json")
    found = json.loads(there.stdout)["findings"]
    assert [f for f in found if f["code"] < "GN10"] == [f for f in here["findings"] if f["code"] < "GN10"]


def test_secrets_stay_out_of_snapshots_and_bundles(lab, tmp_path):
    pod = lab.objects[0]
    pod["metadata"]["annotations"] = {
        "team/password": "hunter2",
        "kubectl.kubernetes.io/last-applied": "hunter2",
    }
    pod["spec"]["containers"][0]["env"] = [{"name": "TOKEN", "value": "hunter2"}]
    (lab.conf / "30-secret.conflist").write_text(
        '{"cniVersion": "1.0.0", "name": "s", "plugins": [{"type": "bridge", "token": "hunter2"}]}'
    )
    try:
        facts, bundle = tmp_path / "facts.json", tmp_path / "b.tar.gz"
        report = asked(lab, "--save", str(facts)).stdout
        arguments = lab.arguments("p1")[3:-2]
        done = genie(lab, "debug", "bundle", "default/p1", *arguments, "-f", str(bundle), "-o", "json")
    finally:
        (lab.conf / "30-secret.conflist").unlink()
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    with tarfile.open(bundle) as archive:
        files = [archive.extractfile(member) for member in archive.getmembers()]
        texts = [file.read().decode() for file in files if file]
        names = {member.name for member in archive.getmembers()}
    assert names == {f"genie-bundle/{n}.json" for n in ("facts", "report", "versions", "manifest")}
    assert "hunter2" not in "".join((report, facts.read_text(), *texts))


def test_only_and_skip_choose_checks(lab):
    only = json.loads(asked(lab, "--only", "^pod-link").stdout)
    assert [check["id"] for check in only["checks"]] == ["pod-link-up"]
    assert only["findings"] == []
    assert asked(lab, "--only", "(").returncode == 2


def test_a_code_chooses_what_reports_it_and_nothing_else_is_called_well(lab):
    only = json.loads(asked(lab, "--only", "GN0402").stdout)
    assert [f["code"] for f in only["findings"]] == ["GN0402"]
    assert [check["id"] for check in only["checks"]] == ["bridge-port"]
    healthy = asked(lab, "--only", "GN0101", output="table")
    assert healthy.returncode == 0
    assert "the chosen checks found nothing wrong" in healthy.stdout
    assert "nothing on this node is wrong" not in healthy.stdout


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--only", "nosuch"], "no check has such an id or code"),
        (["--only", "GN0505", "--skip", "conntrak"], "did you mean conntrack"),
        (["--only", "GN9999"], "no check of this command reports it"),
        (["--only", "GN1001", "--skip", "conf"], "leave no check to run"),
    ],
)
def test_a_choice_of_nothing_is_wrong_usage(lab, flags, said):
    for command in (["debug", "pod", "default/p1"], ["debug", "node"]):
        done = genie(lab, *command, *flags)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr


def test_a_root_that_is_not_there_is_no_healthy_node(lab):
    for command in (["debug", "pod", "default/p1"], ["debug", "node"], ["discover"]):
        done = genie(lab, *command, "--root", "/no/such")
        assert (done.returncode, done.stdout) == (3, "")
        assert "--root /no/such is not a directory" in done.stderr


def test_checks_that_could_not_run_are_not_called_ok(lab):
    done = asked(lab, "--only", "events|sandbox-made", output="table")
    assert done.returncode == 5
    assert "no check ran, 1 skipped (no API server" in done.stdout
    assert "nothing" not in done.stdout


def test_what_was_found_in_files_can_be_chosen_of_saved_facts(lab, tmp_path):
    file = tmp_path / "facts.json"
    bad = lab.conf / "05-bad.conf"
    bad.write_text("{")
    try:
        asked(lab, "--save", str(file))
    finally:
        bad.unlink()
    chosen = json.loads(
        genie(lab, "debug", "pod", "--from", str(file), "--only", "GN1001", "-o", "json").stdout
    )
    assert [f["code"] for f in chosen["findings"]] == ["GN1001"]
    assert [check["id"] for check in chosen["checks"]] == ["conf-readable"]


def test_fail_on_decides_the_exit_code(lab):
    assert asked(lab, "--fail-on", "never").returncode == 0
    assert asked(lab, "--fail-on", "fatal").returncode == 1


def test_junit_counts_findings_as_failures(lab):
    assert 'failures="1"' in asked(lab, output="junit").stdout


def test_a_person_reads_the_cause_its_evidence_and_the_remedy(lab):
    text = " ".join(asked(lab, output="table").stdout.split())
    assert "FATAL [GN0402] veth1 (peer of the pod's eth0) is not attached to bridge cni0" in text
    assert "ip link set veth1 master cni0" in text
    assert "1 fatal" in text


def test_a_pod_may_name_an_interface_with_any_bytes(lab, tmp_path):
    file = tmp_path / "facts.json"
    lab.sh("p link add link eth0 $'\\xff;id' up type macvlan")
    try:
        lab.sh("p addr add 10.9.9.9/24 dev $'\\xff;id' && p rule add iif $'\\xff;id' lookup main")
        done = genie(lab, *lab.arguments("p1")[:-2], "-o", "table", "--save", str(file))
    finally:
        lab.sh("p link del $'\\xff;id'; p rule del iif $'\\xff;id' lookup main")
    assert (done.returncode, "GN0402" in done.stdout) == (1, True), done.stderr
    saved = json.loads(file.read_text())["facts"]
    assert "\udcff;id" in [link["name"] for link in saved["pod"]["links"]]
    assert [p["result"] for p in saved["probes"] if p["target"] == "10.9.9.9"] == ["failed"]


@pytest.mark.parametrize(
    "name, code",
    [("default/p1", 1), ("p1", 1), ("pod/p1", 1), ("a/b/c", 2), ("", 2)],
)
def test_a_pod_is_named_as_kubectl_names_it(lab, name, code):
    arguments = lab.arguments("p1")
    assert genie(lab, "debug", "pod", name, *arguments[3:], "--no-probes").returncode == code


def test_a_namespace_that_is_not_there_is_a_target_not_found(lab):
    arguments = [*lab.arguments("p1", netns="/run/netns/none-such"), "--no-probes"]
    done = genie(lab, *arguments)
    assert done.returncode == 3
    assert json.loads(done.stdout)["kind"] == "Error"


def test_a_target_can_be_asked_about_alone(lab):
    report = json.loads(asked(lab, "--to", "service/web:80").stdout)
    assert report["findings"][0]["code"] == "GN0402"
    assert asked(lab, "--to", "service/none").returncode == 3
    assert asked(lab, "--to", "10.0.0.1:x").returncode == 2


def test_the_node_is_diagnosed_without_a_pod(lab):
    lab.sh("n link set flannel.1 down")
    try:
        arguments = lab.arguments("p1")[7:]
        done = genie(lab, "debug", "node", "--objects-file", str(lab.directory / "objects.json"), *arguments)
    finally:
        lab.sh("n link set flannel.1 up")
    report = json.loads(done.stdout)
    jsonschema.validate(report, SCHEMA)
    assert "GN0706" in {finding["code"] for finding in report["findings"]}


def test_every_check_can_be_listed(lab):
    assert "pod-link-up" in genie(lab, "debug", "pod", "--list-checks").stdout


def test_an_ordinary_user_sees_what_needs_root_and_gets_the_rest(lab):
    """Skipped checks are never "ok", and a partial answer is no healthy one."""
    command = [
        *("setpriv", "--reuid=0", "--bounding-set=-all", "--inh-caps=-all", "--"),
        sys.executable,
        "-m",
        "genie_cli",
    ]
    inside = ["ip", "netns", "exec", f"{lab.prefix}-node", *command, *lab.arguments("p1"), "--no-probes"]
    done = subprocess.run(inside, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    status = {check["id"]: check for check in report["checks"]}
    assert done.returncode == 4
    assert "sudo genie debug pod default/p1" in done.stderr
    assert "root" in report["missing"]["pod"]
    assert (status["pod-link-up"]["status"], "root" in status["pod-link-up"]["reason"]) == ("skip", True)
    assert status["firewall"]["status"] == "skip"


def test_the_screen_begins_with_the_cause_and_groups_what_was_skipped(lab):
    lines = asked(lab, output="table").stdout.splitlines()
    assert lines[0] == "default/p1 on node"
    assert lines[1].startswith("FATAL [GN0402] veth1")
    assert lines.index("Pod") < lines.index("Path")
    second = next(n for n, line in enumerate(lines) if line.startswith("WARNING"))
    assert lines[second - 1] == ""
    last = "\n".join(lines).rpartition("\n\n")[2]  # how many lines it takes depends on what was skipped
    assert re.search(r"\d+ skipped \(\d+: [^;]+; \d+: ", " ".join(last.split()))
    wide = asked(lab, output="wide").stdout.splitlines()
    assert wide.index("Checks that did not run") > wide.index("Path")


@pytest.fixture
def small_files():
    """A limit of 64 KiB on files, as a full disk: a larger one cannot be written whole."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_bundle_that_does_not_fit_is_named_and_removed(tmp_path, small_files):
    """What is there of it would be taken for one, and would keep the next from being written."""
    path = tmp_path / "b.tar.gz"
    with pytest.raises(IOFailure, match=f"{path}: File too large"):
        bundle.write({"facts.json": os.urandom(1 << 18)}, str(path), 0.0)
    assert not path.exists()


def test_facts_that_do_not_fit_are_named_and_removed(lab, tmp_path):
    path = tmp_path / "facts.json"
    words = [*lab.arguments("p1"), "--no-probes", "--save", str(path)]
    line = f"ulimit -f 4; exec {shlex.join([sys.executable, '-m', 'genie_cli', *words])}"
    done = subprocess.run(
        ["nsenter", f"--net={lab.netns('node')}", "sh", "-c", line],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"error: {path}: File too large" in done.stderr
    assert not path.exists()
