"""One network namespace as a whole, and the list of those that exist."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from genie_core.diagnose.collect import kernel, links, rulesets
from genie_core.diagnose.collect.netns import inode
from genie_core.diagnose.facts import Netns, Tenant

DIRECTORIES = ("/run/netns", "/var/run/netns", "/run/docker/netns")


def named(root: str = "/") -> tuple[str, ...]:
    """Paths of the namespaces that are bind-mounted under the usual directories, each namespace once."""
    found: dict[int, str] = {}
    for directory in DIRECTORIES:
        place = Path(root) / directory.lstrip("/")
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            found.setdefault(inode(str(path)), str(path))
    return tuple(path for number, path in sorted(found.items(), key=lambda item: item[1]) if number)


def processes() -> Counter[int]:
    """How many processes each network namespace (by inode) has."""
    counts: Counter[int] = Counter()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            counts[inode(f"/proc/{entry.name}/ns/net")] += 1
    return counts


def survey(path: str, others: tuple[str, ...] = ()) -> Netns:
    """Everything about the calling thread's namespace; `path` is how it was reached."""
    with links.open_netlink() as netlink:
        return Netns(
            path=path,
            links=links.links(netlink),
            addresses=links.addresses(netlink),
            routes=links.routes(netlink),
            rules=links.rules(netlink),
            neighbours=links.neighbours(netlink),
            forwarding=links.forwarding(netlink),
            qdiscs=links.qdiscs(netlink),
            sysctls=kernel.sysctls(),
            counters=kernel.counters(),
            listeners=kernel.listeners(),
            firewall=rulesets.firewall(),
            nsids=links.nsids(netlink, others),
            ipvs=kernel.ipvs(),
        )


def tenant(path: str, nsid: int, count: int) -> Tenant:
    """The little that is asked about another namespace of the node, from inside it."""
    with links.open_netlink() as netlink:
        return Tenant(
            path=path,
            nsid=nsid,
            links=links.links(netlink),
            addresses=links.addresses(netlink),
            processes=count,
        )
