"""The path of one conversation through the pod, the node and back: where it is blocked, and what it crossed.

A trace continues behind a blockage as if it were repaired: two faults on one path are both found.
"""

from __future__ import annotations

from genie_core.net.addresses import is_part
from genie_core.net.arp import resolve
from genie_core.net.egress import answers_by, holder, leads_to_node, past_parent
from genie_core.net.fib import DEFAULT, LOCAL, MAIN, Way
from genie_core.net.firewall.rules import Chain, FirewallRule, Packet
from genie_core.net.flows import Flow
from genie_core.net.model import Attachment, Model
from genie_core.net.ndp import discover
from genie_core.net.passing import Passing
from genie_core.net.stack import calls_iptables
from genie_core.net.traces import Walk
from genie_core.survey.kernel import Link

ANY_PORT = 33333  # stands for "some port that no rule names"


class _Walker(Passing):
    """Traces one flow."""

    @property
    def own(self) -> Attachment | None:
        """The interface that the conversation is by."""
        named = (a for a in self.model.attachments if a.link.name == self.flow.iface)
        return next(named, self.model.primary)

    # Request

    def outbound(self) -> None:
        """From the pod to the target, and the answer back."""
        target = self.flow.target
        way, primary = self.leaving(target), self.own
        attachment = self.chosen(way, target)
        if attachment is None or primary is None:
            return
        if attachment is not primary and not leads_to_node(self.model, attachment, way.hop.gateway or target):
            if self.flow.role != "outside":
                self.block("diverted", "pod", self.packet("", target), way=way, link=attachment.link.name)
                attachment = primary
            elif self.model.astray(self.flow.family):
                attachment = primary  # a check of its own reports the moved default route
        if past_parent(self.model, attachment, target, way.hop.gateway):
            self.block("parent", "pod", self.packet("", target), way=way, link=attachment.link.name)
        source = self.source(attachment, way)
        self.decide("route", "pod", self.packet(source, target), way=way)
        if not source:
            return
        way2 = self.leaving(target, source)
        if way2.hop.index and way2.hop.index != attachment.link.index and self.flow.role != "outside":
            self.block(
                "diverted", "pod", self.packet(source, target), way=way2, link=self.pod.name(way2.hop.index)
            )
        elif way2.refused and not way.refused:
            self.block("route", "pod", self.packet(source, target), way=way2)
        port = self.flow.peer[0] if self.flow.peer else None
        ask = discover if self.flow.family == 6 else resolve
        ask(self.model, self.hook, attachment, source, way.hop.gateway or target, port)
        packet = self.packet(
            source, target, dport=self.flow.port or ANY_PORT, oif=attachment.link.name, source_local=True,
            smac=attachment.link.mac, ttl=self.pod.lifetime(attachment.link.name, self.flow.family),
        )  # fmt: skip
        packet = self.hook("pod", "output", packet)
        self.rerouted(packet, attachment)
        packet = self.hook("pod", "postrouting", packet.with_(source_local=True))
        packet = self.hook("pod", "egress", packet, family="netdev", device=attachment.link.name)
        packet = packet.with_(
            source=packet.source or source, oif=None, source_local=False, mark=0, translated=False
        )
        self.walk.steps.append(f"pod {attachment.link.name}")
        self.enter_node(attachment, packet)

    def chosen(self, way: Way, target: str) -> Attachment | None:
        """The interface of the pod's route; its primary one where that leads nowhere, or to a link inside the pod."""
        found = self.model.attachment(way.hop.index)
        inside = found is None and way.type == "unicast" and self.flow.role != "outside"
        if not (way.refused or inside):
            return found
        link = self.pod.name(way.hop.index) if inside else ""
        self.block("route" if way.refused else "diverted", "pod", self.packet("", target), way=way, link=link)
        return self.own

    def leaving(self, target: str, source: str = "") -> Way:
        """The pod's route for the request."""
        ports = (0, self.flow.port or ANY_PORT)
        return self.pod.fib.lookup(target, source, protocol=self.flow.protocol, ports=ports)

    def rerouted(self, packet: Packet, attachment: Attachment) -> None:
        """A mark that the pod's own rules set selects another route (ip_route_me_harder)."""
        way = self.pod.fib.lookup(packet.target, packet.source, mark=packet.mark) if packet.mark else None
        if way is not None and (way.refused or way.hop.index != attachment.link.index):
            kind = "route" if way.refused else "diverted"
            self.block(kind, "pod", packet, way=way, link=self.pod.name(way.hop.index))

    def source(self, attachment: Attachment, way: Way) -> str:
        """The pod's source address: the route's, else the interface's first."""
        if way.route is not None and way.route.source and way.hop.index == attachment.link.index:
            return way.route.source
        found = self.model.addresses(attachment, self.flow.family)
        return found[0].ip if found else ""

    def enter_node(self, attachment: Attachment, packet: Packet) -> None:
        if attachment.kind not in ("bridge", "routed") or attachment.entry is None or attachment.peer is None:
            self.into_pod(_answer_to(packet), attachment)  # request and answer go past the node
            return
        if self.flow.peer is not None:
            self.across_bridge(attachment, packet)
            return
        entry = attachment.entry
        port = attachment.peer.name if attachment.bridge else ""
        links = (attachment.peer, attachment.bridge, attachment.router)
        self.walk.steps += [link.name for link in links if link is not None]
        packet = self.netdev(packet.with_(iif=entry.name, physical_in=port), attachment)
        if attachment.bridge:
            packet = self.hook("node", "prerouting", packet, family="bridge")
            packet = self.hook("node", "input", packet, family="bridge")
        self.through_node(packet, entry)

    def netdev(self, packet: Packet, attachment: Attachment) -> Packet:
        for link in dict.fromkeys((attachment.peer, attachment.entry)):
            if link is not None:
                packet = self.hook("node", "ingress", packet, family="netdev", device=link.name)
        return packet

    def through_node(self, packet: Packet, entry: Link) -> None:
        """Prerouting, the reverse path filter, routing, forwarding, postrouting; then the answer."""
        before = packet
        packet = self.prerouting(packet, entry)
        self.reverse_path(before, entry)
        if packet.target_local or packet.target in self.node.local:
            self.hook("node", "input", packet.with_(target_local=True))
            self.walk.steps.append("node")
            self.answer_from_node(before)
            return
        egress = self.route_out(packet, entry)
        packet = self.forwarding(packet, entry).with_(oif=egress.name if egress else "")
        packet = self.hook("node", "forward", packet)
        leaving = self.hook("node", "postrouting", packet)
        self.walk.egress, self.walk.target, self.walk.ttl = egress, packet.target, leaving.ttl
        if self.flow.role == "remote":
            self.routed(leaving)
        self.walk.translated = leaving.source != packet.source
        self.walk.source = leaving.source or (self.own_address(egress) if egress else "")
        if egress is not None:
            self.walk.steps.append(egress.name)
            self.hook("node", "egress", leaving, family="netdev", device=egress.name)
        self.walk.steps.append(self.flow.name or self.flow.target)
        self.answer(packet, egress)

    def own_address(self, link: Link) -> str:
        return next((a.ip for a in self.node.addresses(link, self.flow.family)), "")

    def prerouting(self, packet: Packet, entry: Link) -> Packet:
        local = packet.target in self.node.local
        packet = self.hook("node", "prerouting", packet.with_(iif=entry.name, target_local=local))
        return packet.with_(target_local=packet.target in self.node.local)

    def reverse_path(self, packet: Packet, entry: Link) -> None:
        """fib_validate_source: the route back to the sender must use the interface of arrival.

        It is looked up as for a packet that comes in by the interface by which this one leaves, and without its mark.
        """
        mode, node = self.node.rp_filter(entry.name), self.node
        if self.flow.family != 4 or not mode:
            return
        ahead = node.fib.lookup(packet.target, packet.source, iif=entry.name, mark=packet.mark)
        out = "" if ahead.refused or ahead.type == "local" else node.name(ahead.hop.index)
        marked = any(node.setting(name, "src_valid_mark") for name in ("all", entry.name))
        back = node.fib.lookup(packet.source, packet.target, iif=out, mark=packet.mark if marked else 0)
        by = {hop.index for hop in back.route.hops} if back.route else {back.hop.index}
        wrong = back.refused or (mode == 1 and entry.index not in by)
        if wrong and back.type != "local":
            self.block("reverse-path", "node", packet, way=back, link=entry.name)

    def forwarding(self, packet: Packet, entry: Link) -> Packet:
        if not self.node.forwards(entry.name, self.flow.family):
            self.block("forwarding", "node", packet, link=entry.name)
        return self.routed(packet, entry.name)

    def route_out(self, packet: Packet, entry: Link) -> Link | None:
        """The interface towards the target; a wrong route is recorded and the expected one taken."""
        expected = self.flow.expected if self.flow.role == "remote" else None
        way = self.node_way(packet, entry)
        plain = self.node.fib.lookup(packet.target)
        chosen = self.node.link(way.hop.index)
        if way.rule is not None and way.rule.table not in (MAIN, LOCAL, DEFAULT):
            if self.flow.role != "outside" and self.hijacks(way, plain):
                names = self.node.name(way.hop.index), self.node.name(plain.hop.index)
                self.block("rule", "node", packet, way=way, link=names[0], wanted=names[1])
                return self.node.link(plain.hop.index) or expected
            if way.refused:
                self.block("rule", "node", packet, way=way)
                return self.node.link(plain.hop.index)
        if way.refused:
            self.block("route", "node", packet, way=way, wanted=expected.name if expected else "")
            return expected
        if expected is not None and expected.up and way.hop.index != expected.index:
            self.block(
                "bypass", "node", packet, way=way, link=self.node.name(way.hop.index), wanted=expected.name
            )
            return expected
        return chosen

    def hijacks(self, way: Way, plain: Way) -> bool:
        """Whether a rule's table leads packets of the cluster away from where table main has them.

        The choice between two uplinks is the network's (a cloud's node with several NICs), but for prefixes of pods.
        """
        if way.refused or way.hop.index == plain.hop.index:
            return way.refused
        ends = [self.node.link(hop.index) for hop in (way.hop, plain.hop)]
        of_pods = plain.route is not None and any(is_part(plain.route.dst, c) for c in self.model.pod_cidrs)
        return of_pods or not all(link in self.model.uplinks for link in ends)

    def node_way(self, packet: Packet, arrived: Link | None) -> Way:
        """The node's route for a packet, which came in by `arrived` or is its own."""
        way = self.node.fib.lookup(
            packet.target, packet.source, iif=arrived.name if arrived else "", mark=packet.mark,
            protocol=packet.protocol, ports=(packet.sport, packet.dport),
        )  # fmt: skip
        self.decide("route", "node", packet, way=way)
        return way

    # Reply

    def answer_from_node(self, request: Packet) -> None:
        reply = self.packet(
            request.target, request.source, state="established", source_local=True, dport=40000
        )
        self.to_pod(reply.with_(sport=request.dport), None)

    def answer(self, request: Packet, egress: Link | None) -> None:
        """The reply, as it arrives on the interface of the request."""
        if egress is None:
            return
        arrives = self.flow.expected or egress
        reply = self.packet(
            request.target, request.source, state="established", iif=arrives.name, dport=40000
        )
        reply = reply.with_(sport=request.dport)
        self.netdev_in(reply, arrives)
        request_zone, self.zone = self.zone, None
        reply = self.hook("node", "prerouting", reply)
        if self.walk.translated or self.flow.role == "service":
            self.same_zone(request_zone, self.zone)
        self.reverse_path(reply, arrives)
        self.to_pod(reply, arrives)

    def same_zone(
        self,
        one: tuple[int, str, Chain, FirewallRule] | None,
        other: tuple[int, str, Chain, FirewallRule] | None,
    ) -> None:
        """Whether reply and request are in one conntrack zone: else no address is translated back."""
        if (one[0] if one else 0) != (other[0] if other else 0):
            self.walk.untracked.append((one or other)[1:])  # type: ignore[index]  # one is there

    def netdev_in(self, packet: Packet, link: Link) -> None:
        self.hook("node", "ingress", packet, family="netdev", device=link.name)

    def to_pod(self, packet: Packet, arrived: Link | None) -> None:
        """From the node (or through it, from `arrived`) to the pod's address."""
        attachment = holder(self.model, packet.target)
        if (
            attachment is None
            or attachment.entry is None
            or attachment.peer is None
            or attachment.kind not in ("bridge", "routed")
        ):
            return
        entry = attachment.entry
        way = self.node_way(packet, arrived)
        if way.refused or way.hop.index != entry.index:
            kind = "rule" if way.rule and way.rule.table not in (MAIN, LOCAL, DEFAULT) else "host-route"
            self.block(kind, "node", packet, way=way, link=self.node.name(way.hop.index), wanted=entry.name)
        packet = packet.with_(oif=entry.name, physical_out=attachment.peer.name if attachment.bridge else "")
        if arrived is None:
            packet = self.hook("node", "output", packet)
        else:
            packet = self.hook("node", "forward", self.forwarding(packet, arrived))
        packet = self.hook("node", "postrouting", packet)
        if attachment.bridge:
            packet = packet.with_(smac=entry.mac, dmac=attachment.link.mac)
            self.hook("node", "output", packet, family="bridge")
            self.hook("node", "postrouting", packet, family="bridge")
        self.hook("node", "egress", packet, family="netdev", device=attachment.peer.name)
        self.into_pod(packet, attachment)

    def into_pod(self, packet: Packet, attachment: Attachment) -> None:
        """To the pod's socket. An answer comes from the address and port that the pod asked."""
        if packet.state == "established" and not self.flow.inbound:
            packet = packet.with_(source=self.flow.target, sport=self.flow.port or ANY_PORT)
        packet = packet.with_(
            iif=attachment.link.name, oif=None, target_local=True, source_local=False, mark=0, bridged=False,
            physical_in="", physical_out="", translated=False,
        )  # fmt: skip
        packet = self.hook("pod", "ingress", packet, family="netdev", device=attachment.link.name)
        packet = self.hook("pod", "prerouting", packet)
        self.hook("pod", "input", packet)

    # The other direction

    def inbound(self) -> None:
        """A conversation that the other end begins: the request to the pod, and the pod's reply."""
        primary = self.own
        held = self.model.addresses(primary, self.flow.family) if primary else []
        if not held or primary is None:
            return
        mine = held[0].ip
        packet = self.packet(self.flow.target, mine, dport=self.flow.port or ANY_PORT)
        if self.flow.role == "node":
            self.to_pod(packet.with_(source_local=True), None)
        elif self.flow.peer is not None:
            self.from_peer(primary, packet)
        elif self.flow.expected is not None:
            packet = packet.with_(iif=self.flow.expected.name)
            self.netdev_in(packet, self.flow.expected)
            packet = self.hook("node", "prerouting", packet)
            self.reverse_path(packet, self.flow.expected)
            self.to_pod(packet, self.flow.expected)
        self.pod_answers(primary, mine)

    def pod_answers(self, primary: Attachment, mine: str) -> None:
        reply = self.packet(
            mine, self.flow.target, state="established", sport=self.flow.port or ANY_PORT, dport=40000
        )
        reply = reply.with_(oif=primary.link.name, source_local=True)
        reply = self.hook("pod", "output", reply)
        self.hook("pod", "postrouting", reply)
        other = answers_by(self.model, self.flow.target, mine)
        if other is not None and other.entry is not None:
            self.reverse_path(reply, other.entry)

    # Between pods of one bridge

    def across_bridge(self, attachment: Attachment, packet: Packet) -> None:
        """The request to a pod on the same bridge, and its answer."""
        assert self.flow.peer is not None
        other = self.flow.peer[0]
        if attachment.peer is not None and attachment.bridge is not None:
            title = self.flow.name or self.flow.target
            self.walk.steps += [attachment.peer.name, attachment.bridge.name, other.name, title]
        self.bridged(attachment, packet, attachment.peer, other)
        reply = self.bridged(
            attachment, _answer_to(packet).with_(dmac=attachment.link.mac), other, attachment.peer
        )
        self.into_pod(reply, attachment)

    def from_peer(self, attachment: Attachment, packet: Packet) -> None:
        assert self.flow.peer is not None
        packet = self.bridged(attachment, packet, self.flow.peer[0], attachment.peer)
        self.into_pod(packet, attachment)

    def bridged(
        self, attachment: Attachment, packet: Packet, port_in: Link | None, port_out: Link | None
    ) -> Packet:
        """A frame from port to port: the bridge family's hooks, and with br_netfilter the IP hooks too."""
        bridge = attachment.bridge
        if bridge is None or port_in is None or port_out is None:
            return packet
        packet = packet.with_(iif=port_in.name, oif=port_out.name)
        for hook in ("prerouting", "forward", "postrouting"):
            self.hook("node", hook, packet, family="bridge")
        if not calls_iptables(self.node, bridge, self.flow.family):
            return packet
        packet = packet.with_(
            iif=bridge.name, bridged=True, physical_in=port_in.name, physical_out=port_out.name
        )
        packet = self.hook("node", "prerouting", packet.with_(oif=None))
        packet = self.hook("node", "forward", packet.with_(oif=bridge.name))
        return self.hook("node", "postrouting", packet)


def _answer_to(request: Packet) -> Packet:
    return request.with_(
        source=request.target, target=request.source, state="established", sport=request.dport,
        dport=40000, smac="", ttl=None,
    )  # fmt: skip


def walk(model: Model, flow: Flow) -> Walk:
    """Carry one flow through the model. The pod's namespace must be known."""
    walker = _Walker(model, flow)
    if flow.inbound:
        walker.inbound()
    else:
        walker.outbound()
    return walker.walk


def all_walks(model: Model, flows: list[Flow]) -> list[Walk]:
    """The trace of every flow."""
    return [walk(model, flow) for flow in flows] if model.pod is not None else []
