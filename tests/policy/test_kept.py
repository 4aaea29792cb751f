"""Rules that stay in force whatever changes them, and that go when nothing asks for them any more."""

import pytest

from tests.policy.engine_node import EngineNode, pod_document, until
from tests.policy.pings import ping

ONLY_DB = {"podSelector": {"matchLabels": {"app": "db"}}}


@pytest.fixture
def node(tmp_path, plugins):
    made = EngineNode(tmp_path / "node", plugins)
    try:
        made.start_engine()
        yield made
    finally:
        made.close()


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
