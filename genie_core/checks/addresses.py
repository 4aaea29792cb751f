"""The pod's addresses: as ADD gave them, unique, usable."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from os.path import basename

from genie_core.checks.check import check
from genie_core.checks.parts import fix, in_pod, seen, the_pod
from genie_core.findings import (
    Code,
    Command,
    Confidence,
    Effect,
    Finding,
    Remedy,
    Severity,
    Subject,
)
from genie_core.net.addresses import within
from genie_core.net.case import Case
from genie_core.net.intended import Intended
from genie_core.net.model import STATUS, Attachment
from genie_core.net.stack import conf_key
from genie_core.spec.addresses import host_prefix, version
from genie_core.survey.kernel import Address


def _prefix(case: Case, attachment: Attachment, ip: str) -> str:
    """The address with the prefix length that its link uses."""
    for own in case.addresses(attachment):
        if within(ip, own.cidr) and version(own.ip) == version(ip):
            return f"{ip}/{own.prefix}"
    gateway = attachment.entry and case.node.addresses(attachment.entry, version(ip))
    for address in gateway or ():
        if within(ip, address.cidr):
            return f"{ip}/{address.prefix}"
    return host_prefix(ip)


def _missing(case: Case) -> Iterator[tuple[Attachment, str, list[Intended]]]:
    """Addresses that a record promises for an existing interface, and that the interface does not have."""
    for attachment in case.attachments:
        held = {str(ipaddress.ip_address(a.ip)) for a in case.addresses(attachment)}
        promised: dict[str, list[Intended]] = {}
        for intended in case.intended:
            if intended.ifname == attachment.link.name:
                for ip in intended.ips:
                    promised.setdefault(str(ipaddress.ip_address(ip)), []).append(intended)
        for ip, sources in promised.items():
            # An interface that is down or has IPv6 disabled loses its IPv6 addresses: another check reports that.
            if ip not in held and not (version(ip) == 6 and _without_ipv6(case, attachment)):
                yield attachment, ip, sources


def _without_ipv6(case: Case, attachment: Attachment) -> bool:
    pod = case.pod
    return (
        pod is None
        or not attachment.link.up
        or bool(pod.setting(attachment.link.name, "disable_ipv6", 6) or pod.setting("all", "disable_ipv6", 6))
    )


GN0201 = Code("GN0201", "the pod has another address than the cluster expects",
    cause="something rewrote the address after ADD",
    confirm="compare ip addr with pod.status and the cached result", fix="recreate the pod",
    breaks=(Effect.PACKETS,))  # fmt: skip
GN0202 = Code("GN0202", "an address is missing",
    cause="the interface lacks the address that ADD gave it, or has no address at all",
    confirm="ip -n POD addr", fix="recreate the pod; read the IPAM plugin's messages",
    explained_by=("GN0209", "GN0111"), breaks=(Effect.PACKETS,))  # fmt: skip


@check(
    "address-drift",
    GN0201,
    GN0202,
    title="the pod has the addresses that ADD, its status and the cluster record",
    needs=("pod",),
)
def drift(case: Case) -> Iterator[Finding]:
    for attachment, ip, sources in _missing(case):
        name = attachment.link.name
        promised = {i for source in case.intended for i in source.ips}
        there = case.addresses(attachment, version(ip))
        strays = [a for a in there if a.ip not in promised]
        agreed = _agreed(case, attachment, there, sources)
        has = ", ".join(a.ip for a in there if a in strays or not strays) or "none"
        names = ", ".join(dict.fromkeys(basename(s.source) for s in sources))
        why = f"{agreed} has that address too" if agreed else "something rewrote it after ADD"
        yield (GN0201 if there else GN0202).found(
            _weight(case, attachment, sources, agreed),
            f"{ip} ({names}) is not on {name}, which has {has}: {why}",
            the_pod(case, name),
            seen("netlink", f"{name}: {has}", f"ip addr show {name}"),
            *(seen(source.source, ip) for source in sources),
            remedy=fix(
                "recreate the pod, or give it its address back"
                if not agreed
                else "recreate the pod: its records contradict each other",
                *(() if agreed else _give_back(case, attachment, ip, strays)),
                risk="connections from the wrong address break",
            ),
            breaks=() if there else (lacking(version(ip)),),
        )


def lacking(family: int) -> str:
    """The effect of a lost address: the kernel deletes the routes of its family with the last one."""
    return f"no IPv{family} address"


def _agreed(case: Case, attachment: Attachment, there: list[Address], sources: list[Intended]) -> str:
    """Another record with an address that the interface has, "" for none: then the records contradict each other."""
    ips = {a.ip for a in there}
    mine = [i for i in case.intended if i.ifname == attachment.link.name and ips & set(i.ips)]
    kinds = {source.source for source in sources}
    return next((basename(i.source) for i in mine if i.source not in kinds), "")


def _weight(case: Case, attachment: Attachment, sources: list[Intended], agreed: str) -> Severity:
    """The pod's status decides where traffic goes; a cached result or an annotation matters to CHECK and to readers."""
    kinds = {source.source for source in sources}
    if agreed and case.pod_object.ips and STATUS not in kinds:
        return Severity.WARNING
    return Severity.FATAL if attachment is case.primary else Severity.ERROR


def _give_back(case: Case, attachment: Attachment, ip: str, strays: list[Address]) -> tuple[Command, ...]:
    """Wrong addresses first: the kernel deletes the secondary addresses of a subnet with the primary one."""
    name = attachment.link.name
    commands = [in_pod("ip", "addr", "del", a.cidr, "dev", name) for a in strays]
    commands.append(in_pod("ip", "addr", "add", _prefix(case, attachment, ip), "dev", name))
    if attachment is case.primary:
        commands += restore_default(case, attachment, version(ip), ip)
    return tuple(commands)


def restore_default(case: Case, attachment: Attachment, family: int, ip: str = "") -> list[Command]:
    """The default route again: the kernel deletes the routes that use an address with it.

    Where nothing names the gateway, it is the node's address in the subnet of `ip`.
    """
    gateway = case.expected_gateway(family) or case.segment_gateway(attachment, family)
    for own in (
        case.node.addresses(attachment.entry, family) if attachment.entry and ip and not gateway else ()
    ):
        gateway = own.ip if within(ip, own.cidr) else gateway
    return (
        [
            in_pod(
                "ip", f"-{family}", "route", "replace", "default", "via", gateway, "dev", attachment.link.name
            )
        ]
        if gateway
        else []
    )


def restore_ipv6(case: Case, attachment: Attachment) -> list[Command]:
    """The IPv6 addresses and default route again: the kernel deletes them with the interface's last flag UP."""
    name, held = attachment.link.name, {a.ip for a in case.addresses(attachment, 6)}
    promised = {ip for i in case.intended if i.ifname == name for ip in i.ips if version(ip) == 6} - held
    add = [
        in_pod("ip", "-6", "addr", "replace", _prefix(case, attachment, ip), "dev", name)
        for ip in sorted(promised)
    ]
    is_first = attachment is case.primary and add
    return [*add, *(restore_default(case, attachment, 6, min(promised)) if is_first else ())]


@check("address-any", GN0202, title="the primary interface has an address", needs=("pod",))
def no_address(case: Case) -> Iterator[Finding]:
    primary = case.primary
    if primary is None or case.addresses(primary) or any(True for _ in _missing(case)):
        return
    if primary.link.kind not in ("veth", "macvlan", "ipvlan"):
        return
    yield GN0202.fatal(
        f"{primary.link.name} in the pod has no address at all",
        the_pod(case, primary.link.name),
        seen("netlink", "no address", f"ip addr show {primary.link.name}"),
        remedy=fix("recreate the pod; look at the IPAM plugin's messages of its ADD"),
    )


# Plugins that make a pod's interface and take its addresses from an address plugin.
ADDRESSED = ("bridge", "ptp", "macvlan", "ipvlan", "vlan", "host-device", "tap")


GN0209 = Code("GN0209", "the network gives no addresses",
    cause="the plugin of the pod's interface has no ipam section, so it made an interface "
    "without an address",
    confirm="the file in the evidence", fix="name an address plugin, recreate the pod")  # fmt: skip


@check("address-plugin", GN0209, title="the network's configuration gives addresses", needs=("pod",))
def no_address_plugin(case: Case) -> Iterator[Finding]:
    primary = case.primary
    if primary is None or case.addresses(primary) or any(ip for i in case.intended for ip in i.ips):
        return
    known = [c.network for c in case.results if c.network and c.ifname == primary.link.name]
    confs = [c for c in case.facts.files.confs if c.plugins and (c.name in known or not known)]
    for conf in confs[:1]:
        plugin = conf.plugins[0]
        if plugin.get("type") not in ADDRESSED or plugin.get("ipam"):
            return
        name = primary.link.name
        yield GN0209.fatal(
            f'{basename(conf.path)}: network "{conf.name}" has no ipam, so {plugin["type"]} gave the '
            f"pod's {name} no address",
            Subject(kind="file", name=conf.name, file=conf.path),
            seen(conf.path, f"plugins[0] ({plugin['type']}) has no ipam", f"cat {conf.path}"),
            seen("netlink", f"{name}: no address", f"ip addr show {name}"),
            remedy=fix(
                'name an address plugin, as in "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}, and '
                "recreate the pod"
            ),
            confidence=Confidence.HIGH if known else Confidence.MEDIUM,
        )


GN0204 = Code("GN0204", "IPv6 is disabled in the pod",
    cause="disable_ipv6=1 on an interface that should have IPv6",
    confirm="sysctl net.ipv6.conf.eth0.disable_ipv6",
    fix="enable it; add the address again or recreate the pod")  # fmt: skip
GN0205 = Code("GN0205", "duplicate IPv6 address",
    cause="duplicate address detection failed (RFC 4862)",
    confirm="ip -6 addr | grep dadfailed", fix="find the other holder", explained_by=("GN0203",))  # fmt: skip


@check("ipv6-usable", GN0204, GN0205, title="IPv6 is enabled where it is configured", needs=("pod",))
def ipv6_usable(case: Case) -> Iterator[Finding]:
    pod = case.pod
    if pod is None:
        return
    for attachment in case.attachments:
        name = attachment.link.name
        wanted = sorted({ip for i in case.intended if i.ifname == name for ip in i.ips if version(ip) == 6})
        off = [n for n in ("all", name) if pod.setting(n, "disable_ipv6", 6)]
        asked = wanted or (attachment is case.primary and any(version(c) == 6 for c in case.pod_cidrs))
        if pod.setting(name, "disable_ipv6", 6) and (asked or not pod.setting("all", "disable_ipv6", 6)):
            yield _disabled(case, name, off, wanted, bool(asked))
        for address in case.addresses(attachment, 6):
            if "dadfailed" in address.flags:
                yield GN0205.error(
                    f"{address.ip} on {name} failed duplicate address detection: another host on the link has it",
                    the_pod(case, name),
                    seen("netlink", f"{address.ip} dadfailed", f"ip -6 addr show {name}"),
                    remedy=_detect_again(case, attachment, address),
                )


def _detect_again(case: Case, attachment: Attachment, own: Address) -> Remedy:
    """Where no namespace here holds the address, it is removed and added: the kernel asks the link again."""
    if any(
        a.ip == own.ip for t in case.facts.tenants if t.path != case.facts.netns_path for a in t.addresses
    ):
        return fix("find the other holder of the address; recreate one of the pods")
    words, name = ("ip", "-6", "addr"), attachment.link.name
    return fix(
        "once the other holder is gone (none is on this node), remove the address and add it again",
        in_pod(*words, "del", own.cidr, "dev", name),
        in_pod(*words, "add", own.cidr, "dev", name),
        *(restore_default(case, attachment, 6, own.ip) if attachment is case.primary else ()),
    )


def _disabled(case: Case, name: str, off: list[str], wanted: list[str], asked: bool) -> Finding:
    commands = [in_pod("sysctl", "-w", f"{conf_key(n, 'disable_ipv6', 6)}=0") for n in off]
    attachment = next(a for a in case.attachments if a.link.name == name)
    commands += [
        in_pod("ip", "-6", "addr", "add", _prefix(case, attachment, ip), "dev", name) for ip in wanted
    ]
    why = f"{', '.join(wanted)} was asked for" if wanted else "IPv6 is on elsewhere in the pod"
    key = conf_key(name, "disable_ipv6", 6)
    return GN0204.found(
        Severity.ERROR if asked or wanted else Severity.WARNING,
        f"IPv6 is disabled on the pod's {name} (disable_ipv6=1), and {why}",
        the_pod(case, name),
        seen("sysctl", f"{key}=1", f"sysctl {key}"),
        remedy=fix(
            "enable IPv6 in the pod (a tuning plugin or a sysctl of the pod turned it off)", *commands
        ),
    )
