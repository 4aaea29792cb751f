"""What ARP answers: next hops that nobody has, and pinned neighbour entries that contradict the answer."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import PodCheck
from genie_core.checks.wording import a, in_pod, on_node, seen, the_interface, the_pod
from genie_core.findings import About, Finding, Remedy, Severity
from genie_core.net.case import Case
from genie_core.net.stack import Stack, subnet, version, within
from genie_core.survey.facts import Link, Probe

ROLES = ("gateway", "next hop", "other node")


def unanswered(model: Case) -> Iterator[Finding]:
    """GN0807: nobody on the link has the address of a next hop. ARP is not filtered as echoes are."""
    for probe in model.facts.probes:
        if probe.kind != "arp" or probe.role not in ROLES or probe.result != "timeout":
            continue
        where = _where(model, probe)
        if where is None or _pinned(*where, probe.target):
            continue
        stack, link = where
        yield Finding(
            code="GN0807",
            severity=Severity.ERROR if probe.role == "gateway" or _missed(model, probe) else Severity.WARNING,
            title=f"{_title(model, probe)} {probe.target} answers no ARP on {link.name}: {_owner(model, probe)}",
            object=the_interface(link.name) if stack is model.node else the_pod(model, link.name),
            about=About.GATEWAY if probe.role == "gateway" else None,
            evidence=(
                seen("probe", f"ARP {probe.target}: timeout", f"arping -I {link.name} {probe.target}"),
            ),
            remedy=Remedy(
                text="see whose address it should be, whether that machine is up, and on this link"
            ),
        )


def contradicted(model: Case) -> Iterator[Finding]:
    """GN0306, GN0411: a pinned neighbour entry names another MAC than the one that answers."""
    for probe in model.facts.probes:
        where = _where(model, probe) if probe.kind == "arp" and probe.role in ROLES[1:] else None
        entry = _pinned(*where, probe.target) if where else ""
        if where is None or not entry or probe.result != "ok" or entry in probe.detail.split():
            continue
        stack, link = where
        on = on_node if stack is model.node else in_pod
        whose = "the node's" if stack is model.node else "the pod's"
        yield Finding(
            code="GN0411" if stack is model.node else "GN0306",
            severity=Severity.ERROR,
            title=f"{whose} PERMANENT neighbour entry of {_title(model, probe)} {probe.target} on {link.name} is "
            f"{entry}, but {probe.detail} answers for it",
            object=a("neighbour", f"{probe.target} dev {link.name}", link.name),
            evidence=(
                seen("netlink", f"{probe.target} lladdr {entry} PERMANENT", f"ip neigh show dev {link.name}"),
                seen("probe", f"ARP {probe.target}: {probe.detail}", f"arping -I {link.name} {probe.target}"),
            ),
            remedy=Remedy(
                text="delete the entry; the kernel asks again",
                commands=(on("ip", "neigh", "del", probe.target, "dev", link.name),),
            ),
        )


def _missed(model: Case, probe: Probe) -> bool:
    """Whether a pod of that node did not answer. A further network may have no router, a cluster a node that is off."""
    cidrs = [c for n in model.other_nodes if probe.target in n.addresses for c in n.cidrs]
    return any(
        p.role == "remote" and p.result == "timeout" and any(within(p.target, c) for c in cidrs)
        for p in model.facts.probes
    )


def _owner(model: Case, probe: Probe) -> str:
    own = model.node.local.get(probe.target)
    if own is None or probe.role == "other node":
        return "nobody there has the address"
    return f"{model.node.name(own.index)} of the node has the address, so frames are lost between them"


def _title(model: Case, probe: Probe) -> str:
    if probe.role == "other node":
        return next((n.name for n in model.other_nodes if probe.target in n.addresses), "next hop")
    return "the pod's gateway" if probe.role == "gateway" else "next hop"


def _where(model: Case, probe: Probe) -> tuple[Stack, Link] | None:
    """The stack and the interface that asked."""
    if probe.role == "other node":
        link = model.node.link(model.node.fib.lookup(probe.target).hop.index)
        return (model.node, link) if link is not None else None
    if model.pod is None:
        return None
    if probe.role == "gateway" and model.primary is not None:
        return model.pod, model.primary.link
    for attachment in model.attachments:
        known = any(
            n.index == attachment.link.index and n.ip == probe.target for n in model.pod.facts.neighbours
        )
        routed = any(
            h.index == attachment.link.index and h.gateway == probe.target
            for r in model.pod.facts.routes
            for h in r.hops
        )
        near = any(
            within(probe.target, subnet(x)) for x in model.addresses(attachment, version(probe.target))
        )
        if known or routed or near:
            return model.pod, attachment.link
    return None


def _pinned(stack: Stack, link: Link, ip: str) -> str:
    """The MAC of a permanent entry, "" without one."""
    entry = stack.neighbour(link.index, ip)
    return entry.mac if entry is not None and entry.state == "permanent" else ""


CHECKS = (
    PodCheck(
        id="probe-next-hops",
        codes=("GN0807",),
        title="next hops answer ARP",
        run=unanswered,
        needs=("probes",),
    ),
    PodCheck(
        id="probe-neighbours",
        codes=("GN0306", "GN0411"),
        title="pinned neighbour entries agree with what answers",
        run=contradicted,
        needs=("probes",),
    ),
)
