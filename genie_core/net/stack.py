"""One namespace's network stack, indexed: its links, addresses, neighbours, routing, sysctls and rules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from genie_core.net.addresses import subnet
from genie_core.net.fib import MAIN, Fib
from genie_core.net.firewall.load import ruleset_of
from genie_core.net.firewall.rules import Ruleset
from genie_core.spec.addresses import version
from genie_core.survey.kernel import EVERYTHING, Address, Hop, Link, Neighbour, Netns, Port, Route

FORWARDING = 3
NO_REPLY = 8  # of arp_ignore
IPDEFTTL = 64


def conf_key(link: str, name: str, family: int = 4) -> str:
    """A setting of an interface as sysctl(8) takes it: with a slash for a dot in the interface's name."""
    return f"net.ipv{family}.conf.{link.replace('.', '/')}.{name}"


def is_served(listeners: Sequence[str], protocol: str, ip: str, port: int) -> bool:
    """Whether one of the listeners (`tcp 0.0.0.0:8080`) takes packets to an address and port."""
    anywhere = ("::",) if ":" in ip else ("0.0.0.0", "::")
    return any(f"{protocol} {host}:{port}" in listeners for host in (*anywhere, ip))


class Stack:
    """Read-only view of one Netns. With `repaired`, the routes of links that are down are included."""

    def __init__(self, facts: Netns, extra: tuple[Route, ...] = ()) -> None:
        self.facts = facts
        self.extra = extra
        self.by_index = {link.index: link for link in facts.links}
        self.by_name = {link.name: link for link in facts.links}

    @cached_property
    def fib(self) -> Fib:
        """The routing, with the routes that the caller adds."""
        return Fib(self.facts, self.extra)

    @cached_property
    def rules(self) -> Ruleset:
        """The firewall."""
        return ruleset_of(self.facts.firewall)

    @cached_property
    def local(self) -> dict[str, Address]:
        """The stack's own addresses."""
        return {address.ip: address for address in self.facts.addresses}

    def link(self, index: int) -> Link | None:
        """A link by index."""
        return self.by_index.get(index)

    def name(self, index: int) -> str:
        """A link's name, or its number where it is unknown."""
        link = self.by_index.get(index)
        return link.name if link else f"#{index}"

    def ways(self, route: Route | None) -> str:
        """Every next hop of a route: `via 10.0.0.1 dev eth0, via 10.0.0.2 dev eth1`."""
        hops = route.hops if route else ()
        return ", ".join(
            f"via {h.gateway} dev {self.name(h.index)}" if h.gateway else f"dev {self.name(h.index)}"
            for h in hops
        )

    def addresses(self, link: Link, family: int = 0) -> list[Address]:
        """A link's addresses, without link-local ones."""
        return [
            a
            for a in self.facts.addresses
            if a.index == link.index and a.scope != "link" and (not family or version(a.ip) == family)
        ]

    def neighbour(self, index: int, ip: str) -> Neighbour | None:
        """The neighbour entry of an address on a link."""
        return next((n for n in self.facts.neighbours if n.index == index and n.ip == ip), None)

    def sysctl(self, name: str, default: int = 0) -> int:
        """A sysctl as a number; `default` where it does not exist."""
        value = self.facts.sysctls.get(name, "")
        return int(value) if value.lstrip("-").isdigit() else default

    def setting(self, link: str, name: str, family: int = 4) -> int:
        """An interface's sysctl: `ipv4/conf/<link>/<name>`."""
        return self.sysctl(f"ipv{family}/conf/{link}/{name}")

    def forwards(self, link: str, family: int) -> bool:
        """Whether the stack forwards what arrives on a link; of IPv6, one setting is for all links (ip6_forward)."""
        if family == 4:
            return bool(self.setting(link, "forwarding"))
        return bool(self.setting("all", "forwarding", 6) or self.setting(link, "force_forwarding", 6))

    def lifetime(self, link: str, family: int) -> int:
        """How many routers the stack's own packets may pass that leave by a link."""
        if family == 4:
            return self.sysctl("ipv4/ip_default_ttl", IPDEFTTL)
        return self.sysctl(f"ipv6/conf/{link}/hop_limit", IPDEFTTL)

    def rp_filter(self, link: str) -> int:
        """The effective reverse path filter: the larger of `all` and the interface's (ip-sysctl.rst)."""
        return max(self.setting("all", "rp_filter"), self.setting(link, "rp_filter"))

    def ports(self, bridge: Link) -> list[Link]:
        """The ports of a bridge."""
        return [link for link in self.facts.links if link.master == bridge.index]

    def port(self, link: Link) -> Port:
        """The link's bridge port settings; the defaults where netlink reported nothing."""
        return link.port or Port()

    def defaults(self, family: int) -> list[Route]:
        """The default routes of table main."""
        return [r for r in self.fib.table(family, MAIN) if r.dst in EVERYTHING]

    def connected(self, link: Link) -> list[Route]:
        """The routes that the link's addresses would put into the main table."""
        return [
            Route(dst=subnet(a), hops=(Hop(index=link.index),), source=a.ip, scope="link")
            for a in self.addresses(link)
            if not a.is_single
        ]


def calls_iptables(node: Stack, bridge: Link, family: int) -> bool:
    """Whether bridged frames of a family pass the IP hooks: br_netfilter's global switch, or the bridge's own."""
    suffix = "iptables" if family == 4 else "ip6tables"
    return bool(node.sysctl(f"bridge/bridge-nf-call-{suffix}") or bridge.data.get(f"br_nf_call_{suffix}"))
