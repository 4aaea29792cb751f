"""The parts of a finding: what it is about, the facts that show it, the commands that mend it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from genie_core.catalog.positions import positions
from genie_core.fields import may_be_secret
from genie_core.findings import Command, Evidence, Remedy, Subject
from genie_core.net.case import Case
from genie_core.net.firewall.rules import Chain
from genie_core.net.model import Attachment
from genie_core.survey.facts import ConfFile
from genie_core.survey.kernel import Link

NAMED = ("/run/netns", "/var/run/netns")  # ip-netns(8)


def on_node(*argv: object) -> Command:
    """A command for the node's namespace."""
    return Command(argv=tuple(map(str, argv)))


def in_pod(*argv: object) -> Command:
    """A command for the pod's namespace."""
    return Command(argv=tuple(map(str, argv)), netns="pod")


def in_netns(path: str, *argv: object) -> Command:
    """An `ip` command for another namespace of the node. Only those of `ip netns` have a name for `ip -n`."""
    folder, _, name = path.rpartition("/")
    return (
        on_node("ip", "-n", name, *argv)
        if folder in NAMED
        else on_node("nsenter", f"--net={path}", "ip", *argv)
    )


def seen(source: str, value: object, command: str = "") -> Evidence:
    """A fact: its source, its value, the command that shows it."""
    return Evidence(source=source, value=str(value), command=command)


def the_pod(case: Case, iface: str = "") -> Subject:
    """The pod of the diagnosis, or one of its interfaces."""
    return Subject(
        kind="pod",
        ns=case.facts.namespace,
        name=case.facts.pod_name,
        netns=case.facts.netns_path,
        iface=iface,
    )


def the_interface(name: str) -> Subject:
    """An interface of the node."""
    return Subject(kind="interface", name=name, netns="node", iface=name)


def subject(kind: str, name: str, iface: str = "") -> Subject:
    """Anything else on the node: a sysctl, a rule, a route, a service."""
    return Subject(kind=kind, name=name, netns="node", iface=iface)


def the_chain(case: Case, place: str, chain: Chain) -> Subject:
    """A chain of the node; for one inside the pod the pod."""
    return subject("firewall", chain.place) if place == "node" else the_pod(case)


def no_carrier(link: Link) -> str:
    """The effect of a link without carrier on the interfaces that are on it."""
    return f"{link.name} has no carrier"


def by_route(dst: str) -> str:
    """The effect of a wrong route on what the node sends by it."""
    return f"the route {dst} is wrong"


def some(names: Iterable[str], most: int = 3) -> str:
    """The first of the names, each once, and how many more there are."""
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:most]) + (f" and {len(unique) - most} more" if len(unique) > most else "")


def ends(attachment: Attachment) -> str:
    """`veth1 (peer of eth0)`."""
    return f"{attachment.peer.name if attachment.peer else '?'} (peer of the pod's {attachment.link.name})"


def at(file: ConfFile, path: str = "") -> Subject:
    """A place in a configuration file."""
    line, column = positions(file.text or "").of(path) if path else (file.line, file.column)
    name = file.network.name if file.network else ""
    return Subject(kind="file", name=name, file=file.path, line=line, column=column)


def fix(text: str, *commands: Command | Sequence[str], risk: str = "") -> Remedy:
    """A remedy with its commands; one that is a plain argument list is for the node."""
    made = tuple(c if isinstance(c, Command) else Command(argv=tuple(c)) for c in commands)
    return Remedy(text=text, commands=made, risk=risk)


def line_of(file: ConfFile, number: int) -> Evidence:
    """A line of a configuration file; not one that may hold a secret, nor a value whose name is in another line."""
    lines = (file.text or "").splitlines()
    shown = lines[number - 1].strip()[:160] if 0 < number <= len(lines) else ""
    if may_be_secret(shown) or ('"' in shown and ":" not in shown):
        shown = "(a line that may hold a secret)"
    return Evidence(source=f"{file.path}:{number}", command=f"sed -n {number}p {file.path}", value=shown)
