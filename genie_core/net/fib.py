"""The kernel's route lookup over collected rules and routes (fib_rules, fib_lookup): the route of a packet."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from genie_core.net.addresses import within
from genie_core.routes import MAIN_TABLE
from genie_core.survey.kernel import Hop, Netns, Route, RoutingRule

MAIN, LOCAL, DEFAULT = MAIN_TABLE, 255, 253
REFUSALS = {"blackhole", "unreachable", "prohibit"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A lookup's answer: `type` unicast, local, broadcast, a refusal, or "none" where nothing matched.

    It is "throw" where nothing matched but a throw route of table main.
    """

    type: str
    route: Route | None = None
    hop: Hop = field(default_factory=Hop)
    rule: RoutingRule | None = None

    @property
    def refused(self) -> bool:
        """True where the kernel answers the sender with an error, or drops silently."""
        return self.type in REFUSALS or self.type in ("none", "throw")


@dataclass(frozen=True, slots=True)
class _Entry:
    low: int
    high: int
    length: int
    route: Route


def default_rules(family: int) -> list[RoutingRule]:
    """The kernel's default policy rules."""
    main = [
        RoutingRule(family=family, priority=0, table=LOCAL),
        RoutingRule(family=family, priority=32766, table=MAIN),
    ]
    return main + ([RoutingRule(family=4, priority=32767, table=DEFAULT)] if family == 4 else [])


class Fib:
    """The routing of one namespace. `extra` are routes that a repaired namespace would have."""

    def __init__(self, netns: Netns, extra: tuple[Route, ...] = ()) -> None:
        self.rules = {f: [r for r in netns.rules if r.family == f] or default_rules(f) for f in (4, 6)}
        self.priorities = {f: {r.priority for r in rules} for f, rules in self.rules.items()}
        self.names = {link.index: link.name for link in netns.links}
        self.tables: dict[tuple[int, int], list[_Entry]] = {}
        for route in (*netns.routes, *extra):
            self._insert(route)
        for entries in self.tables.values():
            entries.sort(key=lambda e: (-e.length, e.route.metric, -e.route.preference))

    def _insert(self, route: Route) -> None:
        network = ipaddress.ip_network(route.dst, strict=False)
        entry = _Entry(int(network.network_address), int(network.broadcast_address), network.prefixlen, route)
        self.tables.setdefault((network.version, route.table), []).append(entry)

    def table(self, family: int, number: int) -> list[Route]:
        """The routes of one table, longest prefix first."""
        return [entry.route for entry in self.tables.get((family, number), ())]

    def lookup(
        self,
        target: str,
        source: str = "",
        iif: str = "",
        mark: int = 0,
        protocol: str = "",
        ports: tuple[int, int] = (0, 0),
    ) -> Way:
        """The route of a packet to `target`; `source` "" is not chosen yet, `iif` "" is a local sender.

        `ports` are those of the sender and of the target; rules about ports and protocols apply to no packet of which
        they are not known.
        """
        address = ipaddress.ip_address(target)
        family, thrown, skipped = address.version, Way(type="none"), 0
        for rule in self.rules[family]:
            fits = _selects(rule, target, source, iif, mark) and _carries(rule, protocol, ports)
            if rule.priority < skipped or not fits:
                continue
            if rule.action == "goto" and rule.goto in self.priorities[family]:
                skipped = rule.goto  # the kernel passes over one whose target does not exist ("unresolved")
            if rule.action in REFUSALS:
                return Way(type=rule.action, rule=rule)
            way = self._in_table(family, rule, int(address)) if rule.action == "lookup" else None
            if way is not None and way.type != "throw":
                return way
            if way is not None and rule.table == MAIN:
                thrown = way
        return thrown

    def _in_table(self, family: int, rule: RoutingRule, number: int) -> Way | None:
        for entry in self.tables.get((family, rule.table), ()):
            if not entry.low <= number <= entry.high or entry.length <= rule.suppress:
                continue
            route = entry.route
            return Way(type=route.type, route=route, hop=next(iter(route.hops), Hop()), rule=rule)
        return None


def _carries(rule: RoutingRule, protocol: str, ports: tuple[int, int]) -> bool:
    """Whether the rule's conditions on the protocol and its ports hold (fib_rule_port_match)."""
    spans = zip(ports, (rule.sport, rule.dport), strict=True)
    return (not rule.protocol or rule.protocol == protocol) and all(
        not span[0] or span[0] <= port <= span[1] for port, span in spans
    )


def _selects(rule: RoutingRule, target: str, source: str, iif: str, mark: int) -> bool:
    """fib_rule_match: whether the rule applies to the packet."""
    if rule.narrow or rule.oif:
        return False
    fits = (
        (not rule.src or (bool(source) and within(source, rule.src)))
        and (not rule.dst or within(target, rule.dst))
        and (not rule.iif or rule.iif == (iif or "lo"))
        and ((mark ^ rule.mark) & (rule.mask or (0xFFFFFFFF if rule.mark else 0)) == 0)
    )
    return fits != rule.invert
