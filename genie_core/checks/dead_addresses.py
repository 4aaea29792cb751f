"""Addresses that the cluster relies on and this node does not have: its own, and those of services' endpoints on it."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, on_node, seen, some, subject, the_interface
from genie_core.findings import Code, Effect, Finding, Severity
from genie_core.net.addresses import within
from genie_core.net.case import Case
from genie_core.net.stack import conf_key
from genie_core.spec.addresses import version
from genie_core.survey import cluster
from genie_core.survey.kernel import Link

GN0715 = Code("GN0715", "the node does not have its own address",
    cause="IPv6 is off on its interface, another host has the address too, or a network service took it away",
    confirm="ip addr; kubectl get node NODE -o wide", fix="give it back; correct what took it",
    explained_by=("GN0707", "GN0714", "GN0414"), breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "node-addresses",
    GN0715,
    title="the node has the addresses that it reports",
    needs=("node", "objects: Node"),
)
def own_addresses(case: Case) -> Iterator[Finding]:
    this = case.this_node
    items = [
        o for o in cluster.of_kind(case.facts.objects, "Node") if this and cluster.node(o).name == this.name
    ]
    reported = [a for o in items for a in (o.get("status") or {}).get("addresses") or ()]
    own = [cluster.one_form(a.get("address")) for a in reported if a.get("type") == "InternalIP"]
    for ip in own:
        held = case.node.local.get(ip)
        if held is None:
            off = next((x for x in case.uplinks if version(ip) == 6 and _is_off(case, x, own)), None)
            yield _gone(case, ip, off)
        elif "dadfailed" in held.flags:
            name = case.node.name(held.index)
            yield GN0715.error(
                f"the node's address {ip} on {name} is not used: another host on the link has it (dadfailed)",
                the_interface(name),
                seen("netlink", f"{ip}/{held.prefix}: dadfailed", f"ip -6 addr show {name}"),
                remedy=fix(
                    "find the other host by its MAC (`rdisc6`, `ndisc6`), and give one of them another address"
                ),
            )


def _is_off(case: Case, link: Link, own: list[str]) -> bool:
    """Whether IPv6 is off on the interface by which the other nodes reach this one."""
    near = any(a.ip in own for a in case.node.addresses(link)) or case.is_way_out(link)
    return near and bool(case.node.setting(link.name, "disable_ipv6", 6))


def _gone(case: Case, ip: str, off: Link | None) -> Finding:
    key = conf_key(off.name, "disable_ipv6", 6) if off else ""
    return GN0715.found(
        Severity.ERROR if off else Severity.WARNING,  # a cloud may translate the address that it reports
        f"the node's address {ip} by its Node object is on no interface of the node"
        + (f", as IPv6 is off on {off.name} ({key}=1)" if off else ""),
        the_interface(off.name) if off else subject("node", case.this_node.name if case.this_node else ""),
        seen("objects", f"InternalIP {ip}", "kubectl get node -o wide"),
        *((seen("sysctl", f"{key}=1", f"sysctl {key}"),) if off else ()),
        remedy=fix(
            "turn IPv6 on again, and have its network service give the interface its address and routes"
            if off
            else "give the node its address back, or correct kubelet's --node-ip",
            *((on_node("sysctl", "-w", f"{key}=0"),) if off else ()),
        ),
    )


GN0611 = Code("GN0611", "an endpoint of a service is no pod",
    cause="its EndpointSlice has an address of this node's pods, and no pod has it: nothing updates the slice",
    confirm="kubectl get endpointslices -A; kubectl get pods -A -o wide",
    fix="look at the controller (kube-controller-manager), or at what made the slice by hand",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "endpoints-live",
    GN0611,
    title="services' endpoints on this node are pods",
    needs=("node", "tenants", "objects: Service", "objects: Pod"),
)
def dead_endpoints(case: Case) -> Iterator[Finding]:
    cidrs, held = node_pod_addresses(case)
    dead: dict[tuple[str, str], list[cluster.Frontend]] = {}
    for front in case.frontends if cidrs else ():
        for ip in dict.fromkeys(ip for ip, _ in front.endpoints):
            if ip not in held and any(within(ip, cidr) for cidr in cidrs):
                dead.setdefault((front.service, ip), []).append(front)
    for (service, ip), fronts in dead.items():
        alone = any({end for end, _ in front.endpoints} == {ip} for front in fronts)
        ports = some(f"{front.protocol}/{front.port}" for front in fronts)
        yield GN0611.found(
            Severity.ERROR if alone else Severity.WARNING,
            f"{ip}, {'the' if alone else 'an'} endpoint of service {service} ({ports}), is an address of this node's "
            "pods that no pod has: connections to it get no answer",
            subject("service", service),
            seen("objects", f"EndpointSlice of {service}: {ip}", "kubectl get endpointslices -A"),
            seen("netlink", f"no interface of a pod has {ip}", "ip -all netns exec ip addr"),
            remedy=fix(
                "find out why nothing updates the EndpointSlice (kube-controller-manager, or who made it by hand), "
                "and delete the slice if its controller does not"
            ),
        )


def node_pod_addresses(case: Case) -> tuple[tuple[str, ...], set[str]]:
    """(the prefixes of this node's pods, the addresses there that something has); no prefix where that is not known."""
    unread = {"tenants", "namespace numbers"} & case.facts.missing.keys()
    cidrs = case.this_node.cidrs if case.this_node and case.pods and not unread else ()
    held = {a.ip for t in case.facts.tenants for a in t.addresses} | {*case.node.local}
    held |= {ip for pod in case.pods for ip in pod.ips} | {*(case.pod.local if case.pod else ())}
    return cidrs, held
