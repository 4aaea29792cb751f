"""flannel's announcement of this node's tunnel end, compared with the tunnel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from genie_core.checks.check import check
from genie_core.checks.overlay import remotes, restore
from genie_core.checks.parts import fix, on_node, seen, the_interface
from genie_core.findings import Code, Command, Effect, Finding, Severity
from genie_core.net.case import Case
from genie_core.survey.cluster import Node
from genie_core.survey.kernel import Link

RESTART = "restart flannel on this node: it makes the tunnel again and announces it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """One difference between a node's announcement and this node's tunnel."""

    node: str
    what: str
    announced: str
    real: str
    severity: Severity = Severity.ERROR
    commands: tuple[Command, ...] = ()


def _tunnel(case: Case) -> Link | None:
    """flannel's VXLAN device; None where there is none, or several."""
    mine = [t for t in case.tunnels if t.kind == "vxlan" and t.name.startswith("flannel.")]
    return mine[0] if len(mine) == 1 else None


GN0712 = Code("GN0712", "the tunnel end differs from its announcement",
    cause="flannel's annotations on the Node objects name another MAC, VNI, port or address than this "
    "node's tunnel has: other nodes send to what is announced",
    confirm="kubectl get node NODE -o yaml | grep flannel; ip -d link show flannel.1",
    fix="restart flannel on the node, which announces what it has; or give the tunnel what was announced",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("tunnel-announced", GN0712, title="the tunnel end is as announced", needs=("node", "objects: Node"))
def differs(case: Case) -> Iterator[Finding]:
    tunnel, here = _tunnel(case), case.this_node
    if tunnel is None or here is None:
        return
    found = list(_own(case, tunnel, here))
    if not any(one.what == "VNI" for one in found):
        found += _others(case, tunnel)
    for one in found:
        yield _finding(tunnel, one)


def _own(case: Case, tunnel: Link, here: Node) -> Iterator[Contradiction]:
    mac, vni = str(here.tunnel.get("VtepMAC", "")).lower(), here.tunnel.get("VNI")
    if mac and tunnel.mac and mac != tunnel.mac:
        commands = [on_node("ip", "link", "set", tunnel.name, "address", mac)]
        # The kernel forgets an interface's neighbours when its MAC changes (neigh_changeaddr).
        commands += [c for r in remotes(case) if r.tunnel.index == tunnel.index for c in restore(case, r)]
        yield Contradiction(
            node=here.name, what="MAC", announced=mac, real=tunnel.mac, commands=tuple(commands)
        )
    yield from _number(here, "VNI", vni, tunnel.data.get("vxlan_id"))
    if here.public_ip and here.public_ip not in case.node.local:
        local = str(tunnel.data.get("vxlan_local") or ", ".join(here.addresses))
        yield Contradiction(
            node=here.name,
            what="address",
            announced=here.public_ip,
            real=local,
            severity=Severity.WARNING,  # a router may translate it
        )


def _others(case: Case, tunnel: Link) -> Iterator[Contradiction]:
    for node in case.other_nodes:
        yield from _number(node, "VNI", node.tunnel.get("VNI"), tunnel.data.get("vxlan_id"))
        yield from _number(node, "port", node.tunnel.get("Port"), tunnel.data.get("vxlan_port"))


def _number(node: Node, what: str, announced: object, real: object) -> Iterator[Contradiction]:
    if isinstance(announced, int) and announced and isinstance(real, int) and announced != real:
        yield Contradiction(node=node.name, what=what, announced=str(announced), real=str(real))


def _finding(tunnel: Link, one: Contradiction) -> Finding:
    return GN0712.found(
        one.severity,
        f"{one.node} announces {one.what} {one.announced} for its end of the tunnel, but {tunnel.name} here "
        f"has {one.real}: packets to the announced end do not arrive",
        the_interface(tunnel.name),
        seen("netlink", f"{tunnel.name}: {one.what} {one.real}", f"ip -d link show {tunnel.name}"),
        seen(
            "objects",
            f"node {one.node}: flannel announces {one.what} {one.announced}",
            f"kubectl get node {one.node} -o yaml",
        ),
        remedy=fix(RESTART, *one.commands),
    )
