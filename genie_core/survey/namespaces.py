"""One network namespace as a whole, and the list of those that exist."""

from __future__ import annotations

from ipaddress import ip_interface

from genie_core.edges.netlink import open_in
from genie_core.survey import bpf, links, sysctls
from genie_core.survey.enter import inode
from genie_core.survey.facts import Address, Link, Netns, Tenant
from genie_core.survey.nodenet import namespace_numbers
from genie_core.survey.records import NETNS_DIRS
from genie_core.survey.rootfs import Root


def named(root: Root) -> tuple[str, ...]:
    """Paths of the namespaces that are bind-mounted under the usual directories, each namespace once."""
    found: dict[int, str] = {}
    for directory in NETNS_DIRS:
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
        interfaces, queues = links.links(netlink), links.qdiscs(netlink)
        return Netns(
            path=path,
            links=interfaces,
            addresses=links.addresses(netlink),
            routes=links.routes(netlink),
            rules=links.rules(netlink),
            neighbours=links.neighbours(netlink),
            forwarding=links.forwarding(netlink),
            qdiscs=queues,
            programs=bpf.programs(
                netlink, interfaces, [q for q in queues if q.kind in ("clsact", "ingress")]
            ),
            sysctls=sysctls.sysctls(),
            counters=sysctls.counters(),
            listeners=sysctls.listeners(),
            ipvs=sysctls.ipvs(),
        )


def numbers(paths: tuple[str, ...], root: Root) -> dict[str, str]:
    """The calling thread's namespace's number of each of these: number (as text) -> the first such path."""
    found: dict[str, str] = {}
    for path, number in namespace_numbers({path: root.real(path) for path in paths}).items():
        found.setdefault(str(number), path)
    return found


def tenant(path: str, real: str, nsid: int) -> Tenant:
    """The little that is asked about another namespace of the node, at `real` from here. Raises GenieError.

    There may be hundreds: without pyroute2, whose messages have all that an interface has, it takes a twentieth.
    """
    with open_in(real) as netlink:
        links = tuple(
            Link(index=one.index, name=one.name, mac=one.mac, mtu=one.mtu, up=one.up)
            for one in netlink.links().values()
        )
        addresses = tuple(_address(one.ifindex, one.prefix) for one in netlink.addresses())
    return Tenant(path=path, nsid=nsid, links=links, addresses=addresses)


def _address(index: int, prefix: str) -> Address:
    own = ip_interface(prefix)
    scope = "host" if own.is_loopback else "link" if own.version == 6 and own.is_link_local else "global"
    return Address(index=index, ip=str(own.ip), prefix=own.network.prefixlen, scope=scope)
