"""Connection tracking: a full table, packets that are not tracked, bridged replies that bypass it."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.firewall_drops import delete_rule
from genie_core.checks.parts import fix, on_node, seen, subject, the_chain, the_pod
from genie_core.findings import Code, Effect, Finding, Severity, Subject
from genie_core.net.case import Case
from genie_core.net.firewall.rules import Chain, FirewallRule
from genie_core.net.flows import local_peers
from genie_core.net.stack import Stack, calls_iptables

NEARLY, MANY = 90, 80  # percent

GN0518 = Code("GN0518", "packets skip connection tracking",
    cause="a NOTRACK rule: services and masquerading need tracking",
    confirm="iptables -t raw -S", fix="delete the rule, or exclude pods from it", breaks=(Effect.PACKETS,))  # fmt: skip


@check("tracked", GN0518, title="the pod's packets are tracked", needs=("pod", "node firewall"))
def untracked(case: Case) -> Iterator[Finding]:
    found: dict[tuple[str, int], tuple[str, Chain, FirewallRule]] = {}
    for walk in case.walks:
        for place, chain, rule in walk.untracked:
            found.setdefault((f"{place} {chain.place}", rule.number), (place, chain, rule))
    needed = bool(case.frontends) or bool(case.pod_cidrs)
    for place, chain, rule in found.values():
        what = (
            f"tracks the pod's packets in zone {rule.action.value} of their own, in which replies are not matched"
            if rule.action.kind == "zone"
            else "takes the pod's packets out of connection tracking"
        )
        yield GN0518.found(
            Severity.ERROR if needed and place == "node" else Severity.WARNING,
            f"{chain.place} rule {rule.number} {what}: services and masquerading do not apply to them",
            the_chain(case, place, chain),
            seen("firewall", rule.text, chain.listing),
            remedy=fix("delete the rule, or exclude the pods from it", delete_rule(place, chain, rule)),
        )


GN0412 = Code("GN0412", "bridged replies bypass connection tracking",
    cause="bridge-nf-call-iptables is 0, so a service's backend on the same bridge answers under its "
    "own address",
    confirm="sysctl net.bridge.bridge-nf-call-iptables", fix="set it to 1 (module br_netfilter)",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "bridge-netfilter",
    GN0412,
    title="bridged replies pass conntrack",
    needs=("pod", "node", "objects: Service", "objects: EndpointSlice"),
)
def bridge_netfilter(case: Case) -> Iterator[Finding]:
    attachment = case.primary
    bridge = attachment.bridge if attachment else None
    if attachment is None or bridge is None:
        return
    for family in case.families:
        if calls_iptables(case.node, bridge, family):
            continue
        beside = {ip for ip, _, _ in local_peers(case, attachment, family)} | {case.address(family)}
        fronts = [f for f in case.frontends for ip, _ in f.endpoints if ip in beside]
        name = f"bridge-nf-call-ip{'6' if family == 6 else ''}tables"
        if not fronts or case.node.rules.known is False:
            continue
        front = fronts[0]
        yield GN0412.error(
            f"{name}=0: replies of backends on {bridge.name} bypass the service's address translation, "
            f"so {front.ip}:{front.port} ({front.service}) times out for pods on the same bridge",
            subject("sysctl", f"net.bridge.{name}"),
            seen("sysctl", f"net.bridge.{name}=0, {bridge.name} nf_call 0", f"sysctl net.bridge.{name}"),
            remedy=fix(
                "set it to 1, also in /etc/sysctl.d (module br_netfilter)",
                on_node("sysctl", "-w", f"net.bridge.{name}=1"),
            ),
            affects=case.affected(bridge),
        )


GN0505 = Code("GN0505", "the connection tracking table is full",
    cause="new connections are dropped, established ones continue",
    confirm="sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
    fix="raise the limit; find the source", breaks=(Effect.PACKETS,))  # fmt: skip


@check("conntrack", GN0505, title="connection tracking has room", needs=("node", "conntrack"))
def full_table(case: Case) -> Iterator[Finding]:
    yield from _full(
        case.node, subject("sysctl", "net.netfilter.nf_conntrack_max"), "the connection tracking table"
    )
    if case.pod is not None:  # a namespace has a table of its own, and the limit is one for all
        yield from _full(case.pod, the_pod(case), "the connection tracking table of the pod's own namespace")


def _full(stack: Stack, about: Subject, name: str) -> Iterator[Finding]:
    count, limit = (
        stack.sysctl("netfilter/nf_conntrack_count"),
        stack.sysctl("netfilter/nf_conntrack_max"),
    )
    if not limit:
        return
    percent = count * 100 // limit
    if percent < MANY:
        return
    drops = {k: value for k, value in stack.facts.counters.items() if k.startswith("conntrack_") and value}
    full = count >= limit * 0.98 or (
        percent >= NEARLY and bool(drops.get("conntrack_drop") or drops.get("conntrack_early_drop"))
    )
    yield GN0505.found(
        Severity.FATAL if full else Severity.WARNING,
        f"{name} is {'full' if full else 'filling up'}: {count}/{limit} ({percent} %)"
        + (", new connections are dropped" if full else ""),
        about,
        seen(
            "sysctl",
            f"nf_conntrack_count {count}, nf_conntrack_max {limit}",
            "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",
        ),
        *(
            (seen("procfs", ", ".join(f"{n} {v}" for n, v in sorted(drops.items())), "conntrack -S"),)
            if drops
            else ()
        ),
        remedy=fix(
            "raise the limit, and find what opens so many connections (conntrack -L)",
            on_node("sysctl", "-w", f"net.netfilter.nf_conntrack_max={max(limit, count) * 2}"),
            risk="about 320 bytes of kernel memory per entry; the limit is for the whole machine",
        ),
    )


# Timeout -> (the fewest seconds with which conversations work, the kernel's own value, what is lost below).
TIMEOUTS = {
    "udp_timeout": (2, 30, "answers of UDP services (DNS) are not translated back"),
    "tcp_timeout_syn_sent": (3, 120, "answers to new connections are not translated back"),
    "tcp_timeout_established": (60, 432000, "idle connections are cut off"),
}
GN0528 = Code("GN0528", "tracked flows expire too early",
    cause="a timeout of connection tracking is so short that a flow is forgotten before its answer comes",
    confirm="sysctl -a | grep nf_conntrack_.*timeout", fix="set it to the kernel's own value",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "tracked-long", GN0528, title="flows are tracked until their answers come", needs=("node", "conntrack")
)
def short_timeouts(case: Case) -> Iterator[Finding]:
    for name, (fewest, usual, lost) in TIMEOUTS.items():
        key = f"net.netfilter.nf_conntrack_{name}"
        seconds = case.node.sysctl(f"netfilter/nf_conntrack_{name}", usual)
        if seconds < fewest:
            yield GN0528.found(
                Severity.ERROR if name != "tcp_timeout_established" else Severity.WARNING,
                f"{key} is {seconds} s: {lost}",
                subject("sysctl", key),
                seen("sysctl", f"{key}={seconds}", f"sysctl {key}"),
                remedy=fix(
                    "set it to the kernel's own value, also in /etc/sysctl.d",
                    on_node("sysctl", "-w", f"{key}={usual}"),
                ),
            )
