"""Services as clients outside reach them by this node: its ports, external addresses, those of load balancers."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.firewall_drops import POLICY_MARKS
from genie_core.checks.parts import fix, on_node, seen, some, subject
from genie_core.checks.ports import CLIENT
from genie_core.checks.services import MAX_FRONTENDS, others, translate, without_stale
from genie_core.findings import Code, Command, Finding, Severity
from genie_core.net.addresses import within
from genie_core.net.case import Case
from genie_core.net.firewall.evaluate import PacketOutcome, at_hook
from genie_core.net.firewall.rules import Chain, Packet
from genie_core.net.ipvs import virtual_servers
from genie_core.policy.ruleset import TABLE
from genie_core.spec.addresses import version, with_port
from genie_core.survey import cluster
from genie_core.survey.cluster import Frontend

ANY = ("0.0.0.0", "::")
HALF = 0.5
LOOPBACK = {4: "127.0.0.1", 6: "::1"}

GN0612 = Code("GN0612", "a service is not reached from outside by this node",
    cause="its node port, external or load balancer's address has no rule, or a stale one: kube-proxy has not synced; "
    "or FORWARD drops what is translated",
    confirm="iptables -t nat -S | grep PORT; iptables -S FORWARD",
    fix="look at kube-proxy on this node; accept the pods' prefixes",
    explained_by=("GN0601",))  # fmt: skip


@check(
    "node-ports",
    GN0612,
    title=f"services are reached by the node's ports (the first {MAX_FRONTENDS} ports)",
    needs=("node", "node firewall", "service rules", "objects: Service", "objects: EndpointSlice"),
)
def reached(case: Case) -> Iterator[Finding]:
    here = case.this_node.name if case.this_node else case.facts.node_name
    fronts = [f for f in cluster.published(case.facts.objects, here) if f.known and f.endpoints]
    results = [(front, _outcomes(case, front)) for front in fronts[:MAX_FRONTENDS]]
    lost = [front for front, outcomes in results if outcomes and not any(map(_decided, outcomes))]
    servers = virtual_servers(case.facts.node.ipvs)
    lost = [
        f for f in lost if not any((f.protocol, p.target, f.port) in servers for _, p in _packets(case, f))
    ]
    if lost:
        yield _untranslated(case, lost)
    for front, outcomes in results:
        yield from _astray(case, front, outcomes)
    yield from _not_forwarded(case, results)


def _outcomes(case: Case, front: Frontend) -> list[PacketOutcome]:
    """What the rules do with a first packet: the first one that they decide about, else what was tried last."""
    found: list[PacketOutcome] = []
    for hook, packet in _packets(case, front):
        found = at_hook(case.node.rules, hook, packet)
        if any(map(_decided, found)):
            break
    return found


def _packets(case: Case, front: Frontend) -> Iterator[tuple[str, Packet]]:
    """(hook, packet) of a client outside, to each address of the node, and of a program of the node."""
    family = version(front.ip)
    ways = [(link.name, own.ip) for link in case.uplinks for own in case.node.addresses(link, family)]
    if front.ip not in ANY:
        ways = [(name, front.ip) for name, _ in ways[:1]]
    first = Packet(family=family, source=CLIENT[family], protocol=front.protocol, dport=front.port)
    for name, ip in ways:
        yield "prerouting", first.with_(target=ip, iif=name, target_local=ip in case.node.local)
    if front.ip in ANY and ways:  # kube-proxy's --nodeport-addresses may name the loopback alone
        own = LOOPBACK[family]
        yield "output", first.with_(source=own, target=own, oif="lo", source_local=True, target_local=True)


def _decided(outcome: PacketOutcome) -> bool:
    """Whether a rule sends the packet elsewhere or refuses it, or one that is not modelled may do so."""
    foreign = outcome.rule is not None and outcome.rule.action.kind == "foreign"
    return bool(outcome.translations or outcome.doubts) or outcome.verdict != "accept" or foreign


def _name(front: Frontend) -> str:
    if front.ip in ANY:
        return f"node port {front.protocol}/{front.port}"
    return f"external address {with_port(front.ip, front.port)}"


def _severity(case: Case, fronts: list[Frontend]) -> Severity:
    """Lower where the pod is no endpoint of any of them."""
    own = {address.ip for address in case.facts.pod.addresses} if case.facts.pod else set[str]()
    served = not own or any(ip in own for front in fronts for ip, _ in front.endpoints)
    return Severity.ERROR if served else Severity.WARNING


def _untranslated(case: Case, fronts: list[Frontend]) -> Finding:
    names = some(f"{_name(front)} ({front.service})" for front in fronts)
    first, nothing = fronts[0], "no rule or virtual server" if case.facts.node.ipvs else "no rule"
    return GN0612.found(
        _severity(case, fronts),
        f"{nothing} of this node translates {names}: clients outside do not reach the service here",
        subject("service", first.service),
        seen("firewall", f"no DNAT matches {_name(first)}", "iptables -t nat -S"),
        seen("objects", f"{first.service}: endpoints {some(with_port(*end) for end in first.endpoints)}"),
        remedy=translate(rule for front in fronts for rule in _rule(case, front)),
        affects=others(fronts),
    )


def _rule(case: Case, front: Frontend) -> Iterator[Command]:
    """The translation to an endpoint on this node. Another node's would answer the client past this one."""
    held = {address.ip for tenant in case.facts.tenants for address in tenant.addresses}
    held |= {address.ip for address in case.facts.pod.addresses} if case.facts.pod else set()
    near = next((end for end in front.endpoints if end[0] in held), None)
    if near is None:
        return
    place = ("-m", "addrtype", "--dst-type", "LOCAL") if front.ip in ANY else ("-d", front.ip)
    yield on_node(
        "ip6tables" if ":" in front.ip else "iptables", "-t", "nat", "-I", "PREROUTING", "-p", front.protocol,
        "--dport", front.port, *place, "-j", "DNAT", "--to-destination", with_port(*near),
    )  # fmt: skip


def _astray(case: Case, front: Frontend, outcomes: list[PacketOutcome]) -> Iterator[Finding]:
    """Translations to what is no endpoint of the service."""
    reported: set[str] = set()
    for outcome in outcomes:
        target = (outcome.packet.target, outcome.packet.dport)
        if not outcome.translations or target in front.endpoints or target[0] in case.node.local:
            continue
        chain, rule = outcome.translations[-1]
        if rule.action.kind == "redirect" or rule.text in reported or front.local:
            continue
        reported.add(rule.text)
        right = some(with_port(*end) for end in front.endpoints)
        yield GN0612.found(
            _severity(case, [front]),
            f"{_name(front)} ({front.service}) is sent to {with_port(*target)}, which is no live endpoint of it "
            f"(endpoints: {right})",
            subject("service", front.service),
            seen("firewall", f"{chain.place} rule {rule.number}: {rule.text}", chain.listing),
            seen("objects", f"EndpointSlice of {front.service}: {right}"),
            remedy=without_stale(chain, rule),
        )


def _not_forwarded(case: Case, results: list[tuple[Frontend, list[PacketOutcome]]]) -> Iterator[Finding]:
    """Translated packets that FORWARD does not let pass: once for each chain that drops them."""
    stopped: dict[str, list[tuple[Frontend, PacketOutcome]]] = {}
    for front, outcomes in results:
        for lost in _stopped(case, front, outcomes):
            assert lost.chain is not None
            stopped.setdefault(lost.chain.place, []).append((front, lost))
    for place, found in stopped.items():
        fronts = [front for front, _ in found]
        chain, rule = found[0][1].chain, found[0][1].rule
        assert chain is not None
        text = f"rule {rule.number}: {rule.text}" if rule else f"policy {chain.policy}"
        yield GN0612.found(
            _severity(case, fronts),
            f"{some(f'{_name(front)} ({front.service})' for front in fronts)} is translated, and {place} drops the "
            f"packets of clients outside ({text})",
            subject("service", fronts[0].service),
            seen("firewall", f"{place} {text}", chain.listing),
            remedy=fix(
                "accept what is for the pods there",
                *(_accept(case, chain, ip) for ip in dict.fromkeys(lost.packet.target for _, lost in found)),
            ),
            explained_by=(place,),
            affects=others(fronts),
        )


def _stopped(case: Case, front: Frontend, outcomes: list[PacketOutcome]) -> list[PacketOutcome]:
    """The drop of a client's packets on their way to an endpoint; a rule for some senders, or a policy's, is meant."""
    for sent in outcomes:
        packet = sent.packet
        if (
            not sent.translations
            or packet.iif is None
            or (packet.target, packet.dport) not in front.endpoints
        ):
            continue
        link = case.node.link(case.node.fib.lookup(packet.target).hop.index)
        for one in at_hook(case.node.rules, "forward", packet.with_(oif=link.name)) if link else ():
            chain, rule = one.chain, one.rule
            named = rule is not None and any(match.name in ("source", "tuple") for match in rule.matches)
            engine = chain is not None and any(
                mark in f"{chain.table} {chain.name}" for mark in (*POLICY_MARKS, TABLE)
            )
            if one.verdict != "accept" and one.chance > HALF and chain is not None and not (named or engine):
                return [one]
    return []


def _accept(case: Case, chain: Chain, ip: str) -> Command:
    """The rule that lets packets for a pod pass."""
    own = next((cidr for cidr in case.pod_cidrs if within(ip, cidr)), ip)
    if chain.tool == "nft":
        word = "ip6" if ":" in ip else "ip"
        return on_node(
            "nft", "insert", "rule", chain.family, chain.table, chain.name, word, "daddr", own, "accept"
        )
    return on_node(chain.tool, "-t", chain.table, "-I", chain.name, "-d", own, "-j", "ACCEPT")
