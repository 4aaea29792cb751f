"""Neighbour discovery (RFC 4861) before an IPv6 conversation: the effect of rules on solicitations and advertisements.

The kernel does not track these messages (nf_conntrack_icmpv6_error): rules for new or invalid packets have no effect.
"""

from __future__ import annotations

import ipaddress

from genie_core.net.arp import THROUGH, Hook, is_asked_for
from genie_core.net.firewall.rules import Packet
from genie_core.net.model import Attachment, Model
from genie_core.net.stack import calls_iptables
from genie_core.survey.kernel import Link

# As rules write the types: by number, as ip6tables and as nft name them.
SOLICITATION = (
    "135",
    "135/0",
    "neighbour-solicitation",
    "neighbor-solicitation",
    "nd-neighbor-solicit",
    "any",
)
ADVERTISEMENT = (
    "136",
    "136/0",
    "neighbour-advertisement",
    "neighbor-advertisement",
    "nd-neighbor-advert",
    "any",
)
OUT, IN = ("output", "postrouting"), ("prerouting", "input")


def is_discovery(packet: Packet) -> bool:
    """Whether the packet is a neighbour solicitation or advertisement."""
    return packet.icmp in (SOLICITATION, ADVERTISEMENT)


def discover(
    model: Model, hook: Hook, attachment: Attachment, source: str, target: str, port: Link | None
) -> None:
    """The pod and its next hop ask for each other's MAC: the node, or a pod behind another `port` of the bridge."""
    if ":" not in target or not is_asked_for(model, attachment, target):
        return
    for asks, asked, by_pod in ((source, target, True), (target, source, False)):
        question = Packet(
            family=6,
            protocol="ipv6-icmp",
            icmp=SOLICITATION,
            source=asks,
            target=_solicited(asked),
            state="untracked",
            ttl=255,
        )
        answer = question.with_(icmp=ADVERTISEMENT, source=asked, target=asks)
        for packet, is_from_pod in ((question, by_pod), (answer, not by_pod)):
            _carry(model, hook, attachment, packet, port, is_from_pod=is_from_pod)


def _solicited(ip: str) -> str:
    """The solicited-node multicast address (RFC 4291, section 2.7.1)."""
    return str(
        ipaddress.IPv6Address(
            int(ipaddress.IPv6Address("ff02::1:ff00:0")) | int(ipaddress.IPv6Address(ip)) & 0xFFFFFF
        )
    )


def _carry(
    model: Model,
    hook: Hook,
    attachment: Attachment,
    packet: Packet,
    port: Link | None,
    *,
    is_from_pod: bool,
) -> None:
    """One message over the pod's link, through the hooks of both sides."""
    iface = attachment.link.name

    def inside() -> None:
        made = (
            packet.with_(oif=iface, source_local=True)
            if is_from_pod
            else packet.with_(iif=iface, target_local=True)
        )
        for name in OUT if is_from_pod else IN:
            hook("pod", name, made, "")

    if is_from_pod:
        inside()
    if attachment.kind not in ("bridge", "routed"):
        pass  # its frames go past the node
    elif port is None:
        _at_node(hook, attachment, packet, is_from_pod=is_from_pod)
    else:
        _over_bridge(model, hook, attachment, packet, port, is_from_pod=is_from_pod)
    if not is_from_pod:
        inside()


def _at_node(hook: Hook, attachment: Attachment, packet: Packet, *, is_from_pod: bool) -> None:
    peer, entry = attachment.peer, attachment.entry
    assert peer is not None
    assert entry is not None
    of_bridge = (
        ()
        if attachment.bridge is None
        else ("prerouting", "input")
        if is_from_pod
        else ("output", "postrouting")
    )
    frame = packet.with_(iif=peer.name) if is_from_pod else packet.with_(oif=peer.name)
    made = (
        packet.with_(iif=entry.name, target_local=True)
        if is_from_pod
        else packet.with_(oif=entry.name, source_local=True)
    )
    for name in of_bridge if is_from_pod else ():
        hook("node", name, frame, "bridge")
    for name in IN if is_from_pod else OUT:
        hook("node", name, made, "")
    for name in of_bridge if not is_from_pod else ():
        hook("node", name, frame, "bridge")


def _over_bridge(
    model: Model, hook: Hook, attachment: Attachment, packet: Packet, port: Link, *, is_from_pod: bool
) -> None:
    peer, bridge = attachment.peer, attachment.bridge
    assert peer is not None
    assert bridge is not None
    ends = (peer.name, port.name) if is_from_pod else (port.name, peer.name)
    frame = packet.with_(iif=ends[0], oif=ends[1])
    bridged = packet.with_(
        iif=bridge.name, oif=bridge.name, bridged=True, physical_in=ends[0], physical_out=ends[1]
    )
    for name in THROUGH:
        hook("node", name, frame, "bridge")
    for name in THROUGH if calls_iptables(model.node, bridge, 6) else ():
        hook("node", name, bridged.with_(oif=None) if name == "prerouting" else bridged, "")
