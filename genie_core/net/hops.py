"""A walk as hops: the interfaces that a packet crosses, and at each what decides there. Pure.

Behind the first hop that stops packets there are no decisions: the kernel makes none. A walk that goes on there, as if
the fault were repaired, serves the checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from genie_core.net import wording
from genie_core.net.egress import far_end, mode_of, past_node
from genie_core.net.ipvs import virtual_servers
from genie_core.net.model import TUNNELS, Attachment, Model
from genie_core.net.policy import EGRESS, INGRESS
from genie_core.net.policy_verdicts import connections
from genie_core.net.resolving import unanswered, unfound
from genie_core.net.stack import Stack, calls_iptables
from genie_core.net.traces import Walk
from genie_core.net.wording import Said
from genie_core.survey.kernel import Link, Tenant

ARRIVES, LEAVES, STOPS, UNCLEAR = "arrives", "leaves", "stops", "unclear"
ENTRY = ("ingress", "prerouting")
EXIT = ("postrouting", "egress")


@dataclass(slots=True)
class Hop:
    """One place of the path. `place` is pod, node, target or beyond; `netns` the namespace of `iface`, "" the node's.

    `iface` is "" where no interface shows the packets: the node's routing, what is beyond the node. `state` is passes,
    stops, unclear or unreached.
    """

    name: str
    place: str = "node"
    iface: str = ""
    netns: str = ""
    said: list[Said] = field(default_factory=list)
    state: str = "passes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """All hops, what becomes of the packets (`verdict` arrives, leaves, stops or unclear), and of the answer.

    `answer` are the decisions about the answer; `answered` is passes, stops or, where it is not known, "".
    """

    hops: list[Hop]
    verdict: str
    answer: list[Said]
    answered: str


def path_of(model: Model, walk: Walk) -> Path:
    """The hops of a walk. The pod's namespace must be known."""
    hops = _Hops(model, walk).all()
    stopped = False
    for hop in hops:
        if stopped:
            hop.state, hop.said = "unreached", []
        elif any(said.stops for said in hop.said):
            hop.state, stopped = "stops", True
        elif any(said.doubt for said in hop.said):
            hop.state = "unclear"
    answer = [] if stopped else list(_answer(model, walk))
    verdict = STOPS if stopped else UNCLEAR if any(hop.state == "unclear" for hop in hops) else _end(hops)
    answered = (
        "" if verdict not in (ARRIVES, LEAVES) else "stops" if any(a.stops for a in answer) else "passes"
    )
    return Path(hops=hops, verdict=verdict, answer=answer, answered=answered)


def _end(hops: Sequence[Hop]) -> str:
    return LEAVES if hops[-1].place == "beyond" else ARRIVES


def _answer(model: Model, walk: Walk) -> Iterator[Said]:
    for decision in walk.decisions:
        if not decision.reply:
            continue
        stack = model.pod if decision.place == "pod" else model.node
        if decision.kind == "firewall":
            yield from wording.firewall(decision)
        elif stack is not None:
            yield wording.route(decision, stack)
    for block in walk.blocks:
        if block.reply and block.kind != "filter":
            yield wording.blocked(block)
    yield from unfound(model, walk)


class _Hops:
    def __init__(self, model: Model, walk: Walk) -> None:
        assert model.pod is not None
        self.model, self.walk, self.flow = model, walk, walk.flow
        self.pod: Stack = model.pod
        self.node = model.node
        self.decisions = [decision for decision in walk.decisions if not decision.reply]
        way = next((d.way for d in self.decisions if d.place == "pod" and d.way), None)
        step = walk.steps[0].partition(" ")[2] if walk.steps else ""
        named = next((a for a in model.attachments if a.link.name == step), None)
        chosen = model.attachment(way.hop.index) if way else None
        self.attachment: Attachment | None = named or chosen or model.primary
        self.next_hop = (way.hop.gateway if way else "") or self.flow.target

    def all(self) -> list[Hop]:
        """From the pod to the target, or to where its packets leave this node."""
        hops = [self._start()]
        kind = self.attachment.kind if self.attachment else ""
        if kind == "parent":
            hops += self._parent()
        elif kind in ("bridge", "routed") and self.walk.steps[1:]:
            hops += self._peer() if self.flow.peer else self._through()
        else:
            hops.append(self._outside(kind))
        self._blocks(hops)
        for hop in hops:
            stack = self.pod if hop.place == "pod" else self.node if not hop.netns else None
            hop.said += wording.programs(stack, hop.iface) if stack and hop.iface else ()
        return hops

    # The pod

    def _start(self) -> Hop:
        attachment = self.attachment
        name = attachment.link.name if attachment else ""
        hop = Hop(f"pod {name}".strip(), place="pod", iface=name, netns=self.model.facts.netns_path)
        hop.said += self._say("pod")
        source = next((d.packet.source for d in self.decisions if d.packet.source), "")
        if source:
            hop.said.append(wording.plain("source", f"source {source}", "ip address", "pod"))
        if attachment is not None:
            hop.said += wording.state(attachment.link, "pod")
            why = unanswered(self.model, attachment, self.next_hop)
            hop.said += wording.neighbour(self.pod, attachment.link, self.next_hop, "pod", why)
        hop.said += self._policies()
        hop.said += wording.unread(self.pod, "the pod's", "pod")
        return hop

    def _say(self, place: str, *hooks: str) -> Iterator[Said]:
        """The decisions at one place; without `hooks` all of them."""
        for decision in self.decisions:
            if decision.place != place or (hooks and decision.hook not in hooks):
                continue
            if decision.kind == "route":
                yield wording.route(decision, self.pod if place == "pod" else self.node)
            else:
                yield from wording.firewall(decision)

    def _policies(self) -> Iterator[Said]:
        """What NetworkPolicies allow. Whether they are enforced is for the firewall's rules to say, and said there."""
        for wanted in connections(self.model, self.flow):
            for direction in (EGRESS, INGRESS):
                ruling = self.model.policies.rule(direction, wanted)
                if not ruling.policies:
                    continue
                word = {True: "allows", False: "denies", None: "may allow or deny"}[ruling.allowed]
                text = f"NetworkPolicy {', '.join(ruling.policies)} {word} it ({direction.lower()})"
                yield Said(
                    kind="policy",
                    text=text,
                    command="kubectl get networkpolicy -A",
                    plain=ruling.allowed is True,
                )

    # The node

    def _ports(self) -> list[Hop]:
        """The host end of the pod's veth, and its bridge."""
        attachment = self.attachment
        assert attachment is not None
        assert attachment.peer is not None
        hops = [Hop(attachment.peer.name, iface=attachment.peer.name)]
        hops[0].said += wording.state(attachment.peer, "node")
        if attachment.bridge is not None:
            hops[0].said += wording.port(self.node, attachment.peer, attachment.bridge)
            hops.append(Hop(attachment.bridge.name, iface=attachment.bridge.name))
            hops[1].said += wording.state(attachment.bridge, "node")
        return hops

    def _peer(self) -> list[Hop]:
        """Over the bridge to another port: frames pass the bridge's rules, with br_netfilter the IP rules too."""
        hops = self._ports()
        bridge, (port, tenant) = hops[-1], self.flow.peer or (None, None)
        assert port is not None
        assert tenant is not None
        bridge.iface = ""  # a frame from port to port is not delivered to the bridge's own interface
        mac = next((link.mac for link in tenant.links for a in tenant.addresses
                    if a.ip == self.flow.target and a.index == link.index), "")  # fmt: skip
        entry = next((f for f in self.node.facts.forwarding if f.mac == mac and f.index == port.index), None)
        known = (
            f"forwards {mac} to port {port.name}"
            if entry
            else f"floods to its ports: no entry for {mac or 'the target'}"
        )
        bridge.said.append(wording.plain("bridge", known, f"bridge fdb show br {bridge.name}"))
        bridge.said += self._say("node")
        return [*hops, *self._local(port, tenant)]

    def _through(self) -> list[Hop]:
        """Into the node's routing, and to itself or out of an interface."""
        hops = self._ports()
        entry = hops[-1]
        entry.said += self._say("node", *ENTRY)
        is_local = self.walk.steps[-1] == "node"
        routing = Hop(
            "node" if is_local else "node routing",
            said=list(self._say("node", "", "input", "forward")),
        )
        routing.said += wording.unread(self.node, "the node's", "node")
        if is_local:
            return [*hops, self._at_node(routing)]
        if self.walk.egress is None:
            return [*hops, routing, self._outside("")]
        out = self._out(self.walk.egress)
        bridge = self.walk.egress
        if entry.iface == bridge.name and calls_iptables(self.node, bridge, self.flow.family):
            # br_netfilter sends it to the other port by itself once it knows the neighbour (br_nf_pre_routing_finish)
            entry.iface = out[0].iface = ""
        return [*hops, routing, *out]

    def _at_node(self, hop: Hop) -> Hop:
        """The packet ends here: at a socket of the node, or at IPVS."""
        flow = self.flow
        ends = virtual_servers(self.node.facts.ipvs).get((flow.protocol, flow.target, flow.port))
        if ends is not None:
            listed = (
                ", ".join(f"{ip}:{port} (weight {weight})" for ip, port, weight in ends) or "no destination"
            )
            hop.said.append(
                Said(
                    kind="ipvs",
                    text=f"IPVS sends it to one of {listed}",
                    command="ipvsadm -Ln",
                    stops=not ends,
                )
            )
        elif flow.role in ("node", "service") and flow.port:
            hop.said += wording.listener(self.node.facts.listeners, flow.protocol, flow.target, flow.port)
        hop.place = "target"
        return hop

    def _out(self, link: Link) -> list[Hop]:
        """The interface of the route, and what is behind it: a pod of this node, a tunnel, or the world."""
        hop = Hop(link.name, iface=link.name, said=wording.state(link, "node"))
        hop.said += self._say("node", *EXIT)
        target = self.walk.target or self.flow.target
        chosen = (d.way for d in reversed(self.decisions) if d.place == "node" and d.way)
        way = next((way for way in chosen if way.hop.index == link.index), None)
        way = way or self.node.fib.lookup(target, self.walk.source)
        next_hop = way.hop.gateway or target
        hop.said += wording.neighbour(self.node, link, next_hop, "node")
        if link.kind in TUNNELS:
            return [hop, *self._tunnel(hop, link, next_hop), self._outside("")]
        found = next(
            ((p, t) for p, t in self._tenants(link) if any(a.ip == target for a in t.addresses)), None
        )
        if found is None:
            return [hop, self._outside("")]
        port, tenant = found
        return [hop, *self._local(port, tenant, is_same=port is link)]

    def _tenants(self, link: Link) -> list[tuple[Link, Tenant]]:
        if link.kind == "bridge":
            own = self.model.neighbours_on(link)
            return [
                *own,
                *(
                    (p, t)
                    for p in self.node.ports(link)
                    if (t := self.model.tenant_of(p)) and (p, t) not in own
                ),
            ]
        tenant = self.model.tenant_of(link)
        return [(link, tenant)] if tenant else []

    def _local(self, port: Link, tenant: Tenant, *, is_same: bool = False) -> list[Hop]:
        """The port of a pod of this node, and the pod: only its interfaces, addresses and sockets were read."""
        target = self.walk.target or self.flow.target
        hops = []
        if not is_same:
            hops.append(Hop(port.name, iface=port.name, said=wording.state(port, "node")))
            bridge = self.node.link(port.master)
            hops[0].said += wording.port(self.node, port, bridge) if bridge else ()
        inner = next(
            (
                one
                for a in tenant.addresses
                for one in tenant.links
                if a.ip == target and one.index == a.index
            ),
            None,
        )
        title = self.model.title_of(tenant)
        pod = Hop(f"{title} {inner.name if inner else ''}".strip(), place="target", netns=tenant.path)
        pod.iface = inner.name if inner else ""
        pod.said += wording.state(inner, "pod") if inner else ()
        unread = "this pod's own rules and routes are not read"
        pod.said.append(wording.plain("unread", unread, f"genie debug pod {title}"))
        port_there = next(
            (d.packet.dport for d in reversed(self.decisions) if d.place == "node"), self.flow.port
        )
        pod.said += (
            wording.listener(tenant.listeners, self.flow.protocol, target, port_there)
            if tenant.listeners
            else ()
        )
        return [*hops, pod]

    def _tunnel(self, hop: Hop, link: Link, next_hop: str) -> list[Hop]:
        """To which node the tunnel sends it, and by which interface that goes."""
        remote = far_end(link)
        if link.kind == "vxlan":
            neighbour = self.node.neighbour(link.index, next_hop)
            mac = neighbour.mac if neighbour else ""
            entries = [f for f in self.node.facts.forwarding if f.index == link.index and f.dst]
            exact = next((f.dst for f in entries if f.mac == mac and mac), "")
            any_ = next((f.dst for f in entries if f.mac == "00:00:00:00:00:00"), "")
            remote = exact or any_ or remote
        elif link.kind in ("ipip", "sit", "gre") and not remote:
            remote = next_hop
        command = (
            f"bridge fdb show dev {link.name}" if link.kind == "vxlan" else f"ip -d link show {link.name}"
        )
        if not remote:
            lost = link.kind == "vxlan"
            text = (
                f"no forwarding entry says which node has {next_hop}"
                if lost
                else f"the peers of a {link.kind} are not read"
            )
            hop.said.append(Said(kind="tunnel", text=text, command=command, stops=lost, doubt=not lost))
            return []
        hop.said.append(Said(kind="tunnel", text=f"{link.kind} to {remote}", command=command))
        way = self.node.fib.lookup(remote)
        underlay = self.node.link(way.hop.index)
        if underlay is None:
            hop.said.append(
                Said(
                    kind="route",
                    text=f"no route leads to {remote}",
                    command=f"ip route get {remote}",
                    stops=True,
                )
            )
            return []
        outer = Hop(underlay.name, iface=underlay.name, said=wording.state(underlay, "node"))
        outer.said += wording.neighbour(self.node, underlay, way.hop.gateway or remote, "node")
        return [outer]

    # Past the node

    def _parent(self) -> list[Hop]:
        """A macvlan, ipvlan or vlan interface: its frames go to the parent's link, unless the node routes them."""
        attachment = self.attachment
        assert attachment is not None
        parent = attachment.peer
        past, mode = past_node(attachment), mode_of(attachment.link)
        text = f"{attachment.link.kind}{f' in mode {mode}' if mode else ''}: " + (
            "past the node's routes and rules" if past else "the node's routes may lead its packets elsewhere"
        )
        hop = Hop(parent.name if parent else "parent", iface=parent.name if parent else "")
        hop.said.append(
            Said(
                kind="link", text=text, place="pod", doubt=not past,
                command=f"ip -d link show {attachment.link.name}",
            )
        )  # fmt: skip
        hop.said += wording.state(parent, "node") if parent else ()
        return [hop, self._outside("")]

    def _outside(self, kind: str) -> Hop:
        """The target, of which nothing is known here; behind an interface that is not modelled the way is not known."""
        hop = Hop(self.flow.name or self.flow.target, place="beyond")
        if kind in ("foreign", "device"):
            hop.said.append(
                Said(kind="unread", text="the other end of this interface is not modelled", doubt=True)
            )
        return hop

    def _blocks(self, hops: list[Hop]) -> None:
        """Put what else stops the request to its hop; a filter's drop is there already."""
        for block in self.walk.blocks:
            if block.kind == "filter" or block.reply:
                continue
            said = wording.blocked(block)
            if block.place == "pod" or len(hops) == 1:
                hop = hops[0] if block.kind != "parent" else hops[min(1, len(hops) - 1)]
            else:
                routing = next((h for h in hops if h.name in ("node", "node routing")), hops[-1])
                entry = next((h for h in reversed(hops) if h.iface == block.link), routing)
                hop = entry if block.kind == "reverse-path" else routing
            if not any(one.stops and one.kind == said.kind for one in hop.said):
                hop.said.append(said)
