"""The program nft takes long to load the engine's rules: no pod waits for it, and none is let through."""

import shutil
import stat

import pytest

from tests.policy.engine_node import until

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
