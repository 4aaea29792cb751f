"""Full disks, and a node that was rebooted, while packets are on their way that a policy denies."""

import json
import shutil
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from genie_core.edges import policy_dir
from genie_core.edges.netns import inside
from genie_core.sandbox import syscalls
from tests.policy.engine_node import EngineNode, pod_document, until
from tests.policy.first_packets import drained, receiver_at, send
from tests.policy.test_engine import Agent, genie

ONLY_DB = {"podSelector": {"matchLabels": {"app": "db"}}}


@pytest.fixture
def node(tmp_path, plugins):
    made = EngineNode(tmp_path / "node", plugins)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def full(folder):
    """The folder's content, on a small disk that is full."""
    kept = folder.with_name(folder.name + ".kept")
    shutil.copytree(folder, kept)
    syscalls.mount("tmpfs", str(folder), "tmpfs", options="size=256k,mode=700")
    for path in kept.rglob("*"):
        target = folder / path.relative_to(kept)
        if path.is_dir():
            target.mkdir(mode=path.stat().st_mode)
        else:
            shutil.copy2(path, target)
    over = threading.Event()
    filling = threading.Thread(target=_fill, args=(folder / "rest", over))
    filling.start()
    try:
        yield
    finally:
        over.set()
        filling.join()
        subprocess.run(["umount", "--lazy", folder], check=True)
        shutil.rmtree(kept)


def _fill(file, over):
    """Take what is free, and what becomes free."""
    with file.open("wb", buffering=0) as rest:
        while not over.is_set():
            try:
                rest.write(bytes(4096))
            except OSError:
                over.wait(0.002)


class Traffic:
    """Datagrams from one pod to another, all the time; `came` takes what has arrived since."""

    def __init__(self, node, source, target):
        self._over = threading.Event()
        self._bursts = 0  # that have ended
        address = node.addresses[target]
        self._receiver = inside(str(node.pods[target].path), partial(receiver_at, address))
        path = str(node.pods[source].path)
        self._thread = threading.Thread(target=self._flood, args=(path, address))
        self._thread.start()

    def _flood(self, path, address):
        while not self._over.is_set():
            inside(path, partial(send, address))
            self._bursts += 1

    def came(self):
        return drained(self._receiver)

    def stops(self):
        """Wait until no more come."""
        until(lambda: not self.comes())

    def comes(self):
        """How many of a whole burst have come, which begins from now on."""
        self.came()
        begun = self._bursts
        until(lambda: self._bursts >= begun + 2)
        return self.came()

    def passes(self):
        until(self.came)

    def close(self):
        self._over.set()
        self._thread.join()
        self._receiver.close()


@contextmanager
def traffic(node, source, target):
    made = Traffic(node, source, target)
    try:
        yield made
    finally:
        made.close()


def test_a_full_state_directory(node):
    """A new policy holds, a new pod is refused, and a running pod gets no network that could not be recorded."""
    node.start_engine()
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.pod("one", "blue,sea@net1", app="one")
    with traffic(node, "web", "db") as flow, full(node.node.state):
        flow.passes()
        node.policy(**ONLY_DB)
        flow.stops()
        node.pods["late"] = node.node.add_pod()
        node.objects.add(pod_document("late", "blue,sea@net1", app="web"))
        outcome = node.call("ADD", "late")
        assert (outcome.status, "No space left on device" in outcome.reply["msg"]) == (1, True)
        assert node.pods["late"].links() == {}
        document = pod_document("one", "blue,sea@net1,green@net2", app="one")
        (node.node.root / "pod.json").write_text(json.dumps(document))
        code, report = genie(
            node, "sync", "pod", "shop/one", "--yes", "--pod-file", str(node.node.root / "pod.json")
        )
        assert (code, report["status"]) == (1, "failed"), report
        assert "No space left on device" in report["error"]["msg"]
        assert "net2" not in node.pods["one"].links()
        assert not flow.comes()


def test_a_full_run_directory(node):
    """The rules are still loaded; the plugin's file is withdrawn, so that no pod starts by it; the agent reports it."""
    agent = Agent(node, "--policy")
    try:
        until(lambda: node.status().get("policies") == 0)
        node.pod("web", app="web")
        node.pod("db", app="db")
        with traffic(node, "web", "db") as flow:
            flow.passes()
            with full(Path(policy_dir.DIRECTORY)):
                node.policy(**ONLY_DB)
                flow.stops()
                until(lambda: policy_dir.age() is None)
                node.pods["late"] = node.node.add_pod()
                node.objects.add(pod_document("late", "blue,sea@net1", app="web"))
                outcome = node.call("ADD", "late")
                assert (outcome.status, outcome.reply["code"]) == (1, 11)
                until(lambda: agent.page("/readyz")[0] != 200)
                assert not flow.comes()
            until(lambda: policy_dir.age() is not None)
            until(lambda: agent.page("/readyz")[0] == 200)
            assert not flow.comes()
            node.addresses["late"] = ""
            assert node.call("ADD", "late").status == 0
    finally:
        agent.end()


def reboot(node):
    """Reboot the node: only its disk stays. Namespaces, rules and /run are gone, and the boot is another one."""
    node.kill()
    shutil.rmtree(policy_dir.DIRECTORY)
    for pod in node.node.pods:
        pod.remove()
    node.node.host.remove()
    node.node.attach_host()
    node.node.pods.clear()
    node.node.add_pod()
    node.pods.clear()
    for file in (node.node.state / "containers").iterdir():
        first, _, rest = file.read_text().partition("\n")
        file.write_text(json.dumps({**json.loads(first), "bootId": "before"}) + "\n" + rest)
    port = node.cluster.server.port
    node.cluster.close()
    node.cluster.serve(port)  # in the new namespace of the host, at the port that the configuration names


@pytest.fixture
def rebooted(node):
    """A pod `mute` may send nothing; then the node is rebooted, and the runtime starts its pods again."""
    node.start_engine()
    node.policy(podSelector={"matchLabels": {"app": "mute"}}, policyTypes=["Egress"])
    until(lambda: node.status().get("policies") == 1)
    node.pod("target", app="target")
    node.pod("mute", app="mute")
    assert not node.ping("mute", "target")
    reboot(node)
    return node


def started(node, name, networks="blue,sea@net1", **labels):
    """ADD of a pod in a new sandbox."""
    node.objects.add(pod_document(name, networks, **labels))
    node.pods[name] = node.node.add_pod()
    return node.call("ADD", name, networks)


def test_a_rebooted_node_starts_no_pod_that_could_send_before_its_agent_runs(rebooted):
    """Pods with the primary network alone start; the others wait for the agent, and are guarded from then on."""
    node = rebooted
    outcome = started(node, "mute", app="mute")
    assert (outcome.status, outcome.reply["code"]) == (1, 11)
    assert node.pods["mute"].links() == {}
    assert started(node, "alone", "blue", app="alone").status == 0
    node.start_engine()
    until(lambda: policy_dir.age() is not None)
    node.pod("target", app="target")
    receiver = inside(str(node.pods["target"].path), partial(receiver_at, node.addresses["target"]))
    outcome = node.call("ADD", "mute")
    assert outcome.status == 0, outcome
    sent = inside(str(node.pods["mute"].path), partial(send, node.addresses["target"]))
    assert sent > 10
    with pytest.raises(BlockingIOError):
        receiver.recv(16)
    receiver.close()


def test_a_rebooted_node_with_policy_fail_open(rebooted):
    """As configured, pods start without their policies, with a warning; the agent then enforces them."""
    node = rebooted
    node.configure(policy_fail="open")
    node.pod("target", app="target")
    outcome = started(node, "mute", app="mute")
    assert outcome.status == 0, outcome
    assert "network policies are not guarded" in [line["event"] for line in outcome.events]
    node.addresses["mute"] = outcome.reply["ips"][1]["address"].partition("/")[0]
    with traffic(node, "mute", "target") as flow:
        flow.passes()
        node.start_engine()
        flow.stops()
