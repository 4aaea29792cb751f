"""SIGKILL at any step of an ADD and of a DEL: the next DEL leaves nothing behind (conformance B61, B62; design 6).

`make torture` kills before every single system call; here before some of them, the same in each run.
"""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress

import pytest

from tests.patience import wait_until
from tests.system import audit, kills
from tests.system.node import THREE, finish
from tests.torture.steps import Steps

pytestmark = [pytest.mark.system]

# A delegate that takes its time before it attaches; its DEL takes no time.
SLOW = '[ "$CNI_COMMAND" != ADD ] || sleep {seconds}\nexec "$REAL"'
HANGS = '[ "$CNI_COMMAND" != ADD ] || exec sleep 1000\nexec "$REAL"'


@pytest.mark.parametrize("verb, count", [("ADD", 9), ("DEL", 7), ("CHECK", 2), ("GC", 4)])
def test_killed_before_a_system_call(node, verb, count):
    steps = Steps(node)
    places = kills.spread(steps.points(verb), count)
    came = {place: steps.kill(verb, place) for place in places}
    assert {place: problem for place, problem in came.items() if problem} == {}
    assert sum(problem is not None for problem in came.values()) >= len(places) * 0.5


def start_add(node, wrap=()):
    """An ADD of all three networks that is at work on the first."""
    process = node.start(node.env("ADD"), node.stdin(annotations={"cni": THREE}), wrap=wrap)
    wait_until(node.state_files)
    return process


def delegates(node):
    """Processes that work for this node."""
    return list(audit.processes(str(node.state)))


def test_del_waits_for_a_delegate_that_outlived_its_add(node):
    before = audit.settle(node)
    worked, go = node.root / "worked", node.root / "go"
    slow = f"for _ in $(seq 2000); do [ -e {go} ] && break; sleep 0.05; done; : >{worked}"
    node.wrap("bridge", f'[ "$CNI_COMMAND" != ADD ] || {{ {slow}; }}\nexec "$REAL"')
    add = start_add(node)
    wait_until(lambda: delegates(node))
    add.kill()
    assert finish(add).killed
    assert not worked.exists()
    threading.Timer(0.5, go.touch).start()
    node.delete()
    assert worked.exists()
    assert not audit.left(node, before)


def test_killed_between_starting_a_delegate_and_noting_which(node):
    """The orphan's process group is not recorded then; it still must not attach what DEL has released."""
    before = audit.settle(node)
    file = node.root / "strace"
    add = start_add(node, kills.strace_record(file))
    assert finish(add).status == 0
    names = [place for place in kills.points(file, begin="clone") if place[0] == "pwrite64"]
    node.delete()
    node.wrap("bridge", SLOW.format(seconds=1.8))
    add = start_add(node, kills.strace_kill(names[0]))
    assert finish(add).killed
    node.delete()
    time.sleep(1.8)
    assert not audit.left(node, before)


def test_an_orphan_that_hangs_is_killed(node):
    """Also where the delegates' deadline is shorter than the orphan's grace."""
    before = audit.settle(node)
    node.wrap("bridge", HANGS)
    node.settings["delegate_timeout_seconds"] = 1
    add = start_add(node)
    wait_until(lambda: delegates(node))
    add.kill()
    finish(add)
    node.delete()
    assert not audit.left(node, before)


def assert_released_beside(node, daemon):
    """DEL releases everything while the daemon runs on, and does not kill it."""
    try:
        node.delete()
        assert node.held() == []
        os.kill(daemon, 0)
    finally:
        os.kill(daemon, signal.SIGKILL)


@pytest.mark.parametrize("detach", ["", "setsid"])
def test_a_daemon_that_a_delegate_leaves_behind_lives_and_holds_nothing_up(node, detach):
    node.add()
    node.delete()
    pidfile = node.root / "daemon"
    node.wrap(
        "bridge", f'[ "$CNI_COMMAND" != ADD ] || {{ {detach} sleep 300 & echo $! >{pidfile}; }}\nexec "$REAL"'
    )
    node.add()
    assert_released_beside(node, int(pidfile.read_text()))


def test_a_daemon_does_not_hold_up_del_after_a_killed_add(node):
    pidfile = node.root / "daemon"
    node.wrap(
        "bridge", f'[ "$CNI_COMMAND" != ADD ] || {{ setsid sleep 300 & echo $! >{pidfile}; }}\nexec "$REAL"'
    )
    node.wrap("ptp", SLOW.format(seconds=1.5))
    add = start_add(node)
    wait_until(lambda: len(node.held()) == 1)
    add.kill()
    finish(add)
    assert_released_beside(node, int(pidfile.read_text()))


def test_a_killed_delegates_own_children_do_not_go_on(node):
    """host-local runs as the plugin's child: it must not take an address after the DEL that follows."""
    before = audit.settle(node)
    node.wrap(
        "ptp",
        '[ "$CNI_COMMAND" != ADD ] && exec "$REAL"\n(sleep 1; exec "$REAL") <&0 &\nsleep 0.2; kill -9 $$',
    )
    outcome = node.call("ADD", annotations={"cni": "red"})
    assert outcome.status == 1
    assert "signal: killed" in outcome.reply["msg"]
    node.delete()
    time.sleep(1.2)
    assert not audit.left(node, before)


def test_plugin_and_delegate_killed_together(node):
    """As the kernel does when the cgroup runs out of memory."""
    before = audit.settle(node)
    node.wrap("ptp", HANGS)
    add = start_add(node)
    wait_until(lambda: len(node.held()) == 1)
    orphans = [int(pid) for pid in children(add.pid)]
    os.kill(add.pid, signal.SIGKILL)
    for pid in orphans:
        with suppress(ProcessLookupError):  # one that only wrote a line has ended by itself
            os.kill(pid, signal.SIGKILL)
    finish(add)
    node.delete()
    assert not audit.left(node, before)


@pytest.mark.parametrize("ends", ["killed", "failed"])
def test_the_firewalls_rules_go_where_the_chain_ended_behind_it(node, ends):
    """Its DEL finds them by the previous result alone."""
    bridge = {"type": "bridge", "bridge": "br1", "isGateway": True, "ipam": node.ipam("10.4.0.0/24")}
    last = {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.arp_notify": "1"}}
    plugins = [bridge, {"type": "firewall", "backend": "iptables"}, last]
    node.configure("40-walled.conflist", {"cniVersion": "1.0.0", "name": "walled", "plugins": plugins})
    node.add("walled")
    node.delete()
    before = node.trace()
    node.wrap("tuning", HANGS if ends == "killed" else '[ "$CNI_COMMAND" != ADD ] || exit 1\nexec "$REAL"')
    add = node.start(node.env("ADD"), node.stdin(annotations={"cni": "walled"}))
    if ends == "killed":
        wait_until(lambda: any("CNI-FORWARD" in line and "10.4.0." in line for line in node.trace()))
        add.kill()
    assert finish(add).status != 0
    node.delete()
    assert not audit.left(node, before)


def children(pid):
    return subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()


def test_a_lock_whose_holder_cannot_be_seen_is_not_broken(node):
    """DEL from a container with process numbers of its own, while an ADD is at work on the node."""
    before = audit.settle(node)
    node.wrap("bridge", SLOW.format(seconds=1.5))
    add = start_add(node)
    wait_until(lambda: delegates(node))
    unseen = ("unshare", "--pid", "--fork", "--mount-proc")
    outcome = node.call("DEL", wrap=unseen)
    assert outcome.status == 0, outcome
    assert finish(add).status == 0
    assert not audit.left(node, before)
