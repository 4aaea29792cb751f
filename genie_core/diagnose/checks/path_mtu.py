"""Packets that are too large for the tunnel, where nobody may say so."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.diagnose.checks.check import PodCheck
from genie_core.diagnose.checks.filters import delete_rule
from genie_core.diagnose.checks.overlay import Remote, remotes, some_address
from genie_core.diagnose.facts import Link
from genie_core.diagnose.firewall.rules import Match
from genie_core.diagnose.model import Model
from genie_core.diagnose.say import in_pod, seen, the_interface, the_pod
from genie_core.findings import Command, Finding, Remedy, Severity, Subject


def path_mtu(model: Model) -> Iterator[Finding]:
    """GN0708: the pod sends larger packets than the tunnel takes, and nobody may tell it."""
    primary = model.primary
    if primary is None or primary.kind not in ("bridge", "routed"):
        return
    seen_tunnels: set[int] = set()
    for remote in remotes(model):
        tunnel = remote.tunnel
        if tunnel.index in seen_tunnels or not tunnel.up or _route_mtu(model, remote) <= tunnel.mtu:
            continue
        seen_tunnels.add(tunnel.index)
        yield from _black_hole(model, tunnel, primary.link)


def _route_mtu(model: Model, remote: Remote) -> int:
    """The largest packet that the pod sends there: its link's MTU, or its route's own."""
    assert model.primary is not None
    way = model.pod.fib.lookup(str(some_address(remote.cidr))) if model.pod else None
    return way.route.mtu if way and way.route and way.route.mtu else model.primary.link.mtu


def _black_hole(model: Model, tunnel: Link, link: Link) -> Iterator[Finding]:
    blocked = list(_fragmentation_blocked(model))
    others = [x for x in (model.primary.peer, model.primary.bridge) if x] if model.primary else []
    commands = [in_pod("ip", "link", "set", link.name, "mtu", tunnel.mtu)]
    yield Finding(
        code="GN0708",
        severity=Severity.ERROR if blocked else Severity.INFO,
        title=f"the pod's MTU {link.mtu} exceeds the {tunnel.mtu} of tunnel {tunnel.name}"
        + (
            f", and ICMP fragmentation-needed is dropped ({blocked[0][0]}): large segments vanish, small packets pass"
            if blocked
            else "; path MTU discovery makes up for it"
        ),
        object=the_interface(tunnel.name) if not blocked else _pod_object(model, link),
        evidence=(
            seen(
                "netlink",
                f"{link.name} mtu {link.mtu}, {', '.join(f'{x.name} mtu {x.mtu}' for x in others)}",
                f"ip link show {link.name}",
            ),
            seen("netlink", f"{tunnel.name} mtu {tunnel.mtu}", f"ip link show {tunnel.name}"),
            *(seen("firewall", text) for text, _ in blocked),
        ),
        remedy=Remedy(
            text=f"set the pods' MTU to {tunnel.mtu} in the network's configuration, and let fragmentation-needed pass",
            commands=(*commands, *(c for _, c in blocked)),
        ),
    )


def _pod_object(model: Model, link: Link) -> Subject:

    return the_pod(model, link.name)


def _fragmentation_blocked(model: Model) -> Iterator[tuple[str, Command]]:
    """Rules of the node and of the pod that drop ICMP destination-unreachable/fragmentation-needed."""
    sides = (("node", model.node, ("output", "postrouting")), ("pod", model.pod, ("prerouting", "input")))
    for place, stack, hooks in sides:
        chains = [c for c in stack.rules.chains if c.hook in hooks] if stack else []
        for chain in chains:
            for rule in chain.rules:
                if rule.action.kind not in ("drop", "reject") or not _hits_fragmentation(rule.matches):
                    continue
                yield f"{chain.place} rule {rule.number}: {rule.text}", delete_rule(place, chain, rule)


def _hits_fragmentation(matches: tuple[Match, ...]) -> bool:
    """Whether a dropping rule is about ICMP at all, and does not spare fragmentation-needed."""
    about = False
    for match in matches:
        if match.name == "protocol":
            if "icmp" not in match.values:
                return False
            about = True
        elif match.name == "icmp_type":
            words = {str(v) for v in match.values}
            spared = not any(
                w in ("3", "3/4", "any", "fragmentation-needed", "destination-unreachable") for w in words
            )
            if spared != match.invert:
                return False
            about = True
        elif match.name in ("source", "target", "state", "oif", "iif"):
            continue
    return about


CHECKS = (
    PodCheck(
        id="path-mtu",
        title="large packets find their way through the tunnel",
        run=path_mtu,
        needs=("pod", "node"),
    ),
)
