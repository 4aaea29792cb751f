"""A packet at the places that decide about it: netfilter hooks and route lookups, and what they did with it."""

from __future__ import annotations

from genie_core.net.fib import Way
from genie_core.net.firewall.evaluate import PacketOutcome, at_hook
from genie_core.net.firewall.rules import Chain, FirewallRule, Packet
from genie_core.net.flows import Flow
from genie_core.net.model import Model
from genie_core.net.stack import Stack
from genie_core.net.traces import Block, Decision, Walk


class Passing:
    """The packet of one flow at the places that decide about it. `model` keeps what rules did with it, and no more."""

    def __init__(self, model: Model, flow: Flow) -> None:
        assert model.pod is not None
        self.model = model
        self.node = model.node
        self.pod: Stack = model.pod
        self.flow = flow
        self.walk = Walk(flow=flow)
        self.zone: tuple[int, str, Chain, FirewallRule] | None = None

    def hook(self, place: str, hook: str, packet: Packet, family: str = "", device: str = "") -> Packet:
        """Pass one netfilter hook; a drop is recorded and the packet continues unchanged."""
        passed: Packet | None = None
        key = (place, hook, packet, family, device)
        if key not in self.model.outcomes:
            stack = self.pod if place == "pod" else self.node
            self.model.outcomes[key] = at_hook(stack.rules, hook, packet, family, device)
        outcomes = self.model.outcomes[key]
        self.decide("firewall", place, packet, hook=hook, outcomes=tuple(outcomes))
        for outcome in outcomes:
            self.tracked(place, outcome)
            if outcome.aged:
                self.walk.aged.append((place, *outcome.aged))
            if outcome.doubts:
                self.walk.doubts.append((place, outcome))
            if outcome.verdict in ("drop", "reject"):
                self.block("filter", place, packet, outcome=outcome, hook=hook)
            elif passed is None:
                passed = outcome.packet
        return passed or packet

    def tracked(self, place: str, outcome: PacketOutcome) -> None:
        """Record packets that connection tracking does not see.

        A packet that ends on the node needs no tracking, nor one of the node's own that answers at the address asked.
        """
        own = outcome.packet.source in self.node.local and not self.walk.translated
        if outcome.untracked and outcome.packet.zone:
            self.zone = (outcome.packet.zone, place, *outcome.untracked)
        elif outcome.untracked and not own and outcome.packet.target not in self.node.local:
            self.walk.untracked.append((place, *outcome.untracked))

    def routed(self, packet: Packet, link: str = "") -> Packet:
        """Past a router, which takes one from the time to live (ip_forward); the end of it is recorded."""
        if packet.ttl is None:
            return packet
        if packet.ttl <= 1:
            self.block("expired", "node", packet, link=link)
            return packet.with_(ttl=None)
        return packet.with_(ttl=packet.ttl - 1)

    def block(
        self,
        kind: str,
        place: str,
        packet: Packet,
        outcome: PacketOutcome | None = None,
        way: Way | None = None,
        link: str = "",
        wanted: str = "",
        hook: str = "",
    ) -> None:
        reply = packet.state == "established"
        self.walk.blocks.append(
            Block(
                kind=kind, flow=self.flow, place=place, packet=packet, outcome=outcome, way=way, link=link,
                wanted=wanted, reply=reply, after=len(self.walk.steps), hook=hook,
            )
        )  # fmt: skip

    def decide(
        self,
        kind: str,
        place: str,
        packet: Packet,
        hook: str = "",
        outcomes: tuple[PacketOutcome, ...] = (),
        way: Way | None = None,
    ) -> None:
        """Record what was asked of a hook's chains or of the routes, and the answer."""
        self.walk.decisions.append(
            Decision(kind=kind, place=place, packet=packet, hook=hook, outcomes=outcomes, way=way)
        )

    def packet(self, source: str, target: str, **more: object) -> Packet:
        about = {"icmp": self.flow.icmp, "state": "related"} if self.flow.icmp else {}
        packet = Packet(family=self.flow.family, protocol=self.flow.protocol, source=source, target=target)
        return packet.with_(**about | more)
