"""The records that others keep of pods' networks: leases, cached results, namespaces. Read only.

host-local's leases  <dataDir>/<network>/<address>, holding the container ID and, on a second line, the interface
libcni's cache       <cacheDir>/results/<network>-<container>-<interface>, kind cniCacheV1 (conformance B57, B58)
namespaces           the bind mounts below /run/netns and /run/docker/netns
"""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genie_core.edges import libcni_cache, meter
from genie_core.fields import get_str
from genie_core.jsontext import JSONError, decode
from genie_core.survey.rootfs import Root

IPAM_DIR = meter.LEASES
CACHE_DIR = libcni_cache.DIRECTORY
NETNS_DIRS = ("/run/netns", "/var/run/netns", "/run/docker/netns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One address that host-local has given away. `age` is the seconds since then."""

    address: str
    container: str
    ifname: str = ""
    file: str = ""
    age: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedResult:
    """One attachment in libcni's cache, without its configuration: that holds secrets.

    `result` is the CNI result as it was written, {} without one; of the arguments only the pod's NS/NAME is kept.
    """

    file: str
    network: str = ""
    container: str = ""
    ifname: str = ""
    netns: str = ""
    pod: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The result's addresses, without prefix."""
        ips = self.result.get("ips")
        entries = [ip for ip in ips if isinstance(ip, dict)] if isinstance(ips, list) else []
        return tuple(str(ip.get("address", "")).partition("/")[0] for ip in entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """One named network namespace; `processes` is None where this user may not know. `age` in seconds."""

    path: str
    inode: int = 0
    processes: int | None = None
    age: float = 0


def read_leases(directory: str, root: Root, now: float) -> dict[str, list[Lease]]:
    """host-local's leases of every network below its data directory. Raises OSError for the directory."""
    found = {}
    for network in root.names(directory):
        folder = f"{directory}/{network}"
        if os.path.isdir(root.real(folder)):
            found[network] = _leases_of(folder, root, now)
    return found


def _leases_of(folder: str, root: Root, now: float) -> list[Lease]:
    leases = []
    for name in root.names(folder):
        address = _address(name)
        if not address:
            continue
        try:
            lines = root.text(f"{folder}/{name}", 4096).splitlines()
            age = age_of(root.real(f"{folder}/{name}"), now)
        except OSError:  # released meanwhile
            continue
        container, ifname = [*(line.strip() for line in lines), "", ""][:2]
        leases.append(
            Lease(address=address, container=container, ifname=ifname, file=f"{folder}/{name}", age=age)
        )
    return sorted(leases, key=lambda lease: (":" in lease.address, int(ipaddress.ip_address(lease.address))))


def age_of(path: str, now: float) -> float:
    """Seconds since the file was changed. Raises OSError.

    One from the future was there before the clock was set back, as it is on a node that starts with a wrong one:
    it counts as so old as it is ahead, or it would be too young to touch until then.
    """
    return abs(now - os.stat(path).st_mtime)


def _address(name: str) -> str:
    """The address in a lease's file name, or "" for `lock` and `last_reserved_ip.0`."""
    try:
        return str(ipaddress.ip_address(name.replace("_", ":")))
    except ValueError:
        return ""


def read_cache(directory: str, root: Root) -> list[CachedResult]:
    """libcni's cached results. Raises OSError for the directory."""
    return [_cached(f"{directory}/{name}", root) for name in root.names(directory)]


def _cached(file: str, root: Root) -> CachedResult:
    try:
        data = decode(root.text(file))
        if not isinstance(data, dict):
            raise JSONError("an object was expected", "", 0)
    except (OSError, JSONError) as error:
        return CachedResult(file=file, problem=str(error))
    found = data.get("result") if data.get("kind") else data
    result = found if isinstance(found, dict) else {}
    return CachedResult(
        file=file,
        network=_text(data, "networkName"),
        container=_text(data, "containerId"),
        ifname=_text(data, "ifName"),
        netns=_text(data, "netns") or _sandbox_of(result),
        pod=_pod_of(data.get("cniArgs")),
        result=result,
    )


def _sandbox_of(result: dict[str, Any]) -> str:
    """The namespace that a result puts an interface into: libcni before 1.2 (containerd 1.7) records no other."""
    interfaces = result.get("interfaces")
    entries = interfaces if isinstance(interfaces, list) else []
    named = (_text(entry, "sandbox") for entry in entries if isinstance(entry, dict))
    return next((path for path in named if path), "")


def _pod_of(arguments: object) -> str:
    """NS/NAME out of libcni's `cniArgs`, a list of pairs."""
    entries = arguments if isinstance(arguments, list) else []
    pairs = {str(entry[0]): str(entry[1]) for entry in entries if isinstance(entry, list) and len(entry) == 2}
    name = pairs.get("K8S_POD_NAME", "")
    return f"{pairs.get('K8S_POD_NAMESPACE', '')}/{name}" if name else ""


def _text(data: dict[str, object], key: str) -> str:
    return get_str({key: value} if isinstance(value := data.get(key), str) else {}, key)


def read_namespaces(root: Root, directories: Sequence[str] = NETNS_DIRS) -> list[Namespace]:
    """The named network namespaces, each with how many processes are in it."""
    paths: dict[str, str] = {}
    for directory in directories:
        try:
            paths |= {name: f"{directory}/{name}" for name in root.names(directory) if name not in paths}
        except OSError:
            continue
    if not paths:
        return []
    users = _processes_by_namespace() if root.is_here else None
    namespaces = []
    for path in paths.values():
        try:
            inode, age = os.stat(root.real(path)).st_ino, age_of(root.real(path), time.time())
        except OSError:
            continue
        count = None if users is None else users.get(inode, 0)
        namespaces.append(Namespace(path=path, inode=inode, processes=count, age=age))
    return namespaces


def _processes_by_namespace() -> dict[int, int] | None:
    """Inode of a network namespace -> processes in it; None where other users' processes cannot be looked at."""
    counts: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            inode = os.stat(f"/proc/{name}/ns/net").st_ino
        except FileNotFoundError:
            continue
        except PermissionError:
            if os.geteuid():
                return None
            continue  # root may not see what is in a user namespace above its own: no pod of this node
        counts[inode] = counts.get(inode, 0) + 1
    return counts
