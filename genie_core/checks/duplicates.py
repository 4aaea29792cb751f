"""Addresses of the pod, or of its gateway, that another namespace or the node has as well."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, in_netns, in_pod, on_node, seen, the_interface, the_pod
from genie_core.findings import Code, Command, Effect, Evidence, Finding, Remedy, Subject
from genie_core.net.case import Case
from genie_core.net.media import is_apart, is_apart_from_node
from genie_core.net.model import Attachment

GN0203 = Code("GN0203", "duplicate address",
    cause="two namespaces, or a machine outside, hold one address: leases were lost, or ranges overlap",
    confirm="arping -D -I eth0 ADDRESS; ip -all netns exec ip addr", fix="delete one pod, reconcile IPAM",
    explained_by=("GN0106",), breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check(
    "address-duplicate",
    GN0203,
    title="no other namespace holds the pod's addresses",
    needs=("pod", "node", "tenants"),
)
def duplicate(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        for own in case.addresses(attachment):
            yield from _holders(case, attachment, own.ip)
        yield from _gateway_twice(case, attachment)


def _gateway_twice(case: Case, attachment: Attachment) -> Iterator[Finding]:
    """Another pod on the bridge has an address of the bridge: neighbours learn one MAC or the other."""
    bridge = attachment.bridge
    mine = {x.ip for x in case.node.addresses(bridge)} if bridge else set()
    for port, tenant in case.neighbours_on(bridge) if bridge else ():
        for address in (x for x in tenant.addresses if x.ip in mine):
            title = case.title_of(tenant)
            link = next((x.name for x in tenant.links if x.index == address.index), "")
            yield GN0203.fatal(
                f"duplicate address: {address.ip} of the gateway {bridge.name if bridge else ''} is also held "
                f"by {title}",
                Subject(kind="pod", name=title, netns=tenant.path, iface=link),
                seen(
                    "netlink",
                    f"{address.ip} on {link} in {tenant.path}, behind {port.name}",
                    shlex.join(in_netns(tenant.path, "addr").argv),
                ),
                remedy=fix(
                    "take it from the pod, and keep the gateway out of the range that IPAM gives out",
                    in_netns(tenant.path, "addr", "del", address.cidr, "dev", link),
                    in_pod("ip", "neigh", "flush", "to", address.ip, "dev", attachment.link.name),
                ),
                affects=(title,),
            )


@check(
    "address-of-others",
    GN0203,
    title="neither the pod nor its node has an address of a service, another pod or node",
    needs=("pod", "node", "objects"),
)
def taken(case: Case) -> Iterator[Finding]:
    """IPVS and DNS caches of the node have services' addresses on purpose. Its other namespaces are compared above."""
    pods = {ip: pod.name for pod in case.pods if pod.name != case.name for ip in pod.ips}
    nodes = {ip: f"node {node.name}" for node in case.other_nodes for ip in node.addresses}
    fronts = {front.ip: f"service {front.service}" for front in case.frontends}
    others = (t for t in case.facts.tenants if t.path != case.facts.netns_path)
    here = {address.ip for tenant in others for address in tenant.addresses}
    for stack, command, known, rightful in (
        (case.pod, in_pod, fronts | pods | nodes, _of_pod(case)),
        (case.node, on_node, pods | nodes, {*(case.this_node.addresses if case.this_node else ())}),
    ):
        for ip, own in stack.local.items() if stack else ():
            if stack is None or ip not in known or ip in here | rightful:
                continue
            name = stack.name(own.index)
            whose = f"the pod's {name}" if stack is case.pod else f"{name} of the node"
            yield GN0203.error(
                f"duplicate address: {ip} of {known[ip]} is also on {whose}, which takes its packets for its own",
                the_pod(case, name) if stack is case.pod else the_interface(name),
                seen("netlink", f"{ip}/{own.prefix} on {name}", f"ip addr show {name}"),
                seen("objects", f"{known[ip]}: {ip}"),
                remedy=fix(
                    "take it from there; find out what added it",
                    command("ip", "addr", "del", f"{ip}/{own.prefix}", "dev", name),
                ),
            )


def _of_pod(case: Case) -> set[str]:
    """The addresses that are the pod's by its records: each node may give the same ones to its own pods."""
    recorded = {ip for intended in case.intended for ip in intended.ips}
    return recorded | {*case.pod_object.ips, case.address(4), case.address(6)}


def _holders(case: Case, attachment: Attachment, ip: str) -> Iterator[Finding]:
    others: list[tuple[str, Evidence, tuple[Command, ...]]] = []
    for tenant in (t for t in case.facts.tenants if t.path != case.facts.netns_path):
        for address in (a for a in tenant.addresses if a.ip == ip and a.scope != "host"):
            link = next((x for x in tenant.links if x.index == address.index), None)
            if link is None or is_apart(case, attachment, ip, tenant, link):
                continue
            fact = seen(
                "netlink",
                f"{ip} on {link.name} ({link.mac}) in {tenant.path}",
                shlex.join(in_netns(tenant.path, "addr").argv),
            )
            undo = in_netns(tenant.path, "addr", "del", f"{ip}/{address.prefix}", "dev", link.name)
            others.append((case.title_of(tenant), fact, (undo,)))
    own = case.node.local.get(ip)
    if own is not None and not is_apart_from_node(case, attachment, ip, own.index):
        where = case.node.name(own.index)
        fact = seen("netlink", f"{ip} on the node's {where}", f"ip addr show {where}")
        others.append(
            (
                f"the node ({where})",
                fact,
                (on_node("ip", "addr", "del", f"{ip}/{own.prefix}", "dev", where),),
            )
        )
    # The namespace of the same pod under another path is not another owner.
    others = [o for o in others if o[0] != case.name]
    if others:
        yield _duplicate(case, attachment, ip, others)


def _duplicate(
    case: Case, attachment: Attachment, ip: str, others: list[tuple[str, Evidence, tuple[Command, ...]]]
) -> Finding:
    names = [name for name, _, _ in others]
    return GN0203.fatal(
        f"duplicate address: {ip} of the pod's {attachment.link.name} is also held by {', '.join(names)}",
        the_pod(case, attachment.link.name),
        seen(
            "netlink",
            f"{ip} on {attachment.link.name} ({attachment.link.mac})",
            f"ip addr show {attachment.link.name}",
        ),
        *(fact for _, fact, _ in others),
        remedy=_of_others(case, attachment, ip)
        or fix(
            "take it from the one that has no lease for it (or delete that pod), then reconcile IPAM",
            *(command for _, _, commands in others for command in commands),
            risk="the other pod loses this address",
        ),
        affects=tuple(sorted(names)),
    )


def _of_others(case: Case, attachment: Attachment, ip: str) -> Remedy | None:
    """For an address that no record promises to this pod's interface, or that is leased to another container."""
    name, mine = attachment.link.name, {cached.container for cached in case.results if cached.container}
    promised = {own for i in case.intended if i.ifname == name for own in i.ips}
    networks = {cached.network for cached in case.results if cached.ifname == name}
    owners = {x.container for x in case.facts.files.leases if x.ip == ip and x.network in networks}
    if promised and ip not in promised:
        own = next(a for a in case.addresses(attachment) if a.ip == ip)
        take = in_pod("ip", "addr", "del", f"{ip}/{own.prefix}", "dev", name)
        return fix("take it from this pod, to which no record gives it", take)
    if mine and owners and not mine & owners:
        return fix("recreate this pod: the address is leased to another container, which keeps it")
    return None
