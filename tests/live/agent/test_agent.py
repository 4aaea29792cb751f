"""`genie agent` with real plugins in real namespaces: what a pod's author asks for, the pod gets."""

import signal

import pytest

from tests.patience import wait_until

pytestmark = [pytest.mark.root, pytest.mark.system]


def test_a_change_is_applied(node):
    node.start(cni="blue")
    agent = node.agent()
    node.annotate(cni="blue,red@net1")
    node.has("net1")
    wait_until(lambda: node.condition() == ("True", "Applied"))
    node.annotate(cni="blue")
    node.has()
    wait_until(lambda: node.pod_events() == ["NetworkAttached", "NetworkDetached"])
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(5) == 0
    node.node.delete(env={})
    assert node.node.held() == []
