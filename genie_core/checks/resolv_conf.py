"""The pod's resolv.conf."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

from genie_core.checks.check import check
from genie_core.checks.dead_addresses import node_pod_addresses
from genie_core.checks.parts import fix, seen, the_pod
from genie_core.findings import Code, Effect, Finding, Severity
from genie_core.net.addresses import within
from genie_core.net.case import Case
from genie_core.net.firewall.evaluate import at_hook
from genie_core.net.firewall.rules import Packet
from genie_core.net.stack import is_served
from genie_core.spec.addresses import version
from genie_core.survey.cluster import one_form

DNS = 53
GN0604 = Code("GN0604", "resolv.conf cannot work",
    cause="it names no server, a loopback where nothing listens, no DNS service, or an address that nothing has",
    confirm="cat /etc/resolv.conf in the pod", fix="kubelet's resolvConf and clusterDNS; dnsPolicy",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("resolv-conf", GN0604, title="resolv.conf names servers that can answer", needs=("resolv.conf",))
def resolver(case: Case) -> Iterator[Finding]:
    text = case.facts.resolv_conf
    if text is None:
        return
    words, servers = _words(text), nameservers(text)
    for title, remedy, severity in _resolver_faults(case, servers, words):
        yield GN0604.found(
            severity,
            title,
            the_pod(case),
            seen("resolv.conf", text.strip()[:200] or "(empty)", "cat /etc/resolv.conf"),
            remedy=fix(remedy),
        )


GN0609 = Code("GN0609", "a name server refuses questions",
    cause="its address is there, and no DNS server listens: a node's cache, a resolver or its pod is not running",
    confirm="dig @SERVER kubernetes.default.svc.cluster.local", fix="start the DNS server, or name another one",
    explained_by=("GN0604", "GN0606", "GN0506", "GN0507", "GN0508", "GN0510", "GN0601", "GN0602", "GN0603"),
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("name-servers", GN0609, title="no name server of the pod refuses", needs=("resolv.conf",))
def refusing(case: Case) -> Iterator[Finding]:
    servers = [s for s in nameservers(case.facts.resolv_conf or "")[:3] if not s.startswith("127.")]
    fronts = {f.ip for f in case.frontends}
    refused = [s for s in servers if _refuses(case, s)]
    for server in refused:
        others = [s for s in servers if s not in refused]
        listening = server in case.node.local and "udp" in " ".join(case.facts.node.listeners)
        yield GN0609.found(
            # The resolver asks the next one at once, where a server refuses.
            Severity.WARNING if others else Severity.FATAL,
            f"the pod's name server {server} refuses questions: "
            + (
                "it is an address of the node, and nothing listens on udp/53 there"
                if listening
                else "packets arrive, and no DNS server listens"
            )
            + (f"; {', '.join(others)} is asked instead" if others else ""),
            the_pod(case),
            *(
                seen("probe", f"udp {p.target}:53: {p.result}", f"dig @{server}")
                for p in case.facts.probes
                if p.role == "dns" and p.target == server
            ),
            *((seen("procfs", f"the node: no listener on {server}:53", "ss -lnu"),) if listening else ()),
            remedy=fix(
                "look at the DNS pods behind that service"
                if server in fronts
                else "start the node's DNS cache (NodeLocal DNSCache, dnsmasq), or set kubelet's clusterDNS to the "
                "DNS service"
                if server in case.node.local
                else f"start the DNS server on {server}, or correct kubelet's resolvConf"
            ),
        )


def _refuses(case: Case, server: str) -> bool:
    """Whether a probe was refused, or the server's address is the node's own and no socket there is a DNS server's."""
    if any(p.role == "dns" and p.target == server and p.result == "refused" for p in case.facts.probes):
        return True
    bound = case.facts.node.listeners
    translated = any(f.ip == server for f in case.frontends)
    mine = bool(bound) and server in case.node.local and not translated
    return mine and not is_served(bound, "udp", server, 53)


def _words(text: str) -> list[list[str]]:
    """The words of each line as glibc reads it: a keyword begins its line, and blanks and tabs part words."""
    lines = (line for line in text.split("\n") if line.strip() and line[0] not in "#; \t")
    return [[word for word in re.split("[ \t]+", line) if word] for line in lines]


def nameservers(text: str) -> list[str]:
    """The name servers of a resolv.conf, in their order; addresses without a zone as the kernel's are printed."""
    return [one_form(w[1]) for w in _words(text) if w[0] == "nameserver" and len(w) > 1]


def _resolver_faults(
    case: Case, servers: list[str], words: list[list[str]]
) -> Iterator[tuple[str, str, Severity]]:
    if not servers:
        indented = re.search(r"^[ \t]+nameserver\s", case.facts.resolv_conf or "", re.MULTILINE)
        where = " at the beginning of a line, where the C library looks" if indented else ""
        yield (
            f"the pod's resolv.conf names no nameserver{where}: every lookup goes to 127.0.0.1",
            "correct kubelet's clusterDNS or the pod's dnsPolicy",
            Severity.FATAL,
        )
        return
    if len(servers) > 3:
        yield (
            f"resolv.conf has {len(servers)} nameservers, the resolver uses the first 3",
            "shorten the list (kubelet's resolvConf)",
            Severity.WARNING,
        )
    for server in servers[:3]:
        address = address_of(server)
        if address is None:
            ends = ": the C library reads the carriage return of a Windows line end as a part of it"
            yield (
                f"resolv.conf: {server!r} is not an address{ends if server.endswith(chr(13)) else ''}",
                "correct the file that kubelet's resolvConf names",
                Severity.ERROR,
            )
        elif (address.is_loopback or address.is_unspecified) and not _listens(case, server):
            yield (
                f"the pod's resolv.conf points to {server}, where nothing listens in its namespace",
                "set kubelet's resolvConf to /run/systemd/resolve/resolv.conf, and recreate the pod",
                Severity.FATAL,
            )
    yield from _without_family(case, servers[:3])
    yield from _no_dns_service(case, servers[:3])
    yield from _nowhere(case, servers[:3])
    yield from _short_names(case, servers[:3], words)
    if any(w[0] == "search" and len(w) > 33 for w in words):
        yield "resolv.conf has more than 32 search domains", "shorten the list", Severity.WARNING


def _without_family(case: Case, servers: list[str]) -> Iterator[tuple[str, str, Severity]]:
    """Servers of a family of which the pod has no address."""
    held = {version(address.ip) for one in case.attachments for address in case.addresses(one)}
    lost = [
        s for s in servers if (found := address_of(s)) and not found.is_loopback and found.version not in held
    ]
    if lost and held:
        yield (
            f"resolv.conf names {', '.join(lost)}, and the pod has no IPv{version(lost[0])} address",
            "name a server of the pod's own family (kubelet's clusterDNS), or give the pod an address of that family",
            Severity.WARNING if len(lost) < len(servers) else Severity.FATAL,
        )


def _no_dns_service(case: Case, servers: list[str]) -> Iterator[tuple[str, str, Severity]]:
    """Servers that look like services and are no DNS service. The resolver uses the first one that answers."""
    dns = [f for f in case.frontends if f.port == 53]
    there = {f.ip for f in dns}
    wrong = [s for s in servers if dns and s not in there and _in_service_range(case, s)]
    if not wrong:
        return
    names = ", ".join(f"{f.ip} ({f.service})" for f in dns[:2])
    yield (
        f"resolv.conf points to {', '.join(wrong)}, which is no DNS service's address (there is {names})",
        "set kubelet's clusterDNS to the DNS service's address, and recreate the pod",
        Severity.FATAL if servers[0] in wrong else Severity.WARNING,
    )


def _nowhere(case: Case, servers: list[str]) -> Iterator[tuple[str, str, Severity]]:
    """Servers of this node of which nothing is there: the address of its DNS cache, or one of its pods."""
    cidrs, held = node_pod_addresses(case)
    caches = [s for s in servers if _is_cache(s) and s not in case.node.local and not _is_translated(case, s)]
    gone = [s for s in servers if _is_among(s, cidrs) and s not in held]
    for lost, what, advice in ((caches, *_CACHE), (gone, *_GONE)):
        if lost:
            severity = Severity.FATAL if len(lost) == len(servers) else Severity.WARNING
            yield f"resolv.conf points to {', '.join(lost)}, {what}", advice, severity


_CACHE = (
    "which no interface of this node has: its DNS cache (NodeLocal DNSCache) is not running",
    "start it again, or name the DNS service's address in kubelet's clusterDNS",
)
_GONE = (
    "an address of this node's pods that no pod has",
    "name the DNS service's address (kubelet's clusterDNS, the pod's dnsConfig), and recreate the pod",
)


def _is_cache(server: str) -> bool:
    """Whether it is a link-local address, but none of those that clouds answer at (169.254.169.253 and its like)."""
    return server.startswith("169.254.") and not server.startswith("169.254.169.")


def _is_translated(case: Case, server: str) -> bool:
    """Whether rules or programs of the node send its packets elsewhere, or nothing is known of its addresses."""
    entry = case.primary.entry if case.primary else None
    packet = Packet(
        source=case.address(4), target=server, protocol="udp", dport=53, iif=entry.name if entry else None
    )
    known = bool(case.facts.node.addresses) and not case.datapath and bool(case.address(4))
    return not known or any(o.translations for o in at_hook(case.node.rules, "prerouting", packet))


def _is_among(server: str, cidrs: Sequence[str]) -> bool:
    return (
        address_of(server) is not None and "%" not in server and any(within(server, cidr) for cidr in cidrs)
    )


def _short_names(
    case: Case, servers: list[str], words: list[list[str]]
) -> Iterator[tuple[str, str, Severity]]:
    """kubelet writes the cluster's search domains for ClusterFirst, but where the pod's own dnsConfig replaces them."""
    spec = case.facts.pod_object.get("spec") or {}
    dns = {f.ip for f in case.frontends if f.port == DNS}
    domains = [word for w in words if w[0] in ("search", "domain") for word in w[1:]]
    meant = spec.get("dnsPolicy") == "ClusterFirst" and not (spec.get("dnsConfig") or {}).get("searches")
    found = f"short names of services are not found, only those in {', '.join(domains) or 'full'}"
    if meant and dns & {*servers} and not any("svc" in domain.split(".") for domain in domains):
        yield (
            f"resolv.conf has no search domain of the cluster ({case.facts.namespace}.svc...): {found}",
            "correct kubelet's clusterDomain, and recreate the pod; something in the pod may have rewritten the file",
            Severity.WARNING,
        )


def _listens(case: Case, server: str) -> bool:
    """Whether a DNS server listens there. 127.0.0.53 is the node's systemd-resolved: only an exact listener counts."""
    bound = case.pod.facts.listeners if case.pod else ()
    anywhere = () if server.startswith("127.0.0.5") else ("udp 0.0.0.0:53", "udp :::53")
    return any(b in (f"udp {server}:53", *anywhere) for b in bound)


def _in_service_range(case: Case, server: str) -> bool:
    """Whether an address looks like a service's: in one /16 with known ones, and not a pod's or node's."""
    if address_of(server) is None or version(server) != 4 or case.in_cluster(server):
        return False
    return any(version(f.ip) == 4 and within(server, f"{f.ip}/16") for f in case.frontends)


def address_of(server: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """A server's address without its zone, None for other text."""
    try:
        return ipaddress.ip_address(server.split("%", maxsplit=1)[0])
    except ValueError:
        return None
