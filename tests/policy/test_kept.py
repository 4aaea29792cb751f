"""Rules that stay in force whatever changes them, and that go when nothing asks for them any more."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from genie_core.edges.log import JSONLog
from genie_core.edges.netns import inside
from genie_core.tasks.agent.children import Children
from genie_core.tasks.agent.options import AgentOptions
from genie_core.tasks.agent.policies import PolicyEngine
from genie_core.tasks.policy.enforce import Enforcer
from genie_core.tasks.policy.engine import MEND_SECONDS
from genie_core.tasks.policy.events import MOST_OF_A_POLICY
from genie_core.tasks.policy.kernel import Kernel
from genie_core.tasks.policy.sources import KINDS
from tests import warm
from tests.apiserver.api import API, Answer
from tests.policy.engine_node import ENVIRONMENT, pod_document, until
from tests.policy.pings import ping
from tests.policy.test_engine import Agent

ROOT = Path(__file__).resolve().parents[2]
FROM_WEB = [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]
ONLY_DB = {"podSelector": {"matchLabels": {"app": "db"}}}

# An engine that looks at the rules when the kernel says that they have changed, and not from time to time.
WITHOUT_A_TIMER = """
import sys
from genie_core.edges.log import JSONLog
from genie_core.tasks.agent.options import AgentOptions
from genie_core.tasks.policy.enforce import Enforcer
from genie_core.tasks.policy.engine import Engine

options = AgentOptions(node="n1", conf_dir=sys.argv[1])
config, settings = options.configuration()
engine = Engine(Enforcer(config, "n1"), options.connect, settings.state_dir, JSONLog("error"))
engine._due["mend"] = float("inf")
engine.run()
"""


def alone(node, name):
    """A pod whose only network is macvlan, the primary one."""
    node.objects.add(pod_document(name, "green", app=name))
    node.pods[name] = node.node.pod if not node.pods else node.node.add_pod()
    outcome = node.call("ADD", name, "green")
    assert outcome.status == 0, outcome
    node.addresses[name] = outcome.reply["ips"][0]["address"].partition("/")[0]


def reaches(node, source, target):
    return ping(node.pods[source], node.addresses[target], "eth0", 0.3)


def test_rules_in_a_pod_of_one_network_go_with_the_policy(node):
    """So does the guard of a pod that the policy's labels do not select."""
    alone(node, "web")
    alone(node, "db")
    until(lambda: reaches(node, "web", "db"))
    node.policy(networks="cni/green", **ONLY_DB)
    until(lambda: not reaches(node, "web", "db"))
    alone(node, "late")
    until(lambda: reaches(node, "late", "web"))
    node.remove_policy()
    until(lambda: reaches(node, "web", "db"))
    assert "genie_policy" not in node.pods["db"].run("nft", "list", "tables").stdout


def test_rules_that_another_program_flushes_are_back_at_once(node):
    """Until then all is open: the kernel's message is enough, and the timer is not waited for."""
    node.kill()
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(**ONLY_DB)
    command = [
        "nsenter",
        f"--net={node.node.host.path}",
        sys.executable,
        "-c",
        WITHOUT_A_TIMER,
        node.node.conf,
    ]
    with subprocess.Popen(command, cwd=ROOT) as running:
        try:
            until(lambda: not node.ping("web", "db"))
            for _ in range(2):
                node.node.host.run("nft", "flush", "ruleset")
                until(lambda: "genie_policy" in node.node.host.run("nft", "list", "tables").stdout)
                until(lambda: not node.ping("web", "db"))
        finally:
            running.kill()


def test_a_sysctl_that_bridges_need_is_set_again(node):
    """Without it packets between two pods of one bridge meet no rule."""
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(**ONLY_DB)
    until(lambda: not node.ping("web", "db"))
    path = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    node.node.host.run("sh", "-c", f"echo 0 > {path}")
    until(lambda: node.node.host.run("cat", path).stdout == "1\n")
    until(lambda: not node.ping("web", "db"))


class Starved(Kernel):
    """The kernel's tables on a node that has no descriptor left once they are first loaded."""

    starves = True

    def release(self, covered, netns="", still=lambda: None):
        super().release(covered, netns, still)
        if not netns and self.starves:
            self.starves = False
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, LIMITS[1]))


LIMITS = resource.getrlimit(resource.RLIMIT_NOFILE)


def apply(node, enforcer, *more):
    """One application of the rules, in the node's namespace."""
    kind = next(one for one in node.objects.kinds if one.kind == "MultiNetworkPolicy")
    pods = [pod_document(name, "blue,sea@net1", app=name) for name in node.pods]
    documents = [*pods, node.objects.get(kind, "shop", "p"), *more]
    return inside(str(node.node.host.path), lambda: enforcer.apply(documents))


def test_connections_that_could_not_be_cut_are_cut_at_the_next_try(node):
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.kill()
    config = json.loads(node.node.stdin())
    node.policy(ingress=FROM_WEB, **ONLY_DB)
    assert apply(node, Enforcer(config, "n1")).problems == ()
    stream = Stream(node, "web", "db")
    assert stream.passes()
    node.policy(ingress=[], **ONLY_DB)
    enforcer = Enforcer(config, "n1", Starved())
    try:
        first = apply(node, enforcer)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, LIMITS)
    assert "open connections are not cut" in first.problems[0]
    second = apply(node, enforcer)
    assert (second.changed, second.problems, second.cut) == ((), (), 1)
    assert not stream.passes(0.25)
    stream.close()


def test_a_journal_that_is_damaged_takes_no_rules_away(node):
    """What was read of it before counts; an engine that has read nothing of it says so."""
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.kill()
    config = json.loads(node.node.stdin())
    node.policy(**ONLY_DB)
    enforcer = Enforcer(config, "n1")
    apply(node, enforcer)
    assert not node.ping("web", "db")
    next((node.node.state / "containers").glob("db@*")).write_text("{")
    assert apply(node, enforcer).problems == ()
    assert not node.ping("web", "db")
    (problem,) = apply(node, Enforcer(config, "n1")).problems
    assert "no policy is enforced on its pod" in problem


def test_the_nodes_connections_to_a_pod_with_rules_of_its_own_stay(node):
    """The rules in a pod let in what comes from the node, here from the address of another pod."""
    node.pod("web", "blue,green@net1", app="web")
    node.pod("db", "blue,green@net1", app="db")
    node.kill()
    address = {"type": "InternalIP", "address": node.addresses["web"]}
    host = {"kind": "Node", "metadata": {"name": "n1"}, "status": {"addresses": [address]}}
    enforcer = Enforcer(json.loads(node.node.stdin()), "n1")
    node.policy(networks="cni/green", **ONLY_DB)
    apply(node, enforcer, host)
    stream = Stream(node, "web", "db")
    assert stream.passes()
    block = [{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]
    node.policy(networks="cni/green", ingress=block, **ONLY_DB)
    applied = apply(node, enforcer, host)
    assert (len(applied.changed), applied.cut) == (1, 0)
    stream.target.send(b"x")
    assert stream.source.recv(1) == b"x"
    stream.close()


class Stream:
    """An open TCP connection between two pods, on net1."""

    def __init__(self, node, source, target):
        listener = inside(
            str(node.pods[target].path), partial(socket.create_server, (node.addresses[target], 80))
        )
        self.source = inside(str(node.pods[source].path), socket.socket)
        self.source.bind((node.addresses[source], 0))
        self.source.settimeout(60)
        self.source.connect((node.addresses[target], 80))
        self.target = listener.accept()[0]
        listener.close()

    def passes(self, seconds=60):
        self.source.send(b"x")
        self.target.settimeout(seconds)
        try:
            return self.target.recv(1) == b"x"
        except TimeoutError:
            return False

    def close(self):
        self.source.close()
        self.target.close()


@pytest.fixture
def agent(node):
    node.kill()
    made = Agent(node)
    try:
        yield made
    finally:
        made.end()


def test_policies_that_are_switched_off_while_the_agent_runs(node, agent):
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(**ONLY_DB)
    until(lambda: not node.ping("web", "db"))
    node.configure(policy_engine=False)
    until(lambda: node.ping("web", "db"))
    until(lambda: "genie_policy" not in node.node.host.run("nft", "list", "tables").stdout)


@pytest.mark.parametrize("broken", ["a word", "gone"])
def test_a_configuration_with_an_error_takes_no_rules_away(node, broken):
    """Only one that can be read switches policies off."""
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(**ONLY_DB)
    until(lambda: not node.ping("web", "db"))
    node.kill()
    if broken == "gone":
        (node.node.conf / "00-genie.conflist").unlink()
    else:
        node.configure(policy_engine="yes")
    begin_agent(node)
    assert not node.ping("web", "db")
    node.configure(policy_engine=False)
    begin_agent(node)
    assert node.ping("web", "db", seconds=60)


def begin_agent(node):
    """What an agent that starts now does with the rules that are there."""
    options = AgentOptions(node="n1", conf_dir=str(node.node.conf), state_dir=str(node.node.state))
    engine = PolicyEngine(options, Children(0, lambda call: call()), JSONLog("error", fd=-1))
    settings = options.configuration()[1]
    inside(str(node.node.host.path), lambda: engine.keep(settings, once=True))
    until(lambda: engine.is_idle)


def test_an_engine_that_has_ended_is_no_ready_one(node, agent):
    """What it said before it ended is no answer; the agent starts it again."""
    until(lambda: agent.page("/readyz")[0] == 200)
    os.kill(node.status()["pid"], signal.SIGKILL)
    until(lambda: "the engine has ended with code -9" in agent.page("/readyz")[1])
    until(lambda: agent.page("/readyz")[0] == 200)


class Refusing(API):
    """A server that refuses Events on one policy, and answers about others when `release` is set."""

    release = threading.Event()

    def answer(self, request, connection=0):
        if request.method == "POST" and "/events" in request.target:
            if b"refused" in request.body:
                return Answer(422, b"{}", {"Content-Type": "application/json"})
            assert self.release.wait(100)
        return super().answer(request, connection)


def test_events_keep_no_rules_waiting(node):
    """The API server does not answer, or refuses one of them; a policy with a thousand problems gets a few."""
    node.pod("web", app="web")
    node.pod("db", app="db")
    until(lambda: node.ping("web", "db"))
    node.cluster.server.api.__class__ = Refusing  # the watches that run stay its own
    node.policy("a-refused", networks="sky")
    rule = {"from": [{"ipBlock": {"cidr": "none"}}]}
    node.policy("many", ingress=[rule] * 1000, podSelector={"matchLabels": {"app": "none"}})
    until(lambda: node.status()["policies"] == 2)
    node.policy("z", **ONLY_DB)
    until(lambda: not node.ping("web", "db"), 20)
    assert node.events() == []
    Refusing.release.set()
    until(lambda: len(node.events()) == MOST_OF_A_POLICY + 1)
    assert {one["involvedObject"]["name"] for one in node.events()} == {"many"}
    node.policy("later", networks="sea")  # does not wait until the refused one is tried again
    until(lambda: "later" in {one["involvedObject"]["name"] for one in node.events()})


class Proxy(API):
    """A proxy in front of a server that is away, without a page for that. `asked` are the paths of requests."""

    asked: ClassVar[Counter[str]] = Counter()

    def answer(self, request, _connection=0):
        self.asked[request.target.partition("?")[0]] += 1
        return Answer(404, b"default backend - 404", {"Content-Type": "text/plain"})


def test_a_proxy_without_a_server_takes_no_rules_away(node):
    """Its answer says of no kind that it is not installed."""
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(**ONLY_DB)
    until(lambda: not node.ping("web", "db"))
    node.cluster.server.api.__class__ = Proxy
    node.cluster.server.hang_up()
    until(lambda: min(Proxy.asked["/".join(("", *kind.everywhere))] for kind in KINDS) > 1)
    assert not node.ping("web", "db")
    words = ("--node", "n1", "--conf-dir", node.node.conf, "--once")
    done = warm.start("genie_core.tasks.policy", *words, netns=node.node.host.path, env=ENVIRONMENT)
    assert done.wait(100) != 0
    assert not node.ping("web", "db")


def test_one_pass_where_a_kind_is_not_installed(node):
    """Logical networks are CNI-Genie's own; a cluster may have the standard's definitions alone."""
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.kill()
    node.policy(**ONLY_DB)
    node.objects.kinds = [one for one in node.objects.kinds if one.kind != "Logicalnetwork"]
    words = ("--node", "n1", "--conf-dir", node.node.conf, "--once")
    done = warm.start("genie_core.tasks.policy", *words, netns=node.node.host.path, env=ENVIRONMENT)
    assert done.wait(100) == 0, done.communicate()
    assert not node.ping("web", "db")


def test_another_program_that_always_changes_its_own_rules(node):
    """The engine takes that for no change of its own rules, but where it comes while the engine loads them."""
    node.pod("web", app="web")
    node.pod("db", app="db")
    over = threading.Event()

    def change():
        while not over.wait(0.5):
            node.node.host.run("nft", "add", "table", "inet", "other")
            node.node.host.run("nft", "delete", "table", "inet", "other")

    def is_silent():
        said = node.engine.messages().count("another program")
        time.sleep(MEND_SECONDS + 2)  # it looks at the rules at least once in that time
        return node.engine.messages().count("another program") == said

    thread = threading.Thread(target=change)
    thread.start()
    try:
        node.policy(**ONLY_DB)
        until(lambda: not node.ping("web", "db"))
        until(is_silent)
    finally:
        over.set()
        thread.join()


def test_drops_are_counted_once(node):
    """In large tables only elements change: their rules count on."""
    node.pod("web", app="web")
    node.pod("db", app="db")
    for number in range(1100):
        node.objects.add(far(number))
    node.policy(ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "far"}}}]}], **ONLY_DB)
    until(lambda: not node.ping("web", "db"))
    for number in (1100, 1101):  # what was counted is read before each change
        node.objects.add(far(number))
        until(lambda n=number: f"10.200.4.{n - 1024}" in node.node.host.run("nft", "list", "ruleset").stdout)
        sent = counters(node.node.host)
    until(lambda: node.status()["drops"]["shop/p"] >= sent)
    assert node.status()["drops"]["shop/p"] == sent


def counters(host):
    """What the rule that denies has counted."""
    text = host.run("nft", "list", "table", "inet", "genie_policy").stdout
    line = next(line for line in text.splitlines() if "deny MultiNetworkPolicy shop/p" in line)
    return int(line.partition("packets ")[2].split()[0])


def far(number):
    """A pod of another node on the network sea."""
    document = pod_document(f"far{number}", "blue,sea@net1", app="far")
    entry = {"name": "sea", "interface": "net1", "ips": [f"10.200.{number // 256}.{number % 256}"]}
    status = json.dumps([{**entry, "genie.cni.dev/network": "cni/sea"}])
    document["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"] = status
    document["spec"]["nodeName"] = "n2"
    return document


def test_another_default_network_while_the_agent_runs(node, agent):
    """It is that of pods elsewhere that ask for none."""
    document = pod_document("far", "", app="web")
    document["metadata"]["annotations"] = {}
    document["spec"]["nodeName"] = "n2"
    document["status"] = {"podIP": "10.9.77.7"}
    node.objects.add(document)
    node.pod("db", app="db")
    node.policy(ingress=FROM_WEB, **ONLY_DB)
    until(lambda: node.status().get("policies") == 1)
    assert "10.9.77.7" not in node.node.host.run("nft", "list", "ruleset").stdout
    node.configure(default_plugin="sea")
    until(lambda: "10.9.77.7" in node.node.host.run("nft", "list", "ruleset").stdout)
