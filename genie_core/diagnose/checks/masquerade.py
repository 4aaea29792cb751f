"""Source addresses of what leaves the cluster, and of what stays in it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from genie_core.diagnose.checks.check import PodCheck
from genie_core.diagnose.model import Model, subnets
from genie_core.diagnose.say import a, on_node, seen
from genie_core.diagnose.stack import version, within
from genie_core.diagnose.walks import Walk
from genie_core.findings import Confidence, Finding, Remedy, Severity


def masquerade(model: Model) -> Iterator[Finding]:
    """GN0511: what leaves the cluster must carry the node's address; GN0512: and what stays must not."""
    leaving = [
        w for w in model.walks if w.flow.role == "outside" and w.egress is not None and not w.flow.inbound
    ]
    why = _not_routable(model)
    # IPv6 is routed rather than translated, unless the configuration masquerades an IPv6 subnet.
    six = any(":" in s for conf in model.facts.files.confs for s in subnets(conf.plugins))
    bare = [w for w in leaving if w.source and _is_pods(model, w.source) and (w.flow.family == 4 or six)]
    if bare and why:
        yield _missing(model, bare, why)
    for walk in leaving:
        if walk.translated and walk.source not in model.node.local and not _is_pods(model, walk.source):
            yield _foreign_source(model, walk)
            break
    hidden = [
        w
        for w in model.walks
        if w.flow.role == "remote" and not w.flow.inbound and w.translated and w.flow.general
    ]
    if hidden and why:
        yield _too_broad(model, hidden)


def _is_pods(model: Model, ip: str) -> bool:
    return any(ip == x.ip for x in (model.pod.facts.addresses if model.pod else ()))


def _not_routable(model: Model) -> str:
    """Why pod addresses mean nothing outside: the configuration says so, or an overlay hides them."""
    for conf in model.own_confs:
        for plugin in conf.plugins:
            inner = plugin.get("delegate") or {}
            if plugin.get("ipMasq") or inner.get("ipMasq"):
                return f"ipMasq is true in {conf.path}"
    # Elsewhere (a second network, a test) pods without masquerading may be meant: only the cluster's own prefix counts.
    mine = model.address(4)
    if not any(mine and within(mine, cidr) for cidr in (model.this_node.cidrs if model.this_node else ())):
        return ""
    used = [t.name for t in model.tunnels if t.kind == "vxlan"]
    return f"the pods' addresses live behind {used[0]} only" if used else ""


def _missing(model: Model, bare: list[Walk], why: str) -> Finding:
    family = bare[0].flow.family
    links = sorted({w.egress.name for w in bare if w.egress})
    cidrs = [c for c in model.pod_cidrs if version(c) == family]
    own = next((c for c in cidrs if within(bare[0].source, c)), bare[0].source)
    around = _supernet(cidrs) or own
    tool = "iptables" if family == 4 else "ip6tables"
    return Finding(
        code="GN0511",
        severity=Severity.ERROR,
        title=f"no SNAT for {own} leaving {', '.join(links)} ({why}): packets carry the pod's "
        f"{bare[0].source}, and no answer finds back",
        object=a("firewall", f"{tool} nat/POSTROUTING", links[0]),
        evidence=(
            seen(
                "firewall",
                f"{bare[0].source} -> {bare[0].target} leaves {links[0]} with its own source",
                f"{tool} -t nat -S POSTROUTING",
            ),
            seen("configuration", why),
        ),
        remedy=Remedy(
            text="masquerade what leaves the cluster; something flushed the rule (a firewall "
            "restart), a new ADD puts it back",
            commands=(
                on_node(
                    tool,
                    "-t",
                    "nat",
                    "-I",
                    "POSTROUTING",
                    "-s",
                    around,
                    "!",
                    "-d",
                    around,
                    "-j",
                    "MASQUERADE",
                ),
            ),
        ),
    )


def _supernet(cidrs: list[str]) -> str:
    """The smallest prefix over all pod prefixes, if it is no wider than a /8."""
    networks = [ipaddress.ip_network(c, strict=False) for c in cidrs]
    if not networks:
        return ""
    over = networks[0]
    while not all(
        int(over.network_address) <= int(n.network_address)
        and int(n.broadcast_address) <= int(over.broadcast_address)
        for n in networks
    ):
        if over.prefixlen <= 8:
            return ""
        over = over.supernet()
    # Node prefixes come out of one cluster prefix, by custom a /16: what is a pod's today need not be one tomorrow.
    return str(over)


def _foreign_source(model: Model, walk: Walk) -> Finding:
    link = walk.egress.name if walk.egress else "?"
    return Finding(
        code="GN0512",
        severity=Severity.ERROR,
        title=f"packets to {walk.flow.name or walk.target} leave {link} with source {walk.source}, "
        "which is no address of this node: answers go elsewhere",
        object=a("firewall", "nat/POSTROUTING", link),
        evidence=(
            seen("firewall", f"SNAT to {walk.source}", "iptables -t nat -S POSTROUTING; nft list ruleset"),
        ),
        remedy=Remedy(text="correct the SNAT rule's address, or use MASQUERADE"),
        confidence=Confidence.MEDIUM,
    )


def _too_broad(model: Model, hidden: list[Walk]) -> Finding:
    walk = hidden[0]
    return Finding(
        code="GN0512",
        severity=Severity.WARNING,
        title=f"masquerading is too broad: traffic to pods of other nodes ({walk.flow.name}) leaves "
        f"with {walk.source}, so policies and logs there see the node",
        object=a("firewall", "nat/POSTROUTING", walk.egress.name if walk.egress else ""),
        evidence=(
            seen(
                "firewall",
                f"{walk.flow.target}: source becomes {walk.source}",
                "iptables -t nat -S POSTROUTING",
            ),
        ),
        remedy=Remedy(text="exclude the cluster's pod prefixes from the masquerade rule"),
    )


CHECKS = (
    PodCheck(
        id="masquerade",
        title="what leaves the cluster carries the node's address",
        run=masquerade,
        needs=("pod", "node firewall"),
    ),
)
