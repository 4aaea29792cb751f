"""The conversations of a pod's secondary interfaces with their own links: other pods of the bridge, and the node."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.net.flows import ANY, Flow, Kinds, local_peers, served_ports
from genie_core.net.model import Attachment, Model

MOST_PEERS = 2


def secondary_flows(model: Model, ports: Kinds) -> list[Flow]:
    """The conversations of every secondary interface whose packets this node sees; `ports` adds rules' own."""
    return [
        flow
        for attachment in model.attachments
        if attachment is not model.primary and attachment.kind in ("bridge", "routed") and attachment.link.up
        for family in (4, 6)
        if model.addresses(attachment, family)
        for flow in _with_link(model, attachment, family, ports)
    ]


def _with_link(model: Model, attachment: Attachment, family: int, ports: Kinds) -> Iterator[Flow]:
    iface, icmp = attachment.link.name, "icmp" if family == 4 else "ipv6-icmp"
    kinds = list(dict.fromkeys([*ANY, *served_ports(model)[:2], *ports, (icmp, 0)]))
    for address, port, tenant in list(local_peers(model, attachment, family))[:MOST_PEERS]:
        for protocol, number in kinds:
            for inbound in (False, True):
                yield Flow(
                    role="peer", target=address, protocol=protocol, port=number, name=model.title_of(tenant),
                    family=family, peer=(port, tenant), inbound=inbound, iface=iface,
                )  # fmt: skip
    gateway = model.segment_gateway(attachment, family)
    for inbound in (False, True) if gateway else ():
        yield Flow(
            role="node", target=gateway, protocol=icmp, name=f"the node by {iface}", family=family,
            inbound=inbound, iface=iface,
        )  # fmt: skip
