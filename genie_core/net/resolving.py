"""ARP between the pod and its node, in a trace: where one of them does not answer."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.net import wording
from genie_core.net.arp import silence
from genie_core.net.model import Attachment, Model
from genie_core.net.traces import Walk
from genie_core.net.wording import Said


def unanswered(model: Model, attachment: Attachment, hop: str) -> str:
    """Why the node answers no ARP of the pod for the next hop; "" where it does, or another host is asked."""
    entry, own = attachment.entry, next((a.ip for a in model.addresses(attachment, 4)), "")
    if entry is None or not own or attachment.kind not in ("bridge", "routed"):
        return ""
    return silence(model.node, entry, hop, own)


def unfound(model: Model, walk: Walk) -> Iterator[Said]:
    """Where the pod answers no ARP of the node, by which the answer would find it."""
    attachment = next(
        (a for a in model.attachments if walk.steps and a.link.name == walk.steps[0].split()[-1]), None
    )
    entry = attachment.entry if attachment else None
    if attachment is None or entry is None or model.pod is None or walk.flow.peer or walk.flow.family == 6:
        return
    asker = next((a.ip for a in model.node.addresses(entry, 4)), "")
    for own in model.addresses(attachment, 4)[:1] if asker else ():
        why = silence(model.pod, attachment.link, own.ip, asker)
        yield from wording.neighbour(model.node, entry, own.ip, "node", why) if why else ()
