"""One random change of a healthy node, as shell text of the lab: how it is made, undone, and by what it is named."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.diagnose.mutations.node import Kind

STRANGE = "02:00:00:de:ad:01"
UNUSED = ("198.18.0.0/15", "100.64.9.0/24", "172.29.1.2/32")
ENDS = {"p1": ("p", "P"), "c1": ("c", "C1")}  # the lab's letters for a pod: ip, and a command


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is changed, and back. A finding that has a word of each of `names` names it."""

    family: str
    make: str
    undo: str
    names: tuple[tuple[str, ...], ...]


def change(kind: Kind, chosen: random.Random) -> Change:
    """A change of this kind of node."""
    return chosen.choice(FAMILIES)(kind, chosen)


def _targets(kind: Kind) -> list[str]:
    """The addresses that the pod's traffic goes to."""
    return sorted({target for source, _, target, _ in kind.flows if source == kind.pod})


def _routes(kind: Kind, chosen: random.Random) -> Change:
    letters = chosen.choice(("n", ENDS[kind.pod][0]))
    prefix = chosen.choice([*(f"{ip}/32" for ip in _targets(kind)), *UNUSED])
    word = prefix.removesuffix("/32")
    if chosen.random() < 0.3:
        return _deleted_route(kind, chosen)
    refusal = chosen.choice(("blackhole", "unreachable", "prohibit", "throw"))
    return Change(
        family="route", make=f"{letters} route add {refusal} {prefix}", undo=f"{letters} route del {refusal} {prefix}",
        names=((refusal,), (word,)),
    )  # fmt: skip


def _deleted_route(kind: Kind, chosen: random.Random) -> Change:
    """A route of the pod or the node is gone."""
    pod = ENDS[kind.pod][0]
    routes = [(f"{pod} route del default", "default")]
    if kind.id in ("bridge and vxlan", "nftables proxy", "kube-proxy's chains"):
        routes += [
            ("n route del 10.244.2.0/24", "10.244.2.0/24"),
            ("n route del 10.244.1.0/24", "10.244.1.0/24"),
        ]
    if kind.id == "native routing":
        routes += [("n route del 10.244.2.0/24", "10.244.2.0/24")]
    if kind.id == "routed":
        routes += [
            ("n route del 10.244.1.130/32", "10.244.1.130"),
            ("c route del 169.254.1.1", "169.254.1.1"),
        ]
    make, word = chosen.choice(routes)
    return Change(family="route", make=make, undo="true", names=((word,),))


def _rules(kind: Kind, chosen: random.Random) -> Change:
    letters = chosen.choice(("n", ENDS[kind.pod][0]))
    pref = chosen.randrange(10, 32000)
    to = chosen.choice([*_targets(kind), *UNUSED])
    selector = chosen.choice(
        (f"to {to}", f"fwmark {chosen.randrange(1, 255)} to {to}", f"to {to} ipproto sctp")
    )
    action = chosen.choice(("blackhole", "unreachable", "prohibit", f"lookup {chosen.randrange(300, 400)}"))
    rule = f"pref {pref} {selector} {action}"
    return Change(
        family="rule",
        make=f"{letters} rule add {rule}",
        undo=f"{letters} rule del pref {pref}",
        names=((str(pref),),),
    )


def _sysctls(kind: Kind, chosen: random.Random) -> Change:
    pod = ENDS[kind.pod][1]
    links = list(dict.fromkeys((kind.entry, kind.link, "eth0", "eth1", "all")))
    place, link = chosen.choice([("N", one) for one in links] + [(pod, "eth0"), (pod, "all")])
    name, value = chosen.choice((
        ("forwarding", 0), ("rp_filter", 1), ("rp_filter", 2), ("arp_ignore", 1), ("arp_ignore", 8), ("proxy_arp", 1),
        ("accept_redirects", 0), ("send_redirects", 0), ("arp_announce", 2), ("log_martians", 1), ("arp_filter", 1),
        ("disable_policy", 1), ("accept_source_route", 1), ("proxy_arp", 0),
    ))  # fmt: skip
    key = f"net.ipv4.conf.{link.replace('.', '/')}.{name}"
    if place == "N" and chosen.random() < 0.15:
        key, value, name = "net.ipv4.ip_forward", 0, "ip_forward"
    every = "sysctl -a 2>/dev/null | grep -E '^net.ipv4.(conf.*forwarding|ip_forward) '"
    keep = f'{place} sysctl -n {key} >$D/sysctl.was; {place} sh -c "{every}" >$D/sysctl.all || true; '
    again = f'sed "s/ = /=/" $D/sysctl.all | while read s; do {place} sysctl -qw "$s"; done'
    undo = f"{place} sysctl -qw {key}=$(cat $D/sysctl.was); {again}"
    return Change(
        family="sysctl", make=f"{keep}{place} sysctl -qw {key}={value}", undo=f"{undo}; rm $D/sysctl.was $D/sysctl.all",
        names=((name, "forwarding" if name == "ip_forward" else name),),
    )  # fmt: skip


def _links(kind: Kind, chosen: random.Random) -> Change:
    pod = ENDS[kind.pod][0]
    places = [("n", kind.link), ("n", kind.entry), ("n", "eth0"), ("n", "eth1"), (pod, "eth0")]
    if kind.id != "native routing" and kind.entry == "cni0":
        places.append(("n", "flannel.1"))
    letters, link = chosen.choice(places)
    port = kind.entry == "cni0"
    options = [("down", "up"), ("arp off", "arp on"), ("promisc on", "promisc off"),
               ("txqueuelen 500", "txqueuelen 1000"),
               ("multicast off", "multicast on")]  # fmt: skip
    if port and chosen.random() < 0.5:
        letters, link = "n", kind.link
        options = [
            ("type bridge_slave isolated on", "type bridge_slave isolated off"),
            ("type bridge_slave hairpin off", "type bridge_slave hairpin on"),
            ("type bridge_slave guard on", "type bridge_slave guard off"),
            ("type bridge_slave learning off", "type bridge_slave learning on"),
            ("type bridge_slave flood off", "type bridge_slave flood on"),
            ("nomaster", "master cni0; n link set veth1 type bridge_slave hairpin on"),
        ]
    make, undo = chosen.choice(options)
    again = f"{pod} link set eth0 up; " if make == "down" else ""
    return Change(
        family="link", make=f"{letters} link set {link} {make}", undo=f"{letters} link set {link} {undo}; {again}true",
        names=((link,),),
    )  # fmt: skip


def _neighbours(kind: Kind, chosen: random.Random) -> Change:
    pod = ENDS[kind.pod][0]
    own = {"p1": "10.244.1.10", "c1": "10.244.1.130"}[kind.pod]
    first = {"routed": "169.254.1.1", "macvlan": "203.0.113.1"}.get(kind.id, "10.244.1.1")
    ways = [(pod, first, "eth0"), (pod, chosen.choice(("10.244.1.200", "198.18.0.9")), "eth0")]
    if kind.id != "macvlan":
        ways += [("n", own, kind.entry), ("n", "192.168.50.77", "eth0")]
    if kind.entry == "cni0" and kind.id != "native routing":
        ways += [("n", "10.244.2.0", "flannel.1")]
        if chosen.random() < 0.2:
            entry = "02:00:00:00:02:02 dev flannel.1"
            return Change(
                family="neighbour", make=f"N bridge fdb del {entry} dst 192.168.50.1", undo="true",
                names=(("02:00:00:00:02:02", "flannel.1"),),
            )  # fmt: skip
    letters, ip, link = chosen.choice(ways)
    return Change(
        family="neighbour", make=f"{letters} neigh replace {ip} lladdr {STRANGE} dev {link} nud permanent",
        undo=f"{letters} neigh del {ip} dev {link} || true", names=((ip, STRANGE),),
    )  # fmt: skip


def _filters(kind: Kind, chosen: random.Random) -> Change:
    place = chosen.choice(("N", "N", "N", ENDS[kind.pod][1]))
    chains = ("FORWARD", "INPUT", "OUTPUT") if place == "N" else ("INPUT", "OUTPUT")
    chain = chosen.choice(chains)
    address = chosen.choice([*_targets(kind), "198.18.0.9"])
    port = chosen.choice((8080, 9999, 53, 443))
    match = chosen.choice((
        f"-d {address}", f"-s {address}", f"-p tcp --dport {port}", f"-p udp --dport {port}",
        f"-d {address} -p tcp --dport {port}",
        "-p icmp --icmp-type echo-request", "-m conntrack --ctstate INVALID", "-p sctp",
    ))  # fmt: skip
    target = chosen.choice(("DROP", "REJECT"))
    rule = f"{chain} {match} -j {target}"
    return Change(
        family="filter", make=f"{place} iptables -I {rule}", undo=f"{place} iptables -D {rule}",
        names=((f"filter/{chain}", f"filter {chain}", chain), ("rule 1",)),
    )  # fmt: skip


FAMILIES: tuple[Callable[[Kind, random.Random], Change], ...] = (
    _routes, _rules, _sysctls, _links, _neighbours, _filters,
)  # fmt: skip
