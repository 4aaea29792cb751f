"""The directories that ADD writes to: whether anything can be written there. Nothing is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from genie_core.survey.facts import ConfFile
from genie_core.survey.obstacles import Store
from genie_core.survey.rootfs import Root

LEASES, STATE, CACHE = "host-local's leases", "Genie's state", "the runtime's results"
LOCK = "lock"  # host-local's, in each network's directory (plugins/ipam/host-local/backend/disk/lock.go)
_LEAST = 1 << 14  # bytes; a lease and a result have one block each


def read_stores(places: Iterable[tuple[str, str]], root: Root) -> tuple[Store, ...]:
    """Those of the (directory, use) that take nothing, each once."""
    found = ((path, use, _problem(path, root)) for path, use in dict.fromkeys(places))
    return tuple(Store(path=path, use=use, problem=problem) for path, use, problem in found if problem)


def lease_directories(files: Iterable[ConfFile], usual: str) -> Iterator[str]:
    """Where host-local keeps the leases of each network of these files."""
    for file in files:
        if file.ignored or not file.network:
            continue
        for plugin in file.chain:
            ipam = plugin.get("ipam")
            if isinstance(ipam, dict) and ipam.get("type") == "host-local":
                yield f"{ipam.get('dataDir') or usual}/{file.network.name}"


def _problem(path: str, root: Root) -> str:
    """Why nothing can be written below the directory, "" where it can. A missing one is made by ADD."""
    here = root.real(path)
    if os.path.isdir(os.path.join(here, LOCK)):
        return "its file `lock` is a directory"
    while not os.path.lexists(here) and here != os.path.dirname(here):
        here = os.path.dirname(here)
    if not os.path.isdir(here):
        return "it is not a directory"
    try:
        system = os.statvfs(here)
    except OSError as error:
        return error.strerror or str(error)
    # Elsewhere it is a container's view of the node that is read-only.
    if root.is_here and system.f_flag & os.ST_RDONLY:
        return "its file system is read-only"
    if system.f_blocks and system.f_bfree * system.f_frsize < _LEAST:
        return "its file system is full"
    return "its file system has no inode left" if system.f_files and not system.f_ffree else ""
