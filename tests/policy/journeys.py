"""A packet's way between two pods of one node, as hooks, and what the compiled rules do with it there."""

from genie_core.policy.evaluate import Packet, first_drop
from tests.policy.generated import HAS, NETWORKS, bridge_of, port

UPLINK = "wire"  # where the node routes for macvlan networks


def verdict(ruleset, source, target, protocol, number):
    """Whether the compiled rules let a new connection through."""
    pods = {one.attached.name: one.tables for one in ruleset.pods}
    packet = {"saddr": source[2], "daddr": target[2], "protocol": protocol, "sport": 40000, "dport": number}
    names = source[0]["metadata"]["name"], target[0]["metadata"]["name"]
    out = first_drop(
        pods.get(names[0], ()), iter([("inet", "output", Packet(oifname=_ifname(source), **packet))])
    )
    through = first_drop(ruleset.host, _on_host(source, target, packet))
    into = first_drop(
        pods.get(names[1], ()), iter([("inet", "input", Packet(iifname=_ifname(target), **packet))])
    )
    return not (out.dropped or through.dropped or into.dropped)


def _index(end):
    return int(end[0]["metadata"]["name"][3:])


def _ifname(end):
    position = HAS[_index(end)].index(end[1])
    return f"net{position}" if position else "eth0"


def _on_host(source, target, packet):
    (kind, number), (to_kind, to_number) = NETWORKS[source[1]], NETWORKS[target[1]]
    if kind == "bridge":
        yield "bridge", "prerouting", Packet(iifname=port(number, _index(source)), **packet)
    if not (kind == to_kind == "macvlan" and number == to_number):
        sides = {
            "iifname": _hop(kind, number, _index(source)),
            "oifname": _hop(to_kind, to_number, _index(target)),
        }
        yield "inet", "forward", Packet(**sides, **packet)
    if to_kind == "bridge":
        yield "bridge", "postrouting", Packet(oifname=port(to_number, _index(target)), **packet)


def _hop(kind, number, index):
    return {"bridge": bridge_of(number), "ptp": port(number, index), "macvlan": f"{UPLINK}{number}"}[kind]
