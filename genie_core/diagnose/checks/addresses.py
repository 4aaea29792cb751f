"""The pod's addresses: those that were promised, nobody else's, usable."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from os.path import basename

from genie_core.diagnose.checks.check import PodCheck
from genie_core.diagnose.model import Attachment, Intended, Model
from genie_core.diagnose.say import in_pod, on_node, seen, the_interface, the_pod
from genie_core.diagnose.stack import subnet, version, within
from genie_core.findings import Command, Confidence, Evidence, Finding, Remedy, Severity, Subject


def _prefix(model: Model, attachment: Attachment, ip: str) -> str:
    """The address with the prefix length that its link uses."""
    for own in model.addresses(attachment):
        if within(ip, f"{own.ip}/{own.prefix}") and version(own.ip) == version(ip):
            return f"{ip}/{own.prefix}"
    gateway = attachment.entry and model.node.addresses(attachment.entry, version(ip))
    for address in gateway or ():
        if within(ip, f"{address.ip}/{address.prefix}"):
            return f"{ip}/{address.prefix}"
    return f"{ip}/{32 if version(ip) == 4 else 128}"


def _missing(model: Model) -> Iterator[tuple[Attachment, str, list[Intended]]]:
    """Addresses that were promised on an interface that is there, and are not on it."""
    for attachment in model.attachments:
        held = {str(ipaddress.ip_address(a.ip)) for a in model.addresses(attachment)}
        told: dict[str, list[Intended]] = {}
        for intended in model.intended:
            if intended.ifname == attachment.link.name:
                for ip in intended.ips:
                    told.setdefault(str(ipaddress.ip_address(ip)), []).append(intended)
        for ip, sources in told.items():
            # A downed or IPv6-less interface loses its IPv6 addresses: that is its own finding.
            if ip not in held and not (version(ip) == 6 and _without_ipv6(model, attachment)):
                yield attachment, ip, sources


def _without_ipv6(model: Model, attachment: Attachment) -> bool:
    pod = model.pod
    return (
        pod is None
        or not attachment.link.up
        or bool(pod.setting(attachment.link.name, "disable_ipv6", 6) or pod.setting("all", "disable_ipv6", 6))
    )


def drift(model: Model) -> Iterator[Finding]:
    """GN0201, GN0202: the interface has not the address that the cluster believes in."""
    for attachment, ip, sources in _missing(model):
        name = attachment.link.name
        promised = {i for source in model.intended for i in source.ips}
        strays = [a for a in model.addresses(attachment, version(ip)) if a.ip not in promised]
        has = ", ".join(a.ip for a in strays) or "none"
        wanted = _prefix(model, attachment, ip)
        # Strays first: deleting a primary address would take a secondary one of its subnet along.
        commands = [in_pod("ip", "addr", "del", f"{a.ip}/{a.prefix}", "dev", name) for a in strays]
        commands.append(in_pod("ip", "addr", "add", wanted, "dev", name))
        if attachment is model.primary:
            commands += _default(model, attachment, version(ip))
        names = ", ".join(dict.fromkeys(basename(s.source) for s in sources))
        yield Finding(
            code="GN0201" if strays else "GN0202",
            severity=Severity.FATAL if attachment is model.primary else Severity.ERROR,
            title=f"{ip} ({names}) is not on {name}, which has {has}: something rewrote it after ADD",
            object=the_pod(model, name),
            evidence=(
                seen("netlink", f"{name}: {has}", f"ip addr show {name}"),
                *(seen(source.source, ip) for source in sources),
            ),
            remedy=Remedy(
                text="recreate the pod, or give it its address back",
                commands=tuple(commands),
                risk="connections from the wrong address break",
            ),
        )


def _default(model: Model, attachment: Attachment, family: int) -> list[Command]:
    """Removing an address takes the routes over it along."""
    gateway = model.expected_gateway(family) or model.segment_gateway(attachment, family)
    return (
        [in_pod("ip", "route", "replace", "default", "via", gateway, "dev", attachment.link.name)]
        if gateway
        else []
    )


def none_at_all(model: Model) -> Iterator[Finding]:
    """GN0202 where nobody promised anything: a primary interface without any address."""
    primary = model.primary
    if primary is None or model.addresses(primary) or any(True for _ in _missing(model)):
        return
    if primary.link.kind not in ("veth", "macvlan", "ipvlan"):
        return
    yield Finding(
        code="GN0202",
        severity=Severity.FATAL,
        title=f"{primary.link.name} in the pod has no address at all",
        object=the_pod(model, primary.link.name),
        evidence=(seen("netlink", "no address", f"ip addr show {primary.link.name}"),),
        remedy=Remedy(text="recreate the pod; look at the IPAM plugin's messages of its ADD"),
    )


def duplicate(model: Model) -> Iterator[Finding]:
    """GN0203: another namespace, or the node itself, holds one of the pod's addresses."""
    for attachment in model.attachments:
        for own in model.addresses(attachment):
            yield from _holders(model, attachment, own.ip)
        yield from _gateway_twice(model, attachment)


def _gateway_twice(model: Model, attachment: Attachment) -> Iterator[Finding]:
    """Another pod of the bridge holds an address of the bridge: neighbours learn now the one, now the other."""
    bridge = attachment.bridge
    mine = {x.ip for x in model.node.addresses(bridge)} if bridge else set()
    for port, tenant in model.neighbours_on(bridge) if bridge else ():
        for address in (x for x in tenant.addresses if x.ip in mine):
            title, name = model.title_of(tenant), basename(tenant.path)
            link = next((x.name for x in tenant.links if x.index == address.index), "")
            yield Finding(
                code="GN0203",
                severity=Severity.FATAL,
                title=f"duplicate address: {address.ip} of the gateway {bridge.name if bridge else ''} is also held "
                f"by {title}",
                object=Subject(kind="pod", name=title, netns=tenant.path, iface=link),
                evidence=(
                    seen(
                        "netlink",
                        f"{address.ip} on {link} in {tenant.path}, behind {port.name}",
                        f"ip -n {name} addr",
                    ),
                ),
                remedy=Remedy(
                    text="take it from the pod, and keep the gateway out of the range that IPAM gives out",
                    commands=(
                        on_node(
                            "ip", "-n", name, "addr", "del", f"{address.ip}/{address.prefix}", "dev", link
                        ),
                        in_pod("ip", "neigh", "flush", "to", address.ip, "dev", attachment.link.name),
                    ),
                ),
                affects=(title,),
            )


def _holders(model: Model, attachment: Attachment, ip: str) -> Iterator[Finding]:
    others: list[tuple[str, Evidence, tuple[Command, ...]]] = []
    for tenant in model.facts.tenants:
        if tenant.path == model.facts.netns_path:
            continue
        for address in tenant.addresses:
            link = next((x for x in tenant.links if x.index == address.index), None)
            if address.ip != ip or link is None or address.scope == "host":
                continue
            fact = seen(
                "netlink",
                f"{ip} on {link.name} ({link.mac}) in {tenant.path}",
                f"ip -n {basename(tenant.path)} addr",
            )
            undo = on_node(
                "ip", "-n", basename(tenant.path), "addr", "del", f"{ip}/{address.prefix}", "dev", link.name
            )
            others.append((model.title_of(tenant), fact, (undo,)))
    if ip in model.node.local:
        address = model.node.local[ip]
        where = model.node.name(address.index)
        fact = seen("netlink", f"{ip} on the node's {where}", f"ip addr show {where}")
        others.append(
            (
                f"the node ({where})",
                fact,
                (on_node("ip", "addr", "del", f"{ip}/{address.prefix}", "dev", where),),
            )
        )
    # The namespace of the same pod under another path is not another owner.
    others = [o for o in others if o[0] != model.name]
    if others:
        yield _duplicate(model, attachment, ip, others)


def _duplicate(
    model: Model, attachment: Attachment, ip: str, others: list[tuple[str, Evidence, tuple[Command, ...]]]
) -> Finding:
    names = [name for name, _, _ in others]
    return Finding(
        code="GN0203",
        severity=Severity.FATAL,
        title=f"duplicate address: {ip} of the pod's {attachment.link.name} is also held by {', '.join(names)}",
        object=the_pod(model, attachment.link.name),
        evidence=(
            seen(
                "netlink",
                f"{ip} on {attachment.link.name} ({attachment.link.mac})",
                f"ip addr show {attachment.link.name}",
            ),
            *(fact for _, fact, _ in others),
        ),
        remedy=Remedy(
            text="take it from the one that has no lease for it (or delete that pod), then reconcile IPAM",
            commands=tuple(command for _, _, commands in others for command in commands),
            risk="the other pod loses this address",
        ),
        affects=tuple(sorted(names)),
    )


def ipv6_usable(model: Model) -> Iterator[Finding]:
    """GN0204, GN0205: IPv6 was asked for and is disabled, or an address failed duplicate detection."""
    pod = model.pod
    if pod is None:
        return
    for attachment in model.attachments:
        name = attachment.link.name
        wanted = sorted({ip for i in model.intended if i.ifname == name for ip in i.ips if version(ip) == 6})
        off = [n for n in ("all", name) if pod.setting(n, "disable_ipv6", 6)]
        asked = wanted or (attachment is model.primary and any(version(c) == 6 for c in model.pod_cidrs))
        if pod.setting(name, "disable_ipv6", 6) and (asked or not pod.setting("all", "disable_ipv6", 6)):
            yield _disabled(model, name, off, wanted, bool(asked))
        for address in model.addresses(attachment, 6):
            if "dadfailed" in address.flags:
                yield Finding(
                    code="GN0205",
                    severity=Severity.ERROR,
                    title=f"{address.ip} on {name} failed duplicate address detection: another node of the link has it",
                    object=the_pod(model, name),
                    evidence=(seen("netlink", f"{address.ip} dadfailed", f"ip -6 addr show {name}"),),
                    remedy=Remedy(text="find the other holder of the address; recreate one of the pods"),
                )


def _disabled(model: Model, name: str, off: list[str], wanted: list[str], asked: bool) -> Finding:
    commands = [in_pod("sysctl", "-w", f"net.ipv6.conf.{n}.disable_ipv6=0") for n in off]
    attachment = next(a for a in model.attachments if a.link.name == name)
    commands += [
        in_pod("ip", "-6", "addr", "add", _prefix(model, attachment, ip), "dev", name) for ip in wanted
    ]
    why = f"{', '.join(wanted)} was asked for" if wanted else "IPv6 is on elsewhere in the pod"
    return Finding(
        code="GN0204",
        severity=Severity.ERROR if asked or wanted else Severity.WARNING,
        title=f"IPv6 is disabled on the pod's {name} (disable_ipv6=1), and {why}",
        object=the_pod(model, name),
        evidence=(
            seen(
                "sysctl", f"net.ipv6.conf.{name}.disable_ipv6=1", f"sysctl net.ipv6.conf.{name}.disable_ipv6"
            ),
        ),
        remedy=Remedy(
            text="enable IPv6 in the pod (a tuning plugin or a sysctl of the pod turned it off)",
            commands=tuple(commands),
        ),
    )


def prefix_length(model: Model) -> Iterator[Finding]:
    """GN0206: the pod's subnet is not the one that the node's end of the link has."""
    for attachment in model.attachments:
        entry = attachment.bridge
        if entry is None:
            continue
        for own in model.addresses(attachment):
            peers = [
                a
                for a in model.node.addresses(entry, version(own.ip))
                if within(own.ip, f"{a.ip}/{a.prefix}")
            ]
            promised = _promised_prefix(model, own.ip)
            if not peers or own.prefix == peers[0].prefix or promised == own.prefix:
                continue
            name, right = attachment.link.name, peers[0].prefix
            gateway = _default(model, attachment, version(own.ip))
            yield Finding(
                code="GN0206",
                severity=Severity.ERROR,
                title=f"{own.ip}/{own.prefix} on {name}: the subnet on {entry.name} is /{right}, so "
                "neighbours are taken for remote or remote ones for neighbours",
                object=the_pod(model, name),
                evidence=(
                    seen("netlink", f"{own.ip}/{own.prefix}", f"ip addr show {name}"),
                    seen("netlink", f"{entry.name}: {peers[0].ip}/{right}", f"ip addr show {entry.name}"),
                ),
                remedy=Remedy(
                    text="give the address the link's prefix length",
                    commands=(
                        in_pod("ip", "addr", "add", f"{own.ip}/{right}", "dev", name),
                        in_pod("ip", "addr", "del", f"{own.ip}/{own.prefix}", "dev", name),
                        *gateway,
                    ),
                ),
                confidence=Confidence.MEDIUM if promised is None else Confidence.HIGH,
            )


def bridge_prefix(model: Model) -> Iterator[Finding]:
    """GN0206: the bridge has the gateway's address with a subnet too narrow for the pod."""
    for attachment in model.attachments:
        bridge = attachment.bridge
        if bridge is None:
            continue
        for own in model.addresses(attachment):
            near = [a for a in model.node.addresses(bridge, version(own.ip)) if within(a.ip, subnet(own))]
            if not near or any(within(own.ip, subnet(a)) for a in near):
                continue
            has, name = near[0], bridge.name
            yield Finding(
                code="GN0206",
                severity=Severity.FATAL,
                title=f"{name} has {has.ip}/{has.prefix}, too narrow a subnet for {own.ip}/{own.prefix}: the node "
                "finds no way back to the pod",
                object=the_interface(name),
                evidence=(
                    seen("netlink", f"{name}: {has.ip}/{has.prefix}", f"ip addr show {name}"),
                    seen("netlink", f"{own.ip}/{own.prefix}", f"ip addr show {attachment.link.name}"),
                ),
                remedy=Remedy(
                    text=f"give the address on {name} the pods' prefix length",
                    commands=(
                        on_node("ip", "addr", "add", f"{has.ip}/{own.prefix}", "dev", name),
                        on_node("ip", "addr", "del", f"{has.ip}/{has.prefix}", "dev", name),
                    ),
                ),
                affects=model.affected(bridge),
            )


def promised_prefix(model: Model) -> Iterator[Finding]:
    """GN0206: where the other end cannot be seen, ADD's own result tells the prefix length."""
    for attachment in model.attachments:
        for own in model.addresses(attachment) if attachment.kind in ("parent", "foreign", "device") else ():
            promised = _promised_prefix(model, own.ip)
            if promised is None or promised == own.prefix or model.datapath:
                continue
            name = attachment.link.name
            yield Finding(
                code="GN0206",
                severity=Severity.WARNING,
                title=f"{own.ip}/{own.prefix} on {name}: ADD gave it as /{promised}, so neighbours are taken for "
                "remote or remote ones for neighbours",
                object=the_pod(model, name),
                evidence=(seen("netlink", f"{own.ip}/{own.prefix}", f"ip addr show {name}"),),
                remedy=Remedy(
                    text="give the address its prefix length again",
                    commands=(
                        in_pod("ip", "addr", "add", f"{own.ip}/{promised}", "dev", name),
                        in_pod("ip", "addr", "del", f"{own.ip}/{own.prefix}", "dev", name),
                    ),
                ),
            )


def _promised_prefix(model: Model, ip: str) -> int | None:
    for cached in model.results:
        for entry in cached.result.get("ips") or ():
            address, _, length = str(entry.get("address", "")).partition("/")
            if address == ip and length.isdigit():
                return int(length)
    return None


CHECKS = (
    PodCheck(
        id="address-drift",
        title="the pod has the addresses that ADD, status and cluster say",
        run=drift,
        needs=("pod",),
    ),
    PodCheck(id="address-any", title="the primary interface has an address", run=none_at_all, needs=("pod",)),
    PodCheck(
        id="bridge-prefix",
        title="the bridge's subnet holds the pod",
        run=bridge_prefix,
        needs=("pod", "node"),
    ),
    PodCheck(
        id="address-promised",
        title="addresses have the prefix length that ADD gave",
        run=promised_prefix,
        needs=("pod", "node"),
    ),
    PodCheck(
        id="address-duplicate",
        title="no other namespace holds the pod's addresses",
        run=duplicate,
        needs=("pod", "node"),
    ),
    PodCheck(id="ipv6-usable", title="IPv6 is on where it was asked for", run=ipv6_usable, needs=("pod",)),
    PodCheck(
        id="address-prefix",
        title="pod and bridge agree on the subnet",
        run=prefix_length,
        needs=("pod", "node"),
    ),
)
