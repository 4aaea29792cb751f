"""The tunnel's entries for its remote ends: neighbours (their MACs) and forwarding entries (their nodes)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from genie_core.checks.check import check
from genie_core.checks.overlay import Remote, forward, next_hop, remotes, resolve, vtep
from genie_core.checks.parts import fix, on_node, seen, the_interface
from genie_core.findings import Code, Effect, Finding
from genie_core.net.case import Case

GN0703 = Code("GN0703", "the tunnel lacks an FDB entry",
    cause="the kernel does not know to which node to send frames for the tunnel end's MAC",
    confirm="bridge fdb show dev flannel.1", fix="bridge fdb append; restart the agent",
    explained_by=("GN0712", "GN0706"), breaks=(Effect.PACKETS,))  # fmt: skip
GN0704 = Code("GN0704", "the tunnel's FDB names another node",
    cause="a stale entry after a node's address changed, or two nodes that announce one address",
    confirm="bridge fdb show dev flannel.1", fix="replace the entry", explained_by=("GN0712",),
    breaks=(Effect.PACKETS,))  # fmt: skip
GN0705 = Code("GN0705", "the tunnel's neighbour entry is missing or wrong",
    cause="the next hop's MAC is not the tunnel end's",
    confirm="ip neigh show dev flannel.1", fix="ip neigh replace; restart the agent",
    explained_by=("GN0712", "GN0706"), breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "tunnel-ends", GN0703, GN0704, GN0705, title="the tunnel has entries for its remote ends", needs=("node",)
)
def tunnel_ends(case: Case) -> Iterator[Finding]:
    for remote in remotes(case):
        tunnel = remote.tunnel
        if tunnel.kind != "vxlan" or not tunnel.up or tunnel.data.get("vxlan_learning") or tunnel.master:
            continue
        hop = next_hop(case, remote)
        neighbour = case.node.neighbour(tunnel.index, hop)
        known, address = vtep(case, remote)
        announced = remote.announced
        entries = [f for f in case.facts.node.forwarding if f.index == tunnel.index and f.dst]
        if neighbour is None or not neighbour.mac or neighbour.state == "failed":
            entry = [] if any(f.mac == known for f in entries) else [known, address]
            yield _neighbour(remote, hop, "is missing", known, entry)
            continue
        if neighbour.mac == tunnel.mac:
            yield _twin(remote, hop)
            continue
        at = [f for f in entries if f.mac == neighbour.mac]
        others = [f.mac for f in entries if f.dst == address]
        if (announced and neighbour.mac != announced) or (not at and others and not announced):
            right = announced or others[0]
            yield _neighbour(remote, hop, f"has MAC {neighbour.mac}, but the tunnel end is {right}", right)
        elif not at:
            yield _fdb_missing(remote, neighbour.mac, address)
        elif (astray := at[0].dst) in case.node.local:
            right = next((ip for ip in remote.node.addresses if ip not in case.node.local), address)
            yield _fdb_wrong(remote, neighbour.mac, astray, right, ", this node's own address")
        elif address and not {f.dst for f in at} & {*remote.node.ends, *remote.node.addresses}:
            yield _fdb_wrong(remote, neighbour.mac, astray, address)


def _twin(remote: Remote, hop: str) -> Finding:
    """GN0705: the kernel drops what comes through the tunnel from its own MAC (drivers/net/vxlan, vxlan_set_mac)."""
    name, mac = remote.tunnel.name, remote.tunnel.mac
    return GN0705.error(
        f"the neighbour entry {hop} on {name} has {mac}, this node's own MAC there: both ends of the tunnel have it, "
        f"and drop each other's packets: {remote.title} cannot be reached",
        the_interface(name),
        seen("netlink", f"{hop} lladdr {mac}", f"ip neigh show dev {name}; ip link show {name}"),
        remedy=fix(f"of cloned machines, give one a new /etc/machine-id, and have {name} made again there"),
    )


def _neighbour(remote: Remote, hop: str, state: str, mac: str, entry: Sequence[str] = ()) -> Finding:
    """GN0705; `entry` is the MAC and the node of a forwarding entry that is missing as well."""
    name = remote.tunnel.name
    commands = [resolve(hop, mac, name)] if mac else []
    if entry and all(entry):
        commands.append(forward(entry[0], name, entry[1]))
    return GN0705.error(
        f"the neighbour entry {hop} on {name} {state}"
        + (", and so is the forwarding entry" if entry else "")
        + f": {remote.title} cannot be reached",
        the_interface(name),
        seen("netlink", f"{hop} {state}", f"ip neigh show dev {name}"),
        remedy=fix("add the entry again; restart the overlay's agent", *commands),
    )


def _fdb_missing(remote: Remote, mac: str, address: str) -> Finding:
    name = remote.tunnel.name
    commands = (forward(mac, name, address),) if address else ()
    return GN0703.error(
        f"{name} has no FDB entry for tunnel end {mac}: nothing for {remote.title} leaves the node",
        the_interface(name),
        seen("netlink", f"no entry for {mac}", f"bridge fdb show dev {name}"),
        remedy=fix(f"add the entry for {remote.node.name}; restart the overlay's agent", *commands),
    )


def _fdb_wrong(remote: Remote, mac: str, wrong: str, address: str, whose: str = "") -> Finding:
    name = remote.tunnel.name
    return GN0704.error(
        f"{name} sends tunnel end {mac} to {wrong}{whose}, but {remote.node.name} is {address}",
        the_interface(name),
        seen("netlink", f"{mac} dst {wrong}", f"bridge fdb show dev {name}"),
        seen("objects", f"{remote.node.name}: InternalIP {address}"),
        remedy=fix(
            "replace the entry",
            on_node("bridge", "fdb", "del", mac, "dev", name, "dst", wrong),
            forward(mac, name, address),
        ),
    )
