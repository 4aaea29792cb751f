"""Leases of a running pod's addresses that name another container. Pure; `owners` is read by tasks/repair/look.py.

IPAM has given the address to another container, or the file was edited: two pods may have it at once. Another
address is the only remedy, so the attachment is made again, and is not asked for the one that it had.
"""

from genie_core.jsontext import decode
from genie_core.live.ask import ipam_of
from genie_core.live.repair import ADDRESS, Fault, allowed, faults_of
from genie_core.settings import IPAM_DIR
from genie_core.spec.addresses import host
from genie_core.spec.result import recorded_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from genie_core.live.seen import Seen
    from genie_core.model import Attachment, Plan

    # (interface, address without its length) -> the container that has the lease, where it is another one
    Owners = Mapping[tuple[str, str], str]


def lease_files(item: "Attachment") -> "Iterator[tuple[str, str]]":
    """(address, host-local's file of its lease) of each address of the attachment; none with another IPAM plugin."""
    ipam = ipam_of(item)
    if ipam.get("type") != "host-local" or not item.result:
        return
    folder = f"{ipam.get('dataDir') or IPAM_DIR}/{item.network.name}"
    for ip in recorded_result(item).result.ips:
        address = host(ip["address"])
        yield address, f"{folder}/{address}"


def faults_with_leases(plan: "Plan", pod: "Seen", node: "Seen", owners: "Owners") -> list[Fault]:
    """What `faults_of` finds, and leases that name another container.

    An address that another container has is not put back.
    """
    stolen = [
        fault
        for item in plan.attachments
        if item.result and not (item.releasing or item.released)
        for fault in _stolen(item, plan, node, owners)
    ]
    without = {fault.ifname for fault in stolen}
    others = [one for one in faults_of(plan, pod, node) if one.kind != ADDRESS or one.ifname not in without]
    return [*others, *stolen]


def _stolen(item: "Attachment", plan: "Plan", node: "Seen", owners: "Owners") -> "Iterator[Fault]":
    theirs = {address: owner for (ifname, address), owner in owners.items() if ifname == item.ifname}
    if not theirs:
        return
    said = ", ".join(f"{address} is leased to container {owner}" for address, owner in theirs.items())
    obstacle = ""
    if item.ifname == plan.ifname:
        obstacle = "the pod's first address cannot change: recreate the pod"
    elif theirs.keys() & _asked_for(item):
        obstacle = "the pod asks for this address itself: let it ask for another one, or recreate it"
    fault = Fault(ADDRESS, item.ifname, item.label, f"its address {said}", again=True, obstacle=obstacle)
    yield allowed(fault, item, plan, node)


def _asked_for(item: "Attachment") -> set[str]:
    """The addresses that the pod's author asked for."""
    asked = decode(item.asked).get("ips") if item.asked else None
    return {host(one) for one in asked or () if isinstance(one, str)}
