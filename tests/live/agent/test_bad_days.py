"""What the agent does while the node is short of something, and while the runtime has not said yet what it has."""

import os
import resource
import shutil
import tempfile
from pathlib import Path

import pytest

from tests import warm
from tests.live.agent.test_agent import is_applied
from tests.live.agent.test_switching import kubeconfig
from tests.live.runtime import Runtime
from tests.patience import wait_until

pytestmark = [pytest.mark.root, pytest.mark.system]


@pytest.fixture
def runtime():
    folder = Path(tempfile.mkdtemp(prefix="genie-cri-"))  # a socket's path has at most 107 bytes
    made = Runtime(folder / "s")
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


def test_a_sandbox_that_the_runtime_lists_later(node, runtime):
    """containerd and CRI-O list a sandbox when it runs: a moment after its ADD."""
    node.start(cni="blue,red@net1")
    node.agent("--cri-socket", runtime.socket)
    wait_until(lambda: [line["status"] for line in node.events("sync")] == ["absent"])
    runtime.sandboxes["c1"] = "ns/c1"
    is_applied(node, "net1")
    assert runtime.described == []


def test_without_descriptors_for_a_while(node):
    """Nothing that is known is lost, and what was missed is found afterwards."""
    node.write_configuration(repair_interval_seconds=600)
    node.start(cni="blue,red@net1")
    agent = node.agent("--repair", "fix")
    is_applied(node, "net1")
    few, most = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (3, most))
    node.start("c2", netns=node.node.add_pod().path, cni="blue")
    node.node.pod.run("ip", "link", "set", "net1", "down")
    wait_until(lambda: node.events("faults are found by the timer only"))
    node.annotate(cni="blue,red@net1,green@net2")
    wait_until(lambda: node.events("not started"))
    wait_until(lambda: node.events("configuration not read"))
    node.cluster.server.hang_up()
    wait_until(lambda: node.events("the API server cannot be followed"))
    assert agent.poll() is None
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (few, most))
    is_applied(node, "net1", "net2")
    node.annotate(cni="blue,red@net1")
    is_applied(node, "net1")
    wait_until(lambda: "link" in mended(node))
    wait_until(lambda: node.condition("c2") == ("True", "Applied"))


def test_repair_that_is_switched_on_later(node):
    """Faults are found at once from then on, and those of before, too; the timer is far away."""
    node.write_configuration(repair="off", repair_interval_seconds=600)
    node.start(cni="blue,red@net1")
    node.agent(repair=())
    is_applied(node, "net1")
    node.node.pod.run("ip", "link", "set", "net1", "down")
    node.write_configuration(repair="fix", repair_interval_seconds=600)
    wait_until(lambda: mended(node) == ["link", "route"])
    node.node.pod.run("ip", "address", "flush", "dev", "net1")
    wait_until(lambda: "address" in mended(node))


def test_a_configuration_that_could_not_be_read_at_first(node):
    """It is read again at each look, also where its time is that of the first try; one warning says so."""
    node.write_configuration(repair="off")
    node.start(cni="blue,red@net1")
    node.agent(repair=())
    is_applied(node, "net1")
    node.node.pod.run("ip", "link", "set", "net1", "down")
    file = node.node.conf / "00-genie.conflist"
    whole = node.node.root / "whole"
    whole.write_text(file.read_text().replace('"off"', '"fix"'))
    file.write_text("{")
    wait_until(lambda: node.events("configuration not read"))
    at = file.stat().st_mtime_ns
    os.utime(whole, ns=(at, at))
    whole.rename(file)
    wait_until(lambda: "link" in mended(node))
    assert len(node.events("configuration not read")) == 1


def mended(node):
    """The kinds of what was repaired, in order."""
    return [line["kind"] for line in node.events("repair") if line["result"] == "mended"]


def test_the_checks_of_the_node_are_made_here(node, tmp_path):
    """Without a question to the server whether this machine, whose host name is another, is that node."""
    file = tmp_path / "kubeconfig"
    file.write_text(kubeconfig(node.cluster.server.url))
    words = node.words("--once", "--repair", "off")
    env = {**node.environment(), "KUBECONFIG": str(file)}
    done = warm.run(*words, netns=node.node.host.path, env=env)
    assert done.returncode == 0, done.stderr
    asked = [one.target for one in node.cluster.server.api.requests]
    assert not [target for target in asked if target.startswith("/api/v1/nodes?")]


def test_a_configuration_with_an_error_switches_nothing_off(node):
    """Nor does one that has gone, while pods are attached: the settings of before hold."""
    node.write_configuration(repair="fix", repair_interval_seconds=600)
    node.start(cni="blue,red@net1")
    node.agent(repair=())
    is_applied(node, "net1")
    node.write_configuration(repair="mend", repair_interval_seconds=600)
    wait_until(lambda: node.events("configuration not read"))
    node.node.pod.run("ip", "link", "set", "net1", "down")
    wait_until(lambda: "link" in mended(node))
    (node.node.conf / "00-genie.conflist").unlink()
    wait_until(lambda: len(node.events("configuration not read")) == 2)
    assert "has no configuration of Genie's any more" in node.events("configuration not read")[1]["problem"]


def test_a_configuration_that_comes_later(node):
    """An agent may start before Genie is installed; the state directory is not the usual one."""
    file = node.node.conf / "00-genie.conflist"
    later = file.rename(node.node.root / "later")
    node.agent("--repair", "fix", wait=False)
    wait_until(lambda: node.events("the API server cannot be followed"))
    later.rename(file)
    node.write_configuration(repair_interval_seconds=600)
    node.start(cni="blue")
    node.annotate(cni="blue,red@net1")
    is_applied(node, "net1")
    node.node.pod.run("ip", "link", "set", "net1", "down")
    wait_until(lambda: "link" in mended(node))
