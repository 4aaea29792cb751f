"""Pods that go: their addresses are no peers' any more before they are free, whatever else happens meanwhile."""

import json
import os
import resource
import shutil
import threading
from collections.abc import Callable
from contextlib import contextmanager

import pytest

from genie_core.dialects import NETWORK_STATUS
from genie_core.edges import nft, policy_dir
from genie_core.errors import TryAgain
from genie_core.model import Attachment, NetConf, Plan, PluginConf
from genie_core.policy import cluster
from genie_core.tasks.policy.enforce import Enforcer
from genie_core.tasks.policy.kernel import Kernel
from genie_core.verbs.policy import Leaving
from tests import manifests
from tests.policy.engine_node import until
from tests.policy.generated import attachment
from tests.policy.test_kept import FROM_WEB, ONLY_DB, apply

pytestmark = pytest.mark.root


def rules(node):
    return node.node.host.run("nft", "list", "ruleset").stdout


class Racing(Kernel):
    """The kernel's tables, where something happens right before the node's are loaded."""

    leave: Callable[[], None] | None = None

    def load(self, tables, netns=""):
        if not netns and self.leave:
            leave, self.leave = self.leave, None
            leave()
        return super().load(tables, netns)


def test_a_del_while_rules_are_loaded(node):
    """The load has read the address before: it came back into the sets, and another pod may have it by then."""
    gone = node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(ingress=FROM_WEB, **ONLY_DB)
    until(lambda: gone in rules(node))
    node.kill()
    kernel = Racing()
    enforcer = Enforcer(json.loads(node.node.stdin()), "n1", kernel)
    apply(node, enforcer)
    node.policy(ingress=[*FROM_WEB, {"ports": [{"port": 80}]}], **ONLY_DB)
    journal = node.node.state / "containers" / "web@eth0"
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(node.call("DEL", "web")))

    def leave():
        thread.start()
        until(lambda: not thread.is_alive() or "releasing" in journal.read_text())

    kernel.leave = leave
    apply(node, enforcer)
    thread.join()
    assert [one.status for one in outcomes] == [0]
    assert gone not in rules(node)


def test_the_status_of_a_pod_whose_container_has_gone(node):
    """The object is there as long as the pod ends; its address may be another's by then."""
    gone = node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(ingress=FROM_WEB, **ONLY_DB)
    until(lambda: gone in rules(node))
    pod = node.objects.get(node.objects.kind_of(manifests.pod()), "shop", "web")
    node.objects.add({**pod, "metadata": {**pod["metadata"], "deletionTimestamp": "2026-01-02T03:04:05Z"}})
    assert node.call("DEL", "web").status == 0
    node.policy("later", ingress=FROM_WEB, **ONLY_DB)
    until(lambda: "shop/later" in rules(node))
    assert gone not in rules(node)


def test_a_pod_without_a_journal_has_what_its_status_says():
    """It is from before Genie, or waits for its next container while another one has got the address."""

    def pod(name, ip, **more):
        status = json.dumps([{"name": "cni/bridge", "default": True, "ips": [ip]}])
        meta = {"namespace": "shop", "name": name, "annotations": {NETWORK_STATUS: status}, **more}
        return {"kind": "Pod", "metadata": meta, "spec": {"nodeName": "n1"}}

    found = cluster.Cluster(
        [
            {"kind": "AttachmentList", "node": "n1", "items": [attachment(0, "cni/bridge", 0)]},
            pod("pod0", "10.77.0.99"),
            pod("old", "10.77.0.11"),
            pod("waits", "10.77.0.10"),
            pod("ends", "10.77.0.12", deletionTimestamp="2026-01-02T03:04:05Z"),
        ]
    ).pods
    addresses = {pod.name: [ip for one in pod.members for ip in one.addresses] for pod in found.values()}
    assert addresses == {
        "pod0": ["10.77.0.10", "fd77:1::a"],
        "old": ["10.77.0.11"],
        "waits": [],
        "ends": [],
    }


def test_a_guard_stays_until_the_interface_is_gone(node):
    """Behind a point-to-point link the guard is in a set like those of peers, which are left earlier."""
    seen = node.node.root / "seen"
    node.node.wrap("ptp", f'[ "$CNI_COMMAND" = DEL ] && nft list ruleset > {seen}; exec "$REAL"')
    node.policy(networks="cni/red")
    until(lambda: node.status().get("policies") == 1)
    node.kill()
    node.pod("web", "blue,red@net1", app="web")
    assert node.call("DEL", "web", "blue,red@net1").status == 0
    guard = seen.read_text().partition("set fresh {")[2].partition("}\n")[0]
    assert "veth" in guard
    assert "veth" not in rules(node)


def test_the_rules_of_a_pod_with_the_same_address_on_another_network_stay(node):
    """They were taken for those of the pod that goes: the other one could not be reached until the next load."""
    lake = {"type": "bridge", "bridge": "br8", "ipam": node.node.ipam("10.9.0.0/16")}
    node.node._single("50-lake.conf", "lake", **lake)
    node.policy(networks="cni/lake,cni/sea", ingress=FROM_WEB, **ONLY_DB)
    until(lambda: node.status().get("policies") == 1)
    gone = node.pod("web", app="web")
    assert node.pod("db", "blue,lake@net1", app="db") == gone
    node.pod("other", "blue,lake@net1", app="web")
    until(lambda: f'"br8" . {gone}' in rules(node) and "fresh" not in rules(node))
    until(lambda: node.ping("other", "db"))
    node.kill()
    assert node.call("DEL", "web").status == 0
    assert node.ping("other", "db", 20)
    assert node.call("DEL", "db", "blue,lake@net1").status == 0
    assert f'"br8" . {gone}' not in rules(node)


LIMITS = resource.getrlimit(resource.RLIMIT_NOFILE)


@contextmanager
def without_descriptors(left):
    """So many more can be opened."""
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    taken = [os.open("/dev/null", os.O_RDONLY) for _ in range(highest + 2 - len(os.listdir("/proc/self/fd")))]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(highest, *taken) + 1 + left, LIMITS[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, LIMITS)
        for one in taken:
            os.close(one)


@pytest.mark.parametrize("left", range(5))
def test_a_node_without_descriptors_has_no_nft(left):
    """The caller gets the error of a missing nft: no OSError leaves, and no descriptor is lost."""
    before = os.listdir("/proc/self/fd")
    with without_descriptors(left):
        try:
            nft.load("")
        except TryAgain as error:
            assert "nft cannot be run: Too many open files" in error.msg
        else:
            assert left > 2
    assert os.listdir("/proc/self/fd") == before


def test_an_nft_that_hangs(tmp_path, monkeypatch):
    program = tmp_path / "nft"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setattr(nft, "PROGRAM_PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(nft, "SECONDS", 1.0)
    with pytest.raises(TryAgain, match="nft did not end within 1 seconds"):
        nft.load("")
    assert not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text().strip()}")


class Log:
    """What was said."""

    def __init__(self):
        self.said = []

    def warning(self, event, **more):
        self.said.append((event, more["problem"]))


def leaving(log):
    """A network of a container."""
    result = json.dumps({"cniVersion": "1.0.0", "ips": [{"address": "10.9.0.7/16"}]})
    network = NetConf("sea", "1.0.0", [PluginConf("bridge", '{"type": "bridge"}')], "")
    one = Attachment(network, "net1", "sea", result=result)
    return Leaving(Plan("c1", "eth0", "", (), None, "", [one]), 0, log)


@pytest.fixture
def selected():
    """A policy selects every network of a pod but its primary one."""
    policy_dir.write({"*": [{"namespace": "shop", "podSelector": {}}]})
    yield
    shutil.rmtree(policy_dir.DIRECTORY)


@pytest.mark.usefixtures("selected")
def test_what_fails_is_no_failure_of_the_del(monkeypatch):
    log = Log()
    for error in (OSError(24, "Too many open files"), TryAgain("the program nft is not on this node")):

        def run(*_, error=error):
            raise error

        monkeypatch.setattr(nft, "run", run)
        one = leaving(log)
        one.close()
        one.forget()
    event = "rules of policies not removed, left to the agent"
    assert log.said == [
        (event, "[Errno 24] Too many open files"),
        (event, "the program nft is not on this node"),
    ]
