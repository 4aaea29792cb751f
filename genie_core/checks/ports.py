"""Ports: listeners behind services, host ports, proxies, and rules that translate to other ports or targets."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.firewall_drops import delete_rule
from genie_core.checks.parts import fix, in_pod, on_node, seen, subject, the_chain, the_pod
from genie_core.findings import Code, Confidence, Effect, Finding, Severity
from genie_core.net.case import Case
from genie_core.net.firewall.evaluate import PacketOutcome, at_hook
from genie_core.net.firewall.rules import Chain, FirewallRule, Packet
from genie_core.net.flows import Flow
from genie_core.net.model import Attachment
from genie_core.net.stack import is_served
from genie_core.spec.addresses import version, with_port
from genie_core.survey.cluster import Frontend

CLIENT = {4: "192.0.2.99", 6: "2001:db8::99"}  # stands for a host outside; no packet is sent there


def _sockets(case: Case, ip: str) -> tuple[str, ...] | None:
    """The listeners of the namespace that has an address; None where they are not known."""
    pod = case.facts.pod
    if pod is not None and any(x.ip == ip for x in pod.addresses):
        return pod.listeners
    return next(
        (t.listeners or None for t in case.facts.tenants if any(x.ip == ip for x in t.addresses)), None
    )


GN0606 = Code("GN0606", "nothing listens behind the service",
    cause="targetPort names a port on which nothing in the pod listens, or it listens on localhost only",
    confirm="ss -lntu in the pod", fix="correct targetPort or the application", breaks=(Effect.PACKETS,))  # fmt: skip


@check("listeners", GN0606, title="something listens behind each service here", needs=("pod", "objects"))
def no_listener(case: Case) -> Iterator[Finding]:
    reported: set[tuple[str, int]] = set()
    for front in case.frontends:
        for ip, port in front.endpoints:
            listeners = _sockets(case, ip)
            if listeners is None or front.protocol not in ("tcp", "udp") or (ip, port) in reported:
                continue
            if is_served(listeners, front.protocol, ip, port) or _proxied(case, ip):
                continue
            reported.add((ip, port))
            yield _deaf(case, front, ip, port, listeners)


def refused_by(case: Case, front: Frontend) -> bool:
    """Whether a probe to the service was refused: packets went both ways, and no program accepts connections."""
    probes = case.facts.probes
    return any((p.target, p.port, p.result) == (front.ip, front.port, "refused") for p in probes)


@check(
    "refused-services",
    GN0606,
    title="services of which nothing is known here refuse no connection",
    needs=("probes", "objects"),
)
def refusing_service(case: Case) -> Iterator[Finding]:
    for front in case.frontends:
        ends = ", ".join(f"{ip}:{port}" for ip, port in front.endpoints[:3])
        known = [ip for ip, _ in front.endpoints if _sockets(case, ip) is not None]
        if not front.endpoints or known or not refused_by(case, front):
            continue
        yield GN0606.error(
            f"service {front.service} ({front.ip}:{front.port}) refuses connections: packets arrive at its endpoint "
            f"{ends}, and nothing listens there",
            subject("service", front.service),
            seen(
                "probe",
                f"{front.protocol} {front.ip}:{front.port}: refused",
                f"nc -zv {front.ip} {front.port}",
            ),
            seen("objects", f"{front.service}: endpoints {ends}"),
            remedy=fix(
                f"start what should listen on {ends}, or correct the service's targetPort; a rule that rejects with "
                "TCP reset or ICMP port-unreachable on that node looks the same (there: ss -ln, nft list ruleset)"
            ),
            confidence=Confidence.MEDIUM,
            explained_by=("GN0506", "GN0507", "GN0508", "GN0510", "GN0601", "GN0602", "GN0603"),
        )


def _proxied(case: Case, ip: str) -> bool:
    """Whether the diagnosed pod has the address, and a proxy in front of its sockets; not known of other pods."""
    pod = case.pod
    mine = pod is not None and ip in pod.local
    return mine and pod is not None and any(c.kind == "nat" and c.rules for c in pod.rules.chains)


def _deaf(case: Case, front: Frontend, ip: str, port: int, listeners: tuple[str, ...]) -> Finding:
    refused = refused_by(case, front)
    local = [x for x in listeners if x.startswith(f"{front.protocol} ") and x.endswith(f":{port}")]
    hint = f", only on {local[0].partition(' ')[2]}" if local else ""
    mine = ip in (case.address(4), case.address(6))
    name = case.name if mine else next((p.name for p in case.pods if ip in p.ips), ip)
    listening = ", ".join(x for x in listeners if x.startswith(front.protocol)) or "nothing"
    return GN0606.found(
        Severity.ERROR if refused else Severity.WARNING,  # it may be starting
        f"nothing listens on {front.protocol}/{port} in {name}{hint}, where service {front.service} sends "
        f"{front.ip}:{front.port}",
        the_pod(case) if mine else subject("service", front.service),
        seen("procfs", f"{name} listens on {listening}", f"ss -ln{front.protocol[0]}"),
        seen("objects", f"{front.service}: endpoint {ip}:{port}"),
        remedy=fix(
            "correct the service's targetPort, or the port and address that the application listens on"
        ),
        confidence=Confidence.MEDIUM,
    )


GN0607 = Code("GN0607", "a hostPort does not lead to the pod",
    cause="portmap's rules are gone, or older ones lead elsewhere, or the pod is on a macvlan of the node",
    confirm="iptables -t nat -S | grep PORT",
    fix="attach the pod again, with portmap in the chain of a bridge or ptp network")  # fmt: skip


@check(
    "host-ports",
    GN0607,
    title="the pod's host ports lead to it",
    needs=("pod", "node firewall", "pod object"),
)
def host_ports(case: Case) -> Iterator[Finding]:
    primary = case.primary
    if primary is not None and primary.kind == "parent" and not _beside(case, primary):
        yield from _behind_parent(case, primary)
        return
    if primary is None or primary.kind not in ("bridge", "routed", "parent") or case.datapath:
        return
    family = next(iter(case.families), 4)
    reached = [(link, a.ip) for link in case.uplinks for a in case.node.addresses(link, family)][:1]
    for protocol, outer, inner, host_ip in case.pod_object.host_ports:
        for link, ip in reached if case.address(family) else ():
            packet = Packet(
                family=family, source=CLIENT[family], protocol=protocol, dport=outer, iif=link.name, target_local=True,
                target=host_ip if host_ip in case.node.local and version(host_ip) == family else ip,
            )  # fmt: skip
            outcomes = at_hook(case.node.rules, "prerouting", packet)
            if not any(_leads(o, case, inner) or _unclear(o) for o in outcomes):
                yield _host_port(case, protocol, outer, (case.address(family), inner), outcomes)


def _beside(case: Case, primary: Attachment) -> bool:
    """Whether the node reaches the pod by an interface of the same kind, or the kind allows it (vlan)."""
    if primary.link.kind == "vlan" or not case.address(4):
        return True
    link = case.node.link(case.node.fib.lookup(case.address(4)).hop.index)
    return link is not None and link.kind == primary.link.kind


def _behind_parent(case: Case, primary: Attachment) -> Iterator[Finding]:
    """GN0607: the node cannot reach its own macvlan or ipvlan interfaces, so no rule can help."""
    link = primary.link
    parent = primary.peer.name if primary.peer else "its parent"
    for protocol, outer, inner, _ in case.pod_object.host_ports:
        yield GN0607.error(
            f"hostPort {protocol}/{outer} of the pod leads nowhere: {link.name} is a {link.kind} on {parent}, "
            "which the node itself cannot reach",
            the_pod(case, link.name),
            seen("netlink", f"{link.name}: {link.kind} on {parent}", f"ip -d link show {link.name}"),
            seen("objects", f"hostPort {outer}, containerPort {inner}"),
            remedy=fix(
                f"let clients use the pod's own address ({case.address(4)}:{inner}), or make a bridge or ptp "
                "network with portmap its primary one"
            ),
        )


def _leads(outcome: PacketOutcome, case: Case, port: int) -> bool:
    return (outcome.packet.target, outcome.packet.dport) == (case.address(outcome.packet.family), port)


def _unclear(outcome: PacketOutcome) -> bool:
    """Whether a translation that is not modelled applies to the packet."""
    return outcome.rule is not None and outcome.rule.action.kind == "foreign"


def _host_port(
    case: Case, protocol: str, port: int, right: tuple[str, int], outcomes: list[PacketOutcome]
) -> Finding:
    astray = next((o for o in outcomes if o.translations), None)
    where = f"leads to {astray.packet.target}:{astray.packet.dport}" if astray else "is not forwarded at all"
    commands = [delete_rule("node", *astray.translations[-1])] if astray else []
    host, inner = right
    tool, to = "ip6tables" if ":" in host else "iptables", with_port(*right)
    commands.append(
        on_node(
            tool, "-t", "nat", "-A", "PREROUTING", "-p", protocol, "--dport", port, "-m", "addrtype",
            "--dst-type", "LOCAL", "-j", "DNAT", "--to-destination", to,
        )
    )  # fmt: skip
    return GN0607.error(
        f"hostPort {protocol}/{port} of the pod {where}, instead of to {to}",
        the_pod(case),
        seen(
            "firewall",
            astray.translations[-1][1].text if astray else f"no DNAT for {protocol}/{port}",
            f"{tool} -t nat -S",
        ),
        seen("objects", f"hostPort {port}, containerPort {inner}"),
        remedy=fix(
            "delete the stale rule, attach the pod again with portmap in its chain; as a stopgap, one rule",
            *commands,
        ),
    )


GN0608 = Code("GN0608", "a rule sends to a port of the pod on which nothing listens",
    cause="a translation of an earlier pod with this address, or a hostPort whose application listens "
    "elsewhere",
    confirm="iptables -t nat -S | grep ADDRESS; ss -lntu in the pod",
    fix="delete the stale rule; correct the port", explained_by=("GN0607",))  # fmt: skip


@check(
    "deaf-targets",
    GN0608,
    title="something listens on each port that a rule of the node translates to",
    needs=("pod", "node firewall"),
)
def unserved_targets(case: Case) -> Iterator[Finding]:
    pod = case.facts.pod
    if pod is None or not pod.listeners:
        return
    own = {a.ip for a in pod.addresses if a.scope != "host"}  # on the node, a loopback address is the node's
    endpoints = {endpoint for front in case.frontends for endpoint in front.endpoints}
    for chain in case.node.rules.chains:
        for rule in chain.rules:
            ip = rule.action.address
            if rule.action.kind != "dnat" or ip not in own or _proxied(case, ip):
                continue
            for protocol, outer, inner in _handed(rule):
                if (ip, inner) not in endpoints and not is_served(pod.listeners, protocol, ip, inner):
                    yield _deaf_target(case, chain, rule, f"{protocol}/{outer}", f"{ip}:{inner}")


def _handed(rule: FirewallRule) -> Iterator[tuple[str, int, int]]:
    """(protocol, port outside, port inside) of a translation; none where it does not name one port."""
    protocols = [v for m in rule.matches if m.name == "protocol" and not m.invert for v in m.values]
    spans = [v for m in rule.matches if m.name == "dport" and not m.invert for v in m.values]
    outer = [s[0] for s in spans if not isinstance(s, str) and s[0] == s[1]]
    for protocol in protocols:
        if protocol in ("tcp", "udp") and len(outer) == len(spans) == 1:
            yield str(protocol), outer[0], rule.action.port or outer[0]


def _deaf_target(case: Case, chain: Chain, rule: FirewallRule, outer: str, inner: str) -> Finding:
    protocol, _, port = outer.partition("/")
    meant = any(
        (protocol, int(port), int(inner.rpartition(":")[2])) == declared[:3]
        for declared in case.pod_object.host_ports
    )
    pod = case.facts.pod
    listening = ", ".join(x for x in (pod.listeners if pod else ()) if x.startswith(protocol)) or "nothing"
    return GN0608.warning(  # the application may be starting
        f"{chain.place} rule {rule.number} sends {outer} to the pod's {inner}, where nothing listens: "
        + (
            "the application is not up, or listens on another port"
            if meant
            else "no hostPort or service needs the rule, it is stale"
        ),
        the_pod(case) if meant else subject("firewall", chain.place),
        seen(
            "firewall",
            f"{chain.place} rule {rule.number}: {rule.text}{rule.hits}",
            chain.listing,
        ),
        seen("procfs", f"the pod listens on {listening}", f"ss -ln{protocol[0]}"),
        remedy=fix(
            "correct the hostPort's containerPort, or the port that the application listens on"
            if meant
            else "delete the rule; find what left it (an earlier pod with this address, a script)",
            *(() if meant else (delete_rule("node", chain, rule),)),
            risk="" if meant else "check first that the rule is not intended",
        ),
        confidence=Confidence.MEDIUM,
    )


GN0521 = Code("GN0521", "the pod's traffic is sent elsewhere",
    cause="a DNAT or REDIRECT rule translates packets of the pod to another target",
    confirm="iptables -t nat -S; conntrack -L -s POD", fix="delete or narrow the rule",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("rewritten", GN0521, title="no rule sends the pod's traffic elsewhere", needs=("pod", "node firewall"))
def diverted(case: Case) -> Iterator[Finding]:
    reported: set[tuple[str, str, str]] = set()
    for walk in case.walks:
        flow = walk.flow
        if flow.inbound or flow.role not in ("remote", "outside", "service") or not flow.port:
            continue
        for place, outcome in _translated(case, flow):
            chain, rule = outcome.translations[-1]
            key = (place, chain.place, rule.text)
            if key not in reported and (outcome.packet.target != flow.target or outcome.packet.target_local):
                reported.add(key)
                yield _rewritten(case, flow, place, outcome)


def _translated(case: Case, flow: Flow) -> Iterator[tuple[str, PacketOutcome]]:
    """The translations of a flow: in the pod, then on the node, where those of services are intended."""
    entry = case.primary.entry if case.primary else None
    source = case.address(flow.family)
    packet = Packet(
        family=flow.family, source=source, target=flow.target, protocol=flow.protocol, dport=flow.port
    )
    if case.pod is not None:
        outcomes = at_hook(case.pod.rules, "output", packet.with_(source_local=True))
        yield from (("pod", o) for o in outcomes if o.translations and not o.packet.target_local)
    if entry is not None and flow.role != "service" and flow.peer is None:
        outcomes = at_hook(case.node.rules, "prerouting", packet.with_(iif=entry.name))
        yield from (("node", o) for o in outcomes if o.translations)


def _rewritten(case: Case, flow: Flow, place: str, outcome: PacketOutcome) -> Finding:
    chain, rule = outcome.translations[-1]
    moved = outcome.packet
    target = "a port of the node" if moved.target_local else f"{moved.target}:{moved.dport}"
    meant = moved.target_local or case.in_cluster(moved.target) or moved.target.startswith("127.")
    live = any(moved.target in pod.ips for pod in case.pods)
    wrong = not meant or (flow.role != "outside" and not live)
    return GN0521.found(
        Severity.ERROR if wrong else Severity.WARNING,
        f"{chain.place} rule {rule.number}{' in the pod' if place == 'pod' else ''} sends packets for "
        f"{flow.name or flow.target} {flow.protocol}/{flow.port} to {target} instead",
        the_chain(case, place, chain),
        seen("firewall", f"{rule.text}{rule.hits}", chain.listing),
        remedy=fix(
            "delete the rule if no proxy should get this traffic",
            delete_rule(place, chain, rule),
            risk="check first that the rule is not intended",
        ),
        confidence=Confidence.MEDIUM,
    )


GN0522 = Code("GN0522", "the pod's proxy is not running",
    cause="rules of a service mesh redirect connections to a port on which nothing listens",
    confirm="ss -lnt in the pod; iptables -t nat -S", fix="start the sidecar again")  # fmt: skip


@check(
    "proxy-here",
    GN0522,
    title="a proxy listens where rules in the pod redirect to",
    needs=("pod", "pod firewall"),
)
def absent_proxy(case: Case) -> Iterator[Finding]:
    pod = case.pod
    if pod is None or not pod.facts.listeners:
        return
    reported: set[int] = set()
    for chain in pod.rules.chains:
        for rule in chain.rules:
            port = rule.action.port
            leads = rule.action.kind == "redirect" or rule.action.target == "TPROXY"
            if not leads or port in reported or _any_socket(pod.facts.listeners, port):
                continue
            reported.add(port)
            yield GN0522.warning(
                f"rules in the pod redirect its connections to port {port}, where nothing listens: the proxy is "
                "not running",
                the_pod(case),
                seen("firewall", f"{chain.place} rule {rule.number}: {rule.text}", chain.listing),
                seen("procfs", ", ".join(pod.facts.listeners), "ss -lntu"),
                remedy=fix(
                    "start the sidecar again (recreate the pod), or delete its rules",
                    in_pod(*delete_rule("pod", chain, rule).argv),
                    risk="without the rules the traffic bypasses the mesh",
                ),
            )


def _any_socket(listeners: tuple[str, ...], port: int) -> bool:
    return any(x.endswith(f":{port}") for x in listeners)
