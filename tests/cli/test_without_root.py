"""Without root, a command names what it could not read and how to run it, and exits with 4. It does not guess."""

import json

import jsonschema
import pytest

from genie_cli.app import main
from tests import ordinary_user
from tests.discover import nodes
from tests.discover.test_command import SCHEMAS

GENIE = {
    "cniVersion": "1.0.0",
    "name": "genie",
    "plugins": [
        {
            "type": "genie",
            "default_plugin": "net",
            "capabilities": {"io.kubernetes.cri.pod-annotations": True},
        }
    ],
}

pytestmark = pytest.mark.root


class Node:
    """A node whose state only root may read."""

    def __init__(self, folder):
        self.folder = folder
        self.state = f"{folder}/state"
        nodes.write(folder / "conf/10-net.conflist", nodes.bridge())
        nodes.write(folder / "conf/00-genie.conflist", json.dumps(GENIE))
        nodes.add_plugins(folder / "bin", "bridge", "host-local", "genie")
        (folder / "state/containers").mkdir(parents=True)
        (folder / "state").chmod(0o700)
        self.where = ["--conf-dir", str(folder / "conf"), "--state-dir", self.state]

    def ask(self, *argv):
        """Run a command as an ordinary user: exit code, stdout, stderr on one line."""
        done = ordinary_user.genie(self.folder, *argv, *self.where)
        return done.returncode, done.stdout, " ".join(done.stderr.split())

    def ask_as_root(self, *argv):
        return main([*argv, *self.where])


@pytest.fixture(scope="module")
def node():
    with ordinary_user.readable_copy() as folder:
        yield Node(folder)


@pytest.mark.parametrize("form", [[], ["-o", "json"]])
def test_debug_pod_does_not_say_that_the_pod_is_not_here(node, form):
    code, stdout, stderr = node.ask("debug", "pod", "shop/web-0", *form)
    assert code == 4, stdout + stderr
    assert "whether pod shop/web-0 has a sandbox on this node could not be read" in stderr
    assert node.state in stderr
    assert "sudo genie debug pod shop/web-0" in stderr
    assert not form or json.loads(stdout)["exitCode"] == 4
    assert node.ask_as_root("debug", "pod", "shop/web-0") == 3


def test_discover_does_not_count_what_it_has_not_read(node):
    code, stdout, stderr = node.ask("discover", "--no-api")
    assert code == 4, stdout + stderr
    assert f"not read: reading {node.state} needs root" in " ".join(stdout.split())
    assert "0 containers" not in stdout
    assert f"not everything could be read: reading {node.state} needs root" in stderr
    assert "sudo genie discover" in stderr
    code, stdout, _ = node.ask("discover", "--no-api", "-o", "json")
    report = json.loads(stdout)
    jsonschema.validate(report, json.loads((SCHEMAS / "NodeReport.json").read_text()))
    assert (code, report["genie"]["entries"], report["genie"]["pendingDeletes"]) == (4, None, None)


def test_a_choice_of_checks_that_need_no_right_is_answered(node):
    code, stdout, stderr = node.ask("discover", "--no-api", "--only", "conf-names")
    assert code == 0, stdout + stderr
    assert "error" not in stderr


def test_trace_does_not_say_that_the_pod_is_not_here(node):
    code, stdout, stderr = node.ask("trace", "shop/web-0", "10.1.2.3")
    assert code == 4, stdout + stderr
    assert "whether pod shop/web-0 has a sandbox on this node could not be read" in stderr
    assert "sudo genie trace shop/web-0 10.1.2.3" in stderr
    assert node.ask_as_root("trace", "shop/web-0", "10.1.2.3") == 3


def test_trace_without_time_says_that_the_time_was_up(node):
    assert node.ask_as_root("trace", "shop/web-0", "10.1.2.3", "--timeout", "1ms") == 124


def test_a_bundle_says_that_it_is_not_whole(node):
    free = node.folder / "free"
    free.mkdir()
    free.chmod(0o777)
    code, _, stderr = node.ask("debug", "bundle", "-f", str(free / "b.tar.gz"))
    assert code == 4, stderr
    assert (free / "b.tar.gz").exists()
    assert "not everything could be read" in stderr
    assert "sudo genie debug bundle" in stderr


@pytest.mark.parametrize("form", [[], ["-o", "json"]])
def test_explain_pod_says_what_could_not_be_read(node, form):
    code, stdout, stderr = node.ask("explain", "pod", "shop/web-0", *form)
    assert code == 4, stdout + stderr
    assert "whether pod shop/web-0 is attached here could not be read" in stderr
    assert node.state in stderr
    assert "sudo genie explain pod shop/web-0" in stderr
    assert "writable disk" not in stderr
    assert not form or json.loads(stdout)["exitCode"] == 4
    assert node.ask_as_root("explain", "pod", "shop/web-0") == 3


def test_a_kubeconfig_of_roots(node):
    """Such as that of kubeadm."""
    path = node.folder / "admin.conf"
    path.write_text("apiVersion: v1\nkind: Config\n")
    path.chmod(0o600)
    done = ordinary_user.genie(node.folder, "status", "--kubeconfig", str(path))
    assert done.returncode == 4
    assert done.stderr == (
        f"error: kubeconfig {path} cannot be read: Permission denied\n"
        "  hint: run it as root, or as a user who may read it\n"
    )


def test_an_agent_without_rights_ends_before_it_reports_on_the_node(node):
    """It would have called the node good of which it can read a part."""
    done = ordinary_user.genie(node.folder, "agent", "--once")
    assert done.returncode == 4
    assert "error: genie agent changes pods' networks, which needs root\n" in done.stderr
    assert "sudo" in done.stderr


def test_the_node_without_the_right_to_see_its_firewall(node):
    code, stdout, stderr = node.ask("debug", "node")
    assert code == 4, stdout + stderr
    assert "sudo genie debug node" in stderr
