"""The evaluation of a ruleset for a packet at one hook (netfilter's own order: priorities, then rules).

A condition with a probability splits the packet into both outcomes. A condition that is not modelled is assumed not
to hold for a drop, and to hold for an accept: doubt never makes a blockage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from genie_core.net.firewall.rules import (
    PORTED,
    Action,
    Chain,
    FirewallRule,
    Match,
    Packet,
    Ruleset,
    Value,
    span,
)

MAX_OUTCOMES = 64
MAX_DEPTH = 32
DEVICES = ("netdev", "inet")
FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketOutcome:
    """One way the packet can go: `verdict` accept, drop or reject, by `rule` of `chain` (None: the policy).

    `packet` is as it leaves the hook; `translations` are the rules that changed it; `doubts` are rules that
    drop under a condition that is not modelled, or only heavy traffic; `untracked` is the rule that took it out
    of connection tracking, or put it into a zone, `aged` the one that changed its time to live.
    """

    verdict: str
    packet: Packet
    chance: float = 1.0
    chain: Chain | None = None
    rule: FirewallRule | None = None
    translations: tuple[tuple[Chain, FirewallRule], ...] = ()
    doubts: tuple[tuple[Chain, FirewallRule], ...] = ()
    untracked: tuple[Chain, FirewallRule] | None = None
    aged: tuple[Chain, FirewallRule] | None = None


def _word_fits(pattern: Value, word: str) -> bool:
    if not isinstance(pattern, str):
        return False
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == word


def _ethertype(packet: Packet) -> str:
    return "arp" if packet.protocol == "arp" else str(packet.family)


DERIVED: dict[str, Callable[[Packet], int | str | bool | None]] = {
    "family": _ethertype,
    "ethertype": _ethertype,
    "arp_operation": lambda p: "request" if p.state == "new" else "reply",
    "arp_htype": lambda _: 1,
    "arp_hlen": lambda _: 6,
    "arp_plen": lambda _: 4,
    "smac": lambda p: p.smac or None,
    "dmac": lambda p: p.dmac or None,
    "target_type": lambda p: "local" if p.target_local else "unicast",
    "source_type": lambda p: "local" if p.source_local else "unicast",
    "icmp_type": lambda _: False,
    "icmp_code": lambda _: False,
    "bridged": lambda p: "yes" if p.bridged else "no",
    "ct_status": lambda p: "dnat" if p.translated else "none",
    "ct_direction": lambda p: "reply" if p.state == "established" else "original",
}


def _read(packet: Packet, name: str) -> int | str | bool | None:
    """The packet's value of a field: None is not known, False is "has no such field"."""
    if name in ("source", "target"):
        return span(getattr(packet, name))[0]
    if name in ("sport", "dport"):
        return getattr(packet, name) if packet.protocol in PORTED else False
    if name in DERIVED:
        return DERIVED[name](packet)
    value: int | str | None = getattr(packet, name, None)
    return value


def _holds(match: Match, packet: Packet) -> bool | None:
    """Whether a condition holds; None where that is not known."""
    if match.name == "tuple":
        return _in_rows(match, packet)
    if match.name in ("icmp_type", "icmp_code") and packet.protocol.endswith("icmp"):
        return any(str(v) in packet.icmp for v in match.values) != match.invert
    if match.name == "ports":  # of either side
        held = (_holds(replace(match, name=side, invert=False), packet) for side in ("sport", "dport"))
        return packet.protocol in PORTED and any(held) != match.invert
    value = _read(packet, match.name)
    if value is None:
        return None
    if value is False:
        return False
    if isinstance(value, str):
        return any(_word_fits(v, value) for v in match.values) != match.invert
    number = value & match.mask if match.mask is not None else value
    return any(not isinstance(v, str) and v[0] <= number <= v[1] for v in match.values) != match.invert


def _in_rows(match: Match, packet: Packet) -> bool:
    return any(_row_fits(match.keys, row, packet) for row in match.rows) != match.invert


def _row_fits(
    names: tuple[str, ...], row: tuple[Value, ...], packet: Packet, masks: tuple[int | None, ...] = ()
) -> bool:
    parts = zip(names, row, masks or (None,) * len(names), strict=True)
    return all(_holds(Match(name, (value,), mask=mask), packet) for name, value, mask in parts)


def _chance(rule: FirewallRule, packet: Packet) -> tuple[float, bool]:
    """The probability that the rule's conditions hold, and whether any of them is in doubt."""
    chance, doubt = 1.0, False
    for match in rule.matches:
        if match.name == "chance":
            chance *= match.chance
        elif match.name in ("unknown", "rate"):
            doubt = True
        elif match.name != "under":
            held = _holds(match, packet)
            if held is False and match.name == "length" and rule.action.kind in ("drop", "reject"):
                held = None  # packets of one conversation differ in size
            if held is False:
                return 0.0, False
            doubt = doubt or held is None
    return chance, doubt


@dataclass(frozen=True, slots=True)
class _Step:
    """The position of the evaluation in a chain."""

    packet: Packet
    chance: float
    translations: tuple[tuple[Chain, FirewallRule], ...] = ()
    doubts: tuple[tuple[Chain, FirewallRule], ...] = ()
    untracked: tuple[Chain, FirewallRule] | None = None
    aged: tuple[Chain, FirewallRule] | None = None


class _Run:
    """The evaluation of one base chain."""

    def __init__(self, rules: Ruleset) -> None:
        self.rules = rules

    def chain(
        self, chain: Chain, step: _Step, depth: int = 0, start: int = 0
    ) -> Iterator[tuple[str, _Step, Chain, FirewallRule | None]]:
        """(verdict, step, chain, rule); verdict "return" is the end of a chain without one."""
        if depth > MAX_DEPTH:
            yield "return", step, chain, None
            return
        for number in range(start, len(chain.rules)):
            rule = chain.rules[number]
            chance, doubt = _chance(rule, step.packet)
            if not chance:
                continue
            if doubt and rule.action.kind in ("drop", "reject"):
                step = replace(step, doubts=(*step.doubts, (chain, rule)))
                continue
            if doubt and rule.action.kind in ("jump", "goto"):
                yield from self._perhaps(chain, rule.action, step, depth, number)
                return
            if doubt and rule.action.kind != "accept":
                continue
            if chance < 1:
                yield from self._hit(
                    chain, rule, rule.action, replace(step, chance=step.chance * chance), depth, number
                )
                step = replace(step, chance=step.chance * (1 - chance))
                continue
            if rule.action.kind == "continue":
                continue
            yield from self._hit(chain, rule, rule.action, step, depth, number)
            return
        yield "return", step, chain, None

    def _hit(
        self, chain: Chain, rule: FirewallRule, action: Action, step: _Step, depth: int, number: int
    ) -> Iterator[tuple[str, _Step, Chain, FirewallRule | None]]:
        kind = action.kind
        if kind in ("accept", "drop", "reject", "return"):
            yield kind, step, chain, rule
        elif kind in ("dnat", "snat", "masquerade", "redirect"):
            moved = _translated(action, step.packet)
            yield (
                "accept",
                replace(step, packet=moved, translations=(*step.translations, (chain, rule))),
                chain,
                rule,
            )
        elif kind in ("jump", "goto"):
            yield from self._jump(chain, action, step, depth, number)
        elif kind == "map":
            yield from self._map(chain, rule, action, step, depth, number)
        elif kind == "foreign":
            yield "accept", step, chain, rule
        else:
            step = replace(step, packet=_marked(action, step.packet))
            step = replace(step, untracked=(chain, rule)) if kind in ("notrack", "zone") else step
            step = replace(step, aged=(chain, rule)) if kind == "ttl" else step
            yield from self.chain(chain, step, depth, number + 1)

    def _jump(
        self, chain: Chain, action: Action, step: _Step, depth: int, number: int
    ) -> Iterator[tuple[str, _Step, Chain, FirewallRule | None]]:
        target = self.rules.jump(chain, action.target)
        if target is None:
            yield from self.chain(chain, step, depth, number + 1)
            return
        for verdict, after, where, rule in self.chain(target, step, depth + 1):
            if verdict == "return" and action.kind == "jump":
                yield from self.chain(chain, after, depth, number + 1)
            else:
                yield verdict, after, where, rule

    def _perhaps(
        self, chain: Chain, action: Action, step: _Step, depth: int, number: int
    ) -> Iterator[tuple[str, _Step, Chain, FirewallRule | None]]:
        """A jump under a condition that is not known: a drop behind it is a doubt, a translation is not made."""
        target = self.rules.jump(chain, action.target)
        found = self.chain(target, step, depth + 1) if target else [("return", step, chain, None)]
        for verdict, after, where, rule in found:
            if verdict in ("drop", "reject") and rule is not None:
                doubts = (*after.doubts, (where, rule))
                yield from self.chain(
                    chain, replace(step, chance=after.chance, doubts=doubts), depth, number + 1
                )
            elif after.translations != step.translations:
                yield from self.chain(chain, replace(step, chance=after.chance), depth, number + 1)
            elif verdict == "return" and action.kind == "jump":
                yield from self.chain(chain, after, depth, number + 1)
            else:
                yield verdict, after, where, rule

    def _map(
        self, chain: Chain, rule: FirewallRule, action: Action, step: _Step, depth: int, number: int
    ) -> Iterator[tuple[str, _Step, Chain, FirewallRule | None]]:
        if action.keys == ("chance",):
            share = step.chance / max(1, len(action.entries))
            for _, inner in action.entries[:MAX_OUTCOMES]:
                yield from self._hit(chain, rule, inner, replace(step, chance=share), depth, number)
            return
        for row, inner in action.entries:
            if _row_fits(action.keys, row, step.packet, action.masks):
                yield from self._hit(chain, rule, inner, step, depth, number)
                return
        yield from self.chain(chain, step, depth, number + 1)


def _marked(action: Action, packet: Packet) -> Packet:
    if action.kind == "notrack":
        return packet.with_(state="untracked")
    if action.kind == "zone":
        return packet.with_(zone=action.value)
    if action.kind == "mark":
        return packet.with_(mark=(packet.mark & ~action.mask) ^ action.value)
    if action.kind == "ttl" and (packet.ttl is not None or not action.mask):
        return packet.with_(ttl=min(255, max(0, ((packet.ttl or 0) & action.mask) + action.value)))
    return packet


def _translated(action: Action, packet: Packet) -> Packet:
    if action.kind in ("snat", "masquerade"):
        return packet.with_(source=action.address or "", translated=True)
    changes: dict[str, object] = {"translated": True}
    if action.address:
        changes["target"] = action.address
    if action.port:
        changes["dport"] = action.port
    if action.kind == "redirect":
        changes["target_local"] = True
    return packet.with_(**changes)


def base_chains(rules: Ruleset, hook: str, packet: Packet, family: str = "", device: str = "") -> list[Chain]:
    """The base chains that see the packet at a hook; `family` bridge or netdev instead of the packet's own."""
    # Family inet has the ingress hook of devices, too (nft(8), ADDRESS FAMILIES).
    families = DEVICES if family == "netdev" else (family,) if family else FAMILIES[packet.family]
    return [
        chain
        for chain in rules.bases
        if chain.hook == hook
        and chain.family in families
        and (not device or not chain.devices or device in chain.devices)
        and not (chain.kind == "nat" and packet.state != "new")
    ]


def at_hook(
    rules: Ruleset, hook: str, packet: Packet, family: str = "", device: str = ""
) -> list[PacketOutcome]:
    """Every way the packet can leave a hook, the likeliest first."""
    outcomes = [PacketOutcome(verdict="accept", packet=packet)]
    for chain in base_chains(rules, hook, packet, family, device):
        outcomes = [after for before in outcomes for after in _through(rules, chain, before)][:MAX_OUTCOMES]
    return sorted(outcomes, key=lambda outcome: -outcome.chance)


def _through(rules: Ruleset, chain: Chain, before: PacketOutcome) -> Iterator[PacketOutcome]:
    if before.verdict != "accept" or (chain.kind == "nat" and before.packet.state != "new"):
        yield before
        return
    # Of one hook's NAT chains, the first translation decides (nf_nat_inet_fn).
    if chain.kind == "nat" and before.translations:
        yield before
        return
    step = _Step(
        before.packet, before.chance, before.translations, before.doubts, before.untracked, before.aged
    )
    for verdict, after, where, rule in _Run(rules).chain(chain, step):
        policy = verdict == "return"
        final = chain.policy if policy else verdict
        yield PacketOutcome(
            verdict=final,
            packet=after.packet,
            chance=after.chance,
            chain=chain if policy else where,
            rule=None if policy else rule,
            translations=after.translations,
            doubts=after.doubts,
            untracked=after.untracked,
            aged=after.aged,
        )
