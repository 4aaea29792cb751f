"""The process that *is* a private node: the first process of its namespaces, which serves one request at a time.

Started by `private_node.PrivateNode` only, with `python -I -S` and a socket as file descriptor. The order of the
steps matters:

1. New namespaces: user (an ordinary user becomes root in it), mount, network, PID, UTS, IPC.
2. Every mount becomes read-only, then the few directories that plugins write to are covered with private memory.
   `hidden` ones are empty (leases, and /run with the sockets of the real node's daemons: firewalld would change the
   real firewall for any client); `copied` ones have the real node's content.
3. For root, if confined: few devices, sysctls read-only except those of networks, and then a user namespace in which
   all this cannot be undone (mount_namespaces(7), "locked") and no capability applies outside of the node. Its users
   have the same numbers as outside, so that root's files can be read.
4. Uplinks, by default `eth0`, whose other ends are in a second network namespace that stands for the world outside.

It dies with its parent (PR_SET_PDEATHSIG, and the socket's end of file), and as it is the first process of its
PID namespace the kernel kills all others with it: nothing is left after any end.
"""

import errno
import json
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any

from genie_core.sandbox import syscalls
from genie_core.sandbox.requests import REQUESTS, add_namespace, failed, inside, run, send, serve
from genie_core.spec.addresses import version

WORLD = "/run/genie-world"  # the network namespace behind eth0
_FILES = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID
_REST = syscalls.CLONE_NEWNET | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC
# The devices that programs need, and the files of /proc that change more than a network.
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "net", "fd", "stdin", "stdout", "stderr")
SETTINGS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
OF_NETWORKS = "/proc/sys/net"
TO_COPY = 1 << 20  # files up to this size are copied, larger ones are bind mounted
PRIVATE_FLAGS = syscalls.MS_NOSUID | syscalls.MS_NODEV
_NO_PROGRAMS = PRIVATE_FLAGS | syscalls.MS_NOEXEC


def main(fd: int) -> None:
    """Become the node, report it, and serve until the socket closes."""
    channel = socket.socket(fileno=fd).makefile("rw", encoding="utf-8", newline="\n")
    wanted = json.loads(channel.readline())
    try:
        is_root = _leave_the_host()
        outside = _become_first(fd)
        _furnish(wanted["hidden"], wanted["copied"], wanted["visible"])
        if is_root and wanted["confined"]:
            _confine(outside)
        elif is_root:
            syscalls.unshare(_REST)
        _settle()
        connect(wanted["links"])
        answer = {"pid": os.getpid()}
    except OSError as error:
        answer = failed(error)
    send(channel, answer)
    if "error" not in answer:
        for line in channel:
            send(channel, serve(line, REQUESTS))
            _reap()


def _leave_the_host() -> bool:
    """Enter new namespaces for files and processes, an ordinary user all of them. Returns whether this is root."""
    parent = os.getppid()
    is_root = True
    try:
        syscalls.unshare(_FILES)
    except PermissionError:  # an ordinary user, or a container's root: root of a user namespace may
        _become_root_of_a_user_namespace()
        syscalls.unshare(_FILES | _REST)
        is_root = False
    syscalls.die_with_parent(signal.SIGKILL)  # after the change of credentials, which would clear it
    if os.getppid() != parent:
        os._exit(1)  # the parent died before this call
    return is_root


def _become_first(fd: int) -> socket.socket:
    """Continue as the first process of the new PID namespace; this process waits for it and ends with it.

    Returns the connection to the waiting process, which writes the users of the child's user namespace (`_confine`).
    """
    outside, inside_ = socket.socketpair()
    users = {name: _same_numbers(name) for name in ("uid_map", "gid_map")}
    child = os.fork()
    if child:
        os.close(fd)  # else the socket would stay open after the child's end
        inside_.close()
        if outside.recv(1):
            outside.send(_map_users(users))
        os.waitpid(child, 0)
        os._exit(0)
    outside.close()
    syscalls.die_with_parent(signal.SIGKILL)
    return inside_


def _same_numbers(name: str) -> str:
    """The map in which the users or groups of this process keep their numbers (user_namespaces(7))."""
    with open(f"/proc/self/{name}", encoding="ascii") as file:
        ranges = [line.split() for line in file]
    return "".join(f"{first} {first} {count}\n" for first, _, count in ranges)


def _map_users(users: dict[str, str]) -> bytes:
    """Write the users of process 1 of the new PID namespace; b"y", or b"n" where the kernel refuses."""
    try:
        for name, numbers in users.items():
            with open(f"/proc/1/{name}", "w", encoding="ascii") as file:
                file.write(numbers)
    except OSError:
        return b"n"
    return b"y"


def _confine(outside: socket.socket) -> None:
    """Drop root's capabilities outside of this node. Without user namespaces in the kernel, root keeps them."""
    _lock_settings()
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | _REST)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL, errno.ENOSPC, errno.EUSERS):
            raise
        syscalls.unshare(_REST)
        return
    outside.send(b"u")
    if outside.recv(1) != b"y":
        raise OSError(errno.EPERM, "the users of the private node cannot be mapped")
    syscalls.die_with_parent(signal.SIGKILL)


def _lock_settings() -> None:
    """Leave few devices, and only the sysctls of network namespaces writable."""
    _make_private("/dev", [], DEVICES, keep=())
    networks = os.open(OF_NETWORKS, os.O_PATH)
    for path in SETTINGS:
        if os.path.exists(path):
            syscalls.mount(path, path, flags=syscalls.MS_BIND | syscalls.MS_REC)
            syscalls.make_read_only(path)
    syscalls.mount(f"/proc/self/fd/{networks}", OF_NETWORKS, flags=syscalls.MS_BIND)
    os.close(networks)


def _become_root_of_a_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


# --- The node's files -------------------------------------------------------------------------------------------


def _furnish(hidden: Sequence[str], copied: Sequence[tuple[str, int]], visible: Sequence[str]) -> None:
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.make_read_only("/")
    syscalls.mount("proc", "/proc", "proc", _NO_PROGRAMS)
    os.umask(0o022)
    os.chdir("/")
    private: list[str] = []
    for path in hidden:
        _make_private(path, private, (), keep=visible)
    for path, levels in copied:
        _make_private(path, private, None, keep=(), levels=levels)
    os.makedirs("/run/netns", exist_ok=True)


def _settle() -> None:
    """Set up the new network and UTS namespaces."""
    # refused in some containers; then /sys shows the real node's interfaces
    with suppress(OSError):
        syscalls.mount("sysfs", "/sys", "sysfs", _NO_PROGRAMS | syscalls.MS_RDONLY)
    syscalls.set_hostname("private-node")


def _make_private(
    path: str, private: list[str], entries: Sequence[str] | None, keep: Sequence[str], levels: int = 0
) -> None:
    """Cover a directory with private memory, with the given of its entries (None: all) and the paths to keep.

    For a directory that does not exist, the nearest existing one above it is covered, so that it can be made.
    So many `levels` of directories below are writable as well.
    """
    target = os.path.realpath(path)
    above = target
    while not os.path.isdir(above):
        above, entries = os.path.dirname(above), None
    if above == "/":
        raise FileNotFoundError(2, "there is no directory to make it in", path)
    if not (above != target and any(above == done or above.startswith(done + "/") for done in private)):
        _cover(above, entries, keep, levels)
        private.append(above)
    os.makedirs(target, exist_ok=True)


def _cover(path: str, entries: Sequence[str] | None, keep: Sequence[str], levels: int) -> None:
    below = os.open(path, os.O_PATH | os.O_DIRECTORY)
    kept = {place: os.open(place, os.O_PATH) for place in keep if place.startswith(path + "/")}
    mode = os.fstat(below).st_mode & 0o7777
    syscalls.mount("tmpfs", path, "tmpfs", PRIVATE_FLAGS, f"mode={mode:o}")
    for name in os.listdir(f"/proc/self/fd/{below}") if entries is None else entries:
        with suppress(OSError):  # not readable for this user: left out
            _show(f"/proc/self/fd/{below}/{name}", f"{path}/{name}", levels)
    for place, fd in kept.items():
        _bind(f"/proc/self/fd/{fd}", place)
        os.close(fd)
    os.close(below)


def _show(source: str, target: str, levels: int) -> None:
    """Put a directory's entry into the directory that covers it."""
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
    elif levels and os.path.isdir(source) and os.access(source, os.R_OK | os.X_OK):
        os.mkdir(target, os.stat(source).st_mode & 0o7777)
        for name in os.listdir(source):
            with suppress(OSError):
                _show(f"{source}/{name}", f"{target}/{name}", levels - 1)
    elif os.path.isfile(source) and os.path.getsize(source) <= TO_COPY and os.access(source, os.R_OK):
        _copy(source, target)
    else:
        _bind(source, target)


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as read, open(target, "wb") as write:
        write.write(read.read())
        os.fchmod(write.fileno(), os.fstat(read.fileno()).st_mode & 0o7777)


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="ascii"):
            pass
    syscalls.mount(source, target, flags=syscalls.MS_BIND | syscalls.MS_REC)


# --- Its network namespaces -------------------------------------------------------------------------------------


def connect(links: Sequence[dict[str, Any]]) -> None:
    """Make the node's interfaces (`private_node_links`), and behind each uplink a namespace with its gateways."""
    add_namespace(WORLD)
    _ip("link set lo up\n")
    _ip("link set lo up\n", WORLD)
    # By the PID of a process in it: `ip` knows names under /run/netns only, which are pods'.
    with inside(WORLD):
        resident = subprocess.Popen(["sleep", "60"])
    for number, link in enumerate(links):
        _make(link, f"world{number}", resident.pid)
    resident.kill()
    resident.wait()
    for number, link in enumerate(links):
        _furnish_link(link, f"world{number}")


def _make(link: dict[str, Any], peer: str, world: int) -> None:
    name, mtu = link["name"], link["mtu"]
    mac = f"address {link['mac']} " if link["mac"] else ""
    if link["is_bridge"]:
        _ip(f"link add {name} {mac}mtu {mtu} type bridge\nlink set {name} up\n")
        return
    _ip(f"link add {name} {mac}mtu {mtu} type veth peer name {peer} mtu {mtu}\n")
    _ip(f"link set {peer} netns {world}\nlink set {name} up\n")
    _ip(f"link set {peer} up\n", WORLD)


def _furnish_link(link: dict[str, Any], peer: str) -> None:
    """Set IPv6 in a batch of its own: the kernel may lack IPv6."""
    for family in (4, 6):
        own = _addresses(link["name"], link["addresses"], family)
        gateways = _addresses(peer, link["gateways"], family)
        routes = [
            f"route add default via {gateway.partition('/')[0]} dev {link['name']}"
            for gateway in link["gateways"]
            if version(gateway) == family
        ]
        with suppress(OSError) if family == 6 else nullcontext():
            if gateways:
                _ip("\n".join(gateways) + "\n", WORLD)
            if own or routes:
                _ip("\n".join([*own, *routes]) + "\n")


def _addresses(name: str, addresses: Sequence[str], family: int) -> list[str]:
    return [
        f"addr add {address} dev {name}{' nodad' if family == 6 else ''}"
        for address in addresses
        if version(address) == family
    ]


def _ip(batch: str, netns: str = "") -> None:
    ran = run(["ip", "-batch", "-"], stdin=batch, netns=netns)
    if ran["returncode"] != 0:
        raise OSError(ran["returncode"], f"ip: {ran['stderr'].strip()}")


def _reap() -> None:
    """Reap orphans, which the first process inherits."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
