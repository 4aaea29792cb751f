"""What stops the next ADD, of which the lab's kernel has one kind only: modules of kernels, and who has a lock."""

import fcntl
import gzip
import os
import subprocess
from contextlib import contextmanager

import pytest

from genie_core.survey import drivers
from genie_core.survey.conf_files import parse_conf
from genie_core.survey.held import held_locks
from genie_core.survey.rootfs import Root
from tests.patience import wait_until

RELEASE = "6.12.0-test"
VLAN = parse_conf("/c/10-v.conf", '{"cniVersion": "1.0.0", "name": "v", "type": "vlan", "master": "eth0"}')
PLAIN = parse_conf("/c/20-c.conf", '{"cniVersion": "1.0.0", "name": "c", "type": "calico"}')


def files(tmp_path, **texts):
    """A node's root with these files."""
    for path, text in texts.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Root(str(tmp_path))


def lists(
    builtin="kernel/net/core.ko\n", dep="kernel/net/8021q/8021q.ko.xz: kernel/net/802/garp.ko.xz\n", **more
):
    """The lists of modules of the running kernel."""
    here = f"lib/modules/{RELEASE}"
    return {f"{here}/modules.builtin": builtin, f"{here}/modules.dep": dep, **more}


def config(text):
    return {"proc/config.gz": gzip.compress(text.encode())}


@pytest.mark.parametrize(
    "texts, words",
    [
        (lists(), ""),
        (lists(dep=""), "has no such module"),
        (lists(builtin="kernel/net/8021q/8021q.ko\n", dep=""), ""),
        (lists(**{"etc/modprobe.d/harden.conf": "# vlan\nblacklist 8021q\n"}), "harden.conf keeps it"),
        (lists(**{"etc/modprobe.d/harden.conf": "install 8021q /bin/false\n"}), "(install 8021q /bin/false)"),
        (lists(**{"etc/modprobe.d/o.conf": "install 8021q /sbin/modprobe --ignore-install 8021q\n"}), ""),
        (lists(**{"etc/modprobe.d/h.conf": "blacklist 8021q\n", "sys/module/8021q/x": ""}), ""),
        (config("# CONFIG_VLAN_8021Q is not set\n"), "is built without it (CONFIG_VLAN_8021Q is not set)"),
        (config("CONFIG_VLAN_8021Q=y\n"), ""),
        (config("CONFIG_VLAN_8021Q=m\n"), ""),  # where the modules are is not seen from here
        (config("CONFIG_VLAN_8021Q=m\n") | {"lib/modules/6.12.9/modules.dep": ""}, "the node not restarted"),
        ({f"boot/config-{RELEASE}": "# CONFIG_VLAN_8021Q is not set\n"}, "is built without it"),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_kernel_without_the_module_of_an_interface(tmp_path, texts, words):
    found = drivers.lacking((VLAN, PLAIN), files(tmp_path, **texts), RELEASE)
    assert [one.module for one in found] == (["8021q"] if words else [])
    assert all(words in one.problem for one in found)


def test_what_no_plugin_needs_is_not_looked_for(tmp_path):
    assert drivers.lacking((PLAIN,), files(tmp_path, **lists(dep="")), RELEASE) == ()


@contextmanager
def keeping(path):
    """A process that has the lock, and one that waits for it."""
    hold = (
        "import fcntl, sys, time; lock = open(sys.argv[1]); fcntl.flock(lock, fcntl.LOCK_EX); time.sleep(600)"
    )
    first = subprocess.Popen(["python3", "-c", hold, str(path)])
    second = None
    try:
        wait_until(lambda: taken(path))
        second = subprocess.Popen(["flock", str(path), "true"])
        wait_until(lambda: [one.waiting for one in held_locks([str(path)], Root(), 0)] == [1])
        yield first
    finally:
        for one in filter(None, (first, second)):
            one.kill()
            one.wait()


def taken(path):
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_lock_that_a_process_keeps(tmp_path):
    lock = tmp_path / "lock"
    lock.touch()
    assert held_locks([str(lock), str(tmp_path / "none")], Root()) == ()
    with keeping(lock) as process:
        (found,) = held_locks([str(lock), str(lock)], Root(), 0.2)
    assert (found.path, found.pid, found.program, found.waiting) == (str(lock), process.pid, "python3", 1)
    assert found.state == "S"


def test_our_own_look_takes_no_lock(tmp_path):
    lock = tmp_path / "lock"
    lock.touch()
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (found,) = held_locks([str(lock)], Root(), 0.2)
    assert (found.pid, taken(lock)) == (os.getpid(), False)
