"""Subnets of the node's own interfaces that overlap: what one of them has is looked for behind the other."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from genie_core.checks.check import check
from genie_core.checks.parts import fix, on_node, seen, the_interface
from genie_core.findings import Code, Effect, Finding, Remedy, Severity
from genie_core.net.addresses import subnet, within
from genie_core.net.case import Case
from genie_core.net.model import ON_PARENT, TUNNELS
from genie_core.spec.addresses import host_prefix, version
from genie_core.survey.kernel import Address, Link

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An address of a node's interface, and the subnet that it puts there."""

    link: Link
    address: Address

    @property
    def network(self) -> Network:
        return ipaddress.ip_network(subnet(self.address))

    def __str__(self) -> str:
        return f"{self.address.ip}/{self.address.prefix}"


GN0415 = Code("GN0415", "two interfaces of the node have overlapping subnets",
    cause="another daemon's bridge (Docker, libvirt), a second NIC or an address on lo covers a part of another link's "
    "subnet: what is there is looked for on the wrong link",
    confirm="ip addr; ip route get ADDRESS", fix="give one of them a subnet of its own, or the address a /32",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("node-subnets", GN0415, title="the node's interfaces have subnets of their own", needs=("node",))
def overlapping(case: Case) -> Iterator[Finding]:
    held = [one for link in case.facts.node.links if _counts(case, link) for one in _subnets(case, link)]
    for one, other in combinations(held, 2):
        if one.link != other.link and not _related(one.link, other.link) and _overlap(one, other):
            hiding, hidden = _winner(case, one, other)
            yield _finding(case, hiding, hidden)


def _counts(case: Case, link: Link) -> bool:
    return link.up and link.kind not in TUNNELS and link not in case.pod_links


def _subnets(case: Case, link: Link) -> list[Held]:
    return [
        Held(link=link, address=a)
        for a in case.node.addresses(link)
        if a.scope in ("global", "site") and not a.is_single and not a.ip.startswith(("127.", "fe80:"))
    ]


def _related(one: Link, other: Link) -> bool:
    """Whether the links share a medium on purpose: a macvlan and its parent or sibling, a bridge and its port."""
    ends = [(x.peer if x.kind in ON_PARENT else x.index) for x in (one, other)]
    return ends[0] == ends[1] or one.index == other.master or other.index == one.master


def _overlap(one: Held, other: Held) -> bool:
    return version(one.address.ip) == version(other.address.ip) and one.network.overlaps(other.network)


def _winner(case: Case, one: Held, other: Held) -> tuple[Held, Held]:
    """(the one whose route is taken for the common addresses, the other)."""
    common = max(one.network, other.network, key=lambda network: network.prefixlen)
    probe = str(common.network_address + common.num_addresses // 2)
    way = case.node.fib.lookup(probe)
    local = way.type == "local" and any(x.link.name == "lo" for x in (one, other))
    first = one.link.name == "lo" if local else way.hop.index == one.link.index
    return (one, other) if first else (other, one)


def _finding(case: Case, hiding: Held, hidden: Held) -> Finding:
    missed = _missed(case, hiding, hidden)
    name = hiding.link.name
    how = (
        "takes the addresses for the node's own"
        if name == "lo"
        else f"sends what is for {hiding.network} to {name}"
    )
    return GN0415.found(
        Severity.ERROR if missed else Severity.WARNING,
        f"{name} has {hiding}, which overlaps {hidden.network} of {hidden.link.name}: the node {how}"
        + (f", so {', '.join(missed[:3])} on {hidden.link.name} is not reached" if missed else ""),
        the_interface(name),
        seen("netlink", f"{name}: {hiding} ({hiding.network})", f"ip addr show {name}"),
        seen(
            "netlink", f"{hidden.link.name}: {hidden} ({hidden.network})", f"ip addr show {hidden.link.name}"
        ),
        remedy=_remedy(hiding, hidden),
    )


def _missed(case: Case, hiding: Held, hidden: Held) -> list[str]:
    """Nodes that are known to be on the hidden link and are looked for elsewhere (a route's next hop is not)."""
    index = hidden.link.index
    seen_there = [n.ip for n in case.facts.node.neighbours if n.index == index and n.mac]
    by_tunnel = [t for t in case.tunnels if t.data.get("vxlan_link") == index]
    nodes = [ip for n in case.other_nodes for ip in n.addresses if by_tunnel or ip in seen_there]
    known = dict.fromkeys(nodes)
    inside = [
        ip for ip in known if version(ip) == version(hiding.address.ip) and within(ip, str(hiding.network))
    ]
    return [ip for ip in inside if ip not in case.node.local and case.node.fib.lookup(ip).hop.index != index]


def _remedy(hiding: Held, hidden: Held) -> Remedy:
    name, ip = hiding.link.name, hiding.address.ip
    if name == "lo":
        alone = host_prefix(ip)
        return fix(
            f"give {ip} the prefix length {alone.rpartition('/')[2]}, as a virtual address has it",
            on_node("ip", "addr", "del", str(hiding), "dev", name),
            on_node("ip", "addr", "add", alone, "dev", name),
        )
    return fix(
        f"give {name} a subnet that {hidden.link.name} does not have (Docker: bip and default-address-pools in "
        "daemon.json; libvirt: virsh net-edit), or remove its address"
    )
