"""The bridges of logical networks are removed when nothing needs them, and not before (edges/bridges.py)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from genie_core.edges.bridges import Held, remove_unused
from genie_core.edges.netns import inside
from tests.netns import Namespace

pytestmark = pytest.mark.root

NAME, OTHER = "genie0000000001", "geniev000000001"
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def host():
    namespace = Namespace()
    namespace.run("ip", "link", "add", NAME, "type", "bridge")
    yield namespace
    namespace.remove()


@pytest.fixture
def lock(tmp_path):
    return str(tmp_path / "lock")


def remove(host, lock, name=NAME):
    return inside(str(host.path), lambda: remove_unused(lock, name))


def test_a_bridge_without_ports_is_removed(host, lock):
    assert remove(host, lock)
    assert host.links() == {}
    assert not remove(host, lock)  # gone already


def test_one_with_a_port_stays(host, lock):
    host.run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    host.run("ip", "link", "set", "v0", "master", NAME)
    assert not remove(host, lock)
    host.run("ip", "link", "delete", "v0")
    assert remove(host, lock)


HOLD = f"""
import sys
from genie_core.edges.bridges import Held
with Held(sys.argv[1], [{NAME!r}]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_that_another_call_is_about_to_use_stays(host, lock):
    """The other one may be killed: the kernel releases what it held."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, lock],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        assert not remove(host, lock)
        host.run("ip", "link", "add", OTHER, "type", "bridge")
        assert remove(host, lock, OTHER)
        with Held(lock, [NAME, OTHER]):  # ADDs share it
            pass
    finally:
        holder.kill()
        holder.communicate()
    assert remove(host, lock)
