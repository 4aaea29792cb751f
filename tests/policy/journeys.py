"""A packet's way between two pods of one node, as hooks, and what the compiled rules do with it there."""

from genie_core.policy.evaluate import Packet, run_hook
from tests.policy.generated import HAS, NETWORKS, bridge_of, port

UPLINK = "wire"  # where the node routes for macvlan networks


def verdict(ruleset, source, target, protocol, number):
    """Whether the compiled rules let a new connection through."""
    pods = {one.attached.name: one.tables for one in ruleset.pods}
    packet = {"saddr": source[2], "daddr": target[2], "protocol": protocol, "sport": 40000, "dport": number}
    names = source[0]["metadata"]["name"], target[0]["metadata"]["name"]
    out = [("inet", "output", Packet(oifname=_ifname(source), **packet))]
    into = [("inet", "input", Packet(iifname=_ifname(target), **packet))]
    return not (
        _is_dropped(pods.get(names[0], ()), out)
        or _is_dropped(ruleset.host, _on_host(source, target, packet))
        or _is_dropped(pods.get(names[1], ()), into)
    )


def _is_dropped(tables, hooks):
    """Whether one of the hooks, (family, name, packet) each, drops the packet."""
    by_family = {table.family: table for table in tables}
    return any(
        run_hook(by_family[family], hook, packet).dropped
        for family, hook, packet in hooks
        if family in by_family
    )


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
