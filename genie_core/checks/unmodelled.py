"""Parts of the path beyond the model: BPF programs, rules with unknown conditions, IPsec, a host end elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, seen, subject, the_chain, the_interface, the_pod
from genie_core.checks.probe_results import ANSWERED, FROM_POD, cut_off
from genie_core.fields import counted
from genie_core.findings import Code, Confidence, Effect, Finding, Severity
from genie_core.net.case import Case
from genie_core.net.firewall.rules import Chain, FirewallRule
from genie_core.net.model import Attachment
from genie_core.net.stack import Stack
from genie_core.survey.facts import Probe
from genie_core.survey.kernel import Link, Program

LOST = ("timeout", "loss")
# Names of the programs that network plugins attach: Cilium's, Calico's.
KNOWN = ("cil_", "cali_", "bpf_lxc", "bpf_host")


GN0519 = Code("GN0519", "a program processes packets before the rules",
    cause="XDP, tc and tcx programs run before netfilter and may drop or redirect packets",
    confirm="tc filter show dev IFACE ingress; bpftool net", fix="find what attached it; try without it")  # fmt: skip


@check(
    "programs", GN0519, title="no program or filter processes packets before the rules", needs=("pod", "node")
)
def programs(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        yield from _on(case, case.pod, attachment.link, in_node=False)
        for link in dict.fromkeys(filter(None, (attachment.peer, attachment.bridge))):
            yield from _on(case, case.node, link, in_node=True)
    for link in (*case.tunnels, *case.uplinks):
        yield from _on(case, case.node, link, in_node=True)


def _on(case: Case, stack: Stack | None, link: Link, *, in_node: bool) -> Iterator[Finding]:
    found = [p for p in stack.facts.programs if p.index == link.index] if stack else []
    if not found:
        return
    meant = bool(case.datapath) or all(p.name.startswith(KNOWN) for p in found)
    names = ", ".join(map(_title, found))
    total = not meant and cut_off(case) and not any(w.blocks for w in case.walks)
    yield GN0519.found(
        Severity.ERROR if total else Severity.INFO if meant else Severity.WARNING,
        f"not evaluated: {names} on {link.name} may drop or redirect packets before every other rule"
        + ("; nothing answers the pod, and no rule or route explains that" if total else ""),
        the_interface(link.name) if in_node else the_pod(case, link.name),
        *(seen("netlink", _title(p), _show(p, link)) for p in found),
        breaks=(Effect.PACKETS, Effect.FRAMES) if total else (),
        remedy=fix("find out what the program is for, and whether the traffic passes without it"),
        confidence=Confidence.LOW,
    )


def _title(program: Program) -> str:
    return " ".join(
        filter(
            None, (program.hook, program.kind, "program" if program.kind == "bpf" else "filter", program.name)
        )
    )


def _show(program: Program, link: Link) -> str:
    if program.hook in ("ingress", "egress"):
        return f"tc -s filter show dev {link.name} {program.hook}"
    return (
        f"ip -d link show dev {link.name}" if program.hook == "xdp" else f"bpftool net show dev {link.name}"
    )


GN0520 = Code("GN0520", "a rule that cannot be evaluated has dropped packets",
    cause="its condition (string, bpf, time, recent, ...) is not modelled",
    confirm="the command in the evidence, before and after a connection attempt",
    fix="delete the rule if it is not intended")  # fmt: skip


@check(
    "conditional-drops",
    GN0520,
    title="no rule with an unknown condition drops",
    needs=("pod", "node firewall"),
)
def conditional_drops(case: Case) -> Iterator[Finding]:
    """Rules on the pod's path that drop under a condition that is not modelled.

    Rules that have dropped packets; where probes are lost, also rules that may have: not every rule has a counter, and
    counters are read before the probes.
    """
    reported: set[tuple[str, int, int]] = set()
    lost = {p.target: p for p in case.facts.probes if p.result in LOST and p.kind != "arp"}
    # Traces with a lost probe come first: the finding names the rule with the probe.
    for walk in sorted(case.walks, key=lambda w: w.flow.target not in lost):
        probe = lost.get(walk.flow.target)
        for place, outcome in walk.doubts:
            for chain, rule in outcome.doubts:
                key = (chain.place, rule.number, rule.handle)
                if key not in reported and (rule.packets or probe):
                    reported.add(key)
                    yield _conditional(case, place, chain, rule, probe)


def _all_lost(case: Case, chain: Chain, rule: FirewallRule) -> bool:
    """Whether every target that is asked past this rule is silent, several of them, while no other rule stops them."""
    key = (chain.place, rule.number, rule.handle)
    past = {
        w.flow.target
        for w in case.walks
        for _, outcome in w.doubts
        for c, r in outcome.doubts
        if (c.place, r.number, r.handle) == key and not w.flow.inbound
    }
    asked = [p for p in case.facts.probes if p.target in past and p.kind != "arp" and p.role in FROM_POD]
    silent = {p.target for p in asked} - {p.target for p in asked if p.received or p.result in ANSWERED}
    blocked = any(b.chance > 0.5 for w in case.walks if w.flow.target in silent for b in w.blocks)
    return len(silent) > 1 and silent == {p.target for p in asked} and not blocked


def _conditional(case: Case, place: str, chain: Chain, rule: FirewallRule, probe: Probe | None) -> Finding:
    rated, total = any(m.name == "rate" for m in rule.matches), _all_lost(case, chain, rule)
    return GN0520.found(
        # A limit may have been exceeded as intended.
        Severity.ERROR if total else Severity.INFO if rated and probe is None else Severity.WARNING,
        f"{chain.place} rule {rule.number} "
        + (f"has dropped {counted(rule.packets, 'packet')}" if rule.packets else "may drop packets")
        + " under a condition that is not evaluated, perhaps the pod's"
        + (f" (probes to {probe.target} were lost)" if probe else "")
        + f": {rule.text}",
        the_chain(case, place, chain),
        seen("firewall", f"{rule.text}{rule.hits}", chain.listing),
        *(
            (seen("probe", f"{probe.kind} {probe.target}: {probe.received} of {probe.sent} answered"),)
            if probe
            else ()
        ),
        breaks=(Effect.PACKETS,) if total else (),
        remedy=fix(
            "watch the rule's counter while the pod tries again (an nft rule without one: add it); delete the "
            "rule if it is not meant"
        ),
        confidence=Confidence.LOW,
    )


GN0104 = Code("GN0104", "the host end is not on this node",
    cause="the veth's other end was moved into another network namespace",
    confirm="ip -d link show eth0 in the pod; ip -all netns exec ip link", fix="recreate the pod",
    breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check(
    "host-end-here", GN0104, title="the host end is on this node", needs=("pod", "node", "namespace numbers")
)
def far_end(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        if attachment.kind != "foreign" or attachment.peer is not None:
            continue
        ours = case.node.by_name
        lost = [name for name in _promised(case, attachment) if name not in ours]
        holder = next(
            (t for t in case.facts.tenants for link in t.links if link.name in lost and link.kind == "veth"),
            None,
        )
        where = f"is in {case.title_of(holder)}" if holder else "is in another network namespace"
        yield GN0104.found(
            _severity(first=attachment is case.primary, lost=bool(lost)),
            f"the host end of the pod's {attachment.link.name}{f' ({lost[0]})' if lost else ''} {where}, "
            "not on this node: no packet of the pod arrives here",
            the_pod(case, attachment.link.name),
            seen(
                "netlink",
                f"{attachment.link.name}: peer index {attachment.link.peer} is not here",
                "ip -d link",
            ),
            *(seen("ADD's result", name) for name in lost),
            remedy=fix(
                "delete the pod so that the runtime attaches it again; find out what moved the interface"
            ),
        )


def _severity(*, first: bool, lost: bool) -> Severity:
    """The host end of a secondary interface that ADD did not report may be in another namespace on purpose."""
    if lost:
        return Severity.FATAL if first else Severity.ERROR
    return Severity.WARNING if first else Severity.INFO


def _promised(case: Case, attachment: Attachment) -> list[str]:
    """The node's interfaces that ADD reported for this attachment, except bridges that exist."""
    return [
        str(interface.get("name", ""))
        for cached in case.results
        if cached.ifname == attachment.link.name
        for interface in cached.result.get("interfaces") or ()
        if not interface.get("sandbox")
    ]


def _forwarded_silent(case: Case) -> list[str]:
    """The targets beyond the node, where none of them answers and no rule or route explains that."""
    asked = [p for p in case.facts.probes if p.role in ("remote", "service") and p.kind in ("ping", "tcp")]
    answered = any(p.received or p.result in ANSWERED for p in asked if p.role == "remote")
    blocked = any(b.chance > 0.5 for w in case.walks for b in w.blocks)
    return [] if answered or blocked else list(dict.fromkeys(p.target for p in asked))


GN0525 = Code("GN0525", "IPsec policies refuse packets",
    cause="an IPsec (xfrm) policy of the kernel blocks packets, or requires encryption without a state for it",
    confirm="ip xfrm policy; cat /proc/net/xfrm_stat",
    fix="ip xfrm policy delete ...; restart or remove the VPN's daemon")  # fmt: skip


@check("ipsec", GN0525, title="no IPsec policy refuses packets", needs=("pod", "node"))
def ipsec(case: Case) -> Iterator[Finding]:
    for place, stack in (("pod", case.pod), ("node", case.node)):
        counters = stack.facts.counters if stack else {}
        refused = {name: n for name, n in counters.items() if name.startswith("Xfrm") and n}
        if not refused:
            continue
        whose = "in the pod's namespace" if place == "pod" else "on the node"
        shown = ", ".join(f"{name} {n}" for name, n in sorted(refused.items()))
        silent = _forwarded_silent(case)
        yield GN0525.found(
            Severity.ERROR if silent else Severity.WARNING,
            f"IPsec policies {whose} have refused {counted(sum(refused.values()), 'packet')} ({shown})"
            + (f"; {', '.join(silent[:3])} do not answer the pod" if silent else ""),
            subject("ipsec", "xfrm policies") if place == "node" else the_pod(case),
            seen("/proc/net/xfrm_stat", shown, "ip xfrm policy; ip -s xfrm state"),
            breaks=(Effect.PACKETS,) if silent else (),
            remedy=fix(
                "check whether a policy covers the pods' prefixes (`ip xfrm policy`), and whether its "
                "counters grow; a VPN daemon that ended leaves its policies"
            ),
            confidence=Confidence.LOW,
        )
