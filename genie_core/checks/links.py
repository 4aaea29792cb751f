"""The pod's interfaces: present, up, with ARP and unique MACs."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.addresses import restore_ipv6
from genie_core.checks.check import check
from genie_core.checks.parts import fix, in_pod, on_node, seen, the_interface, the_pod
from genie_core.findings import Code, Command, Effect, Finding, Severity
from genie_core.net.arp import silence
from genie_core.net.case import Case
from genie_core.net.model import FALLBACKS, RUNTIME, STATUS, Attachment
from genie_core.net.stack import conf_key
from genie_core.survey.kernel import Link, Netns

RECREATE = "delete the pod so that the runtime attaches it again"


def restore_routes(case: Case, attachment: Attachment) -> tuple[Command, ...]:
    """The commands that restore the lost default routes of an interface."""
    commands = []
    for family in case.families:
        gateway = case.expected_gateway(family)
        lost = case.pod is not None and not any(r not in case.pod.extra for r in case.pod.defaults(family))
        if gateway and lost:
            commands.append(
                in_pod("ip", *(["-6"] if family == 6 else []), *_route(attachment, gateway, case))
            )
    return tuple(commands)


def _route(attachment: Attachment, gateway: str, case: Case) -> list[str]:
    onlink = [] if any(not a.is_single for a in case.addresses(attachment)) else ["onlink"]
    return ["route", "replace", "default", "via", gateway, "dev", attachment.link.name, *onlink]


GN0102 = Code("GN0102", "a pod interface is down",
    cause="an interface that is not UP has no routes",
    confirm="ip -n POD link show eth0", fix="ip link set eth0 up, and its routes again",
    breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check("pod-link-up", GN0102, title="the pod's interfaces are up", needs=("pod",))
def link_up(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        link = attachment.link
        if link.up:
            continue
        commands = [in_pod("ip", "link", "set", link.name, "up")]
        commands += restore_ipv6(case, attachment)
        if attachment is case.primary:
            commands += restore_routes(case, attachment)
        yield GN0102.found(
            Severity.FATAL if attachment is case.primary else Severity.ERROR,
            f"{link.name} in the pod's namespace is administratively DOWN, so its routes are gone",
            the_pod(case, link.name),
            seen("netlink", f"{link.name}: flags without UP", f"ip link show {link.name}"),
            remedy=fix(
                f"set {link.name} up and restore its routes, or {RECREATE}; find out what set it down",
                *commands,
            ),
        )


GN0101 = Code("GN0101", "a pod interface is missing",
    cause="something deleted or moved an interface after ADD, or its host end was deleted",
    confirm="ip -n POD link", fix="recreate the pod", breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check("pod-interface-present", GN0101, title="every interface that ADD reported is there", needs=("pod",))
def present(case: Case) -> Iterator[Finding]:
    # a runtime caches the result of its loopback plugin as well
    here = {"lo"} | {link.name for link in (case.facts.pod.links if case.facts.pod else ())} - {*FALLBACKS}
    recorded: dict[str, str] = {}
    for intended in case.intended:
        recorded.setdefault(intended.ifname, intended.source)
    for name, source in recorded.items():
        if name in here or (source in (STATUS, RUNTIME) and len(here) > 1):
            continue
        yield GN0101.found(
            Severity.FATAL if name == "eth0" else Severity.ERROR,
            f"interface {name} is missing in the pod's namespace, although {source} has it",
            the_pod(case, name),
            seen("netlink", f"interfaces: {', '.join(sorted(here))}", "ip link"),
            seen(source, name),
            remedy=fix(f"{RECREATE}; something moved or deleted {name} after ADD"),
        )


GN0103 = Code("GN0103", "the pod's lo is down",
    cause="the loopback plugin did not run: it is missing in the bin directory, or something set lo down",
    confirm="ip -n POD addr show lo", fix="ip link set lo up; install the loopback plugin",
    explained_by=(Effect.LO,))  # fmt: skip


def lo_fault(pod: Netns | None) -> tuple[str, list[Command]]:
    """(what is wrong with the pod's lo, the commands that mend it); ("", []) for nothing."""
    lo = next((link for link in pod.links if link.name == "lo"), None) if pod else None
    if pod is None or lo is None:
        return "", []
    local = any(a.index == lo.index and a.ip.startswith("127.") for a in pod.addresses)
    if lo.up and local:
        return "", []
    commands = [in_pod("ip", "link", "set", "lo", "up")]
    commands += [] if local else [in_pod("ip", "addr", "replace", "127.0.0.1/8", "dev", "lo")]
    return "without 127.0.0.1" if lo.up else "DOWN", commands


@check("pod-loopback", GN0103, title="lo is up", needs=("pod",))
def loopback(case: Case) -> Iterator[Finding]:
    state, commands = lo_fault(case.facts.pod)
    if not state:
        return
    yield GN0103.error(
        f"lo is {state}: localhost, sidecars and the pod's own address fail; the loopback plugin did not run",
        the_pod(case, "lo"),
        seen("netlink", f"lo: {state}", "ip addr show lo"),
        remedy=fix("set lo up; add or repair the loopback plugin in the CNI bin directory", *commands),
    )


GN0105 = Code("GN0105", "ARP is off on the pod's link",
    cause="with NOARP, arp_ignore or arp_filter an end of the link resolves no neighbour, or is not resolved",
    confirm="ip -n POD link; sysctl -a -r 'arp_(ignore|filter)'", fix="ip link set eth0 arp on",
    breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check("pod-arp", GN0105, title="ARP is on in the pod", needs=("pod",))
def arp_enabled(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        link = attachment.link
        if link.arp or link.kind in ("ipvlan", "wireguard", "tun") or not link.mac:
            continue
        yield GN0105.found(
            Severity.FATAL if attachment is case.primary else Severity.ERROR,
            f"ARP is off on the pod's {link.name} (NOARP): it resolves no neighbour and answers no request",
            the_pod(case, link.name),
            seen("netlink", f"{link.name}: NOARP", f"ip link show {link.name}"),
            remedy=fix("turn ARP on", in_pod("ip", "link", "set", link.name, "arp", "on")),
        )
    for attachment in case.attachments:
        name, gateway = attachment.link.name, case.segment_gateway(attachment, 4)
        own = case.addresses(attachment, 4)[:1]
        state = (
            silence(case.pod, attachment.link, own[0].ip, gateway or own[0].ip) if case.pod and own else ""
        )
        if not state:
            continue
        yield GN0105.error(
            f"the pod answers no ARP on {name} ({state}): no host on the link can reach it",
            the_pod(case, name),
            seen("sysctl", state),
            remedy=fix("set it to 0", in_pod(*answering(name, state))),
        )


@check("node-arp", GN0105, title="the node answers the pod's ARP", needs=("pod", "node"))
def node_answers(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        entry = attachment.entry
        if entry is None or attachment.kind not in ("bridge", "routed"):
            continue
        state = _ignored(case, attachment, entry) if entry.arp else f"{entry.name}: NOARP"
        if not state:
            continue
        mend = answering(entry.name, state) if entry.arp else ("ip", "link", "set", entry.name, "arp", "on")
        yield GN0105.found(
            Severity.FATAL if attachment is case.primary else Severity.ERROR,
            f"{entry.name}, the host end of the pod's link, answers no ARP ({state}): the pod cannot find it",
            the_interface(entry.name),
            seen("netlink", state, f"ip link show {entry.name}; sysctl -a -r 'arp_(ignore|filter)'"),
            remedy=fix("turn ARP on again", on_node(*mend)),
            affects=case.affected(attachment.bridge) if attachment.bridge else (),
        )


def _ignored(case: Case, attachment: Attachment, entry: Link) -> str:
    """The setting by which the node answers no ARP of the pod for its next hops that the node has, else its address."""
    hops = (
        h
        for r in (case.pod.facts.routes if case.pod else ())
        for h in r.hops
        if h.index == attachment.link.index
    )
    asked = [h.gateway for h in hops if h.gateway in case.node.local] or [
        a.ip for a in case.node.addresses(entry, 4)[:1]
    ]
    asker = next((a.ip for a in case.addresses(attachment, 4)), "")
    found = (silence(case.node, entry, ip, asker or ip) for ip in dict.fromkeys(asked))
    return next(filter(None, found), "")


def answering(link: str, state: str) -> tuple[str, ...]:
    """The command after which a link's ARP requests are answered again; `state` is the setting that keeps it silent."""
    name = state.partition("=")[0].rpartition(".")[2]
    return ("sysctl", "-w", f"{conf_key(link, name)}=0", f"{conf_key('all', name)}=0")


GN0106 = Code("GN0106", "duplicate MAC",
    cause="two ports of one bridge have one MAC: the bridge sends frames to the port that used it last",
    confirm="bridge fdb show", fix="give one of them another MAC", breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check("mac-unique", GN0106, title="no other pod has the same MAC", needs=("pod", "node", "tenants"))
def mac_unique(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        bridge = attachment.bridge
        if bridge is None:
            continue
        holders = [f"{bridge.name} itself"] if bridge.mac == attachment.link.mac else []
        for port, tenant in case.neighbours_on(bridge):
            if any(link.index == port.peer and link.mac == attachment.link.mac for link in tenant.links):
                holders.append(case.title_of(tenant))
        if not holders:
            continue
        name = attachment.link.name
        yield GN0106.fatal(
            f"MAC {attachment.link.mac} of the pod's {name} is also that of "
            f"{', '.join(holders)} on {bridge.name}",
            the_pod(case, name),
            seen("netlink", attachment.link.mac, f"ip link show {name}"),
            seen("netlink", f"also {', '.join(holders)}", f"bridge fdb show br {bridge.name}"),
            remedy=fix(
                f"give {name} a MAC of its own, or recreate one of the two pods",
                in_pod("ip", "link", "set", name, "address", _new_mac(attachment)),
            ),
            affects=tuple(h for h in holders if "/" in h),
        )


def _new_mac(attachment: Attachment) -> str:
    """A locally administered MAC, derived from the interface, so that the same facts give the same report."""
    number = (attachment.peer.index if attachment.peer else attachment.link.index) & 0xFFFF
    return f"0a:58:67:6e:{number >> 8:02x}:{number & 0xFF:02x}"


GN0107 = Code("GN0107", "a static FDB entry diverts the pod's frames",
    cause="an FDB entry names another port for the pod's MAC",
    confirm="bridge fdb show | grep MAC", fix="bridge fdb del MAC dev PORT master",
    breaks=(Effect.PACKETS, Effect.FRAMES))  # fmt: skip


@check("mac-pinned", GN0107, title="the bridge sends the pod's MAC to its port", needs=("pod", "node"))
def mac_filter(case: Case) -> Iterator[Finding]:
    for attachment in case.attachments:
        bridge, peer = attachment.bridge, attachment.peer
        if bridge is None or peer is None:
            continue
        for entry in case.facts.node.forwarding:
            port = case.node.link(entry.index)
            astray = entry.mac == attachment.link.mac and entry.index != peer.index and not entry.dst
            if not astray or port is None or port.master != bridge.index:
                continue
            if not entry.permanent:
                continue
            yield GN0107.fatal(
                f"{bridge.name} sends frames for the pod's MAC {entry.mac} to {port.name}, not "
                f"to {peer.name}: a static FDB entry",
                the_pod(case, attachment.link.name),
                seen("netlink", f"{entry.mac} dev {port.name}", f"bridge fdb show br {bridge.name}"),
                remedy=fix(
                    "delete the entry; the bridge learns the right port by itself",
                    on_node("bridge", "fdb", "del", entry.mac, "dev", port.name, "master"),
                ),
            )
