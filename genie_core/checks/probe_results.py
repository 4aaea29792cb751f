"""Faults that only probes show: another host with the pod's address, a filtered underlay, loss, silent targets."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.duplicates import GN0203
from genie_core.checks.overlay import Remote, next_hop, outer_name, port_of, remotes
from genie_core.checks.parts import fix, seen, subject, the_pod
from genie_core.findings import Code, Confidence, Effect, Finding, Severity
from genie_core.net.addresses import within
from genie_core.net.case import Case
from genie_core.net.policy_verdicts import denials
from genie_core.survey.facts import Probe

ANSWERED = ("ok", "loss", "refused")
FROM_POD = ("node", "peer", "remote", "service", "dns", "target")


def _probes(case: Case, role: str, kind: str = "") -> list[Probe]:
    return [p for p in case.facts.probes if p.role == role and (not kind or p.kind == kind)]


@check(
    "probe-own-address", GN0203, title="no other host answers ARP for the pod's address", needs=("probes",)
)
def own_address(case: Case) -> Iterator[Finding]:
    known = {x.ip for t in case.facts.tenants if t.path != case.facts.netns_path for x in t.addresses}
    for probe in _probes(case, "own", "arp"):
        if (
            probe.received
            and probe.target not in known | case.node.local.keys()
            and not _proxied(case, probe)
        ):
            yield GN0203.fatal(
                f"duplicate address: {probe.target} of the pod is also answered for by {probe.detail}",
                the_pod(case),
                seen("probe", f"ARP {probe.target}: {probe.detail}", f"arping -D -I eth0 {probe.target}"),
                remedy=fix("find that host, and exclude its address from the pods' range"),
            )


def _proxied(case: Case, probe: Probe) -> bool:
    """MACs of the node's proxy ARP and of the pod's other interfaces on the link: not another host's."""
    macs = {link.mac for link in (*case.facts.node.links, *(case.facts.pod.links if case.facts.pod else ()))}
    return all(mac in macs for mac in probe.detail.split())


GN0710 = Code("GN0710", "nothing comes back through the tunnel",
    cause="encapsulated packets leave and are not refused: a filter drops them, the other end has another VNI or MAC, "
    "or that node has no way back",
    confirm="tcpdump -ni any udp port 8472 on both nodes; ip -d link show type vxlan on the other",
    fix="open the port between the nodes, or restart the overlay's agent on the other node",
    explained_by=("GN0512", "GN0411", "GN0807", "GN0706", "GN0712", "GN0701", "GN0702", "GN0703",
        "GN0704", "GN0705", "GN0707", "GN0711", "GN0503", "GN0513", "GN0404", "GN0406", "GN0414",
        "GN0415", "GN0714", "GN0504", "GN0716", "GN0112"))  # fmt: skip
GN0713 = Code("GN0713", "the other end of the tunnel refuses",
    cause="no program listens on the tunnel's port there: the device is missing, or uses another port",
    confirm="ip -d link show type vxlan on the other node",
    fix="restart the overlay's agent on that node; one port on all nodes", breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "probe-underlay",
    GN0710,
    GN0713,
    title="encapsulated packets get through",
    needs=("probes", "objects: Node"),
)
def underlay(case: Case) -> Iterator[Finding]:
    for remote in remotes(case):
        sent = _probes(case, f"through {remote.tunnel.name} {remote.cidr}")
        through = [p for p in _probes(case, "remote") if within(p.target, remote.cidr)]
        if (
            not sent
            or any(p.received or p.result in ANSWERED for p in (*sent, *through))
            or not remote.tunnel.up
        ):
            continue
        counted = next(iter(_probes(case, f"tunnel {remote.tunnel.name}")), None)
        if counted is not None and (counted.sent == 0 or counted.received > 0):
            continue
        knock = next(iter(_probes(case, f"port {remote.cidr}", "knock")), None)
        if knock is not None and knock.result == "refused":
            yield _other_end_refuses(remote, knock)
        else:
            yield _nothing_returns(case, remote, sent, knock, counted)


def _nothing_returns(
    case: Case, remote: Remote, sent: list[Probe], knock: Probe | None, counted: Probe | None
) -> Finding:
    name = remote.tunnel.name
    echoes = [p for p in sent if p.kind == "ping"]
    came, went = sum(p.received for p in echoes), sum(p.sent for p in echoes)
    plain = _probes(case, f"underlay {remote.cidr}")
    answered = any(p.result == "ok" for p in plain)
    evidence = []
    if knock:
        evidence.append(
            seen("probe", f"udp {knock.target}:{knock.port}: {knock.result} {knock.detail}".rstrip())
        )
    evidence.append(
        seen("probe", f"{sent[0].target}: {came} of {went} echoes answered", f"ping {sent[0].target}")
    )
    evidence += [
        seen("probe", f"tcp {p.target}:{p.port}: {p.result}", f"nc -zv {p.target} {p.port}")
        for p in sent
        if p.kind == "tcp"
    ]
    if counted:
        moved = f"{name}: tx +{counted.sent}, rx +{counted.received}"
        evidence.append(seen("netlink", moved, f"ip -s link show {name}"))
    evidence += [seen("probe", f"node {p.target}: {p.result}", f"ping {p.target}") for p in plain]
    why, advice = _causes(case, remote, knock, answered=answered)
    return GN0710.found(
        # Nodes that drop every echo are healthy: without another answer the cause is not known.
        Severity.ERROR if answered or len(echoes) < len(sent) else Severity.WARNING,
        f"encapsulated traffic for {remote.title} leaves by {name} and nothing returns: "
        f"{outer_name(remote.tunnel)} to {remote.end or remote.node.name} {why}",
        subject("tunnel", name, name),
        *evidence,
        remedy=fix(advice),
        confidence=Confidence.HIGH if knock and knock.result != "timeout" else Confidence.MEDIUM,
    )


def _other_end_refuses(remote: Remote, knock: Probe) -> Finding:
    name, end = remote.tunnel.name, f"{remote.node.name} ({knock.target})"
    return GN0713.error(
        f"{end} refuses udp/{knock.port}, the port of tunnel {name}: no tunnel listens there, so "
        f"{remote.title} cannot be reached",
        subject("tunnel", name, name),
        seen(
            "probe",
            f"udp {knock.target}:{knock.port}: refused ({knock.detail})",
            f"nc -zuv {knock.target} {knock.port}",
        ),
        seen("netlink", f"{name}: destination port {knock.port}", f"ip -d link show {name}"),
        remedy=fix(
            f"on {remote.node.name}: is the overlay's agent running, does `ip -d link show type {remote.tunnel.kind}` "
            f"show a device with dstport {knock.port}? A rule that rejects with port-unreachable looks the same"
        ),
    )


def _causes(case: Case, remote: Remote, knock: Probe | None, *, answered: bool) -> tuple[str, str]:
    """(what fits the silence, how to find out which): a port that is not refused has a listener, or a filter."""
    tunnel, node = remote.tunnel, remote.node.name
    address, what = remote.end or node, outer_name(tunnel)
    vni = tunnel.data.get("vxlan_id") or tunnel.data.get("geneve_id") or "?"
    shown = f"udp port {port_of(tunnel)}" if port_of(tunnel) else f"host {address}"
    mac = getattr(case.node.neighbour(tunnel.index, next_hop(case, remote)), "mac", "") or "?"
    back = ", ".join(case.this_node.cidrs) if case.this_node else "this node's pods"
    if knock is not None and knock.result != "timeout":
        return (
            f"is rejected as prohibited or unreachable ({knock.detail}): a filter on the way or there",
            f"accept {what} between the nodes: the host firewall of {node}, security groups",
        )
    plain = "; plain ping works" if answered else ""
    why = (
        f"is not refused, so a filter drops it on the way or there, or that end has another VNI than {vni} or another "
        f"MAC than {mac}, or no route back to {back}{plain}"
    )
    ends = f" (id {vni}, dstport {port_of(tunnel)}, MAC {mac})" if port_of(tunnel) else ""
    advice = (
        f"on {node}: `tcpdump -ni any {shown}` shows nothing where a filter on the way drops it (security "
        f"groups, host firewalls); else compare `ip -d link show type {tunnel.kind}`{ends} and `ip route get` of a pod "
        f"of this node; the firewall of {address} counts drops in nft or iptables"
    )
    return why, advice


GN0806 = Code("GN0806", "echoes are lost",
    cause="some probes came back, some did not",
    confirm="ping -c 100", fix="counters of rules, queues and interfaces on the way",
    explained_by=(Effect.PACKETS,))  # fmt: skip


@check("probe-loss", GN0806, title="probes are not lost", needs=("probes",))
def loss(case: Case) -> Iterator[Finding]:
    for probe in case.facts.probes:
        if probe.result == "loss":
            yield GN0806.warning(
                f"{probe.sent - probe.received} of {probe.sent} echoes to {probe.target} "
                f"({probe.role}) were lost",
                the_pod(case),
                seen("probe", f"{probe.received}/{probe.sent}", f"ping -c {probe.sent} {probe.target}"),
                remedy=fix(
                    "repeat with more packets; look at the counters of the rules and queues on the way"
                ),
                confidence=Confidence.LOW,
            )


GN0805 = Code("GN0805", "a target does not answer",
    cause="nothing on this node explains it",
    confirm="the probe in the evidence", fix="look at the target's own node and firewall",
    explained_by=(Effect.PACKETS, "GN0710", "GN0808"))  # fmt: skip


def cut_off(case: Case) -> bool:
    """Whether none of several targets answers the pod's packets, connections among them.

    Of a pod whose packets this node forwards: what is behind a macvlan's gateway or another datapath is not known here.
    """
    if case.primary is None or case.primary.kind not in ("bridge", "routed") or case.datapath:
        return False
    sent = [p for p in case.facts.probes if p.kind != "arp" and p.role in FROM_POD]
    waited = any(p.result == "timeout" for p in sent)  # else the pod's own routes lead nowhere
    return (
        waited
        and len(sent) > 1
        and not any(p.received or p.result in ANSWERED for p in sent)
        and any(p.kind in ("tcp", "udp") for p in sent)
    )


@check("probe-answers", GN0805, title="targets answer the pod", needs=("probes",))
def unanswered(case: Case) -> Iterator[Finding]:
    denied = _denied(case)
    silent = [p for p in case.facts.probes if _is_silent(p) and p.target not in denied]
    if not silent:
        return
    names = ", ".join(dict.fromkeys(_name(p) for p in silent))
    yield GN0805.found(
        Severity.ERROR if cut_off(case) else Severity.WARNING,
        f"no answer to the pod from {names}",
        the_pod(case),
        *(seen("probe", f"{p.kind} {_name(p)}: {p.result} {p.detail}".rstrip()) for p in silent),
        remedy=fix("look at the target: its firewall, its process, its node"),
        confidence=Confidence.LOW,
    )


def _denied(case: Case) -> set[str]:
    """Targets to which a NetworkPolicy lets the pod send nothing: the policy's own check reports those."""
    flows = [w.flow for w in case.walks if not w.flow.inbound] if case.policies.policies else []
    return {flow.target for flow in flows if any(True for _ in denials(case, flow))}


def _is_silent(probe: Probe) -> bool:
    if probe.result in ANSWERED or probe.kind == "arp":
        return False
    if probe.kind == "ping" and probe.role == "node":  # a node may drop echoes
        return False
    return not probe.role.startswith(("tunnel", "through", "underlay", "large", "port"))


def _name(probe: Probe) -> str:
    return f"{probe.role} {probe.target}" + (f":{probe.port}" if probe.port else "")
