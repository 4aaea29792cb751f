"""The pod's interface compared with its ADD: MAC, sysctls of tuning, the least MTU of IPv6, lifetimes of addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from genie_core.checks.addresses import restore_ipv6
from genie_core.checks.check import check
from genie_core.checks.parts import fix, in_pod, on_node, seen, the_pod
from genie_core.findings import Code, Effect, Finding, Severity
from genie_core.net.case import Case
from genie_core.net.firewall.rules import Chain
from genie_core.net.model import Attachment
from genie_core.spec.addresses import version

LEAST_IPV6 = 1280  # RFC 8200, section 5

GN0109 = Code("GN0109", "an interface has another MAC than ADD gave it",
    cause="something changed the MAC after ADD; rules against spoofing and neighbours still have the old one",
    confirm="compare ip link in the pod with the cached result; nft list table bridge nat",
    fix="give it the MAC back, or recreate the pod")  # fmt: skip


@check("mac-asked", GN0109, title="interfaces have the MAC that ADD gave", needs=("pod", "node"))
def changed_mac(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        asked, source = _asked_mac(case, attachment)
        if not asked or asked == attachment.link.mac:
            continue
        name, pinned = attachment.link.name, _pinned_to(case, asked)
        own = [a.ip for a in case.addresses(attachment)]
        yield GN0109.found(
            Severity.FATAL if pinned else Severity.WARNING,
            f"{name} has MAC {attachment.link.mac}, ADD gave it {asked}"
            + (f": {pinned.place} lets only that one pass" if pinned else ""),
            the_pod(case, name),
            seen("netlink", f"{name}: {attachment.link.mac}", f"ip link show {name}"),
            seen(source, f"mac {asked}"),
            *((seen("firewall", f"{pinned.place}: {asked}", pinned.listing),) if pinned else ()),
            breaks=(Effect.PACKETS, Effect.FRAMES, pinned.place) if pinned else (),
            remedy=fix(
                "give it its MAC back, or recreate the pod; find out what changed it",
                in_pod("ip", "link", "set", name, "address", asked),
                *(on_node("ip", "neigh", "flush", "to", ip) for ip in own),
            ),
        )


def _asked_mac(case: Case, attachment: Attachment) -> tuple[str, str]:
    """(the MAC of the attachment in ADD's result, its file), "" for none."""
    for cached in case.results:
        for interface in (
            cached.result.get("interfaces") or () if cached.ifname == attachment.link.name else ()
        ):
            if interface.get("sandbox") and interface.get("name") == attachment.link.name:
                return str(interface.get("mac") or "").lower(), cached.file
    return "", ""


def _pinned_to(case: Case, mac: str) -> Chain | None:
    """A chain of the node whose rules name the MAC."""
    return next((c for c in case.node.rules.chains for r in c.rules if mac in r.text.lower()), None)


GN0110 = Code("GN0110", "a sysctl of the pod is not as tuning set it",
    cause="something in the pod wrote it after ADD, or the network's file was changed since then",
    confirm="sysctl in the pod; the file in the evidence",
    fix="set it again, or recreate the pod")  # fmt: skip


@check("tuning-asked", GN0110, title="sysctls are as the network's tuning plugin set them", needs=("pod",))
def untuned(case: Case) -> Iterator[Finding]:
    settings = case.facts.pod.sysctls if case.facts.pod else {}
    for path, asked in _tuned(case).items():
        live = settings.get(path)
        if live is None or any(live.split() == one.value.split() for one in asked):
            continue
        key, last = f"net.{path.replace('/', '.')}", asked[-1]
        yield GN0110.warning(
            f"{key} is {live} in the pod, the network's tuning asks for {last.value}",
            the_pod(case, last.ifname),
            seen("sysctl", f"{key}={live}", f"sysctl {key}"),
            seen(last.file, f"tuning: {last.name}={last.value}", f"grep -n tuning {last.file}"),
            remedy=fix(
                "set it again; find out what changed it, or whether the file is newer than the pod",
                in_pod("sysctl", "-w", f"{key}={last.value}"),
            ),
        )


class _Asked(NamedTuple):
    name: str
    value: str
    ifname: str
    file: str


def _tuned(case: Case) -> dict[str, list[_Asked]]:
    """Path below net -> what the files of the pod's networks ask for now. Which network's ADD was the last is unknown.

    A sysctl of the pod's securityContext is left out: the runtime writes it after ADD.
    """
    found: dict[str, list[_Asked]] = {}
    later = {_path(name) for name in case.pod_object.sysctls}
    for conf in case.own_confs:
        tunings = [p.get("sysctl") for p in conf.plugins if p.get("type") == "tuning"]
        wanted = [item for sysctl in tunings if isinstance(sysctl, dict) for item in sysctl.items()]
        for cached in (c for c in case.results if c.network == conf.name):
            for name, value in wanted:
                path = _path(name.replace("IFNAME", cached.ifname))
                if path not in later:
                    found.setdefault(path, []).append(_Asked(name, str(value), cached.ifname, conf.path))
    return found


def _path(name: str) -> str:
    """`ipv4/ip_forward` for `net.ipv4.ip_forward`."""
    return name.replace(".", "/").removeprefix("net/")


GN0111 = Code("GN0111", "the MTU is too small for IPv6",
    cause="the kernel removes IPv6 from an interface whose MTU is below 1280",
    confirm="ip link show eth0 in the pod", fix="an MTU of at least 1280, and the addresses again",
    breaks=(Effect.PACKETS,))  # fmt: skip


@check("mtu-of-ipv6", GN0111, title="interfaces with IPv6 have an MTU that it needs", needs=("pod", "node"))
def too_small(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        link, peer = attachment.link, attachment.peer
        wanted = {ip for i in case.intended if i.ifname == link.name for ip in i.ips if version(ip) == 6}
        if link.mtu >= LEAST_IPV6 or not wanted:
            continue
        mtu = max(LEAST_IPV6, peer.mtu if peer else 0)
        commands = [
            in_pod("ip", "link", "set", link.name, "mtu", mtu),
            *restore_ipv6(case, attachment),
        ]
        yield GN0111.fatal(
            f"{link.name} has MTU {link.mtu}, below the {LEAST_IPV6} that IPv6 needs: the kernel has removed "
            f"IPv6 from it, with {', '.join(sorted(wanted))}",
            the_pod(case, link.name),
            seen("netlink", f"{link.name}: mtu {link.mtu}", f"ip link show {link.name}"),
            remedy=fix("give it the MTU of its host end, and its IPv6 addresses and routes again", *commands),
        )


_FOR_EVER = ("valid_lft", "forever", "preferred_lft", "forever")
GN0211 = Code("GN0211", "an address of the pod expires",
    cause="a DHCP client or a router's advertisement gave it a lifetime, and nothing renews it",
    confirm="ip -d addr show eth0 in the pod",
    fix="ip addr change ... valid_lft forever; find what set the lifetime")  # fmt: skip


@check("address-lifetime", GN0211, title="the pod's addresses are valid for ever", needs=("pod",))
def expiring(case: Case) -> Iterator[Finding]:
    promised = {ip for i in case.intended for ip in i.ips}
    for attachment in case.attachments:
        for own in case.addresses(attachment):
            deprecated = "deprecated" in own.flags
            if own.ip not in promised or own.advertised or not (own.valid or deprecated):
                continue
            name, prefix = attachment.link.name, own.cidr
            state = (
                f"expires in {own.valid} seconds" if own.valid else "is deprecated: no new connection uses it"
            )
            yield GN0211.warning(
                f"{own.ip} on {name} {state}, and nothing of the network renews it",
                the_pod(case, name),
                seen(
                    "netlink",
                    f"{prefix}: valid {own.valid or 'for ever'}, {' '.join(own.flags)}".rstrip(", "),
                    f"ip -d addr show {name}",
                ),
                remedy=fix(
                    "make it valid for ever; find out what set the lifetime",
                    in_pod("ip", "addr", "change", prefix, "dev", name, *_FOR_EVER),
                ),
            )
