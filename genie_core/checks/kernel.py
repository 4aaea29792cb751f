"""The node's kernel: forwarding, the neighbour table, queues that lose packets, rate limits, two firewalls at once."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.packet_path import GN0501
from genie_core.checks.parts import fix, in_pod, on_node, seen, subject, the_chain, the_interface, the_pod
from genie_core.fields import counted
from genie_core.findings import Code, Effect, Finding, Severity, Subject
from genie_core.net.case import Case
from genie_core.spec.addresses import version
from genie_core.survey.kernel import Qdisc

GN0514 = Code("GN0514", "the neighbour table is full",
    cause="gc_thresh3 is reached: new neighbours are not resolved",
    confirm="ip neigh | wc -l", fix="raise net.ipv4.neigh.default.gc_thresh1-3")  # fmt: skip


@check("neighbour-table", GN0514, title="the neighbour table has room", needs=("node",))
def neighbour_table(case: Case) -> Iterator[Finding]:
    for family in (4, 6):
        key = f"net.ipv{family}.neigh.default.gc_thresh3"
        limit = case.node.sysctl(f"ipv{family}/neigh/default/gc_thresh3")
        # Entries without an end, such as flannel's, do not count (neigh_alloc).
        states = [n.state for n in case.facts.node.neighbours if version(n.ip) == family]
        count = sum(state not in ("noarp", "permanent") for state in states)
        if limit and count >= limit * 0.9:
            yield GN0514.found(
                Severity.ERROR if count >= limit * 0.98 else Severity.WARNING,
                f"the neighbour table of IPv{family} holds {count} of at most {limit} entries: new neighbours may not "
                "be resolved",
                # One table of the kernel for all namespaces: it concerns a pod with any kind of interface.
                Subject(kind="sysctl", name=key),
                seen(
                    "netlink",
                    f"{counted(count, 'entry', 'entries')}, gc_thresh3 {limit}",
                    f"ip -{family} neigh | wc -l",
                ),
                remedy=fix("raise the thresholds", on_node("sysctl", "-w", f"{key}={limit * 4}")),
            )


GN0515 = Code("GN0515", "a queueing discipline delays or loses packets",
    cause="netem, tbf or the like on the path",
    confirm="tc -s qdisc", fix="tc qdisc del dev IFACE root", breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


LOSING = ("netem", "tbf", "htb", "hfsc", "cake", "blackhole", "red", "plug")


@check("queues", GN0515, title="no queueing discipline loses the pod's packets", needs=("pod", "node"))
def queues(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        for stack, links, in_node in (
            (case.pod, (attachment.link,), False),
            (case.node, (attachment.peer, attachment.bridge), True),
        ):
            if stack is None or (in_node and attachment.kind == "parent"):
                continue
            for link in filter(None, links):
                for qdisc in stack.facts.qdiscs:
                    if qdisc.index == link.index and qdisc.kind in LOSING:
                        yield _queue(case, link.name, qdisc, in_node)
    for link in (
        *case.tunnels,
        *case.uplinks,
    ):  # shaping of what leaves the node is common: only its losses matter
        for qdisc in case.facts.node.qdiscs:
            if qdisc.index == link.index and qdisc.kind in LOSING and (qdisc.dropped or _loses(qdisc)):
                yield _queue(case, link.name, qdisc, in_node=True)


def _loses(qdisc: Qdisc) -> bool:
    """Whether it is there to delay or lose packets."""
    return qdisc.kind in ("blackhole", "plug", "netem") or bool(qdisc.options.get("loss", 0))


def _queue(case: Case, name: str, qdisc: Qdisc, in_node: bool) -> Finding:
    bad = _loses(qdisc)
    command = on_node if in_node else in_pod
    what = f"{qdisc.kind} on {name}" + (
        f", {counted(qdisc.dropped, 'packet')} dropped" if qdisc.dropped else ""
    )
    # The bandwidth plugin uses tbf: that is configured.
    return GN0515.found(
        Severity.ERROR if bad else Severity.WARNING if qdisc.dropped else Severity.INFO,
        f"queueing discipline {what}: it "
        + ("delays or loses the pod's packets" if bad else "limits the pod's bandwidth"),
        the_interface(name) if in_node else the_pod(case, name),
        seen("netlink", what, f"tc -s qdisc show dev {name}"),
        remedy=fix("remove it if it is not intended", command("tc", "qdisc", "del", "dev", name, "root")),
    )


GN0516 = Code("GN0516", "two iptables back ends",
    cause="both have rules, and each tool shows only its own",
    confirm="iptables-legacy-save; iptables-nft-save", fix="move all rules to one")  # fmt: skip


@check("one-firewall", GN0516, title="one iptables back end is in use", needs=("node firewall",))
def both_firewalls(case: Case) -> Iterator[Finding]:
    tools = {c.tool for c in case.node.rules.chains if c.rules}
    if any(t.endswith("legacy") for t in tools) and {"iptables", "ip6tables"} & tools:
        yield GN0516.warning(
            "both iptables-legacy and iptables-nft have rules on this node: each tool shows only its own rules",
            subject("firewall", "iptables-legacy"),
            seen("firewall", ", ".join(sorted(tools)), "iptables-legacy-save; iptables-nft-save"),
            remedy=fix(
                "move everything to one back end (update-alternatives --config iptables), then flush the other"
            ),
        )


GN0517 = Code("GN0517", "a rate limit drops packets",
    cause="hashlimit, limit or a quota",
    confirm="the command in the evidence", fix="raise the limit")  # fmt: skip


@check("rate-limits", GN0517, title="no rate limit drops the pod's packets", needs=("pod", "node firewall"))
def rate_limits(case: Case) -> Iterator[Finding]:
    known: set[tuple[str, int, int]] = set()
    for walk in case.walks:
        for place, outcome in walk.doubts:
            for chain, rule in outcome.doubts:
                key = (chain.place, rule.number, rule.handle)
                limited = any(m.name == "rate" for m in rule.matches)
                if key in known or not limited or not rule.packets:
                    continue
                known.add(key)
                yield GN0517.warning(
                    f"{chain.place} rule {rule.number} drops the pod's packets above a rate, "
                    f"and has dropped {rule.packets}: {rule.text}",
                    the_chain(case, place, chain),
                    seen("firewall", f"{rule.text}{rule.hits}", chain.listing),
                    remedy=fix("raise the limit if the traffic is intended"),
                )


@check("node-forwards", GN0501, title="the node forwards for its pods", needs=("node",))
def node_forwards(case: Case) -> Iterator[Finding]:
    if case.facts.pod is None and case.pod_links and not case.node.sysctl("ipv4/ip_forward", 1):
        yield GN0501.fatal(
            "net.ipv4.ip_forward=0: the node forwards nothing for its pods",
            subject("sysctl", "net.ipv4.ip_forward"),
            seen("sysctl", "net.ipv4.ip_forward=0", "sysctl net.ipv4.ip_forward"),
            remedy=fix(
                "set it to 1, also in /etc/sysctl.d, and find what resets it",
                on_node("sysctl", "-w", "net.ipv4.ip_forward=1"),
            ),
        )


GN0529 = Code("GN0529", "fragments are not put together",
    cause="a limit on the memory for fragments is set to less than one datagram needs: each fragment is dropped",
    confirm="sysctl net.ipv4.ipfrag_high_thresh; nstat -az IpReasmFails",
    fix="set it to the kernel's own value")  # fmt: skip
FRAGMENTS = {4: "ipv4/ipfrag_high_thresh", 6: "ipv6/ip6frag_high_thresh"}
ONE_DATAGRAM, USUAL_FRAGMENTS = 1 << 16, 4 << 20  # include/net/inet_frag.h, IPFRAG_HIGH_THRESH


@check("fragments", GN0529, title="fragments are put together", needs=("node",))
def fragments(case: Case) -> Iterator[Finding]:
    places = [("the node", case.node, on_node)] + ([("the pod", case.pod, in_pod)] if case.pod else [])
    for place, stack, command in places:
        for family in case.families or [4]:
            size = stack.sysctl(FRAGMENTS[family], USUAL_FRAGMENTS)
            key = f"net.{FRAGMENTS[family].replace('/', '.')}"
            if size < ONE_DATAGRAM:
                yield GN0529.error(
                    f"{key} is {size} bytes in {place}: large datagrams (DNS over UDP, echoes) that come in fragments "
                    "are dropped",
                    Subject(kind="sysctl", name=key),
                    seen("sysctl", f"{key}={size}", f"sysctl {key}"),
                    remedy=fix(
                        "set it to the kernel's own value, also in /etc/sysctl.d",
                        command("sysctl", "-w", f"{key}={USUAL_FRAGMENTS}"),
                    ),
                )
