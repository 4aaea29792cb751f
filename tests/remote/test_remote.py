"""Commands about a node, run from another machine: real processes in containers on a node in namespaces."""

import hashlib
import io
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import tarfile
from contextlib import contextmanager

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from genie_cli import schemas
from genie_cli.app import main
from genie_core.errors import DecodingFailure
from genie_core.tasks.debug.archive import MEMBERS, unpacked
from tests import warm
from tests.deploy.test_rootfs import ON_NODE
from tests.patience import wait_until
from tests.processes import processes
from tests.remote.cluster import NODE, Cluster, Node, agent, node_object, own_pod, tenant_pod
from tests.test_lint import ROOT

CONFLIST = json.dumps({"cniVersion": "1.0.0", "name": "of-the-node", "plugins": [{"type": "ptp"}]})
LEASE = "/var/lib/cni/networks/lan/10.9.0.7"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    node = Node([str(warm.client(tmp_path_factory.mktemp("image") / "bin"))])
    node.write("/etc/cni/net.d/10-lan.conflist", CONFLIST)
    yield node
    node.close()


@pytest.fixture
def cluster(tmp_path, node, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NODE_NAME", raising=False)
    cluster = Cluster(tmp_path, node)
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    yield cluster
    cluster.close()


@pytest.fixture
def genie(capsysbinary):
    """`genie("discover", ..., code=0)` -> (stdout, stderr), both as bytes."""

    def run(*words, code=0):
        assert main([*words]) == code, capsysbinary.readouterr()
        out, err = capsysbinary.readouterr()
        return out, err.decode()

    return run


pytestmark = [pytest.mark.root]


# --- in the agent ----------------------------------------------------------------------------------------


def test_discover_runs_on_the_node_in_its_namespaces(cluster, genie):
    cluster.add(agent())
    out, _ = genie("discover", "--node", NODE, "-o", "json", "--fail-on", "never")
    report = json.loads(out)
    assert report["metadata"]["node"] == NODE
    assert [one["path"] for one in report["configurations"]] == ["/etc/cni/net.d/10-lan.conflist"]
    assert cluster.started == []
    (asked,) = [one for one in cluster.api.requests if "/exec?" in one.target]
    assert asked.target.startswith(
        f"/api/v1/namespaces/kube-system/pods/genie-agent-{NODE}/exec?container=genie-agent&"
    )


def test_the_exit_code_and_the_failures_document_are_those_from_there(cluster, genie):
    cluster.add(agent())
    out, err = genie("discover", "--node", NODE, "--only", "nosuch", "-o", "json", code=2)
    assert json.loads(out)["kind"] == "Error"
    assert "nosuch" in err


def test_debug_node_runs_there_and_here_only_where_that_is_asked_for(cluster, genie):
    """As `genie status` advises. Without a pod of Genie in the cluster no other machine is examined by that name."""
    words = ("debug", "node", "--node", NODE, "--only", "conf", "-o", "json", "--fail-on", "never")
    out, err = genie(*words, code=3)
    assert json.loads(out)["kind"] == "Error"
    assert f"hint: run it there: ssh {NODE} sudo genie debug node" in err
    out, _ = genie(*words, "--here")
    assert json.loads(out)["metadata"]["node"] == NODE
    cluster.add(agent())
    out, err = genie(*words)
    assert json.loads(out)["metadata"]["node"] == NODE
    assert "this machine" not in err
    assert [path for _, path in cluster.asked() if path.endswith("/exec")]
    cluster.api.forbidden.add(("list", "pods"))
    genie(*words, code=4)


def test_debug_node_does_not_take_this_machine_for_a_node_that_it_could_not_reach(cluster, genie):
    """A healthy report of this machine under another node's name would be worse than none."""
    words = ("debug", "node", "--only", "conf", "-o", "json", "--fail-on", "never")
    out, err = genie(*words, "--node", "n9", code=3)
    assert json.loads(out)["kind"] == "Error"
    assert "node n9 does not exist" in err
    genie(*words, "--node", "n1,metadata.name=n2", code=2)
    cluster.kubelet = {"phase": "Failed", "reason": "OutOfpods", "message": "too many"}
    cluster.add(own_pod("genie"))
    out, err = genie(*words, "--node", NODE, code=3)
    assert json.loads(out)["kind"] == "Error"
    assert f"was not run on node {NODE}" in err
    assert f"hint: run it there: ssh {NODE} sudo genie debug node" in err
    assert f"genie is {ON_NODE}/genie there" in err  # sudo does not find it by its name


def test_debug_node_says_that_it_does_not_know_which_machine_this_is(cluster, genie):
    """A node that is cut off from the API server can be examined."""
    cluster.server.close()
    words = ("debug", "node", "--only", "conf", "-o", "json", "--fail-on", "never")
    out, err = genie(*words, "--node", NODE)
    assert json.loads(out)["metadata"]["node"] == NODE
    assert f"warning: whether this machine is node {NODE} is not known" in err


def test_debug_pod_finds_the_pods_node(cluster, genie):
    """The pod has no sandbox there: the answer is the node's, not this machine's."""
    cluster.add(agent(), tenant_pod())
    out, err = genie("debug", "pod", "web-0", "-n", "shop", "--no-probes", code=3)
    assert out == b""
    assert "pod shop/web-0 has no sandbox on this node" in err
    (asked,) = [one for one in cluster.api.requests if "/exec?" in one.target]
    assert "command=shop%2Fweb-0" in asked.target
    assert "command=--no-probes" in asked.target


def test_trace_finds_the_pods_node(cluster, genie):
    cluster.add(agent(), tenant_pod())
    _, err = genie("trace", "web-0", "10.1.2.3:80", "-n", "shop", code=3)
    assert "pod shop/web-0 has no sandbox on this node" in err
    (asked,) = [one for one in cluster.api.requests if "/exec?" in one.target]
    assert "command=shop%2Fweb-0&command=10.1.2.3%3A80" in asked.target


def test_explain_pod_reads_the_files_of_the_pods_node(cluster, genie, node, tmp_path):
    """The container here reaches no API server: the node's state is read."""
    cluster.add(agent(), tenant_pod(cni="of-the-node"))
    _, err = genie("explain", "pod", "shop/web-0", code=3)
    assert "pod shop/web-0 is not in this node's state" in err


@pytest.mark.parametrize(
    "form, begin, end", [("html", b"<!doctype html>", b"</html>\n"), ("svg", b"<svg", b"</svg>\n")]
)
def test_a_page_and_a_picture_arrive_whole(cluster, genie, node, form, begin, end):
    cluster.add(agent(), tenant_pod())
    node.run("sh", "-c", "test -e /run/netns/web || ip netns add web")
    words = ("debug", "pod", "shop/web-0", "--netns", "/run/netns/web", "--no-probes", "--fail-on", "never")
    out, _ = genie(*words, "-o", form)
    assert out.lower().startswith(begin)
    assert out.endswith(end)


def test_gc_asks_here_and_removes_there(cluster, genie, node, tmp_path):
    """A person's answer goes to the node; off a terminal, --yes is needed there too."""
    cluster.add(agent())
    node.write(LEASE, "c0ffee\r\neth0")
    fast = ("--interval", "10ms", "--min-age", "1ms")
    _, err = genie("gc", "--node", NODE, *fast, code=2)
    assert "--yes" in err
    for typed, left in (("n", True), ("y", False)):
        with terminal("gc", "--node", NODE, *fast) as (write, shown, ended):
            wait_until(lambda shown=shown: "Remove these 1?" in shown(), 60)
            write(f"{typed}\n".encode())
            assert ended() == 0, shown()
        assert (node.run("sh", "-c", f"test -e {LEASE} && echo yes || true") == "yes\n") == left


# --- in a pod that is made for it ------------------------------------------------------------------------


def test_a_node_without_an_agent_gets_a_pod_which_is_removed(cluster, genie):
    cluster.add(own_pod("genie"))
    out, _ = genie("discover", "--node", NODE, "-o", "name", "--fail-on", "never")
    assert out == b"/etc/cni/net.d/10-lan.conflist\n"
    (made,) = cluster.started
    spec, (container,) = made["spec"], made["spec"]["containers"]
    assert (spec["nodeName"], spec["hostPID"], spec["hostNetwork"]) == (NODE, True, True)
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["activeDeadlineSeconds"] == 600
    assert container["image"].startswith("registry.example.com/genie@sha256:")
    kubernetes_validate.validate(made, "1.37", strict=True)
    assert made["metadata"]["name"] not in cluster.pods()


def test_an_image_that_other_users_may_replace_is_not_used(cluster, genie):
    pod = own_pod("genie")
    pod["spec"]["containers"][0]["image"] = "registry.example.com/genie"
    pod["status"]["containerStatuses"] = []
    cluster.add(pod)
    _, err = genie("discover", "--node", NODE, code=3)
    assert "--debug-image" in err
    genie("discover", "--node", NODE, "--debug-image", "mine:1", "--fail-on", "never")
    assert [made["spec"]["containers"][0]["image"] for made in cluster.started] == ["mine:1"]


def test_an_installer_or_a_tenants_pod_is_no_agent(cluster, genie):
    """Commands are run in Genie's own namespace only, where the pod can reach the node."""
    cluster.add(own_pod("genie"), own_pod("genie-agent"))
    cluster.add({**agent(), "metadata": {**agent()["metadata"], "namespace": "shop"}})
    genie("discover", "--node", NODE, "--fail-on", "never", "-o", "name")
    (asked,) = [path for _, path in cluster.asked() if path.endswith("/exec")]
    assert asked.startswith("/api/v1/namespaces/kube-system/pods/genie-debug-")


def test_what_an_earlier_command_has_left_is_removed(cluster, genie):
    left = own_pod("genie-debug")
    left["metadata"]["name"], left["status"]["phase"] = "genie-debug-0a1b2c3d", "Failed"
    running = own_pod("genie-debug")
    running["metadata"]["name"] = "genie-debug-of-another"
    cluster.add(own_pod("genie"), left, running)
    genie("discover", "--node", NODE, "--fail-on", "never", "-o", "name")
    assert cluster.pods() == ["genie-debug-of-another", f"genie-{NODE}"]


@pytest.mark.parametrize(
    "status, says",
    [
        ({"phase": "Failed", "reason": "OutOfpods", "message": "too many"}, "OutOfpods: too many"),
        (
            {
                "phase": "Pending",
                "containerStatuses": [
                    {"state": {"waiting": {"reason": "ErrImagePull", "message": "no such"}}}
                ],
            },
            "ErrImagePull: no such",
        ),
    ],
)
def test_a_pod_that_does_not_start_is_removed(cluster, genie, status, says):
    cluster.kubelet = status
    cluster.add(own_pod("genie"))
    _, err = genie("discover", "--node", NODE, code=3)
    assert says in err
    assert cluster.pods() == [f"genie-{NODE}"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_pod_is_removed_when_the_command_is_ended(cluster, node, number, tmp_path, monkeypatch):
    """And what runs on the node ends too: its stdin is closed."""
    monkeypatch.setattr(node, "program", [sys.executable, "-m", "genie_cli"])
    cluster.add(own_pod("genie"))
    words = ["discover", "--node", NODE, "--watch", "--interval", "1s", "--fail-on", "never", "-o", "name"]
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "genie_cli", *words], stdout=out, stderr=out, cwd=ROOT
        )
    try:
        wait_until(lambda: (tmp_path / "out").read_text() or process.poll() is not None, 60)
        assert cluster.started, (tmp_path / "out").read_text()
        process.send_signal(number)
        assert process.wait(60) == 130, (tmp_path / "out").read_text()
    finally:
        process.kill()
        process.wait()
    assert cluster.pods() == [f"genie-{NODE}"]
    wait_until(lambda: not commands_on_the_node(), 60)


def commands_on_the_node():
    """The PIDs of commands that were started from elsewhere."""
    root = str(ROOT).encode()
    of_this_clone = processes(lambda words: any(root in word for word in words), "environ")
    return {*of_this_clone} & {*processes(lambda words: b"__node" in words)}


# --- bundles ---------------------------------------------------------------------------------------------


def members(path):
    with tarfile.open(path) as archive:
        files = [(entry.name.removeprefix("genie-bundle/"), archive.extractfile(entry)) for entry in archive]
        return {name: file.read() for name, file in files if file}


def test_a_bundle_of_another_node(cluster, genie, tmp_path):
    cluster.add(agent())
    path = tmp_path / "n1.tar.gz"
    out, _ = genie("debug", "bundle", "--node", NODE, "-f", str(path), "-o", "json")
    assert json.loads(out)["path"] == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = members(path)
    assert set(found) == {"facts.json", "report.json", "versions.json", "manifest.json"}
    assert json.loads(found["report.json"])["metadata"]["node"] == NODE
    digest = hashlib.sha256(found["facts.json"]).hexdigest()
    assert json.loads(found["manifest.json"])["members"]["facts.json"]["sha256"] == digest


def test_a_bundle_of_all_nodes_names_those_that_are_missing(cluster, genie, tmp_path):
    """n2 has neither an agent nor a kubelet that starts pods: one folder, one reason, exit code 5."""
    cluster.add(agent())
    pod = agent("n2")
    pod["status"]["phase"] = "Failed"
    cluster.add(pod)
    cluster.kubelet = {"phase": "Failed", "reason": "NodeShutdown"}
    path = tmp_path / "all.tar.gz"
    out, _ = genie("debug", "bundle", "--all", "-f", str(path), "-o", "json", code=5)
    report = json.loads(out)
    Draft202012Validator(json.loads(schemas.text("Bundle"))).validate(report)
    ((node, reason),) = [(one["node"], one["reason"]) for one in report["failed"]]
    assert (node, "NodeShutdown" in reason) == ("n2", True)
    found = members(path)
    assert set(found) == {*(f"{NODE}/{name}" for name in MEMBERS), "manifest.json"}
    assert json.loads(found["manifest.json"])["failed"] == {node: reason}
    assert cluster.pods() == [f"genie-agent-{NODE}", "genie-agent-n2"]


@pytest.mark.parametrize("which, code", [(("--node", NODE), 124), (("--all",), 5)])
def test_a_bundle_that_was_not_whole_in_time_says_so(node, cluster, genie, tmp_path, which, code):
    """A program on the node does not end."""
    cluster.add(agent())
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 600\n")
    hangs.chmod(0o755)
    path = tmp_path / "late.tar.gz"
    node.run("mount", "--bind", hangs, "/usr/sbin/nft")
    try:
        _, err = genie("debug", "bundle", *which, "--timeout", "2", "-f", str(path), code=code)
    finally:
        node.run("umount", "/usr/sbin/nft")
    assert any(name.endswith("facts.json") for name in members(path))
    assert (f"node {NODE} was not read in time" in err) == (code == 5)


@pytest.mark.parametrize("which, code", [(("--node", NODE), 4), (("--all",), 5)])
def test_a_bundle_that_lacked_rights_there_says_so(cluster, genie, tmp_path, which, code):
    """The command there ends with 4, as one that may not read everything does."""
    cluster.add(agent())
    start = cluster.api.container
    words = ["sh", "-c", '"$@" && echo "error: not everything could be read" >&2; exit 4', "sh"]
    cluster.api.container = lambda pod, asked: [*words, *start(pod, asked)]
    path = tmp_path / "part.tar.gz"
    _, err = genie("debug", "bundle", *which, "-f", str(path), code=code)
    assert any(name.endswith("facts.json") for name in members(path))
    assert f"node {NODE}: not everything could be read" in err


@pytest.mark.parametrize(
    "name, says", [("there", "File exists"), ("none/b", "No such file"), ("", "File exists")]
)
def test_a_bundle_that_cannot_be_written_is_not_collected(cluster, genie, tmp_path, name, says):
    (tmp_path / "there").write_text("another's")
    _, err = genie("debug", "bundle", "--all", "-f", str(tmp_path / name), code=1)
    assert f"{tmp_path / name}: {says}" in err
    assert cluster.asked() == []
    assert (tmp_path / "there").read_text() == "another's"


def test_a_bundle_that_was_not_made_has_a_command_that_makes_its_file(cluster, genie, tmp_path):
    """The archive goes to the output of ssh: without a file it would end in the terminal."""
    path = tmp_path / "a b.tar.gz"
    _, err = genie("debug", "bundle", "--node", NODE, "-f", str(path), code=3)
    assert f"hint: run it there: ssh {NODE} sudo genie debug bundle --output-file=- >'{path}'\n" in err
    _, err = genie("debug", "bundle", "--node", NODE, "-f", "-", code=3)
    assert f"ssh {NODE} sudo genie debug bundle --output-file=-\n" in err


def test_a_context_names_the_cluster_of_the_node(cluster, genie, monkeypatch):
    """Every command that reaches a node takes it."""
    cluster.add(agent())
    for words in (["discover"], ["debug", "node"], ["gc", "--dry-run"]):
        _, err = genie(*words, "--node", NODE, "--context", "none", code=2)
        assert "--context none: kubeconfig" in err
    genie("discover", "--node", NODE, "--context", "test", "--fail-on", "never")


def test_a_bundle_of_no_node_is_a_failure(cluster, genie, tmp_path):
    _, err = genie("debug", "bundle", "--all", "-f", str(tmp_path / "none"), code=5)
    assert "no node could be reached" in err
    assert f"hint: `genie debug bundle --node {NODE}` shows what would help" in err
    assert not (tmp_path / "none").exists()


def test_a_bundle_of_a_cluster_without_nodes(cluster, genie, tmp_path):
    nodes = cluster.api.objects.find_kind("", "v1", "nodes")
    for node in cluster.api.objects.list(nodes, "", {})["items"]:
        cluster.api.objects.remove(nodes, "", node["metadata"]["name"])
    _, err = genie("debug", "bundle", "--all", "-f", str(tmp_path / "none"), code=1)
    assert "the cluster has no Linux node" in err


def test_what_a_node_sends_is_no_way_into_this_machine(tmp_path):
    """Only members that a bundle has are taken, and only as files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("genie-bundle/../../etc/passwd", "genie-bundle/facts.json", "genie-bundle/evil"):
            entry = tarfile.TarInfo(name)
            entry.size = 2
            archive.addfile(entry, io.BytesIO(b"{}"))
        link = tarfile.TarInfo("genie-bundle/report.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        archive.addfile(link)
    assert unpacked(packed.getvalue()) == {"facts.json": b"{}"}
    for data in (b"", b"no archive", packed.getvalue()[:60]):
        with pytest.raises(DecodingFailure):
            unpacked(data)


# --- where that is not possible --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "right, code",
    [(("list", "pods"), 4), (("create", "pods/exec"), 4), (("get", "pods/exec"), 4), (("create", "pods"), 4)],
)
def test_without_a_right_there_is_one_command_to_copy(cluster, genie, right, code):
    cluster.api.forbidden.add(right)
    cluster.add(own_pod("genie") if right == ("create", "pods") else agent())
    _, err = genie("discover", "--node", NODE, "--only", "plugin-status", code=code)
    assert f"genie discover was not run on node {NODE}: the API server does not allow" in err
    assert f"ssh {NODE} sudo genie discover --only=plugin-status\n" in err
    assert "DELETE" not in {method for method, _ in cluster.asked()}


def test_the_command_to_copy_is_one_that_works_there(cluster, genie, node):
    _, err = genie("discover", "--node", NODE, "--conf-dir", "/etc/cni/net.d", "-o", "name", code=3)
    (copied,) = re.findall(rf"ssh {NODE} sudo genie (.*)", err)
    words = [
        "env",
        f"PYTHONPATH={ROOT}",
        sys.executable,
        "-m",
        "genie_cli",
        *shlex.split(copied),
        "--fail-on=never",
    ]
    assert node.run(*words) == "/etc/cni/net.d/10-lan.conflist\n"


def test_debug_pod_still_says_where_the_pod_is(cluster, genie):
    cluster.add(tenant_pod())
    out, err = genie("debug", "pod", "shop/web-0", "-o", "json", code=3)
    report = json.loads(out)
    assert report["target"]["state"] == "not-here"
    assert f"\n  hint: run it there: ssh {NODE} sudo genie debug pod --output=json shop/web-0\n" in err


def test_trace_has_one_command_to_copy(cluster, genie):
    cluster.add(tenant_pod())
    _, err = genie("trace", "shop/web-0", "10.1.2.3:80", "--probe", code=3)
    assert f"ssh {NODE} sudo genie trace --probe shop/web-0 10.1.2.3:80" in err
    _, err = genie("trace", "shop/web-0", "10.1.2.3:80", "--here", code=3)
    assert f"pod shop/web-0 is on node {NODE}" in err


def test_a_bundle_of_a_pod_whose_node_is_not_reached(cluster, genie, tmp_path):
    cluster.add(tenant_pod())
    _, err = genie("debug", "bundle", "shop/web-0", "-f", str(tmp_path / "b.tar.gz"), code=3)
    assert f"was not run on node {NODE}" in err
    assert "\n  --genie-namespace names another namespace, --debug-image an image\n" in err


def test_files_of_this_machine_stay_here(cluster, genie, tmp_path):
    cluster.add(agent(), tenant_pod())
    facts = tmp_path / "facts.json"
    _, err = genie("debug", "pod", "shop/web-0", "--save", str(facts), code=3)
    assert "--save names a file of this machine" in err
    assert not [path for _, path in cluster.asked() if path.endswith("/exec")]


def test_a_pod_that_does_not_exist(cluster, genie):
    _, err = genie("explain", "pod", "shop/none", code=3)
    assert "pod shop/none does not exist\n  hint: check -n and the name\n" in err
    for line in ("debug pod deploy/web", "explain pod deploy/web", "trace deploy/web 10.1.2.3"):
        _, err = genie(*line.split(), code=3)
        assert "pod deploy/web does not exist\n  hint: deploy is taken for a namespace: " in err


def test_a_node_that_does_not_exist(cluster, genie):
    _, err = genie("gc", "--node", "n9", "--dry-run", code=3)
    assert "node n9 does not exist" in err
    _, err = genie("gc", "--node", "n1,metadata.name=n2", "--dry-run", code=2)
    assert "cannot be the name of a node" in err


def test_this_node_by_its_name_or_address_is_here(cluster, genie, monkeypatch):
    """Nothing is started anywhere: by $NODE_NAME, by an address, by --here, without an API server."""
    cluster.add(agent())
    skip = ("--only", "plugin-status", "--fail-on", "never", "-o", "name")
    monkeypatch.setenv("NODE_NAME", NODE)
    genie("discover", "--node", NODE, *skip)
    monkeypatch.delenv("NODE_NAME")
    genie("discover", "--node", NODE, "--here", *skip)
    cluster.add(node_object(NODE, "127.0.0.1"))
    genie("discover", "--node", NODE, *skip)
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    _, err = genie("discover", "--node", "n7", *skip)
    assert "this machine is taken for node n7" in err
    _, err = genie("gc", "--node", "n7", "--yes", code=3)
    assert "is node n7 is not known" in err
    genie("gc", "--node", "n7", "--dry-run")
    assert not [path for _, path in cluster.asked() if path.endswith("/exec")]


def test_a_node_that_cannot_be_entered_is_one_sentence(genie):
    """Where the container has not the node's processes, or not the rights."""
    word = json.dumps({"environment": {}, "hostPid": 2**22 + 1, "seconds": 5})
    _, err = genie("__node", word, "version", code=1)
    assert err.startswith(f"error: /proc/{2**22 + 1}/")
    assert "Traceback" not in err


# --- rights ----------------------------------------------------------------------------------------------


def test_the_role_is_what_is_asked(cluster, genie):
    """deploy/remote-rbac.yaml, no more and no fewer, beside what genie-debug grants."""
    documents = list(yaml.safe_load_all((ROOT / "deploy/remote-rbac.yaml").read_text()))
    granted = {
        one["metadata"]["name"]: {
            (resource, verb)
            for rule in one["rules"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        for one in documents
        if one["kind"] == "Role"
    }
    cluster.add(agent())
    genie("discover", "--node", NODE, "-o", "name", "--fail-on", "never")
    assert rights(cluster) | {("pods/exec", "create")} == granted["genie-remote"]
    kind = cluster.api.objects.find_kind("", "v1", "pods")
    cluster.api.objects.remove(kind, "kube-system", f"genie-agent-{NODE}")
    cluster.add(own_pod("genie"))
    genie("discover", "--node", NODE, "-o", "name", "--fail-on", "never")
    wanted = granted["genie-remote"] | granted["genie-remote-pods"]
    assert rights(cluster) | {("pods/exec", "create")} == wanted


def rights(cluster):
    """The rights in Genie's namespace that the requests have needed."""
    asked = set()
    for method, path in cluster.asked():
        if found := re.fullmatch(r"/api/v1/namespaces/kube-system/pods(/[^/]+)?(/exec)?", path):
            verb = {"GET": "get" if found[1] else "list", "POST": "create", "DELETE": "delete"}[method]
            asked.add((f"pods{found[2] or ''}", verb))
    return asked


@contextmanager
def terminal(*words):
    """The command line at a pseudo-terminal: functions that type, show the output, and wait."""
    leader, follower = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "genie_cli", *words], stdin=follower, stdout=follower, stderr=follower,
        cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    text = bytearray()

    def shown():
        os.set_blocking(leader, False)
        try:
            while data := os.read(leader, 4096):
                text.extend(data)
        except OSError:
            pass
        return text.decode(errors="replace")

    def ended():
        wait_until(lambda: shown() is not None and process.poll() is not None, 60)
        return process.returncode

    try:
        yield lambda data: os.write(leader, data), shown, ended
    finally:
        process.kill()
        process.wait()
        os.close(leader)
