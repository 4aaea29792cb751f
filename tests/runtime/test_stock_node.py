"""`genie install` without options on a node that Debian's own packages made, with real containerd and real pods."""

import json

import grpc
import pytest

from genie_core.checks.cni_versions import GN1043
from tests.patience import wait_until
from tests.runtime.stock import PLUGINS, StockNode

pytestmark = [pytest.mark.root, pytest.mark.system]


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    node = StockNode(tmp_path_factory.mktemp("s"))
    try:
        node.genie("generate-config", "bridge", "--write")
        node.genie("generate-config", "ptp", "--write")
        node.start()
        yield node
    finally:
        node.close()


def interfaces(node, sandbox):
    return set(node.pod_links(sandbox))


def test_a_pod_starts_before_right_after_and_after_the_removal(node):
    """The package has `bin_dir = "/usr/lib/cni"`: a plugin in /opt/cni/bin would keep every pod from starting."""
    node.wait_for_network("bridge")
    before = node.run_pod("before")
    assert interfaces(node, before) == {"eth0"}
    node.genie("install", "--set", "default_plugin=bridge")
    node.wait_for_network("genie")
    assert node.file(f"{PLUGINS}/genie").exists()
    assert not list(node.file("/opt").iterdir())
    after = node.run_pod("after", {"cni": "bridge,ptp@net1"})
    assert interfaces(node, after) == {"eth0", "net1"}
    report = json.loads(node.genie("discover", "--no-api", "-o", "json", "--fail-on", "error"))
    assert report["runtimes"][0]["running"] is True
    for sandbox in (before, after):
        node.remove_pod(sandbox)
    node.genie("uninstall")
    node.wait_for_network("bridge")
    assert not node.file(f"{PLUGINS}/genie").exists()
    node.remove_pod(node.run_pod("last"))


def test_a_directory_that_the_runtime_does_not_search_is_refused_before_anything_is_written(node):
    node.genie("install", "--bin-dir", "/opt/cni/bin", status=1)
    assert 'plugin "genie" of network "genie"' in node.stderr
    assert f"genie install --bin-dir {PLUGINS}" in node.stderr
    assert not list(node.file("/opt").iterdir())
    assert sorted(path.name for path in node.file("/etc/cni/net.d").iterdir()) == [
        "90-bridge.conflist",
        "90-ptp.conflist",
    ]
    node.remove_pod(node.run_pod("p"))


def test_the_remedy_of_gn1101_lets_pods_start_again(node):
    """A node that an earlier version locked out: its plugin is in a directory that the runtime does not search."""
    node.genie("install", "--set", "default_plugin=bridge")
    node.run("mkdir", "-p", "/opt/cni/bin")
    node.run("mv", f"{PLUGINS}/genie", f"{PLUGINS}/.genie", "/opt/cni/bin")
    node.wait_for_network("genie")
    with pytest.raises(grpc.RpcError, match="failed to find plugin"):
        node.run_pod("locked-out")
    report = json.loads(node.genie("discover", "--no-api", "-o", "json", status=1))
    (finding,) = [one for one in report["findings"] if one["code"] == "GN1101"]
    for command in finding["remedy"]["commands"]:
        assert command["argv"][0] == "genie"
        node.genie(*command["argv"][1:])
    node.remove_pod(node.run_pod("p"))
    node.genie("discover", "--no-api", "--fail-on", "error")
    node.genie("uninstall")


def refusal(node, name):
    """Why the pod does not start, "" if it does: containerd notices a changed file a moment later."""
    try:
        node.remove_pod(node.run_pod(name))
    except grpc.RpcError as error:
        return error.details()
    return ""


def test_a_version_that_containerd_does_not_support(node):
    """1.7 knows 1.0.0 at most: discover says so, and what it says to write lets pods start, as `genie explain` does."""
    path = node.file("/etc/cni/net.d/90-bridge.conflist")
    before = path.read_text()

    def refusal_with(change, name):
        """Written at each try: a containerd on a busy machine may miss that it has changed once."""
        path.write_text(json.dumps(json.loads(before) | change))
        return refusal(node, name)

    try:
        wait_until(lambda: "1.1.0" in refusal_with({"cniVersion": "1.1.0"}, "refused"))
        report = json.loads(node.genie("discover", "--no-api", "-o", "json", status=1))
        found = {one["code"]: one for one in report["findings"]}
        assert "containerd 1.7" in found["GN1043"]["title"]
        assert found["GN1043"]["consequenceOf"] == "GN1040"  # Debian's plugins do not know it either
        for remedy in (found["GN1040"]["remedy"]["text"].removeprefix("set "), GN1043.fix):
            change = json.loads(f"{{{remedy}}}")
            wait_until(lambda change=change: not refusal_with(change, "p"))
    finally:
        path.write_text(before)


CNI = '[plugins."io.containerd.grpc.v1.cri".cni]\n'


@pytest.fixture
def changed(node):
    """The node, for a test that mounts other files over its own."""
    yield node
    node.run("sh", "-c", "umount -l /usr/bin /etc/containerd /run/containerd; true")


def test_a_running_containerd_says_where_it_looks_where_its_files_do_not(changed):
    """As in the DaemonSet's container with its socket: its files, here without directories, and no program to ask."""
    changed.hide_containerd()
    changed.write_containerd_config("version = 2\n")
    changed.genie("install", "--dry-run")
    # nothing but the progress of what takes more than a second
    assert {*changed.stderr.splitlines()} <= {"compiling the plugin for this node's Python"}
    report = json.loads(changed.genie("discover", "--no-api", "-o", "json", "--fail-on", "never"))
    (runtime,) = report["runtimes"]
    assert (runtime["binDirs"], runtime["version"]) == ([PLUGINS], "1.7.24")


def test_what_cannot_be_asked_is_said_and_not_installed_against_the_evidence(changed):
    """The default of containerd's own releases is /opt/cni/bin. Where the plugins are not, it does not look."""
    changed.hide_containerd()
    changed.write_containerd_config("version = 2\n")
    changed.run("mount", "-t", "tmpfs", "none", "/run/containerd")
    changed.run("mkdir", "-p", "/opt/cni/bin")
    changed.genie("install", status=1)
    assert (
        "no plugin of this node's networks (90-bridge.conflist: bridge) is in /opt/cni/bin" in changed.stderr
    )
    assert (
        "containerd could not be asked, and its files do not say which directory it looks for plugins in: "
        "/opt/cni/bin is assumed; --bin-dir names another" in changed.stderr
    )
    assert "00-genie.conflist" not in [path.name for path in changed.file("/etc/cni/net.d").iterdir()]
    changed.run("cp", f"{PLUGINS}/ptp", "/opt/cni/bin")  # one of another network's
    changed.genie("install", "--dry-run")
    assert "/opt/cni/bin is assumed" in changed.stderr
    changed.run("rm", "/opt/cni/bin/ptp")
    changed.genie("install", "--bin-dir", PLUGINS, "--dry-run")
    assert "/opt/cni/bin" not in changed.stderr
    assert "/etc/cni/net.d is assumed" in changed.stderr


def test_files_that_containerd_has_not_read_yet_are_no_place_to_install_by(changed):
    """Its next start would cut the node off, or this installation does until then."""
    changed.write_containerd_config(
        f'version = 2\n{CNI}bin_dir = "/opt/cni/bin"\nconf_dir = "/etc/cni/net.d"\n'
    )
    changed.genie("install", status=1)
    assert f"looks for plugins in {PLUGINS}, and after its next start in /opt/cni/bin" in changed.stderr
    assert "restart it and install again" in changed.stderr
    report = json.loads(changed.genie("discover", "--no-api", "-o", "json", "--fail-on", "never"))
    (title,) = [one["title"] for one in report["findings"] if one["code"] == "GN1202"]
    assert f"looks for plugins in {PLUGINS}, and after its next start in /opt/cni/bin" in title
    changed.genie("install", "--bin-dir", PLUGINS, "--dry-run")


def test_the_program_of_a_containerd_that_is_not_there_runs_once(changed):
    """Its 43 ms are most of what an uninstallation takes."""
    script = '#!/bin/sh\necho run >>/var/lib/runs\nexec containerd.real "$@"\n'
    changed.file("/var/lib/script").write_text(script)
    changed.change_programs("mv containerd containerd.real && install /var/lib/script containerd")
    changed.write_containerd_config("version = 2\n")
    changed.run("mount", "-t", "tmpfs", "none", "/run/containerd")
    changed.genie("uninstall", "--dry-run", "--bin-dir", PLUGINS)
    assert changed.file("/var/lib/runs").read_text() == "run\n"
