"""Path MTU: packets that are too large for a link on their way, and ICMP messages about that which are dropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from genie_core.checks.check import check
from genie_core.checks.firewall_drops import delete_rule
from genie_core.checks.overlay import remotes
from genie_core.checks.parts import fix, in_pod, on_node, seen, some, the_interface, the_pod
from genie_core.findings import Code, Command, Confidence, Effect, Evidence, Finding, Severity
from genie_core.net.addresses import some_address
from genie_core.net.case import Case
from genie_core.net.firewall.evaluate import at_hook
from genie_core.net.firewall.rules import TOO_BIG, Chain, Packet
from genie_core.net.flows import Flow
from genie_core.net.model import Attachment
from genie_core.net.path import walk
from genie_core.net.traces import Block
from genie_core.spec.addresses import version
from genie_core.survey.facts import Probe
from genie_core.survey.kernel import Link

MESSAGE = {4: "ICMP fragmentation-needed", 6: "ICMPv6 packet-too-big"}
# What makes TCP send smaller segments: iptables' target, nftables' statement.
CLAMPS = ("TCPMSS", "maxseg")


@dataclass(slots=True)
class Narrow:
    """An interface of the node with a smaller MTU than the pod's: both MTUs, and what is reached by it."""

    link: Link
    pod_mtu: int
    mtu: int
    targets: list[str] = field(default_factory=list)
    families: set[int] = field(default_factory=set)


GN0708 = Code("GN0708", "path MTU black hole",
    cause="the pod sends more than the tunnel or the uplink takes, and ICMP fragmentation-needed "
    "(IPv6: packet-too-big) is dropped",
    confirm="ping -M do -s SIZE; tracepath", fix="lower the pods' MTU; let ICMP pass",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("path-mtu", GN0708, title="large packets can leave the node", needs=("pod", "node"))
def path_mtu(case: Case) -> Iterator[Finding]:
    primary = case.primary
    if primary is None or primary.kind not in ("bridge", "routed") or case.pod is None:
        return
    refused = {family: refusals(case, family) for family in case.families}
    ways: list[tuple[Narrow, list[Block]]] = [
        (narrow, [b for family in sorted(narrow.families) for b in refused.get(family, ())])
        for narrow in _narrow(case)
    ]
    bridge = primary.bridge
    if bridge is not None and bridge.mtu < primary.link.mtu:
        # Senders use the pod's MTU; the bridge's own end has a smaller one.
        inward = Narrow(link=bridge, pod_mtu=primary.link.mtu, mtu=bridge.mtu, targets=["the pod itself"])
        blocked = [b for family in case.families for b in _refused_to_senders(case, family)]
        ways += [(inward, blocked)] if blocked else []
    for holes in ([pair for pair in ways if pair[1]], [pair for pair in ways if not pair[1]]):
        blocked = list({_place(b): b for _, found in holes for b in found}.values())
        if holes:
            yield _black_hole(case, [narrow for narrow, _ in holes], primary, blocked)


def _narrow(case: Case) -> list[Narrow]:
    found: dict[int, Narrow] = {}
    for link, target, address in _ways(case):
        sent, taken = _route_mtu(case, address), _taken(case, link, address)
        if link.up and taken < sent:
            narrow = found.setdefault(link.index, Narrow(link=link, pod_mtu=sent, mtu=taken))
            narrow.families.add(version(address))
            narrow.targets += [target] if target not in narrow.targets else []
    return list(found.values())


def _ways(case: Case) -> Iterator[tuple[Link, str, str]]:
    """(the node's interface, what is reached by it, an address there): tunnels, then the interfaces of the traces."""
    for remote in remotes(case):
        yield remote.tunnel, remote.title, some_address(remote.cidr)
    for one in case.walks:
        flow = one.flow
        if one.egress is None or one.egress in case.tunnels or flow.inbound or not one.target:
            continue
        if not (case.primary and one.egress is case.primary.entry):  # a service's pod here: that is bridged
            yield one.egress, flow.name or flow.target, one.target


def _route_mtu(case: Case, address: str) -> int:
    """The largest packet that the pod sends there: the MTU of its link, or of its route."""
    assert case.primary is not None
    way = case.pod.fib.lookup(address) if case.pod else None
    return way.route.mtu if way and way.route and way.route.mtu else case.primary.link.mtu


def _taken(case: Case, link: Link, address: str) -> int:
    """The MTU of the node's interface, or of the node's route through it."""
    way = case.node.fib.lookup(address)
    mine = way.route is not None and way.route.mtu and way.hop.index == link.index
    return min(link.mtu, way.route.mtu) if mine and way.route else link.mtu


def refusals(case: Case, family: int) -> list[Block]:
    """What drops the node's "too big" messages to the pod: rules and chain policies of the node and of the pod."""
    primary = case.primary
    entry = primary.entry if primary else None
    links = [link for link in (entry, *case.uplinks) if link is not None]
    own = [a.ip for link in links for a in case.node.addresses(link, family)]
    if not own or not case.address(family):
        return []
    protocol = "icmp" if family == 4 else "ipv6-icmp"
    flow = Flow(
        role="node", target=own[0], protocol=protocol, inbound=True, family=family, icmp=TOO_BIG[family]
    )
    return [b for b in walk(case, flow).blocks if b.kind == "filter" and not b.reply and b.chance > 0.5]


def _refused_to_senders(case: Case, family: int) -> Iterator[Block]:
    """What drops the node's "too big" messages to hosts that send to the pod."""
    protocol = "icmp" if family == 4 else "ipv6-icmp"
    for one in case.walks:
        flow, link = one.flow, one.egress
        if link is None or flow.family != family or not flow.general or flow.protocol != protocol:
            continue
        own = next((a.ip for a in case.node.addresses(link, family)), "")
        packet = Packet(
            family=family, source=own, target=one.target, protocol=protocol, state="related",
            oif=link.name, source_local=True, icmp=TOO_BIG[family],
        )  # fmt: skip
        for hook in ("output", "postrouting") if own else ():
            for outcome in at_hook(case.node.rules, hook, packet):
                if outcome.verdict in ("drop", "reject") and outcome.chance > 0.5 and outcome.chain:
                    yield Block(kind="filter", flow=flow, place="node", packet=packet, outcome=outcome)
                    return


def clamped(case: Case) -> str:
    """The rule that clamps TCP's segments to the path MTU, "" without one."""
    chains = case.node.rules.chains
    rules = ((chain, rule) for chain in chains for rule in chain.rules)
    return next((f"{c.place}: {r.text}" for c, r in rules if any(word in r.text for word in CLAMPS)), "")


def _black_hole(case: Case, narrow: list[Narrow], primary: Attachment, blocked: list[Block]) -> Finding:
    pod, fits = primary.link, min(one.mtu for one in narrow)
    clamp = clamped(case) if blocked else ""
    others = [x for x in (primary.peer, primary.bridge) if x]
    ways = " and ".join(_title(case, one) for one in narrow)
    severity = (Severity.WARNING if clamp else Severity.ERROR) if blocked else Severity.INFO
    return GN0708.found(
        severity,
        f"the pod's MTU {max(one.pod_mtu for one in narrow)} exceeds {ways}"
        + (
            f", and {_message(blocked)} is dropped ({_place(blocked[0])}): "
            + ("TCP is clamped, other large packets are lost" if clamp else _EFFECT)
            if blocked
            else "; path MTU discovery works"
        ),
        the_pod(case, pod.name) if blocked else the_interface(narrow[0].link.name),
        seen(
            "netlink",
            f"{pod.name} mtu {pod.mtu}, {', '.join(f'{x.name} mtu {x.mtu}' for x in others)}",
            f"ip link show {pod.name}",
        ),
        *(
            seen("netlink", f"{one.link.name} mtu {one.link.mtu}", f"ip link show {one.link.name}")
            for one in narrow
        ),
        *(_evidence(b) for b in blocked),
        *((seen("firewall", clamp),) if clamp else ()),
        explained_by=tuple(_chain(b).place for b in blocked if b.place == "node")[:1],
        remedy=fix(
            f"set the pods' MTU to {fits} in the network's configuration, and let {_message(blocked)} pass",
            in_pod("ip", "link", "set", pod.name, "mtu", fits),
            *(_let_pass(b) for b in blocked),
        ),
    )


def _message(blocked: list[Block]) -> str:
    return MESSAGE[blocked[0].flow.family] if blocked else "ICMP's message about it"


_EFFECT = "large segments are lost, small packets pass"


def _title(case: Case, narrow: Narrow) -> str:
    if narrow.link in case.tunnels:
        return f"the {narrow.mtu} of tunnel {narrow.link.name}"
    return f"the {narrow.mtu} of {narrow.link.name} (the way to {some(narrow.targets)})"


def _chain(block: Block) -> Chain:
    assert block.outcome is not None
    assert block.outcome.chain is not None
    return block.outcome.chain


def _place(block: Block) -> str:
    chain = _chain(block)
    rule = block.outcome.rule if block.outcome else None
    return f"{chain.place} " + (f"rule {rule.number}: {rule.text}" if rule else f"policy {chain.policy}")


def _evidence(block: Block) -> Evidence:
    rule = block.outcome.rule if block.outcome else None
    return seen("firewall", f"{_place(block)}{rule.hits if rule else ''}")


def _let_pass(block: Block) -> Command:
    """Delete a rule about ICMP; accept the message before a wider rule, or a chain policy."""
    chain, rule = _chain(block), block.outcome.rule if block.outcome else None
    if rule is not None and any(m.name in ("protocol", "icmp_type", "icmp_code") for m in rule.matches):
        return delete_rule(block.place, chain, rule)
    command = in_pod if block.place == "pod" else on_node
    six = block.flow.family == 6
    if chain.tool == "nft":
        kind = ("icmpv6", "type", "packet-too-big") if six else ("icmp", "type", "destination-unreachable")
        return command("nft", "insert", "rule", chain.family, chain.table, chain.name, *kind, "accept")
    protocol, option = ("icmpv6", "--icmpv6-type") if six else ("icmp", "--icmp-type")
    name = "packet-too-big" if six else "fragmentation-needed"
    return command(
        chain.tool, "-t", chain.table, "-I", chain.name, "-p", protocol, option, name, "-j", "ACCEPT"
    )


GN0808 = Code("GN0808", "large packets are lost on the way",
    cause="small echoes are answered, those of the size that should fit are not, and no ICMP message reports "
    "that they are too large",
    confirm="tracepath TARGET; ping -M do -s SIZE TARGET",
    fix="one MTU on the way: lower the pods' and the tunnel's, or raise the network's between the nodes",
    explained_by=(Effect.PACKETS, "GN0710"))  # fmt: skip


@check("probe-large", GN0808, title="large packets arrive where small ones do", needs=("probes",))
def large_lost(case: Case) -> Iterator[Finding]:
    for large in (p for p in case.facts.probes if p.role == "large" and p.result == "timeout"):
        small = [p for p in case.facts.probes if p.role == "remote" and p.target == large.target]
        if small and small[0].result == "ok":
            yield _lost(case, large, small[0])


def _lost(case: Case, large: Probe, small: Probe) -> Finding:
    header = 48 if version(large.target) == 6 else 28
    size = large.size + header
    return GN0808.warning(
        f"packets of {size} bytes to {large.target} are lost and no ICMP message reports that; "
        "small ones arrive: an interface or a filter between the nodes takes less",
        the_pod(case, case.primary.link.name if case.primary else ""),
        seen(
            "probe",
            f"{large.target}: {large.received} of {large.sent} echoes of {size} bytes answered",
            f"ping -M do -s {large.size} {large.target}",
        ),
        seen("probe", f"{small.received} of {small.sent} of {small.size + header} bytes answered"),
        remedy=fix(
            f"compare the MTUs on the way (tracepath {large.target}): lower the pods' and the tunnel's MTU, "
            "or let the network between the nodes take more"
        ),
        confidence=Confidence.MEDIUM,
    )
