"""What `genie dry-run` is given: configurations and manifests in files and pipes, and what is no right usage."""

import json
import os
import subprocess

import pytest
import yaml

from tests import warm
from tests.system.dry_runs import command, dry_run, network

pytestmark = [pytest.mark.root, pytest.mark.system, pytest.mark.usefixtures("code_in_place")]


def test_a_configuration_from_a_pipe(conf_dir):
    report = dry_run(
        "--cni", "piped", "--conf-dir", str(conf_dir), "-f", "-", stdin=json.dumps(network("piped", 3))
    )
    assert report["summary"]["addresses"] == ["10.213.3.2/24"]
    assert list(conf_dir.iterdir()) == []


@pytest.mark.parametrize("dump", [json.dumps, yaml.safe_dump])
def test_a_configuration_that_is_piped_is_what_is_tried(conf_dir, dump):
    """genie generate-config bridge -o json | genie dry-run -f -; the node's own networks come before it by name."""
    (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1)))
    report = dry_run("--conf-dir", str(conf_dir), "-f", "-", "--verb", "add", stdin=dump(network("piped", 3)))
    assert [item["network"] for item in report["plan"]] == ["piped"]
    assert report["summary"]["addresses"] == ["10.213.3.2/24"]


@pytest.mark.parametrize(
    "file, text",
    [
        ("blue.yaml", yaml.safe_dump(network("n", 3))),
        ("blue", json.dumps(network("n", 3))),
        ("blue.txt", json.dumps({"cniVersion": "1.0.0", "name": "n"} | network("n", 3)["plugins"][0])),
    ],
)
def test_a_file_is_tried_whatever_it_is_called(tmp_path, conf_dir, file, text):
    (tmp_path / file).write_text(text)
    report = dry_run("--conf-dir", str(conf_dir), "-f", str(tmp_path / file), "--verb", "add")
    assert report["summary"]["addresses"] == ["10.213.3.2/24"]


def test_a_list_in_a_file_that_runtimes_take_for_one_plugin(tmp_path, conf_dir):
    (tmp_path / "blue.json").write_text(json.dumps(network("n", 3)))
    error = dry_run("--conf-dir", str(conf_dir), "-f", str(tmp_path / "blue.json"), "--plan", code=1)
    assert "rename it" in error["hint"]


def test_what_a_shell_makes_of_a_commands_output(conf_dir):
    """bash: genie dry-run -f <(genie generate-config bridge) --pod <(kubectl get pod web-0 -o yaml)"""
    pod = {"kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop", "annotations": {"cni": "n"}}}
    ends = []
    for document in (network("n", 3), pod):
        read, write = os.pipe()
        os.write(write, json.dumps(document).encode())
        os.close(write)
        ends.append(read)
    conf, manifest = (f"/dev/fd/{end}" for end in ends)
    done = subprocess.run(
        command("--conf-dir", str(conf_dir), "-f", conf, "--pod", manifest, "--plan", "-o", "name"),
        capture_output=True,
        text=True,
        check=False,
        pass_fds=ends,
    )
    for end in ends:
        os.close(end)
    assert done.stdout == "n\n", done.stderr


NAD = """
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: storage}
spec:
  config: |
    {"cniVersion": "1.0.0", "type": "macvlan", "master": "eth0",
     "ipam": {"type": "host-local", "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.50"}}
"""


def test_a_network_attachment_of_a_manifest():
    """The node gets an API server with the object; the status annotation is shown (C46)."""
    report = dry_run("--nad", "-", "--networks", "storage@net7", "--samples", stdin=NAD)
    assert report["target"]["annotations"] == {"k8s.v1.cni.cncf.io/networks": "storage@net7"}
    assert [(item["interface"], item["network"]) for item in report["plan"]] == [
        ("eth0", "bridge"),
        ("net7", "storage"),
    ]
    status = json.loads(report["annotationsWritten"]["k8s.v1.cni.cncf.io/network-status"])
    assert [(entry["name"], entry["ips"]) for entry in status] == [
        ("bridge", ["10.22.0.2"]),
        ("default/storage", ["192.0.2.50"]),
    ]
    assert report["node"]["left"] == []


def test_a_network_attachment_that_does_not_exist():
    """Without a manifest or a flag for the cluster none is read, which is said before."""
    report = dry_run("--networks", "storage", "--samples", code=1)
    assert "default/storage does not exist" in report["calls"][0]["error"]["msg"]
    done = warm.run("dry-run", "--networks", "storage", "--plan")
    assert done.stderr.startswith("warning: the networks of the cluster are not read: --nad names a manifest")
    done = warm.run("dry-run", "--networks", "storage", "--nad", "-", "--plan", stdin=NAD)
    assert "warning" not in done.stderr


LOGICAL = """
apiVersion: alpha.network.k8s.io/v1
kind: Logicalnetwork
metadata: {name: front, namespace: shop}
spec: {plugin: bridge, sub_subnet: 10.22.7.0/24}
"""


def test_a_logical_network_for_the_pod_of_a_deployment(tmp_path):
    (tmp_path / "web.yaml").write_text(
        "kind: Deployment\nmetadata: {name: web, namespace: shop, annotations: {cni: ptp}}\n"
        "spec: {template: {metadata: {labels: {app: web}}}}\n"
    )
    (tmp_path / "front.yaml").write_text(LOGICAL)
    flags = [
        "--pod",
        str(tmp_path / "web.yaml"),
        "--nad",
        str(tmp_path / "front.yaml"),
        "--networks",
        "front",
    ]
    done = warm.run("dry-run", *flags, "--conf", sample_file(tmp_path), "-o", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["target"]["annotations"] == {"networks": "front"}
    assert report["summary"]["addresses"] == ["10.22.7.2/24"]
    assert "annotation cni is the Deployment's own" in done.stderr  # lessons 9


def sample_file(folder):
    path = folder / "bridge.conflist"
    path.write_text(json.dumps(network("bridge", 7) | {"name": "bridge"}))
    return path


@pytest.mark.parametrize(
    "arguments,said",
    [
        (["--annotation", "novalue"], "--annotation 'novalue' is not KEY=VALUE"),
        (["--conf", "/nonexistent.conf"], "--conf /nonexistent.conf"),
        (["--conf", "/dev/null"], "--conf /dev/null: it is empty"),
        (["--conf-dir", "/nonexistent"], "--conf-dir /nonexistent: there is no such directory"),
        (["--bin-dir", "/nonexistent"], "--bin-dir /nonexistent: there is no such directory"),
        (["--verb", "gc"], "'gc' is not one of"),
        (["--pod", "-", "-f", "-"], "standard input can be read only once"),
        (["--pods", "9"], "less than or equal to 8"),
        (["--pod", "a/b/c"], "names no pod"),
        (["--pod", "/nonexistent"], "--pod /nonexistent: No such file"),
        (["--pod", "./nonexistent"], "--pod ./nonexistent: No such file"),
        (["--pod", "/nonexistent.yaml"], "--pod /nonexistent.yaml"),
        (["--nad", "/nonexistent.yaml"], "--nad /nonexistent.yaml"),
    ],
)
def test_wrong_usage(arguments, said):
    document = dry_run(*arguments, code=2)
    assert document["kind"] == "Error"
    assert said in document["message"]
