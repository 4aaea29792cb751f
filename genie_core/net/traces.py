"""The result of tracing a packet through the model: where it is blocked, and what it crossed."""

from __future__ import annotations

from dataclasses import dataclass, field

from genie_core.net.fib import Way
from genie_core.net.firewall.evaluate import PacketOutcome
from genie_core.net.firewall.rules import Chain, FirewallRule, Packet
from genie_core.net.flows import Flow
from genie_core.survey.kernel import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Where packets stop. `kind` route, rule, filter, forwarding, reverse-path, bypass, expired or source.

    `place` is "pod" or "node"; `reply` is true where the reply stops; `after` counts the steps before the place;
    `hook` is the netfilter hook of a filter. An expired packet stops on the other node where `link` is "".
    """

    kind: str
    flow: Flow
    place: str
    packet: Packet
    outcome: PacketOutcome | None = None
    way: Way | None = None
    link: str = ""
    wanted: str = ""
    reply: bool = False
    after: int = 0
    hook: str = ""

    @property
    def chance(self) -> float:
        """The share of the traffic that stops here."""
        return self.outcome.chance if self.outcome else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one place decides about the packet that comes to it. `kind` is firewall or route, `place` "pod" or "node".

    `outcomes` are the ways out of the netfilter hook `hook`, the likeliest first; `way` is the answer of the routes.
    """

    kind: str
    place: str
    packet: Packet
    hook: str = ""
    outcomes: tuple[PacketOutcome, ...] = ()
    way: Way | None = None

    @property
    def reply(self) -> bool:
        """Whether it is about the answer."""
        return self.packet.state == "established" and self.packet.protocol != "arp"


@dataclass(slots=True)
class Walk:
    """The trace of one flow: its blocks, doubts, steps (for the picture) and the source that leaves the node.

    `decisions` are in the order in which the packet, and then the answer, comes to them. `aged` are the rules that
    changed the time to live, with which it leaves the node: `ttl`, None where that is not known.
    """

    flow: Flow
    blocks: list[Block] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    doubts: list[tuple[str, PacketOutcome]] = field(default_factory=list)
    untracked: list[tuple[str, Chain, FirewallRule]] = field(default_factory=list)
    aged: list[tuple[str, Chain, FirewallRule]] = field(default_factory=list)
    ttl: int | None = None
    steps: list[str] = field(default_factory=list)
    source: str = ""
    target: str = ""
    egress: Link | None = None
    translated: bool = False
