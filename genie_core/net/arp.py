"""ARP before a conversation: the effect of rules of the arp and bridge families, and of sysctls."""

from __future__ import annotations

from collections.abc import Callable

from genie_core.net.addresses import subnet, within
from genie_core.net.firewall.rules import Packet
from genie_core.net.model import Attachment, Model
from genie_core.net.stack import NO_REPLY, Stack, conf_key
from genie_core.survey.kernel import Link

Hook = Callable[[str, str, Packet, str], object]  # place, name, packet, family
THROUGH = ("prerouting", "forward", "postrouting")


def resolve(
    model: Model, hook: Hook, attachment: Attachment, source: str, target: str, port: Link | None
) -> None:
    """The pod's ARP request for `target`: the host end of its link, or a pod behind another `port` of its bridge."""
    link, peer, entry = attachment.link, attachment.peer, attachment.entry
    if ":" in target or not is_asked_for(model, attachment, target):
        return

    question = Packet(protocol="arp", source=source, target=target, smac=link.mac)
    answer = Packet(protocol="arp", source=target, target=source, state="established", dmac=link.mac)
    hook("pod", "output", question.with_(oif=link.name), "arp")
    if attachment.kind not in ("bridge", "routed") or peer is None or entry is None:
        pass  # its frames go past the node
    elif port is not None:
        for name in THROUGH:
            hook("node", name, question.with_(iif=peer.name, oif=port.name), "bridge")
            hook("node", name, answer.with_(iif=port.name, oif=peer.name), "bridge")
    else:
        _with_node(hook, attachment, peer, entry, question, answer.with_(smac=entry.mac))
    hook("pod", "input", answer.with_(iif=link.name), "arp")


def is_asked_for(model: Model, attachment: Attachment, target: str) -> bool:
    """Whether the kernel asks the link for the target's MAC: not with a permanent neighbour entry."""
    pinned = model.pod.neighbour(attachment.link.index, target) if model.pod else None
    return attachment.link.arp and not (pinned and pinned.state == "permanent")


def _with_node(
    hook: Hook, attachment: Attachment, peer: Link, entry: Link, question: Packet, answer: Packet
) -> None:
    if attachment.bridge is not None:
        for name in ("prerouting", "input"):
            hook("node", name, question.with_(iif=peer.name), "bridge")
    hook("node", "input", question.with_(iif=entry.name), "arp")
    hook("node", "output", answer.with_(oif=entry.name), "arp")
    if attachment.bridge is not None:
        for name in ("output", "postrouting"):
            hook("node", name, answer.with_(oif=peer.name), "bridge")


def silence(stack: Stack, link: Link, asked: str, asker: str) -> str:
    """The setting by which a stack does not answer the ARP request of `asker` for its own address `asked` on a link.

    `net.ipv4.conf.eth0.arp_ignore=1`; "" where it answers (net/ipv4/arp.c: arp_ignore, arp_filter). For the addresses
    of others, proxy ARP answers whatever these settings are.
    """
    if ":" in asked or asked not in stack.local:
        return ""
    level = max(stack.setting("all", "arp_ignore"), stack.setting(link.name, "arp_ignore"))
    here = [own for own in stack.facts.addresses if own.index == link.index and own.ip == asked]
    if level == NO_REPLY or _ignored(level, stack.local[asked].scope, [subnet(own) for own in here], asker):
        return _named(stack, link, "arp_ignore", level)
    if stack.setting("all", "arp_filter") or stack.setting(link.name, "arp_filter"):
        way = stack.fib.lookup(asker, asked)
        return "" if way.hop.index == link.index else _named(stack, link, "arp_filter", 1)
    return ""


def _ignored(level: int, scope: str, subnets: list[str], asker: str) -> bool:
    """Whether arp_ignore 1 to 3 keeps an address to itself; `subnets` are its own on the link of the request."""
    if level == 2:  # the sender has to be in its subnet, too
        return not any(within(asker, one) for one in subnets)
    return (level == 1 and not subnets) or (level == 3 and scope == "host")


def _named(stack: Stack, link: Link, name: str, value: int) -> str:
    """`net.ipv4.conf.all.arp_ignore=8`: the setting, of the link or of `all`, that has the value."""
    owner = link.name if stack.setting(link.name, name) == value else "all"
    return f"{conf_key(owner, name)}={value}"
