"""The engine: changes on the API server or on the node reach the kernel soon, whatever is killed meanwhile."""

import json
import shutil
import socket
import subprocess
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from genie_core.edges import policy_dir
from genie_core.edges.log import JSONLog
from genie_core.edges.netns import inside
from genie_core.tasks.policy.enforce import Enforcer
from genie_core.tasks.policy.engine import Engine
from tests import manifests, warm
from tests.live.agent.test_rights import rule
from tests.plugin.test_rights import granted
from tests.policy.engine_node import ENVIRONMENT, pod_document, until
from tests.policy.first_packets import escaped
from tests.policy.pings import ping
from tests.policy.test_hostile import ipv4

FROM_WEB = [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]


def test_an_engine_whose_agent_ended_before_it_began(node):
    """A second engine would stay beside the next agent's, with the configuration of before."""
    first = node.status()["pid"]
    with subprocess.Popen(["true"]) as agent:
        agent.wait()
    words = ("--node", "n1", "--conf-dir", node.node.conf, "--parent", agent.pid)
    late = warm.start("genie_core.tasks.policy", *words, netns=node.node.host.path, env=ENVIRONMENT)
    assert late.wait(100) == 0
    assert node.status()["pid"] == first


def test_policies_labels_and_pods_are_followed(node):
    node.pod("web", app="web")
    node.pod("db", app="db")
    until(lambda: node.ping("web", "db"))
    node.policy(podSelector={"matchLabels": {"app": "db"}}, ingress=FROM_WEB)
    until(lambda: node.status()["policies"] == 1)
    until(lambda: node.ping("web", "db"))
    node.pod("other", app="other")
    until(lambda: node.ping("other", "web"))
    assert not node.ping("other", "db")
    node.label("other", app="web")
    until(lambda: node.ping("other", "db"))
    node.label("other", app="other")
    until(lambda: not node.ping("other", "db"))
    until(lambda: node.status()["drops"]["shop/p"] > 0)
    node.remove_policy()
    until(lambda: node.ping("other", "db"))
    until(lambda: "shop/p" not in node.status()["drops"])
    until(lambda: "genie_policy" not in node.node.host.run("nft", "list", "tables").stdout)


def test_a_policy_before_its_network_and_its_events(node):
    node.policy(networks="sky", podSelector={})
    node.policy("q", networks="cni/sea", podSelector={})
    said = {("p", "UnknownNetwork"), ("q", "SelectsNothing")}
    until(lambda: {(one["involvedObject"]["name"], one["reason"]) for one in node.events()} == said)


def test_on_macvlan_the_rules_are_in_the_pod(node):
    node.pod("web", "blue,green@net1", app="web")
    node.pod("db", "blue,green@net1", app="db")
    until(lambda: node.ping("web", "db"))
    node.policy(networks="cni/green", podSelector={"matchLabels": {"app": "db"}})
    until(lambda: not node.ping("web", "db"))
    assert "genie_policy" in node.pods["db"].run("nft", "list", "tables").stdout
    node.pods["db"].run("nft", "flush", "ruleset")
    until(lambda: not node.ping("web", "db"))
    node.remove_policy()
    until(lambda: node.ping("web", "db"))
    assert "genie_policy" not in node.pods["db"].run("nft", "list", "tables").stdout


def test_a_foreign_change_is_mended(node):
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(podSelector={"matchLabels": {"app": "db"}})
    until(lambda: not node.ping("web", "db"))
    node.node.host.run("nft", "flush", "table", "inet", "genie_policy")
    node.node.host.run("nft", "delete", "table", "bridge", "genie_policy")
    until(lambda: node.node.host.run("nft", "list", "tables").stdout.count("genie_policy") == 2)
    until(lambda: not node.ping("web", "db"))


def test_killed_the_rules_stay_and_its_successor_goes_on(node):
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(podSelector={"matchLabels": {"app": "db"}})
    until(lambda: not node.ping("web", "db"))
    node.kill()
    assert not node.ping("web", "db")
    node.pod("late", app="web")
    assert not node.ping("late", "db")
    assert not node.ping("late", "web")  # its rules are not compiled yet
    node.remove_policy()
    node.start_engine()
    until(lambda: node.ping("web", "db") and node.ping("late", "db"))


def test_the_rules_of_a_pod_end_with_it(node):
    gone = node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(podSelector={"matchLabels": {"app": "db"}}, ingress=FROM_WEB)
    until(lambda: node.status()["policies"] == 1)
    until(lambda: node.ping("web", "db"))
    assert gone in node.node.host.run("nft", "list", "ruleset").stdout
    node.kill()
    assert node.call("DEL", "web").status == 0
    assert gone not in node.node.host.run("nft", "list", "ruleset").stdout


@pytest.mark.parametrize("by", ["GC", "genie gc"])
def test_a_pod_that_is_collected_takes_its_rules_along(node, by):
    """There was no DEL, and the agent is dead: GC and `genie gc` remove its policy entries."""
    gone = node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(podSelector={"matchLabels": {"app": "web"}}, ingress=FROM_WEB)
    node.policy("q", podSelector={"matchLabels": {"app": "db"}}, ingress=FROM_WEB)
    until(lambda: node.status()["policies"] == 2)
    plan = json.loads(next((node.node.state / "containers").glob("web@*")).read_text().splitlines()[0])
    assert plan["attachments"][1]["ifname"] == "net1"
    rules = node.node.host.run("nft", "list", "ruleset").stdout
    ports = {word.strip('",') for word in rules.split() if word.startswith('"veth')}
    assert gone in rules
    node.kill()
    node.pods["web"].remove()
    if by == "GC":
        valid = [{"containerID": "db", "ifname": "eth0"}]
        done = node.node.call("GC", version="1.1.0", **{"cni.dev/valid-attachments": valid})
        assert done.status == 0, done
    else:
        words = ("gc", "--yes", "--interval", "1s", "--min-age", "1s", "--ipam-dir", node.node.leases)
        until(lambda: "pending" in removed(genie(node, *map(str, words))[1]))
    left = node.node.host.run("nft", "list", "ruleset").stdout
    # a chain that nothing jumps to any more may name it, until the agent loads the next table
    assert not [line for line in left.splitlines() if gone in line and not line.strip().startswith("ip ")]
    assert node.addresses["db"] in left
    lost = {port for port in ports if port not in left}
    assert len(lost) == 2  # the ends of its two networks, and not the other pod's


def removed(report):
    """The kinds of what `genie gc` has removed."""
    return [item["kind"] for item in report.get("leftovers", ()) if item["removed"]]


def raw_from(node, name, made):
    """Send an IPv4 packet that is made by hand, over the pod's net1."""

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"net1")
            one.sendto(made, (node.addresses["db"], 0))

    inside(str(node.pods[name].path), send)


def arrives(node, name, made, seconds=60):
    """Whether the pod's packets reach db."""

    def receiver():
        one = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        one.settimeout(seconds)
        return one

    with inside(str(node.pods["db"].path), receiver) as into:
        raw_from(node, name, made)
        try:
            while True:
                if into.recv(200).endswith(b"mark"):
                    return True
        except TimeoutError:
            return False


def test_an_address_of_another_pod_cannot_be_borrowed_behind_a_point_to_point_link(node):
    """A pod that no policy selects sends with the address of one that db allows."""
    for name in ("web", "db", "thief"):
        node.pod(name, "blue,red@net1", app=name)
    made = ipv4(node.addresses["web"], node.addresses["db"])
    assert arrives(node, "thief", made)
    node.policy(networks="cni/red", podSelector={"matchLabels": {"app": "db"}}, ingress=FROM_WEB)
    until(lambda: not node.ping("thief", "db"))
    assert arrives(node, "web", made)
    assert not arrives(node, "thief", made, seconds=0.5)


def test_pods_elsewhere_that_ask_for_nothing_are_peers_on_the_default_network(node):
    """They have no status of several networks: their address is the default network's."""
    node.pod("db", "blue,sea@net1", app="db")
    far = node.node.add_pod()
    host = node.node.host
    host.run("ip", "link", "add", "far0", "type", "veth", "peer", "name", "far1")
    host.run("ip", "link", "set", "far0", "up", "master", "br0")
    host.run("ip", "link", "set", "far1", "netns", far.name)
    far.run("ip", "address", "add", "10.1.200.9/16", "dev", "far1")
    far.run("ip", "link", "set", "far1", "up")
    (address,) = [ip for ip in node.pods["db"].links()["eth0"] if ":" not in ip]
    address = address.partition("/")[0]
    until(lambda: ping(far, address))
    for name, annotations in (("far", {}), ("named", {"cni": "red"})):
        document = pod_document(name, "", app=name)
        document["metadata"]["annotations"] = annotations
        document["spec"]["nodeName"] = "n2"
        document["status"] = {"podIP": "10.1.200.9"}
        node.objects.add(document)
    allow = [{"from": [{"podSelector": {"matchLabels": {"app": "named"}}}]}]
    node.policy(networks="cni/blue", podSelector={"matchLabels": {"app": "db"}}, ingress=allow)
    until(lambda: not ping(far, address))
    allow = [{"from": [{"podSelector": {"matchLabels": {"app": "far"}}}]}]
    node.policy(networks="cni/blue", podSelector={"matchLabels": {"app": "db"}}, ingress=allow)
    until(lambda: ping(far, address))


def test_its_log_is_json(node):
    node.policy(networks="sky")
    until(lambda: node.status().get("findings"))
    lines = node.kill().splitlines()
    assert {json.loads(line)["event"] for line in lines} >= {"policies applied"} or lines == []


class Agent:
    """`genie agent` of the node."""

    def __init__(self, node, *flags):
        self.node = node
        words = [
            "--node",
            "n1",
            "--conf-dir",
            node.node.conf,
            "--repair",
            "off",
            "--listen",
            "127.0.0.1:9452",
        ]
        self.process = warm.start(
            "genie_cli", "agent", *words, *flags, netns=node.node.host.path, env=ENVIRONMENT
        )

    def page(self, path):
        """(status, text), (0, "") before it serves."""

        def ask():
            with closing(HTTPConnection("127.0.0.1", 9452, timeout=240)) as connection:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read().decode()

        try:
            return inside(str(self.node.node.host.path), ask)
        except OSError:
            return 0, ""

    def end(self):
        self.process.terminate()
        self.process.wait()


def test_the_agent_runs_it_counts_and_takes_it_off(node):
    node.kill()
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(podSelector={"matchLabels": {"app": "db"}})
    shutil.rmtree(policy_dir.DIRECTORY)
    agent = Agent(node, "--policy")
    try:
        until(lambda: not node.ping("web", "db"))
        until(lambda: agent.page("/readyz")[0] == 200)
        text = agent.page("/metrics")[1]
        assert "genie_policies 1.0" in text
        assert 'genie_policy_drops_total{policy="shop/p"}' in text
        assert 'genie_policy_apply_seconds_bucket{le="+Inf"}' in text
        assert "genie_policy_not_enforced 0.0" in text
    finally:
        agent.end()
    until(lambda: not Path(f"/proc/{node.status()['pid']}").exists())  # it does not outlive the agent
    assert not node.ping("web", "db")
    node.configure(policy_engine=False)
    agent = Agent(node)
    try:
        until(lambda: node.ping("web", "db"))
        assert "genie_policy" not in node.node.host.run("nft", "list", "tables").stdout
    finally:
        agent.end()


def test_the_cluster_role_is_what_the_engine_asks(node):
    node.policy(networks="sky")
    until(node.events)
    asked = {rule(one) for one in node.cluster.server.api.requests}
    assert asked == granted("policy-rbac.yaml")


def genie(node, *words):
    """A command on the node: (exit code, its document)."""
    words = (*words, "--conf-dir", node.node.conf, "-o", "json")
    done = warm.run(*words, netns=node.node.host.path, env=ENVIRONMENT)
    return done.returncode, json.loads(done.stdout)


def test_commands_name_the_policy_that_drops(node):
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Egress"])
    until(lambda: not node.ping("web", "db"))
    node.ping("web", "db")
    _, document = genie(node, "debug", "pod", "shop/web", "--to", node.addresses["db"])
    found = [one["title"] for one in document["findings"]]
    assert any("shop/p (MultiNetworkPolicy) drops" in title for title in found), found
    _, verdict = genie(node, "policy", "explain", "shop/web", "--to", "shop/db", "--node", "n1")
    (denied,) = [rule for rule in verdict["rules"] if rule["matched"]]
    assert (verdict["verdict"], denied["policy"]["name"], denied["where"]) == ("deny", "p", "host")
    assert denied["packets"] > 0
    code, listed = genie(node, "policy", "list", "-A", "--node", "n1")
    assert (code, [one["name"] for one in listed["policies"][0]["pods"]]) == (0, ["web"])
    code, rendered = genie(node, "policy", "render", "--node", "n1")
    assert (code, rendered["notEnforced"]) == (0, [])
    loaded = node.node.host.run("nft", "list", "table", "inet", "genie_policy").stdout
    assert rendered["host"].partition('comment "')[2].partition('"')[0] in loaded


@pytest.mark.parametrize("words", [("list", "-A"), ("explain", "shop/web")])
def test_commands_say_when_nothing_enforces_the_policies(node, words):
    """The column ENFORCED said `on the host` where no rule was loaded."""
    node.pod("web", app="web")
    node.policy(podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Egress"])
    where = ("--node", "n1", "--conf-dir", node.node.conf)

    def warnings():
        done = warm.run("policy", *words, *where, netns=node.node.host.path, env=ENVIRONMENT)
        return [line for line in done.stderr.splitlines() if line.startswith("warning:")]

    assert warnings() == []
    node.kill()
    policy_dir.withdraw()
    said = "warning: no policy is enforced here: genie agent --policy has not run since the node started"
    assert warnings() == [said]


def test_no_packet_of_a_pod_that_may_send_nothing_comes_out(node):
    """The long form: python -m tests.policy.first_packets."""
    came, sent = escaped(node, 4)
    assert (came, sent > 100) == (0, True)


def test_a_network_that_is_plugged_is_guarded_before_the_sync_returns(node):
    node.pod("db", app="db")
    node.policy(podSelector={"matchLabels": {"app": "mute"}}, policyTypes=["Egress"])
    until(lambda: node.status().get("policies") == 1)
    node.kill()  # nothing compiles its rules
    node.pods["web"] = node.node.add_pod()
    document = pod_document("web", "blue", app="mute")
    node.objects.add(document)
    assert node.call("ADD", "web", "blue").status == 0
    document["metadata"]["annotations"] = {"cni": "blue,sea@net1"}
    (node.node.root / "pod.json").write_text(json.dumps(document))
    file = node.node.root / "pod.json"
    words = ["sync", "pod", "shop/web", "--pod-file", file, "--yes", "--conf-dir", node.node.conf]
    done = warm.run(*words, netns=node.node.host.path, env=ENVIRONMENT)
    assert done.returncode == 0, done
    assert "net1" in node.pods["web"].links()
    assert not node.ping("web", "db")
    node.start_engine()
    node.remove_policy()
    until(lambda: node.ping("web", "db"))


@pytest.mark.parametrize("network, plugin", [("sea", "bridge"), ("green", "macvlan")])
def test_nothing_passes_while_a_network_is_plugged(node, network, plugin):
    """The pod's processes could use the interface before the plugin has returned; the engine works meanwhile."""
    go, waits, out = (node.node.root / name for name in ("go", "waits", "out"))
    hold = f"touch {waits}; until [ -e {go} ]; do sleep 0.05; done"
    late = f'"$REAL" > {out}; code=$?; {hold}; cat {out}; exit $code'
    node.node.wrap(plugin, f'[ -e {out} ] && [ "$CNI_COMMAND" = ADD ] && {{ {late}; }}; exec "$REAL"')
    node.pod("db", f"blue,{network}@net1", app="db")
    out.touch()
    node.policy(
        networks=f"cni/{network}", podSelector={"matchLabels": {"app": "mute"}}, policyTypes=["Egress"]
    )
    until(lambda: node.status().get("policies") == 1)
    node.pods["web"] = node.node.add_pod()
    node.objects.add(pod_document("web", "red", app="mute"))
    assert node.call("ADD", "web", "red").status == 0
    node.objects.add(pod_document("web", f"red,{network}@net1", app="mute"))
    words = ("sync", "pod", "shop/web", "--yes", "--conf-dir", node.node.conf)
    running = warm.start("genie_cli", *words, netns=node.node.host.path, env=ENVIRONMENT)
    until(waits.exists)
    assert "net1" in node.pods["web"].links()
    node.policy("q", networks=f"cni/{network}", podSelector={"matchLabels": {"app": "other"}})
    until(lambda: node.status().get("policies") == 2)  # it has compiled all rules again
    assert not node.ping("web", "db")
    go.touch()
    assert running.wait(100) == 0
    assert not node.ping("web", "db")
    node.label("web", app="free")
    until(lambda: node.ping("web", "db"))


def test_an_address_that_is_unplugged_is_no_peer_before_it_is_free(node):
    """The engine is dead: another pod could get the address, and with it what the policy allows the first one."""
    node.pod("web", app="web")
    node.pod("db", app="db")
    node.policy(podSelector={"matchLabels": {"app": "db"}}, ingress=FROM_WEB)
    until(lambda: node.status()["policies"] == 1)
    until(lambda: node.ping("web", "db"))
    gone = node.addresses["web"]
    assert gone in node.node.host.run("nft", "list", "ruleset").stdout
    node.kill()
    held = node.objects.get(node.objects.kind_of(manifests.pod()), "shop", "web")
    held["metadata"]["annotations"]["cni"] = "blue"
    node.objects.add(held)
    code, report = genie(node, "sync", "pod", "shop/web", "--yes")
    assert (code, report["status"]) == (0, "changed")
    assert "net1" not in node.pods["web"].links()
    left = node.node.host.run("nft", "list", "ruleset").stdout
    assert gone not in left
    assert node.addresses["db"] in left


def test_rules_in_a_pod_go_with_the_network_that_they_are_for(node):
    """They would meet the next network of that interface."""
    node.pod("db", "blue,green@net1", app="db")
    node.policy(networks="cni/green", podSelector={"matchLabels": {"app": "db"}})
    until(lambda: "genie_policy" in node.pods["db"].run("nft", "list", "tables").stdout)
    node.objects.add(pod_document("db", "blue", app="db"))
    assert genie(node, "sync", "pod", "shop/db", "--yes")[0] == 0
    until(lambda: "genie_policy" not in node.pods["db"].run("nft", "list", "tables").stdout)


def test_mending_does_not_take_the_guard_of_a_new_pod_away(node):
    """A guard is a change that the engine did not make, as another program's is."""
    node.pod("db", app="db")
    node.policy(podSelector={"matchLabels": {"app": "mute"}}, policyTypes=["Egress"])
    until(lambda: node.status().get("policies") == 1)
    node.kill()
    mute = pod_document("mute", "blue,sea@net1", app="mute")
    policy = node.objects.get(
        next(k for k in node.objects.kinds if k.kind == "MultiNetworkPolicy"), "shop", "p"
    )
    config = json.loads(node.node.stdin())
    no_server: Any = None
    engine = Engine(Enforcer(config, "n1"), no_server, str(node.node.state), JSONLog("error"))
    engine._objects.listed("pods", [mute])
    engine._objects.listed("multi-networkpolicies", [policy])
    inside(str(node.node.host.path), engine._apply)
    node.pod("mute", app="mute")
    inside(str(node.node.host.path), engine._mend)
    assert not node.ping("mute", "db")


HIDDEN = ("unshare", "--mount", "sh", "-c", 'mount --bind /dev/null /usr/sbin/nft; exec "$@"', "sh")


def test_without_nft_it_says_so_before_there_is_a_policy(node):
    node.kill()
    node.start_engine(HIDDEN)
    until(lambda: any("nft" in problem for problem in node.status()["problems"]))


def test_without_nft_it_says_so(node):
    node.kill()
    node.pod("db", app="db")
    node.policy(podSelector={"matchLabels": {"app": "db"}})
    node.start_engine(HIDDEN)
    until(lambda: any("nft" in problem for problem in node.status()["problems"]))
    until(lambda: ("p", "NotEnforced") in {(e["involvedObject"]["name"], e["reason"]) for e in node.events()})
    assert Path(f"/proc/{node.engine.pid}").exists()
