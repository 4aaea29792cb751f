"""Prefix lengths: the pod's, its bridge's, and what ADD gave must be one subnet."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.addresses import restore_default
from genie_core.checks.check import check
from genie_core.checks.parts import fix, in_pod, on_node, seen, the_interface, the_pod
from genie_core.findings import Code, Confidence, Effect, Finding
from genie_core.net.addresses import subnet, within
from genie_core.net.case import Case
from genie_core.net.model import Attachment
from genie_core.spec.addresses import version
from genie_core.survey.kernel import Address

GN0206 = Code("GN0206", "wrong prefix length",
    cause="pod and bridge have different subnets: one treats neighbours as remote, or remote addresses as neighbours",
    confirm="ip addr on both ends", fix="give the pod the bridge's prefix length",
    explained_by=("GN0406",), breaks=(Effect.PACKETS,))  # fmt: skip


@check("address-prefix", GN0206, title="pod and bridge agree on the subnet", needs=("pod", "node"))
def prefix_length(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        entry = attachment.bridge
        if entry is None:
            continue
        for own in case.addresses(attachment):
            peers = [a for a in case.node.addresses(entry, version(own.ip)) if within(own.ip, a.cidr)]
            promised = _promised_prefix(case, own.ip)
            if not peers or own.prefix == peers[0].prefix or promised == own.prefix:
                continue
            if promised is None and _is_further(case, attachment, own):
                continue
            name, right = attachment.link.name, peers[0].prefix
            primary = attachment is case.primary
            gateway = restore_default(case, attachment, version(own.ip)) if primary else ()
            yield GN0206.error(
                f"{own.cidr} on {name}: the subnet on {entry.name} is /{right}, so "
                "neighbours are taken for remote or remote ones for neighbours",
                the_pod(case, name),
                seen("netlink", own.cidr, f"ip addr show {name}"),
                seen("netlink", f"{entry.name}: {peers[0].ip}/{right}", f"ip addr show {entry.name}"),
                remedy=fix(
                    "give the address the prefix length of the link",
                    in_pod("ip", "addr", "add", f"{own.ip}/{right}", "dev", name),
                    in_pod("ip", "addr", "del", own.cidr, "dev", name),
                    *gateway,
                ),
                confidence=Confidence.MEDIUM if promised is None else Confidence.HIGH,
            )


def _is_further(case: Case, attachment: Attachment, own: Address) -> bool:
    """Whether it is one host's address beside one of its subnet, as a pod's keepalived adds it: that has the route."""
    return own.is_single and any(
        other.prefix < own.prefix and within(own.ip, subnet(other))
        for other in case.addresses(attachment, version(own.ip))
    )


@check("bridge-prefix", GN0206, title="the bridge's subnet holds the pod", needs=("pod", "node"))
def bridge_prefix(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        bridge = attachment.bridge
        if bridge is None:
            continue
        for own in case.addresses(attachment):
            near = [a for a in case.node.addresses(bridge, version(own.ip)) if within(a.ip, subnet(own))]
            if not near or any(within(own.ip, subnet(a)) for a in near):
                continue
            has, name = near[0], bridge.name
            yield GN0206.fatal(
                f"{name} has {has.cidr}, too narrow a subnet for {own.cidr}: the node "
                "finds no way back to the pod",
                the_interface(name),
                seen("netlink", f"{name}: {has.cidr}", f"ip addr show {name}"),
                seen("netlink", own.cidr, f"ip addr show {attachment.link.name}"),
                remedy=fix(
                    f"give the address on {name} the pods' prefix length",
                    on_node("ip", "addr", "add", f"{has.ip}/{own.prefix}", "dev", name),
                    on_node("ip", "addr", "del", has.cidr, "dev", name),
                ),
                affects=case.affected(bridge),
            )


@check(
    "address-promised", GN0206, title="addresses have the prefix length that ADD gave", needs=("pod", "node")
)
def promised_prefix(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        for own in case.addresses(attachment) if attachment.kind in ("parent", "foreign", "device") else ():
            promised = _promised_prefix(case, own.ip)
            if promised is None or promised == own.prefix or case.datapath:
                continue
            name = attachment.link.name
            yield GN0206.warning(
                f"{own.cidr} on {name}: ADD gave it as /{promised}, so neighbours are taken for "
                "remote or remote ones for neighbours",
                the_pod(case, name),
                seen("netlink", own.cidr, f"ip addr show {name}"),
                remedy=fix(
                    "restore the prefix length of the address",
                    in_pod("ip", "addr", "add", f"{own.ip}/{promised}", "dev", name),
                    in_pod("ip", "addr", "del", own.cidr, "dev", name),
                ),
            )


def _promised_prefix(case: Case, ip: str) -> int | None:
    for cached in case.results:
        for entry in cached.result.get("ips") or ():
            address, _, length = str(entry.get("address", "")).partition("/")
            if address == ip and length.isdigit():
                return int(length)
    return None
