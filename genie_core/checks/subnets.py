"""GN1024, GN1035-GN1037: subnets that overlap, between networks and with the node."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genie_core.catalog import of_type
from genie_core.catalog.host_local import Network
from genie_core.checks.check import check
from genie_core.checks.parts import at, fix, line_of, seen
from genie_core.fields import place
from genie_core.findings import Code, Finding, Severity
from genie_core.spec.ranges import Span, spans
from genie_core.survey.facts import ConfFile, Facts
from genie_core.survey.kernel import Link, Netns
from genie_core.survey.selection import candidates


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A subnet of a network: the file, the range in it, its bridge, and whether it is the LAN's."""

    file: ConfFile
    span: Span
    bridge: str
    on_lan: bool

    @property
    def network(self) -> str:
        """The network's name."""
        return self.file.network.name if self.file.network else ""


def used_subnets(files: Sequence[ConfFile]) -> list[Used]:
    """The host-local subnets of configurations."""
    found = []
    for file in files:
        for index, entry in enumerate(file.chain):
            where = file.where(index)
            plugin = of_type(str(entry.get("type", "")))
            for span in host_local_spans(entry.get("ipam"), place(where, "ipam")):
                lan = bool(plugin and plugin.on_lan)
                found.append(Used(file=file, span=span, bridge=_bridge(entry), on_lan=lan))
    return found


def host_local_spans(ipam: object, where: str = "ipam") -> list[Span]:
    """The ranges of a host-local ipam section."""
    if not isinstance(ipam, dict) or ipam.get("type") != "host-local":
        return []
    return list(spans(ipam, where))


def _bridge(entry: Mapping[str, Any]) -> str:
    return str(entry.get("bridge") or "cni0") if entry.get("type") == "bridge" else ""


GN1035 = Code("GN1035", "two networks hand out the same addresses",
    cause="their ranges overlap",
    confirm="genie discover -o wide", fix="distinct ranges")  # fmt: skip


@check("subnet-networks", GN1035, title="networks do not overlap", needs=("conf",), alone=True)
def overlapping_networks(facts: Facts) -> Iterator[Finding]:
    for entries in facts.directories.values():
        subnets = used_subnets([file for file in candidates(entries) if file.network])
        for position, one in enumerate(subnets):
            for other in subnets[:position]:
                if one.file is not other.file and one.network != other.network and _overlap(one, other):
                    yield _overlap_finding(one, other)


def _overlap(one: Used, other: Used) -> bool:
    if one.span.subnet.version != other.span.subnet.version:
        return False
    # A LAN or a bridge that is shared on purpose: only the ranges matter.
    if (one.on_lan and other.on_lan) or (one.bridge and one.bridge == other.bridge):
        return one.span.first in other.span or other.span.first in one.span
    return one.span.subnet.overlaps(other.span.subnet)


def _overlap_finding(one: Used, other: Used) -> Finding:
    harmless = one.on_lan != other.on_lan
    return GN1035.found(
        Severity.WARNING if harmless else Severity.ERROR,
        f'{one.file.file}: subnet {one.span.subnet} of network "{one.network}" overlaps {other.span.subnet} '
        f'of "{other.network}" ({other.file.file}): pods can get the same address',
        at(one.file, f"{one.span.path}.subnet"),
        *(line_of(u.file, at(u.file, f"{u.span.path}.subnet").line) for u in (other, one)),
        remedy=fix("give each network a subnet, or a range, of its own"),
    )


GN1037 = Code("GN1037", "two networks with different subnets on one bridge",
    cause="the bridge plugin refuses ADD of the second one",
    confirm="genie discover -o wide", fix="a bridge per network")  # fmt: skip


@check("bridge-shared", GN1037, title="each network has its own bridge", needs=("conf",), alone=True)
def shared_bridge(facts: Facts) -> Iterator[Finding]:
    first: dict[str, Used] = {}
    for used in used_subnets([file for file in facts.conf_files if file.network and not file.ignored]):
        other = first.setdefault(used.bridge, used)
        if not used.bridge or other.network == used.network or used.span.subnet == other.span.subnet:
            continue
        if used.span.subnet.version == other.span.subnet.version and _is_gateway(used) and _is_gateway(other):
            yield GN1037.error(
                f'{used.file.file}: bridge {used.bridge} is also that of network "{other.network}" '
                f"({other.file.file}), with another subnet: the plugin refuses the second one",
                at(used.file, f"{used.span.path}.subnet"),
                *(line_of(u.file, at(u.file, f"{u.span.path}.subnet").line) for u in (other, used)),
                remedy=fix("give each network a bridge of its own"),
            )


def _is_gateway(used: Used) -> bool:
    entry = _entry(used)
    return bool(entry.get("isGateway") or entry.get("isDefaultGateway")) and not entry.get("forceAddress")


GN1036 = Code("GN1036", "a network's subnet overlaps the node's",
    cause="the route to one hides the other",
    confirm="ip route", fix="another subnet, unless it is the LAN on purpose", explained_by=("GN0413",))  # fmt: skip


@check(
    "subnet-node", GN1036, title="networks do not overlap the node's own", needs=("conf", "node"), alone=True
)
def overlapping_node(facts: Facts) -> Iterator[Finding]:
    for used in used_subnets([file for file in facts.conf_files if file.network and not file.ignored]):
        for link, subnet in _held(facts.node, used):
            yield GN1036.found(
                Severity.INFO if used.on_lan else Severity.ERROR,
                f'{used.file.file}: subnet {used.span.subnet} of network "{used.network}" overlaps {subnet} '
                f"of the node's {link.name}" + (", as a network on the LAN does" if used.on_lan else ""),
                at(used.file, f"{used.span.path}.subnet"),
                seen(
                    "netlink",
                    f"{link.name} has {', '.join(facts.node.prefixes_of(link))}",
                    f"ip address show dev {link.name}",
                ),
                remedy=None if used.on_lan else fix("choose a free subnet: `genie generate-config` does"),
            )


def _held(node: Netns, used: Used) -> Iterator[tuple[Link, Network]]:
    """The node's interfaces with addresses in the subnet, except the network's own."""
    for link in node.links:
        # The network's own bridge belongs there; so do the /32 addresses of overlays and of the host ends of pods.
        if link.name == used.bridge or (link.kind == "bridge" and used.on_lan):
            continue
        for address in node.prefixes_of(link):
            network = ipaddress.ip_interface(address).network
            if (
                network.num_addresses > 1
                and network.version == used.span.subnet.version
                and network.overlaps(used.span.subnet)
            ):
                yield link, network
                break


GN1024 = Code("GN1024", "a bridge has another subnet than its network",
    cause="the bridge plugin refuses every ADD",
    confirm="ip addr show BRIDGE", fix="drain, delete the bridge, restart pods; or correct the subnet",
    explained_by=("GN0406", "GN0404", "GN0206", "GN1032"))  # fmt: skip


@check(
    "bridge-address", GN1024, title="bridges have their network's address", needs=("conf", "node"), alone=True
)
def bridge_address(facts: Facts) -> Iterator[Finding]:
    for used in used_subnets([file for file in facts.conf_files if file.network and not file.ignored]):
        link = facts.node.link(used.bridge)
        entry = _entry(used)
        if (
            link is None
            or not (entry.get("isGateway") or entry.get("isDefaultGateway"))
            or entry.get("forceAddress")
        ):
            continue
        held = [
            a
            for a in facts.node.prefixes_of(link)
            if ipaddress.ip_interface(a).version == used.span.subnet.version and "fe80" not in a
        ]
        wanted = f"{used.span.gateway}/{used.span.subnet.prefixlen}"
        if held and wanted not in held and used.span.subnet.version == 4:
            yield _bridge_finding(used, link, held, wanted)


def _entry(used: Used) -> Mapping[str, Any]:
    index = next(
        (i for i in range(len(used.file.chain)) if used.span.path.startswith(used.file.where(i) or "ipam")), 0
    )
    return used.file.chain[index]


def _bridge_finding(used: Used, link: Link, held: list[str], wanted: str) -> Finding:
    return GN1024.error(
        f'{used.file.file}: bridge {link.name} has {", ".join(held)}, network "{used.network}" wants {wanted}: '
        "the plugin refuses every ADD",
        at(used.file, f"{used.span.path}.subnet"),
        seen("netlink", f"{link.name} has {', '.join(held)}", f"ip address show dev {link.name}"),
        remedy=fix(
            "if the address is left over from another network, drain the node and delete the bridge; "
            "else give this network a bridge of its own",
            ["ip", "link", "delete", link.name],
            risk="pods on the bridge lose their network: drain the node first",
        ),
    )
