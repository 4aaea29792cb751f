"""The decisions of a trace as sentences, each with the command that shows by hand what decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from genie_core.findings import pasteable
from genie_core.net.fib import MAIN, Way
from genie_core.net.firewall.evaluate import PacketOutcome
from genie_core.net.firewall.rules import Chain, FirewallRule, Packet
from genie_core.net.ndp import is_discovery
from genie_core.net.stack import Stack, conf_key, is_served
from genie_core.net.traces import Block, Decision
from genie_core.policy.ruleset import TABLE
from genie_core.survey.kernel import EVERYTHING, Link

LIFETIME = {4: "TTL", 6: "hop limit"}
DEFAULT_RULES = (0, 32766, 32767)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One decision in words.

    `kind` is route, source, neighbour, link, bridge, forwarding, reverse-path, firewall, dnat, snat, policy, tunnel,
    ipvs, listener or unread; `place` is the namespace of `command`, "node" or "pod", which is "" unless `pasteable`.
    `stops`: no packet gets further. `doubt`: the model does not know. `plain`: this happens without any rule.
    """

    kind: str
    text: str
    place: str = "node"
    command: str = ""
    stops: bool = False
    doubt: bool = False
    plain: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "command", pasteable(self.command))


def route(decision: Decision, stack: Stack) -> Said:
    """The rule and the route that were chosen."""
    way, packet = decision.way or Way(type="none"), decision.packet
    link = stack.link(way.hop.index)
    if (
        way.route in stack.extra and link is not None and link.up
    ):  # a route that only a repaired namespace would have
        way = Way(type="none")
    return Said(
        kind="route", text=_way(way, stack, packet), place=decision.place,
        command=f"ip route get {packet.target}", stops=way.refused,
    )  # fmt: skip


def _way(way: Way, stack: Stack, packet: Packet) -> str:
    if way.type == "none":
        return f"no route leads to {packet.target}"
    rule = way.rule
    by = f"ip rule {rule.priority}: " if rule and rule.priority not in DEFAULT_RULES else ""
    if way.type == "local":
        return f"{by}{packet.target} is an address of the {'node' if packet.iif else 'namespace'} itself"
    found = way.route
    if way.refused:
        return f"{by}{way.type} {found.dst if found else ''}".rstrip()
    gateway = f" via {way.hop.gateway}" if way.hop.gateway else ""
    table = f" table {rule.table}" if rule and rule.table != MAIN else ""
    dst = found.dst if found else packet.target
    many = f" (one of {len(found.hops)} next hops)" if found and len(found.hops) > 1 else ""
    return f"{by}route {_prefix(dst)}{gateway} dev {stack.name(way.hop.index)}{table}{many}"


def _prefix(prefix: str) -> str:
    """As ip(8) prints a prefix."""
    if prefix in EVERYTHING:
        return "default"
    return prefix.removesuffix("/32" if ":" not in prefix else "/128")


def firewall(decision: Decision) -> Iterator[Said]:
    """The translations of a hook, and its verdict: several where chance decides."""
    passing = [outcome for outcome in decision.outcomes if outcome.chain is not None]
    for outcome in passing:
        yield from _translated(decision, outcome)
        dropped = outcome.verdict in ("drop", "reject")
        by_translation = outcome.rule is not None and any(
            outcome.rule is rule for _, rule in outcome.translations
        )
        if dropped or (outcome is passing[0] and not by_translation):
            yield _verdict(decision, outcome, dropped=dropped)
        for chain, rule in outcome.doubts:
            yield Said(
                kind=_kind(chain), text=f"{_rule(chain, rule)} drops where a condition holds that is not modelled",
                place=decision.place, command=chain.listing, doubt=True,
            )  # fmt: skip


def _translated(decision: Decision, outcome: PacketOutcome) -> Iterator[Said]:
    before, after = decision.packet, outcome.packet
    for chain, rule in outcome.translations:
        if rule.action.kind in ("snat", "masquerade"):
            kind, change = (
                "snat",
                f"source {before.source or 'the pod'} becomes {after.source or 'an address of the interface'}",
            )
        else:
            port = f":{after.dport}" if after.protocol in ("tcp", "udp") else ""
            kind, change = "dnat", f"destination becomes {after.target}{port}"
        text = f"{change}{_share(outcome)}, by {_rule(chain, rule)}"
        yield Said(kind=kind, text=text, place=decision.place, command=chain.listing)


def _verdict(decision: Decision, outcome: PacketOutcome, *, dropped: bool) -> Said:
    chain, rule = outcome.chain, outcome.rule
    assert chain is not None
    verb = {"drop": "dropped", "reject": "rejected"}.get(outcome.verdict, "accepted")
    by = _rule(chain, rule) if rule else f"the policy of {chain.place}"
    about = "ARP " if decision.packet.protocol == "arp" else "NDP " if is_discovery(decision.packet) else ""
    return Said(
        kind=_kind(chain), text=f"{about}{decision.hook}: {verb}{_share(outcome)} by {by}", place=decision.place,
        command=chain.listing, stops=dropped and outcome.chance > 0.5, plain=rule is None and not dropped,
    )  # fmt: skip


def _kind(chain: Chain) -> str:
    return "policy" if chain.table == TABLE else "firewall"


def _share(outcome: PacketOutcome) -> str:
    return f" for {outcome.chance:.0%} of the connections" if outcome.chance < 1 else ""


def _rule(chain: Chain, rule: FirewallRule) -> str:
    return f"{chain.place} rule {rule.number} ({rule.text.strip()})"


def blocked(block: Block) -> Said:
    """Anything but a filter that stops a packet."""
    packet, way = block.packet, block.way
    target = packet.target
    texts = {
        "diverted": f"the route to {target} leads out of {block.link}, not out of the interface to the node",
        "rule": f"an ip rule sends packets to {target} {f'out of {block.link}' if block.link else 'nowhere'}"
        + (f", not out of {block.wanted}" if block.wanted else ""),
        "bypass": f"the route to {target} leads out of {block.link}, not into {block.wanted}",
        "host-route": f"the route to {target} leads out of {block.link}, not out of {block.wanted}",
        "expired": f"its {LIFETIME[packet.family]} is used up" + ("" if block.link else " on the other node"),
        "forwarding": f"forwarding of IPv{packet.family} is off on {block.link}",
        "reverse-path": f"the reverse path filter of {block.link} drops it: its source {packet.source} is"
        " reached by another interface",
        "parent": f"{target} is an address of the node on the parent of {block.link}: a macvlan or ipvlan interface and"
        " its parent do not reach each other",
        "route": f"no route leads to {target}"
        if way is None or way.type == "none"
        else f"the route to {target} is {way.type}",
    }
    commands = {
        "forwarding": f"sysctl {conf_key(block.link if packet.family == 4 else 'all', 'forwarding', packet.family)}",
        "reverse-path": f"sysctl net.ipv4.conf.all.rp_filter {conf_key(block.link, 'rp_filter')}",
        "parent": f"ip -d link show {block.link}",
    }
    kind = block.kind if block.kind in ("forwarding", "reverse-path") else "route"
    return Said(
        kind=kind, text=texts.get(block.kind, block.kind), place=block.place, stops=True,
        command=commands.get(block.kind, f"ip route get {target}"),
    )  # fmt: skip


def plain(kind: str, text: str, command: str = "", place: str = "node") -> Said:
    """What happens without any rule."""
    return Said(kind=kind, text=text, command=command, place=place, plain=True)


def state(link: Link, place: str) -> list[Said]:
    """Whether an interface is up."""
    command = f"ip link show {link.name}"
    if not link.up:
        return [Said(kind="link", text=f"{link.name} is down", place=place, command=command, stops=True)]
    return [plain("link", f"{link.name} is up, mtu {link.mtu}", command, place)]


def port(node: Stack, link: Link, bridge: Link) -> list[Said]:
    """The state of a bridge port (linux/if_bridge.h: 3 forwards)."""
    port = node.port(link)
    flags = [
        name
        for name, is_set in (("isolated", port.isolated), ("hairpin", port.hairpin), ("locked", port.locked))
        if is_set
    ]
    text = f"port of {bridge.name}{''.join(f', {flag}' for flag in flags)}"
    command = f"bridge -d link show dev {link.name}"
    if port.state != 3:
        return [
            Said(
                kind="bridge",
                text=f"{text}: does not forward (state {port.state})",
                command=command,
                stops=True,
            )
        ]
    return [plain("bridge", text, command)]


def neighbour(stack: Stack, link: Link, ip: str, place: str, silence: str = "") -> list[Said]:
    """The link-layer address of the next hop, as far as one is known; else the kernel asks for it.

    `silence` is the setting by which nothing answers: packets pass for as long as the address is known.
    """
    if link.kind in ("wireguard", "ipip", "sit", "tun", "ip6tnl", "gre") or not link.arp:
        return []
    found, command = stack.neighbour(link.index, ip), f"ip neigh show {ip} dev {link.name}"
    at = f"{ip} is at {found.mac} ({found.state})" if found and found.mac and found.state != "failed" else ""
    if silence and not (found and found.state == "permanent"):
        text = f"{at}, until that is forgotten: no ARP reply" if at else f"no ARP reply for {ip}"
        text = f"{text}, by {silence}"
        return [Said(kind="neighbour", text=text, place=place, command=command, stops=not at, doubt=bool(at))]
    known = at or f"{ip} is asked for"
    if found and found.state == "failed":
        known = f"{ip} did not answer when it was last asked for"
    return [plain("neighbour", known, command, place)]


def unread(stack: Stack, whose: str, place: str) -> list[Said]:
    """Rules that could not be read: what they do with the packet is not known."""
    if stack.rules.known:
        return []
    return [
        Said(
            kind="unread",
            text=f"{whose} firewall rules could not be read",
            place=place,
            command="nft list ruleset",
            doubt=True,
        )
    ]


def programs(stack: Stack, name: str) -> list[Said]:
    """Programs that see an interface's packets before the rules: what they do is not known."""
    link = stack.by_name.get(name)
    found = [p for p in stack.facts.programs if link is not None and p.index == link.index]
    return [
        Said(
            kind="unread", text=f"{one.kind} {one.name} at {one.hook} is not evaluated: it may drop packets",
            command=f"tc filter show dev {name} ingress", doubt=True,
        )
        for one in found
    ]  # fmt: skip


def listener(listeners: Sequence[str], protocol: str, ip: str, port: int) -> list[Said]:
    """Whether a socket takes it; no text where the sockets are not known."""
    if not listeners or not port:
        return []
    served = is_served(listeners, protocol, ip, port)
    text = (
        f"a socket listens on {protocol} port {port}"
        if served
        else f"nothing listens on {protocol} port {port}: it refuses"
    )
    return [Said(kind="listener", text=text, command="ss -lnptu", plain=served)]
