"""The facts, put together: the pod's attachments to this node, the cluster around it, and what was intended.

Pure. A `Model` treats links that are down as up, so that a second fault behind the first is found as well; a check of
its own reports the link.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os.path import basename

from genie_core.net.addresses import subnet, within
from genie_core.net.firewall.evaluate import PacketOutcome
from genie_core.net.firewall.rules import Packet
from genie_core.net.intended import Intended, from_result
from genie_core.net.policy import Policies
from genie_core.net.prefixes import around, used_prefixes
from genie_core.net.stack import Stack
from genie_core.spec.addresses import version
from genie_core.survey import cluster
from genie_core.survey.facts import Cached, ConfFile, Facts
from genie_core.survey.kernel import Address, Hop, Link, Netns, Route, Tenant

TUNNELS = ("vxlan", "ipip", "sit", "gre", "gretap", "geneve", "wireguard", "ip6tnl", "tun")
ON_PARENT = ("macvlan", "ipvlan", "macvtap", "ipvtap", "vlan")
# Interfaces of datapaths that carry routed pods past the node's own routes and rules: eBPF programs, Open vSwitch.
DATAPATHS = ("cilium_host", "bpfin.cali", "ovn-k8s-mp0", "ovn0", "antrea-gw0")
VIRTUAL = ("bridge", "dummy", "nlmon", "ifb", "bond", "team", "vrf")
# Devices that the modules of tunnels make in every namespace (net.core.fb_tunnels_only_for_init_net).
FALLBACKS = ("tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "sit0", "ip6tnl0", "ip6gre0", "ip6_vti0")
PROXIED = "169.254.1.1"
# Sources that give addresses of the pod's first interface without its name.
STATUS, RUNTIME = "pod.status.podIPs", "the runtime's sandbox status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One interface of the pod.

    `kind` is bridge, routed (veth to the node), parent (macvlan, ipvlan, vlan), foreign (its other end is not on
    this node, or belongs to a datapath that is not modelled) or device. `peer` is the host end or the parent.
    `router` is the node's veth that has the pods' gateway instead of the bridge, of which its other end is a port: the
    bridge plugin makes one for each VLAN.
    """

    link: Link
    kind: str
    peer: Link | None = None
    bridge: Link | None = None
    router: Link | None = None

    @property
    def entry(self) -> Link | None:
        """The node's interface that its routed packets arrive on: the router, the bridge, else the peer."""
        return self.router or self.bridge or self.peer


class Model:
    """Everything that checks need, computed from Facts alone."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        bare_node = Stack(facts.node)
        down = [link for link in facts.node.links if not link.up]
        self.node = Stack(facts.node, tuple(r for link in down for r in bare_node.connected(link)))
        self.name = f"{facts.namespace}/{facts.pod_name}" if facts.pod_name else ""
        self.attachments = self._attach(facts.pod) if facts.pod else ()
        self.pod = self._repaired_pod(facts.pod) if facts.pod else None

    # The pod's side

    @cached_property
    def _victim_nsid(self) -> str | None:
        return next((n for n, path in self.facts.node.nsids.items() if path == self.facts.netns_path), None)

    @property
    def datapath(self) -> str:
        """The interface that belongs to a datapath other than the kernel's own routing; "" without one."""
        return next((link.name for link in self.facts.node.links if link.name in DATAPATHS), "")

    def _attach(self, pod: Netns) -> tuple[Attachment, ...]:
        inside = {link.index for link in pod.links}
        # Both ends of a veth are here between containers of the pod: Docker's in it.
        both = {x.index for x in pod.links if x.kind == "veth" and x.peer_nsid is None and x.peer in inside}
        made = (x for x in pod.links if x.name not in ("lo", *FALLBACKS) and x.index not in both)
        return tuple(self._attachment(link) for link in made if link.kind not in VIRTUAL)

    def _attachment(self, link: Link) -> Attachment:
        node = Stack(self.facts.node)
        if link.kind in ON_PARENT and link.peer_nsid is not None:
            return Attachment(link=link, kind="parent", peer=node.link(link.peer))
        peer = node.link(link.peer) if link.kind == "veth" else None
        unread = "namespace numbers" in self.facts.missing
        if (
            peer is None
            or peer.peer != link.index
            or not (unread or str(peer.peer_nsid) == self._victim_nsid)
        ):
            return Attachment(link=link, kind="foreign" if link.kind == "veth" else "device")
        master = node.link(peer.master)
        if master is not None and master.kind == "bridge":
            router = self._router(link, master)
            return Attachment(link=link, kind="bridge", peer=peer, bridge=master, router=router)
        if master is not None or self.datapath:
            return Attachment(link=link, kind="foreign", peer=peer)
        return Attachment(link=link, kind="routed", peer=peer)

    def _router(self, link: Link, bridge: Link) -> Link | None:
        """The veth of the node with an address in the subnet of the pod's interface; None where the bridge has one."""
        node, pod = Stack(self.facts.node), Stack(self.facts.pod or Netns())
        prefixes = [subnet(own) for own in pod.addresses(link)]
        ends = [node.link(p.peer) for p in node.ports(bridge) if p.kind == "veth" and p.peer_nsid is None]
        for one in (bridge, *(end for end in ends if end is not None and not end.master)):
            if any(within(a.ip, prefix) for a in node.addresses(one) for prefix in prefixes):
                return None if one is bridge else one
        return None

    def _repaired_pod(self, pod: Netns) -> Stack:
        """The pod's stack; a missing default route is replaced by the intended one."""
        bare = Stack(pod)
        extra = [r for link in pod.links if not link.up for r in bare.connected(link)]
        for family in (4, 6):
            if not bare.defaults(family):
                extra += self._meant_default(bare, family)
        return Stack(pod, tuple(extra))

    def _meant_default(self, bare: Stack, family: int) -> list[Route]:
        primary = self.primary
        if primary is None or not bare.addresses(primary.link, family) or self.without_default(family):
            return []
        gateway = self.expected_gateway(family)
        hop = Hop(index=primary.link.index, gateway=gateway)
        return [Route(dst="0.0.0.0/0" if family == 4 else "::/0", hops=(hop,))] if gateway else []

    @property
    def primary(self) -> Attachment | None:
        """eth0, else the first attachment."""
        named = {a.link.name: a for a in self.attachments}
        return named.get("eth0") or (self.attachments[0] if self.attachments else None)

    def attachment(self, index: int) -> Attachment | None:
        """The attachment of a pod interface."""
        return next((a for a in self.attachments if a.link.index == index), None)

    def addresses(self, attachment: Attachment, family: int = 0) -> list[Address]:
        """The pod's addresses on an attachment."""
        return self.pod.addresses(attachment.link, family) if self.pod else []

    @property
    def families(self) -> list[int]:
        """The address families of the primary interface."""
        primary = self.primary
        return sorted({version(a.ip) for a in self.addresses(primary)}) if primary else []

    def address(self, family: int) -> str:
        """The pod's first address of a family on its primary interface, "" without one."""
        primary = self.primary
        found = self.addresses(primary, family) if primary else []
        return found[0].ip if found else ""

    # What was intended

    @cached_property
    def pod_object(self) -> cluster.Pod:
        """The Pod object, as far as it is known."""
        return cluster.pod(self.facts.pod_object)

    @cached_property
    def results(self) -> tuple[Cached, ...]:
        """Cached results of this pod: by its namespace, else by its name."""
        mine = [c for c in self.facts.files.cached if c.netns and c.netns == self.facts.netns_path]
        return tuple(mine or [c for c in self.facts.files.cached if c.pod and c.pod == self.name])

    @cached_property
    def intended(self) -> tuple[Intended, ...]:
        """The intended state for each interface and source: cached results, status annotation, pod.status."""
        found = [i for cached in self.results for i in from_result(cached)]
        for entry in cluster.network_status(self.facts.pod_object):
            name = entry["interface"] or ("eth0" if entry["default"] else "")
            if name:
                found.append(
                    Intended(
                        ifname=name,
                        ips=tuple(entry["ips"]),
                        gateways=tuple(entry["gateway"]),
                        routes=(),
                        source="network-status",
                        network=entry["name"],
                    )
                )
        if not self.pod_object.host_network:
            found += [
                Intended(ifname="eth0", ips=ips, gateways=(), routes=(), source=source)
                for source, reported in self._reported
                if (ips := self._not_elsewhere(reported))
            ]
        return tuple(found)

    @property
    def _reported(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Other sources for the addresses of the pod's first interface: (source, addresses)."""
        yield STATUS, self.pod_object.ips
        mine = (one for one in self.facts.sandboxes or () if self.name and one.pod == self.name and one.ready)
        yield RUNTIME, next((one.ips for one in mine), ())

    def _not_elsewhere(self, ips: tuple[str, ...]) -> tuple[str, ...]:
        """Those that no other interface of the pod has: CRI-O reports the addresses of all of a pod's networks."""
        indexes = {x.link.index for x in self.attachments if x is not self.primary}
        held = self.facts.pod.addresses if self.facts.pod else ()
        others = {address.ip for address in held if address.index in indexes}
        return tuple(ip for ip in ips if ip not in others)

    @cached_property
    def own_confs(self) -> tuple[ConfFile, ...]:
        """The configurations of the networks that the pod's results name; all of them where nothing is known."""
        names = {c.network for c in self.results if c.network}
        return tuple(c for c in self.facts.files.confs if not names or c.name in names)

    def without_default(self, family: int) -> bool:
        """Whether ADD's own result has no default route: then its absence is intended."""
        primary, everything = self.primary, "0.0.0.0/0" if family == 4 else "::/0"
        mine = [c for c in self.results if primary and c.ifname == primary.link.name and c.result.get("ips")]
        routed = [r for c in mine for r in c.result.get("routes") or () if r.get("dst") == everything]
        default_gateway = any(p.get("isDefaultGateway") for conf in self.own_confs for p in conf.plugins)
        return bool(mine) and not routed and not default_gateway

    def expected_gateway(self, family: int) -> str:
        """The primary interface's gateway: that of ADD's result, else the bridge's own address in the pod's subnet."""
        primary = self.primary
        if primary is None:
            return ""
        for intended in self.intended:
            if intended.ifname == primary.link.name:
                for gateway in intended.gateways:
                    if version(gateway) == family:
                        return gateway
        return self.segment_gateway(primary, family) or self._proxied_gateway(primary, family)

    def _proxied_gateway(self, primary: Attachment, family: int) -> str:
        """Calico's result has no gateway: the host end answers ARP for this address, and has no address itself."""
        peer = primary.peer
        if primary.kind != "routed" or peer is None or family == 6 or self.node.addresses(peer, 4):
            return ""
        return PROXIED if self.node.setting(peer.name, "proxy_arp") else ""

    def segment_gateway(self, attachment: Attachment, family: int) -> str:
        """The node's own address on the attachment that lies in the pod's subnet, "" without one."""
        entry = attachment.entry
        if entry is None or attachment.kind == "parent":
            return ""
        bare = Stack(self.facts.pod) if self.facts.pod else None
        for own in bare.addresses(attachment.link, family) if bare else ():
            prefix = own.cidr
            for address in self.node.addresses(entry, family):
                if within(address.ip, prefix):
                    return address.ip
        return ""

    def astray(self, family: int) -> bool:
        """Whether the pod reaches even its own node by another interface than the primary one."""
        primary, pod = self.primary, self.pod
        if primary is None or pod is None or primary.kind not in ("bridge", "routed"):
            return False
        own = [a.ip for link in self.uplinks for a in self.node.addresses(link, family)]
        return any(pod.fib.lookup(ip).hop.index not in (0, primary.link.index) for ip in own[:1])

    # Around the pod

    @cached_property
    def nodes(self) -> tuple[cluster.Node, ...]:
        """All nodes that the API server knows, with the prefixes that their pods' addresses come from."""
        every = [cluster.node(item) for item in cluster.of_kind(self.facts.objects, "Node")]
        return used_prefixes(every, self.pods)

    @cached_property
    def this_node(self) -> cluster.Node | None:
        """This one among them."""
        named = next((n for n in self.nodes if n.name == self.facts.node_name), None)
        return named or next((n for n in self.nodes if set(n.addresses) & self.node.local.keys()), None)

    @cached_property
    def other_nodes(self) -> list[cluster.Node]:
        """The others, without prefixes that this one has as well: no route can lead to both."""
        own = set(self.this_node.cidrs) if self.this_node else set[str]()
        others = (n for n in self.nodes if n is not self.this_node)
        return [replace(n, cidrs=tuple(c for c in n.cidrs if c not in own)) for n in others]

    @cached_property
    def pods(self) -> tuple[cluster.Pod, ...]:
        """All pods that the API server knows, without those that have ended or live in the node's namespace."""
        every = [cluster.pod(item) for item in cluster.of_kind(self.facts.objects, "Pod")]
        return tuple(p for p in every if not p.host_network and p.phase not in cluster.ENDED)

    @cached_property
    def frontends(self) -> tuple[cluster.Frontend, ...]:
        """All service ports: those of the pod's namespace come first, then DNS, as some readers stop after a number."""
        own = f"{self.facts.namespace}/"
        here = self.this_node.name if self.this_node else self.facts.node_name
        found = cluster.frontends(self.facts.objects, here)
        return tuple(sorted(found, key=lambda one: (not one.service.startswith(own), one.port != 53)))

    @cached_property
    def outcomes(self) -> dict[tuple[str, str, Packet, str, str], list[PacketOutcome]]:
        """What the rules of a place's hook did with a packet, by (place, hook, packet, family, device)."""
        return {}

    @cached_property
    def policies(self) -> Policies:
        """All NetworkPolicies."""
        return Policies(self.facts.objects)

    @cached_property
    def pod_cidrs(self) -> tuple[str, ...]:
        """The prefixes that pods live in: the nodes', else of the files, else of all pods, else of the pod's link."""
        known = [cidr for node in self.nodes for cidr in node.cidrs]
        known += (
            [] if known else [s for conf in self.facts.files.confs for s in cluster.subnets(conf.plugins)]
        )
        known += [] if known else around(self.pods, self.nodes)
        if not known and self.primary:
            known = [str(ipaddress.ip_network(a.cidr, strict=False)) for a in self.addresses(self.primary)]
        return tuple(dict.fromkeys(known))

    def in_cluster(self, ip: str) -> bool:
        """Whether an address is a pod's or a node's."""
        return any(within(ip, cidr) for cidr in self.pod_cidrs) or any(ip in n.addresses for n in self.nodes)

    @cached_property
    def tunnels(self) -> tuple[Link, ...]:
        """The node's tunnel interfaces."""
        return tuple(link for link in self.facts.node.links if link.kind in TUNNELS)

    @cached_property
    def uplinks(self) -> tuple[Link, ...]:
        """The node's uplinks: interfaces with addresses that lead to no pod and are no tunnel."""
        return tuple(link for link in self.facts.node.links if self._is_uplink(link))

    def _is_uplink(self, link: Link) -> bool:
        if link.name == "lo" or link.kind in TUNNELS or link in self.pod_links:
            return False
        addresses = [a for a in self.node.addresses(link) if a.scope == "global"]
        if link.kind in ("bridge", "dummy") and not any(h.index == link.index for h in self.default_hops):
            return False
        return bool(addresses) and not any(self._pod_address(a.ip) for a in addresses)

    def _pod_address(self, ip: str) -> bool:
        return any(within(ip, cidr) for cidr in self.pod_cidrs)

    @cached_property
    def default_hops(self) -> list[Hop]:
        """The next hops of the node's default routes."""
        return [hop for f in (4, 6) for route in self.node.defaults(f) for hop in route.hops]

    def is_way_out(self, link: Link, families: Sequence[int] = (4, 6)) -> bool:
        """Whether the best default route of a family leads out of a link."""
        best = [hop for family in families for route in self.node.defaults(family)[:1] for hop in route.hops]
        return any(hop.index == link.index for hop in best)

    @cached_property
    def pod_links(self) -> tuple[Link, ...]:
        """The host ends of pods' veths, as far as recognisable: in a bridge, or without an address of their own."""
        return tuple(
            link
            for link in self.facts.node.links
            if link.kind == "veth" and (link.master or not self.node.addresses(link) or self._is_mine(link))
        )

    def _is_mine(self, link: Link) -> bool:
        return any(a.peer is not None and a.peer.index == link.index for a in self.attachments)

    def tenant_of(self, link: Link) -> Tenant | None:
        """The namespace at the other end of a node's veth."""
        return next(
            (t for t in self.facts.tenants if link.peer_nsid is not None and t.nsid == link.peer_nsid), None
        )

    def title_of(self, tenant: Tenant) -> str:
        """A tenant's pod as NS/NAME where it is known, else its namespace's name."""
        if tenant.path == self.facts.netns_path and self.name:
            return self.name
        cached = next((c.pod for c in self.facts.files.cached if c.pod and c.netns == tenant.path), "")
        if cached:
            return cached
        mine = {a.ip for a in tenant.addresses}
        return next(
            (p.name for p in self.pods if mine & set(p.ips) and p.name != self.name), basename(tenant.path)
        )

    def neighbours_on(self, bridge: Link) -> list[tuple[Link, Tenant]]:
        """The other pods on a bridge: (port, namespace)."""
        pairs = [(port, self.tenant_of(port)) for port in self.node.ports(bridge)]
        return [(port, t) for port, t in pairs if t is not None and t.path != self.facts.netns_path]

    def affected(self, bridge: Link) -> tuple[str, ...]:
        """Names of the other pods on a bridge."""
        return tuple(sorted({self.title_of(t) for _, t in self.neighbours_on(bridge)}))
