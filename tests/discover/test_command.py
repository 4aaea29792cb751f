"""`genie discover` and `genie generate-config` as commands: streams, exit codes, schemas, golden output."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests import ordinary_user, warm
from tests.discover import nodes

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "genie_cli" / "schemas"
GOLDEN = ROOT / "tests" / "golden" / "discover"


def genie(*arguments, stdin="", code=0, **options):
    """The finished command, after checking its exit code."""
    done = warm.run(*arguments, stdin=stdin, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def validated(text):
    """A document, held to the schema of its kind; nothing may be missing from the schema either."""
    document = json.loads(text)
    schema = json.loads((SCHEMAS / f"{document['kind']}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    assert set(document) == set(schema["properties"])
    return document


@pytest.fixture
def k3s(tmp_path):
    """A k3s node below a directory, with the flags that look at nothing else."""
    root = nodes.layout("k3s", tmp_path / "node")
    nodes.add_plugins(root / "var/lib/rancher/k3s/data/cni", "flannel", "portmap", "bridge", "host-local")
    return ["--root", str(root), "--no-api", "--node", "n1", "--skip", "subnet|bridge-"]


@pytest.fixture
def broken(tmp_path):
    """Flags for a node whose first file has a trailing comma."""
    conf, bin_dir, leases = tmp_path / "conf", tmp_path / "bin", tmp_path / "leases"
    leases.mkdir()
    nodes.write(conf / "05-a.conf", '{"cniVersion":"1.0.0","name":"t","type":"bridge",}')
    nodes.add_plugins(bin_dir, "bridge")
    return [
        "--conf-dir",
        str(conf),
        "--bin-dir",
        str(bin_dir),
        "--no-api",
        "--ipam-dir",
        str(leases),
    ]


def scrubbed(text):
    """The text without times, durations and the machine's own leftovers."""
    text = re.sub(r'"(time|version)": "[^"]*"', r'"\1": "T"', text)
    text = re.sub(r'"(ms|durationMs|size)": [\d.]+', r'"\1": 0', text)
    return re.sub(r'"(sha256)": "[0-9a-f]+"', r'"\1": "S"', text)


@pytest.mark.parametrize("form,file", [("json", "k3s.json"), ("table", "k3s.txt"), ("name", "k3s.names")])
def test_golden(k3s, form, file):
    wide = os.environ | {"COLUMNS": "160"}
    done = genie("discover", *k3s, "--only", "conf|plugin|runtime", "-o", form, env=wide)
    shown = scrubbed(done.stdout)
    if os.environ.get("GOLDEN"):  # rewrite the files; `git diff` shows the difference
        nodes.write(GOLDEN / file, shown)
    assert shown == (GOLDEN / file).read_text()
    assert done.stderr == ""


def test_json_is_one_document_of_its_schema(k3s):
    report = validated(genie("discover", *k3s, "-o", "json").stdout)
    assert report["kind"] == "NodeReport"
    assert report["runtimes"][0]["uses"] == ["/var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist"]


def test_yaml_says_the_same_as_json(k3s):
    as_yaml = yaml.safe_load(genie("discover", *k3s, "-o", "yaml").stdout)
    as_json = json.loads(genie("discover", *k3s, "-o", "json").stdout)
    assert as_yaml["configurations"] == as_json["configurations"]


@pytest.mark.parametrize("fail_on,code", [("error", 1), ("fatal", 1), ("never", 0)])
def test_findings_make_the_exit_code(broken, fail_on, code):
    done = genie("discover", *broken, "--fail-on", fail_on, "-o", "json", code=code)
    assert validated(done.stdout)["summary"]["findings"]["fatal"] == 1


def test_a_code_chooses_the_check_that_reports_it(broken):
    report = validated(genie("discover", *broken, "--only", "GN1001", "-o", "json", code=1).stdout)
    assert [finding["code"] for finding in report["findings"]] == ["GN1001"]
    assert [check["id"] for check in report["checks"]] == ["conf-readable"]


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--only", "nosuch"], "no check has such an id or code"),
        (["--only", "GN0402"], "genie explain GN0402"),
        (["--skip", "conf-frist"], "did you mean conf-first"),
    ],
)
def test_an_unknown_check_or_code_is_wrong_usage(flags, said):
    done = genie("discover", *flags, code=2)
    assert done.stdout == ""
    assert said in done.stderr


@pytest.mark.parametrize("flag", ["--conf-dir", "--bin-dir"])
def test_a_directory_that_was_named_and_is_not_there_is_wrong_usage(flag, tmp_path):
    """Its report would look like that of a healthy node."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file"):
        done = genie("discover", flag, str(path), code=2)
        assert done.stdout == ""
        assert f"error: {flag} {path}: there is no such directory" in done.stderr


@pytest.mark.parametrize("flag", ["--conf-dir", "--bin-dir"])
def test_a_diagnosis_warns_of_a_directory_that_is_not_there(flag, tmp_path):
    """The directory may be the fault, and most checks look at the kernel."""
    done = genie("debug", "node", flag, str(tmp_path / "none"), "--fail-on", "never")
    assert f"warning: {flag} {tmp_path}/none: there is no such directory" in done.stderr
    assert f"there is no directory {tmp_path}/none" in " ".join(done.stdout.split())


def test_of_a_search_path_one_directory_is_enough(tmp_path, broken):
    genie("discover", *broken, "--bin-dir", str(tmp_path / "none"), "--fail-on", "never")


def test_a_directory_of_records_that_is_not_there_yet_is_warned_of(tmp_path, broken):
    done = genie("discover", *broken, "--ipam-dir", str(tmp_path / "none"), "--fail-on", "never")
    assert f"warning: --ipam-dir {tmp_path / 'none'}: there is no such directory\n" in done.stderr
    (tmp_path / "none").mkdir()
    again = genie("discover", *broken, "--ipam-dir", str(tmp_path / "none"), "--fail-on", "never")
    assert "no such directory" not in again.stderr


def test_quiet_only_sets_the_code(broken):
    done = genie("discover", *broken, "-q", code=1)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_table_says_where_and_what_to_do(broken):
    shown = genie("discover", *broken, code=1).stdout
    assert "FATAL [GN1001] 05-a.conf line 1 col 49: trailing comma" in shown
    assert "remedy: correct the JSON there" in shown
    assert shown.rstrip().splitlines()[-1].endswith(")") or "checks ok" in shown
    assert "\x1b[" not in shown


def test_checks_can_be_listed_and_chosen(broken):
    listed = genie("discover", "--list-checks").stdout
    assert "conf-readable" in listed
    report = json.loads(genie("discover", *broken, "--only", "^plugin", "-o", "json").stdout)
    assert {check["id"].split("-")[0] for check in report["checks"]} == {"plugin"}
    assert "regular expression" in genie("discover", "--only", "(", code=2).stderr


def test_watching_shows_changes_and_ends_with_control_c(broken, tmp_path):
    command = [
        sys.executable,
        "-m",
        "genie_cli",
        "discover",
        *broken,
        "--watch",
        "--interval",
        "200ms",
        "-o",
        "name",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert watching.stdout.readline().endswith("05-a.conf\n")
        nodes.write(tmp_path / "conf" / "06-b.conflist", nodes.bridge())
        assert watching.stdout.readline().endswith("05-a.conf\n")
        assert watching.stdout.readline().endswith("06-b.conflist\n")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(100) == 130
        said = watching.stderr.read()
        assert set(said.splitlines()) <= {"reading the node"}, said  # it is how a watch ends, and no error
        assert watching.stdout.read() == ""


def test_it_reads_only(broken, tmp_path):
    def state():
        return {str(path): path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    before = state()
    genie("discover", *broken, code=1)
    assert state() == before


def test_it_runs_each_plugin_once_and_of_the_runtime_only_its_version(broken, tmp_path):
    """Programs are most of the time that it takes."""
    log = tmp_path / "programs"
    command = [sys.executable, "-m", "genie_cli", "discover", *broken, "-q"]
    traced = ["strace", "-f", "-q", "-e", "trace=execve", "-e", "signal=none", "-z", "-o", str(log), *command]
    assert subprocess.run(traced, capture_output=True, check=False, timeout=240).returncode == 1
    ran = re.findall(r'execve\("([^"]*)"', log.read_text())
    assert [Path(path).name for path in ran].count("bridge") == 1
    assert len(ran) <= 1 + 1 + 1, ran  # this interpreter, the plugin, containerd --version


ORDINARY = """
import json, sys
sys.path.insert(0, sys.argv[1])
from genie_core.tasks.discover import DiscoverOptions, discover
where = dict(zip(("conf_dirs", "bin_dirs"), ((path,) for path in sys.argv[2:4])))
report = discover(DiscoverOptions(state_dir=sys.argv[4], cache_dir=sys.argv[5], api=False, **where))
print(json.dumps(report.as_json()))
"""


@pytest.mark.root
def test_an_ordinary_user_sees_what_was_not_read():
    with ordinary_user.readable_copy() as folder:
        conf, bin_dir, hidden = folder / "conf", folder / "bin", folder / "hidden"
        nodes.write(conf / "10-net.conflist", nodes.bridge())
        nodes.write(conf / "99-secret.conf", "{}", mode=0o600)
        nodes.add_plugins(bin_dir, "bridge", "host-local")
        for name in ("state/containers", "cache"):
            (hidden / name).mkdir(parents=True)
        hidden.chmod(0o711)
        (hidden / "state").chmod(0o700)
        (hidden / "cache").chmod(0o700)
        places = [str(path) for path in (conf, bin_dir, hidden / "state", hidden / "cache")]
        report = ordinary_user.run_python(ORDINARY, folder, *places)
    skipped = {check["id"]: check["reason"] for check in report["checks"] if check["status"] == "skip"}
    assert "needs root" in skipped["cache-stale"]
    assert "needs root" in skipped["genie-state"]
    assert {file["verdict"] for file in report["configurations"]} == {"ok", "error"}
    assert any("this user may not read it" in finding["title"] for finding in report["findings"])
    assert report["plugins"][0]["versions"] == nodes.VERSIONS


# --- genie generate-config ---------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path):
    """Flags for an empty node with scripted plugins."""
    nodes.add_plugins(tmp_path / "bin", "bridge", "host-local", "portmap", "macvlan")
    return ["--conf-dir", str(tmp_path / "conf"), "--bin-dir", str(tmp_path / "bin")]


def test_a_configuration_goes_to_stdout_and_its_problems_to_stderr(place):
    done = genie("generate-config", "bridge", *place)
    assert json.loads(done.stdout)["plugins"][0]["type"] == "bridge"
    assert "note: subnet" in done.stderr
    assert yaml.safe_load(genie("generate-config", "bridge", *place, "-o", "yaml").stdout) == json.loads(
        done.stdout
    )


def test_a_network_attachment_definition(place):
    done = genie(
        "generate-config", "nad", "--plugin", "macvlan", "--name", "blue", "-n", "demo", "--force", *place
    )
    manifest = yaml.safe_load(done.stdout)
    assert (manifest["kind"], manifest["metadata"]) == (
        "NetworkAttachmentDefinition",
        {"name": "blue", "namespace": "demo"},
    )
    assert json.loads(manifest["spec"]["config"])["name"] == "blue"


@pytest.mark.parametrize(
    "arguments,spec",
    [
        (
            ("physical-network", "--name", "p", "--subnet", "10.1.0.0/16"),
            {"sharedStatus": {"subnet": "10.1.0.0/16", "dedicatedNet": False}},
        ),
        (
            ("physical-network", "--name", "p", "--subnet", "10.1.0.0/16", "--master", "eth1"),
            {"refer_nic": "eth1", "sharedStatus": {"subnet": "10.1.0.0/16", "dedicatedNet": False}},
        ),
        (("logical-network", "--name", "l", "--plugin", "weave"), {"plugin": "weave"}),
        (
            (
                "logical-network",
                "--name",
                "l",
                "--plugin",
                "weave",
                "--physical-network",
                "p",
                "--subnet",
                "10.1.2.0/24",
            ),
            {"physicalNet": "p", "plugin": "weave", "sub_subnet": "10.1.2.0/24"},
        ),
    ],
)
def test_logical_and_physical_networks(arguments, spec):
    assert yaml.safe_load(genie("generate-config", *arguments).stdout)["spec"] == spec


LOGICAL = ("generate-config", "logical-network", "--name", "l", "--subnet", "10.1.2.0/24")


def test_a_logical_network_that_repeats_its_addresses_is_noted(place, tmp_path):
    conf = tmp_path / "conf"
    nodes.write(conf / "10-lan.conf", {"name": "lan", "type": "macvlan", "ipam": {"type": "host-local"}})
    nodes.write(conf / "20-all.conf", {"name": "all", "type": "macvlan", "ipam": {"type": "whereabouts"}})
    assert "same addresses on every node" in genie(*LOGICAL, "--plugin", "lan", *place).stderr
    assert genie(*LOGICAL, "--plugin", "all", *place).stderr == ""
    assert "may be on other nodes" in genie(*LOGICAL, "--plugin", "nowhere", *place).stderr


def test_a_logical_network_on_a_plugin_that_takes_no_subnet_is_refused(place, tmp_path):
    nodes.write(tmp_path / "conf" / "10-over.conf", {"name": "over", "type": "flannel"})
    assert "cannot have the subnet" in genie(*LOGICAL, "--plugin", "over", *place, code=1).stderr


@pytest.mark.parametrize(
    "arguments,words",
    [
        ((), "nothing to generate"),
        (("nad",), "a nad needs a plugin: --plugin NAME"),
        (("--schema",), "--schema needs a TYPE"),
        (("bridg",), "did you mean bridge?"),
        (("physical-network", "--name", "p"), "needs its subnet"),
        (("physical-network", "--name", "p", "--subnet", "10.1.0.0/16", "--dedicated"), "needs its plugin"),
        (("logical-network", "--name", "l"), "needs a physical network or a plugin"),
        (("logical-network",), "needs a name"),
        (("logical-network", "--name", "Bad_Name", "--plugin", "x"), "no name for an API object"),
        (("bridge", "--set", "x"), "not PATH=VALUE"),
        (("--from", "/nowhere"), "No such file"),
    ],
)
def test_wrong_usage(arguments, words):
    assert words in genie("generate-config", *arguments, code=2).stderr


def test_checking_finds_everything_at_once_with_its_place(place, tmp_path):
    old = nodes.write(
        tmp_path / "old.conf",
        '{\n "name": "a",\n "type": "bridge",\n "mtu": "x",\n "ipam": {"type": "host-local"}\n}\n',
    )
    bad = nodes.write(tmp_path / "bad.conflist", "{,}")
    done = genie("generate-config", "--check", str(old), str(bad), *place, "-o", "json", code=1)
    report = validated(done.stdout)
    places = {(f["code"], f["object"].get("line")) for f in report["findings"]}
    assert {("GN1001", 1), ("GN1010", 4), ("GN1030", 5), ("GN1041", None)} <= places
    assert [file["valid"] for file in report["files"]] == [False, False]


def test_checking_a_generated_file_finds_nothing(place):
    made = genie("generate-config", "bridge", *place).stdout
    report = validated(genie("generate-config", "--check", "-", *place, "-o", "json", stdin=made).stdout)
    assert report["findings"] == []


def test_checking_a_directory_leaves_out_the_copies_that_writing_made_there(place, tmp_path):
    """genie generate-config --check /etc/cni/net.d/*; named alone such a copy is checked."""
    made = genie("generate-config", "bridge", *place).stdout
    current, copy = (nodes.write(tmp_path / f"90-bridge.conflist{end}", made) for end in ("", ".1.bak"))
    done = genie("generate-config", "--check", str(current), str(copy), *place, "-o", "json")
    assert [file["path"] for file in validated(done.stdout)["files"]] == [str(current)]
    assert f"{copy} is a copy" in done.stderr
    alone = genie("generate-config", "--check", str(copy), *place, "-o", "json")
    assert len(validated(alone.stdout)["files"]) == 1


def test_checking_a_manifest_looks_into_it(place, tmp_path):
    ipam = '{"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/16"}]]}'
    config = f'{{"cniVersion": "1.0.0", "type": "bridge", "mtu": "x", "ipam": {ipam}}}'
    item = {"kind": "NetworkAttachmentDefinition", "metadata": {"name": "blue"}, "spec": {"config": config}}
    path = nodes.write(tmp_path / "nad.yaml", yaml.safe_dump(item))
    done = genie("generate-config", "--check", str(path), *place, "-o", "json", code=1)
    (finding,) = [f for f in json.loads(done.stdout)["findings"] if f["severity"] == "error"]
    assert "#default/blue" in finding["object"]["file"]


def test_the_set_up_of_a_node_is_written_whole(place, tmp_path):
    token = nodes.write(tmp_path / "token", "s3cret", mode=0o600)
    api = ["--api-server", "https://192.0.2.1:6443", "--token-file", str(token)]
    shown = validated(genie("generate-config", "genie", *api, *place, "-o", "json").stdout)
    assert [file["mode"] for file in shown["files"]] == ["0600", "0644"]
    report = validated(genie("generate-config", "genie", *api, *place, "--write", "-o", "json").stdout)
    assert len(report["written"]) == 2
    assert (tmp_path / "conf" / "genie.kubeconfig").stat().st_mode & 0o777 == 0o600
    again = validated(genie("generate-config", "genie", *api, *place, "--write", "-o", "json").stdout)
    assert (again["written"], len(again["unchanged"])) == ([], 2)


def test_the_schema_of_a_type_is_printed():
    schema = json.loads(genie("generate-config", "macvlan", "--schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["mode"]["enum"] == ["bridge", "private", "vepa", "passthru"]
