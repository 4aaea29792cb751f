"""ARP before a conversation: the effect of rules of the arp and bridge families on request and reply."""

from __future__ import annotations

from collections.abc import Callable

from genie_core.net.firewall.rules import Packet
from genie_core.net.model import Attachment, Model
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
