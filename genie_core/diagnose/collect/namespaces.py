"""One network namespace as a whole, and the list of those that exist."""

from __future__ import annotations

from genie_core.diagnose.collect import kernel, links
from genie_core.diagnose.collect.netns import inode
from genie_core.diagnose.facts import Netns, Tenant
from genie_core.edges.rootfs import Root

DIRECTORIES = ("/run/netns", "/var/run/netns", "/run/docker/netns")


def named(root: Root) -> tuple[str, ...]:
    """Paths of the namespaces that are bind-mounted under the usual directories, each namespace once."""
    found: dict[int, str] = {}
    for directory in DIRECTORIES:
        try:
            names = root.names(directory)
        except OSError:
            continue
        for path in (f"{directory}/{name}" for name in names):
            found.setdefault(inode(root.real(path)), path)
    return tuple(sorted(path for number, path in found.items() if number))


def survey(path: str) -> Netns:
    """Everything about the calling thread's namespace but its firewall; `path` is how it is called."""
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
            ipvs=kernel.ipvs(),
        )


def numbers(paths: tuple[str, ...], root: Root) -> dict[str, str]:
    """The calling thread's namespace's number of each of these: number (as text) -> path."""
    with links.open_netlink() as netlink:
        return links.nsids(netlink, {path: root.real(path) for path in paths})


def tenant(path: str, nsid: int) -> Tenant:
    """The little that is asked about another namespace of the node, from inside it."""
    with links.open_netlink() as netlink:
        return Tenant(
            path=path,
            nsid=nsid,
            links=links.links(netlink),
            addresses=links.addresses(netlink),
        )
