"""Each test process is a node of its own: it has its own network and mount namespaces, which tests may change freely.

So two of them run side by side on one machine, a test that compares "everything outside" does not see the others'
work, and whatever is killed, the machine is as it was.
"""

import errno
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from genie_core.edges import netns
from genie_core.sandbox import syscalls

# Where plugins, runtimes and `ip netns` keep what must not be shared.
_PRIVATE = ("/run", "/var/lib/cni", "/etc/cni", "/opt/cni")

# Where other programs' containers have their mounts: these come and go while tests run.
_CONTAINERS = ("/var/lib/containerd", "/var/lib/containers", "/var/lib/docker", "/var/lib/kubelet")

# What tests write is kept in memory: on a disk the many small files cost a tenth of the processor time, and waiting.
SCRATCH = "/tmp"

# Debian's plugins alone, also where others are installed beside them. A test that adds one makes a copy first.
_PLUGINS = "/usr/lib/cni"
_MS_REMOUNT = 32  # mount(2)

# A descriptor of the machine's network namespace, once this process has left it.
_left: list[int] = []

# Loopback, and an uplink as nodes have one; no host is behind it.
_LINKS = """\
link set lo up
link add eth0 type veth peer name wire0
link set wire0 addrgenmode none up
link set eth0 addrgenmode none up
address add 192.0.2.2/24 dev eth0
route add default via 192.0.2.1
"""


def enter(shared=None):
    """Move this process, and all that it will start, into a node of its own.

    It has an empty /tmp, in which only the folder `shared` is the machine's.
    """
    _left.append(os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
    syscalls.unshare(syscalls.CLONE_NEWNET | syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", flags=syscalls.MS_PRIVATE | syscalls.MS_REC)
    _show_its_links()
    for folder in _CONTAINERS:
        _unmount_below(folder)
    for folder in _PRIVATE:
        os.makedirs(
            folder, exist_ok=True
        )  # to mount on: a new machine lacks some, and they stay there, empty
        _unmount_below(folder)
        syscalls.mount("tmpfs", folder, "tmpfs", options="mode=755")
    for folder in ("/run/lock", "/run/netns"):
        Path(folder).mkdir()
    _empty_scratch(shared)
    if os.path.isdir(_PLUGINS):
        _copy_plugins()
    Path("/run/cni/tuning").mkdir(mode=0o600, parents=True)  # which that plugin leaves behind
    subprocess.run(["ip", "-batch", "-"], input=_LINKS, text=True, check=True)
    # A new network has the machine's setting, which is no property of a node that runs pods.
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")


def _empty_scratch(shared):
    kept = os.open(shared, os.O_PATH) if shared else None
    syscalls.mount("tmpfs", SCRATCH, "tmpfs", options="mode=1777")
    if kept is not None:
        os.makedirs(shared, exist_ok=True)
        syscalls.mount(f"/proc/self/fd/{kept}", shared, flags=syscalls.MS_BIND)
        os.close(kept)


def outside(*argv):
    """The words of a command that needs the machine's own network: packages are fetched there."""
    return ["nsenter", f"--net={_machine_network()}", "--", *argv] if _left else [*argv]


@contextmanager
def on_the_machine():
    """This thread, and what it starts, uses the machine's network, in which a real API server is reached."""
    if not _left:
        yield
        return
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        netns.enter(_machine_network())
        yield
    finally:
        syscalls.setns(here, syscalls.CLONE_NEWNET)
        os.close(here)


def _copy_plugins():
    """The plugins of Debian's package, read-only."""
    syscalls.mount("tmpfs", "/mnt", "tmpfs", options="mode=755")
    for plugin in Path(_PLUGINS).iterdir():
        if plugin.is_file() and plugin.name != "genie":
            shutil.copy2(plugin, "/mnt")
    syscalls.mount("/mnt", _PLUGINS, flags=syscalls.MS_BIND)
    syscalls.mount("none", _PLUGINS, flags=syscalls.MS_BIND | _MS_REMOUNT | syscalls.MS_RDONLY)
    syscalls.unmount("/mnt")


def _unmount_below(folder):
    """Unmount other processes' namespaces: they would vanish from here when their owners delete them."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if point.startswith(f"{folder}/"):
            try:
                syscalls.unmount(point)
            except OSError as error:
                if error.errno not in (
                    errno.EINVAL,
                    errno.ENOENT,
                ):  # gone: its namespace has just been deleted
                    raise


def _show_its_links():
    """A /sys with this network's interfaces, and the machine's control groups, which runtimes need."""
    syscalls.mount("sysfs", "/mnt", "sysfs")
    if os.path.isdir("/mnt/fs/cgroup"):
        syscalls.mount("/sys/fs/cgroup", "/mnt/fs/cgroup", flags=syscalls.MS_BIND | syscalls.MS_REC)
    syscalls.mount("/mnt", "/sys", flags=syscalls.MS_BIND | syscalls.MS_REC)
    syscalls.unmount("/mnt")


def _machine_network():
    return f"/proc/{os.getpid()}/fd/{_left[0]}"
