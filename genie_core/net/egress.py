"""The interface by which a pod's packets leave, and whether they still reach its node."""

from __future__ import annotations

from genie_core.net.model import Attachment, Model
from genie_core.survey.kernel import Link

_IPVLAN_MODES = {0: "l2", 1: "l3", 2: "l3s"}  # linux/if_link.h


def leads_to_node(model: Model, attachment: Attachment, next_hop: str) -> bool:
    """Whether a packet from this interface to `next_hop` arrives at the node, which forwards it."""
    if attachment.kind == "routed":
        return attachment.entry is not None
    return attachment.kind == "bridge" and next_hop in model.node.local


def mode_of(link: Link) -> str:
    """The mode of a macvlan or ipvlan interface, as iproute2 names it; "" where it is not known."""
    value = link.data.get(f"{link.kind.replace('tap', 'lan')}_mode", "")
    return str(_IPVLAN_MODES.get(value, value))


def far_end(link: Link) -> str:
    """The one other end of a tunnel between two hosts (`remote`), "" where it has several or none is read."""
    named = (str(value) for key, value in link.data.items() if key.endswith(("_remote", "_group")))
    return next((ip for ip in named if ip not in ("0.0.0.0", "::", "")), "")


def past_node(attachment: Attachment) -> bool:
    """Whether the frames of an interface go past the node's routes and rules, to the parent's link.

    An ipvlan in mode l3 or l3s is routed by the parent's namespace (Documentation/networking/ipvlan.rst).
    """
    link = attachment.link
    return attachment.kind == "parent" and (not link.kind.startswith("ipv") or mode_of(link) == "l2")


def past_parent(model: Model, attachment: Attachment, target: str, gateway: str) -> bool:
    """Whether the target is the node's own address on the link of a macvlan or ipvlan interface: unreachable."""
    return (
        attachment.kind == "parent"
        and attachment.link.kind != "vlan"
        and not gateway
        and target in model.node.local
    )


def holder(model: Model, ip: str) -> Attachment | None:
    """The attachment that has the address, else the primary one."""
    owners = (x for x in model.attachments if any(own.ip == ip for own in model.addresses(x)))
    return next(owners, model.primary)


def answers_by(model: Model, target: str, source: str) -> Attachment | None:
    """The interface by which the pod's reply to `target` reaches the node, where it is not the primary one."""
    if model.pod is None or model.primary is None or model.primary.kind not in ("bridge", "routed"):
        return None
    hop = model.pod.fib.lookup(target, source).hop
    other = model.attachment(hop.index)
    if other is None or other is model.primary or not leads_to_node(model, other, hop.gateway or target):
        return None
    return other
