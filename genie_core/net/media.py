"""Whether an interface of the pod and the holder of the same address are on different links.

Networks that are apart may use one subnet: bridges of which the node routes at most one, other VLANs, VPN clients.
"""

from __future__ import annotations

from genie_core.net.addresses import subnet, within
from genie_core.net.model import ON_PARENT, TUNNELS, Attachment, Model
from genie_core.spec.addresses import version
from genie_core.survey.kernel import Link, Tenant


def is_apart(model: Model, attachment: Attachment, ip: str, tenant: Tenant, link: Link) -> bool:
    """Whether another namespace's interface `link` with the address is certainly on another link."""
    ports = (p for p in model.facts.node.links if p.kind == "veth" and p.peer_nsid == tenant.nsid)
    port = next((p for p in ports if p.peer == link.index), None)
    master = model.node.link(port.master) if port is not None else None
    bridge = attachment.bridge
    if attachment.link.kind in TUNNELS:
        return True
    if bridge is not None:
        if port is None:
            return not _is_on(model, bridge, link)
        routed = is_routed(model, bridge, ip) and master is not None and is_routed(model, master, ip)
        return master is not None and master.index != bridge.index and not routed
    if attachment.kind == "parent":
        parent = attachment.peer
        links = {parent.index, parent.master} - {0} if parent else set()
        return port is not None and not links & {port.index, port.master}
    return attachment.kind == "routed" and port is None


def is_apart_from_node(model: Model, attachment: Attachment, ip: str, index: int) -> bool:
    """Whether the node's interface `index` with the address is certainly on another link, and the pod's has no router.

    Where the node routes for the pod, it drops the packets that come from an address of its own.
    """
    bridge = attachment.bridge
    if bridge is None:
        return attachment.link.kind in TUNNELS
    routers = (bridge, attachment.router)
    return index != bridge.index and not any(
        model.node.addresses(one, version(ip)) for one in routers if one is not None
    )


def _is_on(model: Model, bridge: Link, link: Link) -> bool:
    """Whether another namespace's interface, which is no veth of this node, may be on the bridge."""
    ports = model.node.ports(bridge)
    is_child = link.kind in ON_PARENT and link.peer in {bridge.index, *(port.index for port in ports)}
    return is_child or not all(port.kind in ("veth", "tun") for port in ports)


def is_routed(model: Model, bridge: Link, ip: str) -> bool:
    """Whether the node reaches the address by its own subnet on the bridge."""
    return any(within(ip, subnet(own)) for own in model.node.addresses(bridge, version(ip)))
