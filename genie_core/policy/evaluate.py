"""The verdict of Genie's tables on one packet, as the kernel would give it."""

from __future__ import annotations

from dataclasses import dataclass, field

from genie_core.policy.ruleset import DROP, RETURN, Lookup, Map, Match, NftRule, Set, Table

_MOST_JUMPS = 16  # nf_tables allows as many


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A packet in a hook. `protocol` is TCP, UDP, SCTP or ICMP; `begins` whether a TCP segment opens a connection."""

    iifname: str = ""
    oifname: str = ""
    saddr: str
    daddr: str
    protocol: str
    sport: int = 0
    dport: int = 0
    begins: bool = True

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.daddr else 4


@dataclass(slots=True)
class HookOutcome:
    """`dropped`, and the rules that matched: (chain, rule), in order."""

    dropped: bool = False
    trail: list[tuple[str, NftRule]] = field(default_factory=list)


def run_hook(table: Table, hook: str, packet: Packet, sets: dict[str, Set] | None = None) -> HookOutcome:
    """What a table's chain of this name does with a packet of a new connection; a table without it passes all.

    `sets` are the table's own unless given.
    """
    machine = _Machine(table, packet, sets)
    machine.outcome.dropped = machine.run(hook) == DROP
    return machine.outcome


class _Machine:
    def __init__(self, table: Table, packet: Packet, sets: dict[str, Set] | None) -> None:
        self.packet = packet
        self.chains = {chain.name: chain for chain in table.chains}
        self.sets = {one.name: one for one in table.sets} if sets is None else sets
        self.maps: dict[str, Map] = {one.name: one for one in table.maps}
        self.outcome = HookOutcome()

    def run(self, name: str, depth: int = 0) -> str:
        """ACCEPT, DROP, or RETURN where the chain has no verdict."""
        if name not in self.chains or depth > _MOST_JUMPS:
            return RETURN
        for rule in self.chains[name].rules:
            verdict = self._verdict(name, rule)
            if verdict.startswith("jump "):
                verdict = self.run(verdict.removeprefix("jump "), depth + 1)
                if verdict == RETURN:
                    continue
            if verdict:
                return verdict
        return RETURN

    def _verdict(self, chain: str, rule: NftRule | Lookup) -> str:
        if isinstance(rule, Lookup):
            return self._looked_up(rule) if all(self._holds(match) for match in rule.matches) else ""
        if not all(self._holds(match) for match in rule.matches):
            return ""
        self.outcome.trail.append((chain, rule))
        return rule.verdict

    def _looked_up(self, lookup: Lookup) -> str:
        packet = self.packet
        if lookup.interface == "meta sdifname":
            return ""  # these packets come through no VRF
        key = f'"{packet.iifname if lookup.interface == "iifname" else packet.oifname}"'
        if lookup.version:
            if lookup.version != packet.version:
                return ""
            key += f" . {packet.saddr if lookup.interface == 'iifname' else packet.daddr}"
        return dict(self.maps[lookup.map].elements).get(key, "")

    def _holds(self, match: Match) -> bool:
        packet = self.packet
        if match.kind in ("in", "is", "pair", "own", "named") and match.value[0] != packet.version:
            return False
        if match.kind == "in":
            return self._field(match.field) in self.sets[str(match.value[1])]
        if match.kind == "is":
            return self._field(match.field) in match.value[1:]
        if match.kind in ("pair", "own", "back"):
            return self._pair(match) in self.sets[str(match.value[-1])]
        if match.kind == "named":
            address = packet.daddr if match.field == "dport" else packet.saddr
            key = f"{address} . {packet.protocol.lower()} . {self._field(match.field)}"
            return key in self.sets[str(match.value[1])]
        if match.kind == "port":
            number = packet.dport if match.field == "dport" else packet.sport
            within = any(low <= number <= high for low, high in match.ranges)
            return packet.protocol == match.value[0] and within
        if match.kind == "l4":
            return packet.protocol == match.value[0]
        return match.kind == "mid" and packet.protocol == "TCP" and not packet.begins

    def _pair(self, match: Match) -> str:
        """The element that the packet is in a set of pairs."""
        packet = self.packet
        if match.kind == "pair":
            return f"{packet.saddr} . {packet.daddr}"
        if match.kind == "back":
            return f'"{packet.iifname}" . "{packet.oifname}"'
        name = packet.iifname if match.field == "saddr" else packet.oifname
        return f'"{name}" . {self._field(match.field)}'

    def _field(self, name: str) -> str:
        return str(getattr(self.packet, name))
