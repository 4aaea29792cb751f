"""Short words for making findings."""

from __future__ import annotations

from genie_core.findings import Command, Evidence, Subject
from genie_core.net.case import Case
from genie_core.net.model import Attachment


def on_node(*argv: object) -> Command:
    """A command for the node's namespace."""
    return Command(argv=tuple(map(str, argv)))


def in_pod(*argv: object) -> Command:
    """A command for the pod's namespace."""
    return Command(argv=tuple(map(str, argv)), netns="pod")


def seen(source: str, value: object, command: str = "") -> Evidence:
    """One fact."""
    return Evidence(source=source, value=str(value), command=command)


def the_pod(model: Case, iface: str = "") -> Subject:
    """The pod that is asked about, or one interface of it."""
    return Subject(
        kind="pod",
        ns=model.facts.namespace,
        name=model.facts.pod_name,
        netns=model.facts.netns_path,
        iface=iface,
    )


def the_interface(name: str) -> Subject:
    """An interface of the node."""
    return Subject(kind="interface", name=name, netns="node", iface=name)


def a(kind: str, name: str, iface: str = "") -> Subject:
    """Anything else of the node: a sysctl, a rule, a route, a service."""
    return Subject(kind=kind, name=name, netns="node", iface=iface)


def ends(attachment: Attachment) -> str:
    """`veth1 (peer of eth0)`."""
    return f"{attachment.peer.name if attachment.peer else '?'} (peer of the pod's {attachment.link.name})"
