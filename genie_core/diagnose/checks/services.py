"""Services and the outside: address translation on this node, resolv.conf, masquerading."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.diagnose.checks.check import PodCheck
from genie_core.diagnose.cluster import Frontend
from genie_core.diagnose.firewall.evaluate import Outcome, at_hook
from genie_core.diagnose.firewall.rules import Packet
from genie_core.diagnose.model import Model, subnets
from genie_core.diagnose.path import Walk
from genie_core.diagnose.say import a, on_node, seen, the_pod
from genie_core.diagnose.stack import version, within
from genie_core.findings import Command, Confidence, Finding, Remedy, Severity

MAX_FRONTENDS = 64


def _outcomes(model: Model, front: Frontend) -> list[Outcome]:
    primary = model.primary
    assert primary is not None and primary.entry is not None
    family = version(front.ip)
    packet = Packet(
        family=family,
        source=model.address(family),
        target=front.ip,
        protocol=front.protocol,
        dport=front.port,
        iif=primary.entry.name,
        physical_in=primary.peer.name if primary.bridge and primary.peer else "",
    )
    return at_hook(model.node.rules, "prerouting", packet)


def _other_datapath(model: Model) -> bool:
    """Cilium, Calico eBPF and OVN translate services without netfilter: its rules say nothing then."""
    names = [link.name for link in model.facts.node.links]
    return any(n in ("cilium_host", "bpfin.cali", "ovn-k8s-mp0", "antrea-gw0", "kube-ipvs0", "nodelocaldns-ebpf") for n in names)


def _watched(model: Model) -> list[Frontend]:
    primary = model.primary
    if primary is None or primary.entry is None or primary.kind not in ("bridge", "routed") or _other_datapath(model):
        return []
    ipvs = model.facts.node.ipvs.count("\n") > 2
    return [] if ipvs else [f for f in model.frontends if model.address(version(f.ip))][:MAX_FRONTENDS]


def translation(model: Model) -> Iterator[Finding]:
    """GN0601, GN0602, GN0603: every service port leads to its endpoints, and to nothing else."""
    watched = _watched(model)
    results = [(front, _outcomes(model, front)) for front in watched]
    untranslated = [front for front, outcomes in results if front.endpoints and not _translated(outcomes)]
    if untranslated:
        yield _no_rule(model, untranslated, everything=len(untranslated) == len([f for f in watched if f.endpoints]))
    for front, outcomes in results:
        if front.known and not front.endpoints:
            yield _no_endpoints(front)
        elif front.endpoints:
            yield from _wrong_targets(model, front, outcomes)


def _translated(outcomes: list[Outcome]) -> bool:
    return any(o.translations for o in outcomes) or any(o.verdict != "accept" for o in outcomes)


def _no_rule(model: Model, fronts: list[Frontend], everything: bool) -> Finding:
    front = fronts[0]
    names = ", ".join(f"{f.ip}:{f.port}/{f.protocol} ({f.service})" for f in fronts[:4])
    return Finding(
        code="GN0601",
        severity=Severity.ERROR,
        title=f"no address translation (iptables, nft, IPVS) for {names} on this node: kube-proxy has "
        + ("no rules here at all" if everything and len(fronts) > 1 else "not synced it"),
        object=a("service", front.service),
        evidence=(
            seen("firewall", f"no DNAT matches {front.protocol} {front.ip}:{front.port} in nat/PREROUTING", "iptables -t nat -S"),
            seen("objects", f"{front.service}: endpoints {', '.join(f'{ip}:{p}' for ip, p in front.endpoints[:4])}"),
        ),
        remedy=Remedy(
            text="look at kube-proxy on this node (running, synced?); as a stopgap, one rule per port",
            commands=tuple(_dnat(f) for f in fronts if f.endpoints),
            risk="the stopgap does not follow endpoint changes",
        ),
    )


def _dnat(front: Frontend) -> Command:
    ip, port = front.endpoints[0]
    tool = "ip6tables" if ":" in front.ip else "iptables"
    to = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
    return on_node(
        tool, "-t", "nat", "-A", "PREROUTING", "-d", front.ip, "-p", front.protocol,
        "--dport", front.port, "-j", "DNAT", "--to-destination", to,
    )  # fmt: skip


def _no_endpoints(front: Frontend) -> Finding:
    return Finding(
        code="GN0603",
        severity=Severity.WARNING,
        title=f"service {front.service} port {front.port} has no ready endpoint",
        object=a("service", front.service),
        evidence=(seen("objects", f"no ready address for {front.protocol}/{front.port} in its EndpointSlices"),),
        remedy=Remedy(text="look at the readiness of the pods that it selects"),
    )


def _wrong_targets(model: Model, front: Frontend, outcomes: list[Outcome]) -> Iterator[Finding]:
    told: set[str] = set()
    for outcome in outcomes:
        if not outcome.translations or outcome.packet.target_local:
            continue
        target = (outcome.packet.target, outcome.packet.dport)
        chain, rule = outcome.translations[-1]
        if target in front.endpoints or front.ip == outcome.packet.target or rule.text in told:
            continue
        told.add(rule.text)
        import shlex

        port_only = any(ip == target[0] for ip, _ in front.endpoints)
        right = ", ".join(f"{ip}:{p}" for ip, p in front.endpoints[:4])
        argv: list[object] = (
            ["nft", "delete", "rule", chain.family, chain.table, chain.name, "handle", rule.handle]
            if chain.tool == "nft"
            else [chain.tool, "-t", chain.table, "-D", chain.name, *shlex.split(rule.text)]
        )
        commands = [on_node(*argv)]
        if len(outcomes) == 1 and not _behind(chain.rules, rule.number, front):
            commands.append(_dnat(front))
        share = "" if len(outcomes) == 1 else f" ({outcome.chance:.0%} of its connections)"
        yield Finding(
            code="GN0602",
            severity=Severity.ERROR,
            title=f"{front.ip}:{front.port} ({front.service}) is sent to {target[0]}:{target[1]}{share}, which is no "
            + ("port" if port_only else "live endpoint")
            + f" of it (endpoints: {right})",
            object=a("service", front.service),
            evidence=(
                seen("firewall", f"{chain.place} rule {rule.number}: {rule.text}", f"{chain.tool} -t nat -S {chain.name}" if chain.tool != "nft" else f"nft -a list chain {chain.place}"),
                seen("objects", f"EndpointSlice of {front.service}: {right}"),
            ),
            remedy=Remedy(text="delete the stale rule; look at kube-proxy on this node", commands=tuple(commands)),
        )


def _behind(rules: tuple[object, ...], number: int, front: Frontend) -> bool:
    """Whether a later rule of the chain translates to a live endpoint."""
    return any(getattr(r, "number", 0) > number and any(f"{ip}:{p}" in getattr(r, "text", "") for ip, p in front.endpoints) for r in rules)


def hairpin_source(model: Model) -> Iterator[Finding]:
    """GN0605: a pod that reaches itself through its service needs another source address."""
    primary = model.primary
    if primary is None or primary.bridge is None or not model.node.port(primary.peer or primary.link).hairpin:
        return
    for front in _watched(model):
        mine = model.address(version(front.ip))
        port = next((p for ip, p in front.endpoints if ip == mine), 0)
        outcomes = _outcomes(model, front)
        self_sent = [o for o in outcomes if o.packet.target == mine]
        if not port or not self_sent:
            continue
        packet = self_sent[0].packet.with_(iif=None, oif=primary.bridge.name, translated=True)
        leaving = at_hook(model.node.rules, "postrouting", packet)
        if all(o.packet.source == mine for o in leaving):
            yield Finding(
                code="GN0605",
                severity=Severity.WARNING,
                title=f"no masquerading of {mine} to itself: the pod cannot reach itself through {front.ip}:{front.port} ({front.service})",
                object=a("service", front.service),
                evidence=(seen("firewall", f"no SNAT matches {mine} -> {mine}", "iptables -t nat -S POSTROUTING"),),
                remedy=Remedy(
                    text="masquerade it (kube-proxy's KUBE-MARK-MASQ does)",
                    commands=(on_node("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", mine, "-d", mine, "-j", "MASQUERADE"),),
                ),
            )
            return


def masquerade(model: Model) -> Iterator[Finding]:
    """GN0511: what leaves the cluster must carry the node's address; GN0512: and what stays must not."""
    leaving = [w for w in model.walks if w.flow.role == "outside" and w.egress is not None and not w.flow.inbound]
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
    hidden = [w for w in model.walks if w.flow.role == "remote" and not w.flow.inbound and w.translated and w.flow.general]
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
    # A network whose own configuration does not ask for it is meant to be as it is.
    if any(c.network for c in model.results) and model.own_confs:
        return ""
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
        title=f"no SNAT for {own} leaving {', '.join(links)} ({why}): packets carry the pod's {bare[0].source}, and no answer finds back",
        object=a("firewall", f"{tool} nat/POSTROUTING", links[0]),
        evidence=(
            seen("firewall", f"{bare[0].source} -> {bare[0].target} leaves {links[0]} with its own source", f"{tool} -t nat -S POSTROUTING"),
            seen("configuration", why),
        ),
        remedy=Remedy(
            text="masquerade what leaves the cluster; something flushed the rule (a firewall restart), a new ADD puts it back",
            commands=(on_node(tool, "-t", "nat", "-A", "POSTROUTING", "-s", around, "!", "-d", around, "-j", "MASQUERADE"),),
        ),
    )


def _supernet(cidrs: list[str]) -> str:
    """The smallest prefix over all pod prefixes, if it is no wider than a /8."""
    import ipaddress

    networks = [ipaddress.ip_network(c, strict=False) for c in cidrs]
    if not networks:
        return ""
    over = networks[0]
    while not all(int(over.network_address) <= int(n.network_address) and int(n.broadcast_address) <= int(over.broadcast_address) for n in networks):
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
        title=f"packets to {walk.flow.name or walk.target} leave {link} with source {walk.source}, which is no address of this node: answers go elsewhere",
        object=a("firewall", "nat/POSTROUTING", link),
        evidence=(seen("firewall", f"SNAT to {walk.source}", "iptables -t nat -S POSTROUTING; nft list ruleset"),),
        remedy=Remedy(text="correct the SNAT rule's address, or use MASQUERADE"),
        confidence=Confidence.MEDIUM,
    )


def _too_broad(model: Model, hidden: list[Walk]) -> Finding:
    walk = hidden[0]
    return Finding(
        code="GN0512",
        severity=Severity.WARNING,
        title=f"masquerading is too broad: traffic to pods of other nodes ({walk.flow.name}) leaves with {walk.source}, so policies and logs there see the node",
        object=a("firewall", "nat/POSTROUTING", walk.egress.name if walk.egress else ""),
        evidence=(seen("firewall", f"{walk.flow.target}: source becomes {walk.source}", "iptables -t nat -S POSTROUTING"),),
        remedy=Remedy(text="exclude the cluster's pod prefixes from the masquerade rule"),
    )


# resolv.conf


def resolver(model: Model) -> Iterator[Finding]:
    """GN0604: the pod's resolv.conf names servers that can answer."""
    text = model.facts.resolv_conf
    if text is None:
        return
    words = [line.split() for line in text.splitlines() if line.strip() and line.lstrip()[0] not in "#;"]
    servers = [w[1] for w in words if w[0] == "nameserver" and len(w) > 1]
    for title, remedy, severity in _resolver_faults(model, servers, words):
        yield Finding(
            code="GN0604",
            severity=severity,
            title=title,
            object=the_pod(model),
            evidence=(seen("resolv.conf", text.strip()[:200] or "(empty)", "cat /etc/resolv.conf"),),
            remedy=Remedy(text=remedy),
        )


def _resolver_faults(model: Model, servers: list[str], words: list[list[str]]) -> Iterator[tuple[str, str, Severity]]:
    import ipaddress

    if not servers:
        yield "the pod's resolv.conf names no nameserver: every lookup asks 127.0.0.1", "correct kubelet's clusterDNS or the pod's dnsPolicy", Severity.FATAL
        return
    if len(servers) > 3:
        yield f"resolv.conf has {len(servers)} nameservers, the resolver uses the first 3", "shorten the list (kubelet's resolvConf)", Severity.WARNING
    dns = [f for f in model.frontends if f.port == 53]
    for server in servers[:3]:
        try:
            address = ipaddress.ip_address(server.split("%")[0])
        except ValueError:
            yield f"resolv.conf: {server!r} is not an address", "correct the file that kubelet's resolvConf names", Severity.ERROR
            continue
        if address.is_loopback and not _listens(model, server):
            yield (
                f"the pod's resolv.conf points to {server}, where nothing listens in its namespace",
                "set kubelet's resolvConf to /run/systemd/resolve/resolv.conf, and recreate the pod",
                Severity.FATAL,
            )
        elif dns and _in_service_range(model, server) and server not in {f.ip for f in dns}:
            names = ", ".join(f"{f.ip} ({f.service})" for f in dns[:2])
            yield (
                f"resolv.conf points to {server}, which no DNS service has (there is {names})",
                "set kubelet's clusterDNS to the DNS service's address, and recreate the pod",
                Severity.FATAL if server == servers[0] else Severity.ERROR,
            )
    if any(w[0] == "search" and len(w) > 33 for w in words):
        yield "resolv.conf has more than 32 search domains", "shorten the list", Severity.WARNING


def _listens(model: Model, server: str) -> bool:
    """Whether something answers there. 127.0.0.53 is the node's systemd-resolved: only an exact listener counts."""
    bound = model.pod.facts.listeners if model.pod else ()
    anywhere = () if server.startswith("127.0.0.5") else ("udp 0.0.0.0:53", "udp :::53")
    return any(b in (f"udp {server}:53", *anywhere) for b in bound)


def _in_service_range(model: Model, server: str) -> bool:
    """Whether an address looks like a service's: in one /16 with known ones, and no pod's or node's."""
    if version(server) != 4 or model.in_cluster(server):
        return False
    return any(version(f.ip) == 4 and within(server, f"{f.ip}/16") for f in model.frontends)


CHECKS = (
    PodCheck(id="services", title="services are translated to their endpoints", run=translation, needs=("pod", "node firewall", "objects")),
    PodCheck(id="hairpin-source", title="a backend's own service masquerades it to itself", run=hairpin_source, needs=("pod", "node firewall", "objects")),
    PodCheck(id="masquerade", title="what leaves the cluster carries the node's address", run=masquerade, needs=("pod", "node firewall")),
    PodCheck(id="resolv-conf", title="resolv.conf names servers that can answer", run=resolver, needs=("resolv.conf",)),
)
