"""Network namespaces of the node: which there are, what is in them, working inside one, which is a pod's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from ipaddress import ip_address, ip_interface
from typing import TypeVar

from genie_core.edges import netns as edge
from genie_core.edges.netlink import open_in
from genie_core.errors import GenieError
from genie_core.spec.addresses import host
from genie_core.survey.collection import in_thread
from genie_core.survey.facts import Cached, Sandbox
from genie_core.survey.kernel import Address, Link, Namespace, Tenant
from genie_core.survey.rootfs import Root, age_of
from genie_core.survey.sockets import sockets

T = TypeVar("T")
# Where runtimes and `ip netns` mount namespaces, one file each.
NETNS_DIRS = ("/run/netns", "/var/run/netns", "/run/docker/netns")


def inside(path: str, work: Callable[[], T], timeout: float | None = None) -> T:
    """`work()` carried out inside the namespace ("" is the caller's own); its exceptions are raised here.

    Raises InvalidNetns, Denied, and TimeoutError when `work` takes longer than `timeout` seconds.
    """

    def job() -> T:
        return edge.inside(path, work) if path else work()

    return job() if timeout is None else in_thread(job).result(timeout)


def inode(path: str) -> int:
    """The namespace's identity, 0 where it cannot be read."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def canonical(path: str) -> str:
    """One spelling of a namespace's path: /var/run is /run on every distribution that has both."""
    if path.startswith("/var/run/") and os.path.realpath("/var/run") == "/run":
        return path.removeprefix("/var")
    return path


def read_namespaces(root: Root, directories: Sequence[str] = NETNS_DIRS) -> list[Namespace]:
    """The named network namespaces, each once, with how many processes are in it."""
    paths: dict[int, str] = {}
    for directory in directories:
        try:
            names = root.names(directory)
        except OSError:
            continue
        for path in (f"{directory}/{name}" for name in names):
            paths.setdefault(inode(root.real(path)), path)
    paths.pop(0, None)
    users = _processes_by_namespace() if paths and root.is_here else None
    namespaces = []
    for number, path in sorted(paths.items(), key=lambda item: item[1]):
        try:
            age = age_of(root.real(path), time.time())
        except OSError:  # removed meanwhile
            continue
        count = None if users is None else users.get(number, 0)
        namespaces.append(Namespace(path=path, processes=count, age=age))
    return namespaces


def _processes_by_namespace() -> dict[int, int] | None:
    """Inode of a network namespace -> processes in it; None where other users' processes cannot be looked at."""
    counts: dict[int, int] = {}
    for name in _processes():
        try:
            number = os.stat(f"/proc/{name}/ns/net").st_ino
        except FileNotFoundError:
            continue
        except PermissionError:
            if os.geteuid():
                return None
            continue  # root may not see what is in a user namespace above its own: no pod of this node
        counts[number] = counts.get(number, 0) + 1
    return counts


def _processes() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())


def processes_of(netns: str) -> Iterator[int]:
    """The process IDs, in order, whose network namespace is the one at `netns`."""
    wanted = inode(netns)
    return (number for number in _processes() if wanted and inode(f"/proc/{number}/ns/net") == wanted)


def read_tenant(path: str, real: str, nsid: int) -> Tenant:
    """Links, addresses and listeners of another namespace of the node, at `real` from here. Raises GenieError.

    There may be hundreds: without pyroute2, whose messages have all that an interface has, it takes a twentieth.
    """
    with open_in(real) as netlink:
        links = tuple(
            Link(index=one.index, name=one.name, mac=one.mac, mtu=one.mtu, up=one.up)
            for one in netlink.links().values()
        )
        addresses = tuple(_address(one.ifindex, one.prefix) for one in netlink.addresses())
    bound = edge.inside(real, partial(sockets, connected=False))
    return Tenant(
        path=path, nsid=nsid, links=links, addresses=addresses, listeners=bound.listeners, hung=bound.hung
    )


def read_tenants(numbers: Mapping[str, int], root: Root) -> tuple[Tenant, ...]:
    """Every namespace that links of this one lead to; `numbers` maps paths to this namespace's numbers of them."""
    first = {number: path for path, number in reversed([*numbers.items()])}
    found = []
    for number, path in sorted(first.items()):
        try:
            found.append(read_tenant(path, root.real(path), number))
        except (GenieError, OSError):
            continue
    return tuple(found)


def _address(index: int, prefix: str) -> Address:
    own = ip_interface(prefix)
    scope = "host" if own.is_loopback else "link" if own.version == 6 and own.is_link_local else "global"
    return Address(index=index, ip=str(own.ip), prefix=own.network.prefixlen, scope=scope)


def addresses_in_use(named: Iterable[str]) -> dict[str, str]:
    """Address, without prefix -> the path of a namespace that has it: those of all processes, and the named ones.

    This process's own namespace is the node's, and left out. What vanishes meanwhile is not in use. Loopback addresses
    are in every namespace, and belong to no container. Needs root.
    """
    seen = {inode("/proc/self/ns/net")}
    found: dict[str, str] = {}
    for path in (*(f"/proc/{number}/ns/net" for number in _processes()), *named):
        number = inode(path)
        if not number or number in seen:
            continue
        seen.add(number)
        try:
            with open_in(path) as netlink:
                held = [host(address.prefix) for address in netlink.addresses()]
        except (OSError, GenieError):
            continue
        found |= {address: path for address in held if not ip_address(address).is_loopback}
    return found


def locate(pod: str, sandboxes: Iterable[Sandbox], records: Iterable[Cached], root: Root) -> tuple[str, str]:
    """The path of the namespace of pod NAMESPACE/NAME, the newest that is there, and its source; ("", "") for none.

    By the runtime (source CRI), else by Genie's state, else by libcni's cache (source records).
    """
    known = [(sandbox.netns, "CRI") for sandbox in sandboxes if sandbox.pod == pod and sandbox.ready]
    # The last one first: Genie's own state stands behind the cache.
    known += [(record.netns, "records") for record in records if record.pod == pod][::-1]
    there = ((canonical(path), source) for path, source in known if path and root.exists(canonical(path)))
    return next(there, ("", ""))
