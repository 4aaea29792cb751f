"""The program nft takes long to load the engine's rules: no pod waits for it, and none is let through."""

import json
import shutil
import stat
from collections.abc import Callable

import pytest

from genie_core.tasks.policy.enforce import Enforcer
from genie_core.tasks.policy.kernel import Kernel
from tests.policy.engine_node import pod_document, until
from tests.policy.test_engine import genie
from tests.policy.test_kept import apply

pytestmark = pytest.mark.root


@pytest.fixture
def slow(tmp_path):
    """An nft that loads nothing while the file `held` exists; (the words that start the engine with it, the file)."""
    real, held, program = (tmp_path / name for name in ("nft-real", "held", "nft"))
    shutil.copy("/usr/sbin/nft", real)
    wait = (
        f'case "$*" in "--file -") echo >> {tmp_path}/loads; while [ -e {held} ]; do sleep 0.02; done;; esac'
    )
    program.write_text(f'#!/bin/sh\n{wait}\nexec {real} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    wrap = (
        "unshare",
        "--mount",
        "--propagation",
        "slave",
        "sh",
        "-c",
        f'mount --bind {program} /usr/sbin/nft; exec "$@"',
        "sh",
    )
    return wrap, held


@pytest.mark.parametrize("what", ["all", "a change"])
def test_a_pod_does_not_wait_and_is_not_let_through_while_rules_are_loaded(node, slow, tmp_path, what):
    """With 1,000 policies the load took 9 s under the lock of ADD's guards: ADDs failed with code 11."""
    wrap, held = slow
    node.pod("db", app="db")
    node.policy(policyTypes=["Egress"])
    until(lambda: node.status().get("policies") == 1)
    node.kill()
    if what == "all":
        held.touch()
        node.start_engine(wrap, applied=False)
    else:
        node.start_engine(wrap)
        held.touch()
        (tmp_path / "loads").unlink()
        node.policy("other", ingress=[{}])
    until((tmp_path / "loads").exists, 20)
    node.pod("mute", app="mute")
    assert not node.ping("mute", "db")
    assert "genie_policy" in guards(node)
    held.unlink()
    until(lambda: node.ping("mute", "db", 0.05) or guards(node) == "", 20)
    assert not node.ping("mute", "db")
    node.remove_policy()
    until(lambda: node.ping("mute", "db"))


def guards(node):
    """ADD's guards on the node; "" without any."""
    return node.node.host.run("nft", "list", "set", "bridge", "genie_policy", "fresh", check=False).stdout


class Exchanging(Kernel):
    """The kernel's tables, while a sync exchanges the pod's network between two steps of the engine."""

    exchange: Callable[[], None] | None = None

    def load(self, tables, netns=""):
        loaded = super().load(tables, netns)
        if netns and self.exchange:
            exchange, self.exchange = self.exchange, None
            exchange()
        return loaded


def test_an_interface_that_gets_another_network_while_rules_are_loaded_stays_closed(node):
    """The rules that are being loaded are for its earlier network."""
    gray = {"type": "macvlan", "master": "up1", "ipam": node.node.ipam("10.8.0.0/16")}
    node.node._single("50-gray.conf", "gray", **gray)
    node.policy(
        networks="cni/green,cni/gray", podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Egress"]
    )
    until(lambda: node.status().get("policies") == 1)
    node.kill()
    node.pod("web", "blue,green@net1", app="web")
    assert '"net1"' in in_pod(node, "web")
    kernel = Exchanging()
    enforcer = Enforcer(json.loads(node.node.stdin()), "n1", kernel)

    def exchange():
        node.objects.add(pod_document("web", "blue,gray@net1", app="web"))
        assert genie(node, "sync", "pod", "shop/web", "--yes")[0] == 0

    kernel.exchange = exchange
    assert apply(node, enforcer).problems == ()
    assert '"net1"' in in_pod(node, "web")
    assert apply(node, enforcer).problems == ()
    assert '"net1"' not in in_pod(node, "web")
    assert "genie_policy" in node.pods["web"].run("nft", "list", "tables").stdout


def in_pod(node, name):
    """ADD's guards in a pod."""
    return node.pods[name].run("nft", "list", "set", "inet", "genie_policy", "fresh", check=False).stdout
