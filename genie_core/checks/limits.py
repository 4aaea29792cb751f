"""Resources that run out, and stale entries: local ports, source NAT's ports, queues of connections, tracked flows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.firewall_drops import delete_rule
from genie_core.checks.parts import fix, in_pod, on_node, seen, some, subject, the_chain, the_pod
from genie_core.findings import Code, Effect, Finding, Severity
from genie_core.net.case import Case
from genie_core.net.firewall.rules import Chain, FirewallRule
from genie_core.net.flows import OUTSIDE
from genie_core.net.stack import IPDEFTTL, conf_key, is_served
from genie_core.net.traces import Walk
from genie_core.net.wording import LIFETIME
from genie_core.survey.kernel import Taken

RANGE, RESERVED = "ipv4/ip_local_port_range", "ipv4/ip_local_reserved_ports"
USUAL = "32768 60999"  # net/ipv4/af_inet.c, inet_init_net
NEARLY = 0.9
ALL_PORTS = 64_000
FEW_ROUTERS = 16
OF_CLUSTER = 2  # routers between pods of two nodes: the nodes
SNAT_PORTS = re.compile(
    r"(?:--to-ports |--to-source \S*:|masquerade to :|snat\S* (?:ip6? )?to \S*:)(\d+)-(\d+)"
)

GN0108 = Code("GN0108", "the pod has no local port left",
    cause="net.ipv4.ip_local_port_range is small, reserved, or connections hold all of it",
    confirm="sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports; ss -s in the pod",
    fix="a larger range; close idle connections", breaks=(Effect.PACKETS,))  # fmt: skip


@check("local-ports", GN0108, title="the pod has local ports left", needs=("pod",))
def local_ports(case: Case) -> Iterator[Finding]:
    settings = case.facts.pod.sysctls if case.facts.pod else {}
    words = settings.get(RANGE, "").split()
    if len(words) != 2:
        return
    ports = set(_span(words[0], words[1]))
    free = ports - _reserved(settings.get(RESERVED, ""))
    shown = f"{words[0]} to {words[1]}"
    facts = (
        seen(
            "sysctl",
            f"ip_local_port_range {' '.join(words)}, reserved {settings.get(RESERVED) or 'none'}",
            "sysctl net.ipv4.ip_local_port_range",
        ),
    )
    remedy = fix(
        "give the pod a usual range (a tuning plugin, or the pod's securityContext.sysctls, set this one)",
        in_pod("sysctl", "-w", f"net.ipv4.ip_local_port_range={USUAL}"),
    )
    if not free:
        yield GN0108.fatal(
            f"every local port of the pod ({shown}) is reserved: it cannot open a connection",
            the_pod(case),
            *facts,
            remedy=remedy,
        )
        return
    for target, used in case.facts.pod.used_ports[:1] if case.facts.pod else ():
        if used >= NEARLY * len(free):
            yield GN0108.found(
                Severity.ERROR if used >= len(free) else Severity.WARNING,
                f"{used} of {len(free)} local ports of the pod ({shown}) are connected to {target}: "
                + ("no further connection to it can be opened" if used >= len(free) else "few are left"),
                the_pod(case),
                *facts,
                seen("sock_diag", f"{used} connections to {target}", f"ss -tn dst {target}"),
                remedy=remedy,
            )


def _span(low: str, high: str) -> range:
    """The ports from one to the other; saved facts may have any numbers."""
    return range(max(int(low), 0), min(int(high), 65535) + 1)


def _reserved(text: str) -> set[int]:
    """`8080,30000-32767` as a set."""
    spans = (part.partition("-") for part in text.split(",") if part)
    return {port for low, _, high in spans for port in _span(low, high or low)}


GN0112 = Code("GN0112", "the pod's packets expire on the way",
    cause="a sysctl of the pod, a router's advertisement (IPv6) or a rule (TTL, HL) lets them pass few routers",
    confirm="sysctl net.ipv4.ip_default_ttl net.ipv6.conf.eth0.hop_limit in the pod; the rule; traceroute TARGET",
    fix="set it to 64 again, or delete the rule; find out what changed it", breaks=(Effect.PACKETS,))  # fmt: skip


@check("hop-limit", GN0112, title="the pod's packets live long enough", needs=("pod",))
def short_lived(case: Case) -> Iterator[Finding]:
    settings = {"net.ipv4.ip_default_ttl": case.pod.lifetime("", 4)} if case.pod else {}
    for attachment in case.attachments if case.pod and 6 in case.families else ():
        name = attachment.link.name
        settings[conf_key(name, "hop_limit", 6)] = case.pod.lifetime(name, 6) if case.pod else IPDEFTTL
    for key, limit in settings.items():
        if 0 < limit < FEW_ROUTERS:
            near = limit <= OF_CLUSTER
            yield GN0112.found(
                Severity.ERROR if near else Severity.WARNING,
                f"{key} is {limit} in the pod: its packets expire at router {limit}, "
                + (
                    "before they are in pods of other nodes"
                    if near
                    else "and may not come to hosts that are far away"
                ),
                the_pod(case),
                seen("sysctl", f"{key}={limit}", f"sysctl {key}"),
                remedy=fix(
                    "set it to the usual value; find out what changed it",
                    in_pod("sysctl", "-w", f"{key}={IPDEFTTL}"),
                ),
            )


@check(
    "hop-limit-rules",
    GN0112,
    title="no rule lets the pod's packets expire",
    needs=("pod", "node firewall", "pod firewall"),
)
def aged(case: Case) -> Iterator[Finding]:
    found: dict[tuple[str, str, int], list[Walk]] = {}
    for walk in case.walks:
        few = (
            walk.ttl is not None and walk.ttl < FEW_ROUTERS and walk.flow.target == OUTSIDE[walk.flow.family]
        )
        if walk.aged and (few or any(b.kind == "expired" for b in walk.blocks)):
            place, chain, rule = walk.aged[-1]
            found.setdefault((place, chain.place, rule.number), []).append(walk)
    for walks in found.values():
        yield _aged(case, walks)


def _aged(case: Case, walks: list[Walk]) -> Finding:
    place, chain, rule = walks[0].aged[-1]
    expired = [b for walk in walks for b in walk.blocks if b.kind == "expired"]
    names = some(w.flow.name or w.flow.target for w in walks)
    where = "on this node" if any(b.link for b in expired) else "on the other node"
    name = LIFETIME[walks[0].flow.family]
    return GN0112.found(
        Severity.ERROR if expired else Severity.WARNING,
        f"{chain.place} rule {rule.number} changes the {name} of the pod's packets ({rule.text.strip()}): "
        + (f"what it sends to {names} expires {where}" if expired else f"they may not come to {names}"),
        the_chain(case, place, chain),
        seen("firewall", f"{chain.place} rule {rule.number}: {rule.text}", chain.listing),
        *(seen("model", f"{block.packet}, {name} {block.packet.ttl}") for block in expired[:1]),
        remedy=fix("delete the rule, or exclude the pods from it", delete_rule(place, chain, rule)),
    )


GN0527 = Code("GN0527", "source NAT has no port left",
    cause="a rule limits the ports that masquerading may take, or connections to one target hold all of them",
    confirm="conntrack -L; iptables -t nat -S POSTROUTING", fix="a wider range of ports, or more source addresses",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("nat-ports", GN0527, title="source NAT has ports left", needs=("node", "node firewall", "tracked"))
def nat_ports(case: Case) -> Iterator[Finding]:
    limits = [
        (c, r, found) for c in case.node.rules.chains for r in c.rules if (found := SNAT_PORTS.search(r.text))
    ]
    for taken in case.facts.node.taken:
        spans = [(chain, rule, range(int(span[1]), int(span[2]) + 1)) for chain, rule, span in limits]
        fits = [one for one in spans if sum(port in one[2] for port in taken.ports) >= NEARLY * len(one[2])]
        if fits:
            chain, rule, span = fits[0]
            yield _taken(taken, sum(port in span for port in taken.ports), span, chain, rule)
        elif taken.count >= NEARLY * ALL_PORTS:
            yield _taken(taken, taken.count, range(1024, 65536))


def _taken(
    taken: Taken, used: int, span: range, chain: Chain | None = None, rule: FirewallRule | None = None
) -> Finding:
    full = used >= len(span)
    ruled = chain is not None and rule is not None
    return GN0527.found(
        Severity.ERROR if full else Severity.WARNING,
        f"{used} of {len(span)} source ports {span[0]}-{span[-1]} of {taken.source} are taken by {taken.protocol} "
        f"connections to {taken.target}: " + ("further ones are dropped" if full else "few are left"),
        subject("firewall", chain.place) if chain else subject("address", taken.source),
        *((seen("firewall", rule.text, chain.listing),) if chain and rule else ()),
        seen("conntrack", f"{taken.count} ports in use", _listing(taken.target)),
        remedy=fix(
            "give the rule a wider range of ports, or none; end idle connections (conntrack -D)"
            if ruled
            else "more source addresses; end idle connections (conntrack -D)",
            *((delete_rule("node", chain, rule),) if chain and rule and _another(chain, rule) else ()),
        ),
    )


def _listing(target: str) -> str:
    return f"conntrack -L -d {target.rpartition(':')[0]}"


def _another(chain: Chain, rule: FirewallRule) -> bool:
    """Whether a later rule of the chain masquerades as well."""
    return any(r.number > rule.number and r.action.kind in ("masquerade", "snat") for r in chain.rules)


GN0526 = Code("GN0526", "a tracked flow is pinned to a backend that is gone",
    cause="connection tracking keeps the translation that a flow began with, for as long as packets come",
    confirm="conntrack -L -p udp -d SERVICE", fix="conntrack -D; kube-proxy does it where it learns of the change",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "tracked-flows",
    GN0526,
    title="tracked flows lead to living backends",
    needs=("pod", "node", "tracked", "objects: Service", "objects: EndpointSlice"),
)
def pinned(case: Case) -> Iterator[Finding]:
    own = {case.address(4), case.address(6)} - {""}
    fronts = {(f.ip, f.port): f for f in case.frontends if f.known and f.endpoints and f.protocol == "udp"}
    for gone in dict.fromkeys(
        (e.target, e.port, e.reply_source) for e in case.facts.node.tracked if e.source in own
    ):
        target, port, backend = gone
        front = fronts.get((target, port))
        if front is None or backend in {ip for ip, _ in front.endpoints}:
            continue
        yield GN0526.error(
            f"a tracked udp flow of the pod to {target}:{port} ({front.service}) is pinned to {backend}, which is no "
            "endpoint of it: its packets go there for as long as they come",
            subject("service", front.service),
            seen("conntrack", f"udp {target}:{port} -> {backend}", f"conntrack -L -p udp -d {target}"),
            seen("objects", f"{front.service}: endpoints {', '.join(f'{x}:{p}' for x, p in front.endpoints[:3])}"),
            remedy=fix(
                "delete the entry: the next packet is translated again",
                *(
                    on_node("conntrack", "-D", "-p", "udp", "-s", ip, "-d", target, "-r", backend)
                    for ip in own
                    if (":" in ip) == (":" in target)
                ),
            ),
        )  # fmt: skip


GN0610 = Code("GN0610", "a program accepts no connections",
    cause="its queue of connections is full: it hangs, or is overloaded; the kernel drops further ones",
    confirm="ss -lnt in the pod: Recv-Q above Send-Q", fix="look at the program: restart it, give it more replicas",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("accepting", GN0610, title="programs accept their connections", needs=("pod", "node"))
def full_queues(case: Case) -> Iterator[Finding]:
    for front in case.frontends:
        for ip, port in front.endpoints if front.protocol == "tcp" else ():
            for name, hung in _hung(case, ip, port):
                yield GN0610.error(
                    f"the program on tcp/{port} of {name} accepts no connections, its queue is full ({hung}): "
                    f"service {front.service} sends {front.ip}:{front.port} there",
                    subject("pod", name),
                    seen("sock_diag", f"tcp/{port}: {hung} in the queue", "ss -lnt"),
                    remedy=fix("look at the program: it hangs or is overloaded; a restart empties the queue"),
                )


def _hung(case: Case, ip: str, port: int) -> Iterator[tuple[str, str]]:
    """(pod, `6 of 5`) of listeners on that port that accept nothing."""
    pod = case.facts.pod
    holders = [(case.name, pod.hung)] if pod is not None and any(a.ip == ip for a in pod.addresses) else []
    holders += [
        (case.title_of(t), t.hung) for t in case.facts.tenants if any(a.ip == ip for a in t.addresses)
    ]
    for name, listeners in dict(holders).items():
        for listener in listeners:
            local, _, queue = listener.partition(" (")
            if is_served((local,), "tcp", ip, port):
                yield name, queue.rstrip(")")
                return
