"""What only probes show: another host with the pod's address, a filtered underlay, loss, silent targets."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.addresses import GN0203
from genie_core.checks.check import check
from genie_core.checks.overlay import remotes
from genie_core.checks.parts import fix, seen, subject, the_pod
from genie_core.findings import Code, Confidence, Effect, Finding, Severity
from genie_core.net.case import Case
from genie_core.net.stack import within
from genie_core.survey.facts import Probe

ANSWERED = ("ok", "loss", "refused")


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


GN0710 = Code("GN0710", "the underlay drops tunnel packets",
    cause="encapsulated packets leave, nothing returns, plain packets pass",
    confirm="tcpdump -ni any udp port 8472 on both nodes", fix="open the port between the nodes",
    explained_by=("GN0512", "GN0411", "GN0807", "GN0706", "GN0712", "GN0701", "GN0702", "GN0703",
        "GN0704", "GN0705", "GN0707", "GN0711", "GN0503", "GN0513", "GN0404", "GN0406"))  # fmt: skip


@check("probe-underlay", GN0710, title="encapsulated packets get through", needs=("probes", "objects: Node"))
def underlay(case: Case) -> Iterator[Finding]:
    for remote in remotes(case):
        sent = [p for p in case.facts.probes if p.role == f"through {remote.tunnel.name} {remote.cidr}"]
        plain = [p for p in case.facts.probes if p.role == f"underlay {remote.cidr}"]
        through = [p for p in _probes(case, "remote") if within(p.target, remote.cidr)]
        if (
            not sent
            or any(p.received or p.result in ANSWERED for p in (*sent, *through))
            or not remote.tunnel.up
        ):
            continue
        echoes = [p for p in sent if p.kind == "ping"]
        answered = any(p.result == "ok" for p in plain)
        came, went = sum(p.received for p in echoes), sum(p.sent for p in echoes)
        port = remote.tunnel.data.get("vxlan_port") or remote.tunnel.data.get("geneve_port") or ""
        address = next(iter(remote.node.addresses), remote.node.name)
        moved = _probes(case, f"tunnel {remote.tunnel.name}")
        counted = moved[0] if moved else None
        if counted is not None and (counted.sent == 0 or counted.received > 0):
            continue
        yield GN0710.found(
            # Nodes that drop every echo are healthy: without another answer the cause is not known.
            Severity.ERROR if answered or len(echoes) < len(sent) else Severity.WARNING,
            f"encapsulated traffic for {remote.title} leaves by {remote.tunnel.name} and "
            f"nothing returns: udp/{port} to {address} is filtered on the way or there"
            + ("; plain ping works" if answered else ""),
            subject("tunnel", remote.tunnel.name, remote.tunnel.name),
            seen("probe", f"{sent[0].target}: {came} of {went} echoes answered", f"ping {sent[0].target}"),
            *(
                seen("probe", f"tcp {p.target}:{p.port}: {p.result}", f"nc -zv {p.target} {p.port}")
                for p in sent
                if p.kind == "tcp"
            ),
            *(
                (
                    seen(
                        "netlink",
                        f"{remote.tunnel.name}: tx +{counted.sent}, rx +{counted.received}",
                        f"ip -s link show {remote.tunnel.name}",
                    ),
                )
                if counted
                else ()
            ),
            *(seen("probe", f"node {p.target}: {p.result}", f"ping {p.target}") for p in plain),
            remedy=fix(
                f"open udp/{port} between the nodes (host firewalls, security groups); on "
                f"{address}: tcpdump -ni any udp port {port}"
            ),
            confidence=Confidence.HIGH if counted and answered else Confidence.MEDIUM,
        )


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


@check("probe-answers", GN0805, title="targets answer the pod", needs=("probes",))
def unanswered(case: Case) -> Iterator[Finding]:
    silent = [p for p in case.facts.probes if _is_silent(p)]
    if not silent:
        return
    names = ", ".join(dict.fromkeys(_name(p) for p in silent))
    yield GN0805.warning(
        f"no answer to the pod from {names}",
        the_pod(case),
        *(seen("probe", f"{p.kind} {_name(p)}: {p.result} {p.detail}".rstrip()) for p in silent),
        remedy=fix("look at the target: its firewall, its process, its node"),
        confidence=Confidence.LOW,
    )


def _is_silent(probe: Probe) -> bool:
    if probe.result in ANSWERED or probe.kind == "arp":
        return False
    if probe.kind == "ping" and probe.role == "node":  # a node may drop echoes
        return False
    return not probe.role.startswith(("tunnel", "through", "underlay", "large"))


def _name(probe: Probe) -> str:
    return f"{probe.role} {probe.target}" + (f":{probe.port}" if probe.port else "")
