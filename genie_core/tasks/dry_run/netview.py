"""The state of a network namespace and of its files at one moment, and the changes between two moments.

Read with `ip -json` and `nft`, which every node has; parsing is pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genie_core.errors import IOFailure
from genie_core.published import UNPUBLISHED, Published
from genie_core.sandbox.node_process import NodeProcess

# A kernel may lack IPv6, and a node nft.
_NO_NFT = "no nft"
_QUESTIONS = (
    "ip -json -details address",
    "ip -json -4 route show table all",
    "ip -json -6 route show table all",
    "ip -4 rule || :",
    "ip -6 rule || :",
)
_FIREWALL = f"if command -v nft >/dev/null; then nft --stateless list ruleset || :; else echo {_NO_NFT}; fi"
# The kernel adds rules to each namespace, and routes with each address.
_OWN_RULES = ("0", "32766", "32767")
_OWN_ROUTES = ("local", "broadcast", "multicast", "anycast")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface(Published):
    """A network interface. `kind` is the kernel's name ("veth"); `parent` the interface below it, or its bridge."""

    name: str
    kind: str
    mac: str
    mtu: int
    up: bool
    parent: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Published):
    """A route: `to` a network or "default", `via` a gateway or "", through `interface`."""

    to: str
    via: str
    interface: str
    family: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View(Published):
    """One moment. `firewall` lines are "table chain: rule"; None where nft is not installed."""

    interfaces: tuple[Interface, ...]
    routes: tuple[Route, ...]
    rules: tuple[str, ...] = ()
    firewall: tuple[str, ...] | None = field(default=None, metadata=UNPUBLISHED)
    files: tuple[str, ...] = field(default=(), metadata=UNPUBLISHED)

    def items(self) -> Iterator[tuple[str, str]]:
        """Everything that can be added and removed, as (kind, name)."""
        for interface in self.interfaces:
            yield "interface", f"{interface.name} ({interface.kind})" if interface.kind else interface.name
            for address in interface.addresses:
                if not address.startswith("fe80:"):  # it is added and removed with its interface
                    yield "address", f"{address} on {interface.name}"
        for route in self.routes:
            yield "route", f"{route.to}{f' via {route.via}' if route.via else ''} on {route.interface}"
        yield from (("rule", rule) for rule in self.rules)
        yield from (("firewall", line) for line in self.firewall or ())
        yield from (("file", path) for path in self.files)


def observe(
    node: NodeProcess, netns: str = "", directories: Sequence[str] = (), firewall: bool = False
) -> View:
    """Read the state of a node, or of a network namespace of it. Raises IOFailure where `ip` fails."""
    questions = [*_QUESTIONS, _FIREWALL if firewall else ":"]
    links, routes, routes6, rules, rules6, ruleset = _answers(node, netns, questions)
    return View(
        interfaces=tuple(_interface(link) for link in _read(links) if link.get("ifname") != "lo"),
        routes=(*_routes(_read(routes), 4), *_routes(_read(routes6), 6)),
        rules=(*_rules(rules), *_rules(rules6)),
        firewall=None if ruleset == _NO_NFT else tuple(parse_ruleset(ruleset)),
        files=tuple(node.files(*directories)) if directories else (),
    )


def _read(answer: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(answer or "[]")
    return found


def _answers(node: NodeProcess, netns: str, questions: Sequence[str]) -> list[str]:
    """The output of each command. One shell runs them all: the node's process takes three times as long for each."""
    script = "".join(f"{question}\nprintf '\\0'\n" for question in questions)
    ran = node.run(["sh", "-ec", script], netns=netns)
    if ran.returncode != 0:
        raise IOFailure(f"the state of the network cannot be read: {ran.stderr.strip()}")
    return [text.strip() for text in ran.stdout.split("\0")[:-1]]


def _interface(link: Mapping[str, Any]) -> Interface:
    return Interface(
        name=link["ifname"],
        kind=link.get("linkinfo", {}).get("info_kind", ""),
        mac=link.get("address", ""),
        mtu=link.get("mtu", 0),
        up="UP" in link.get("flags", ()),
        parent=link.get("master", "") or _parent(link),
        addresses=tuple(
            f"{address['local']}/{address['prefixlen']}"
            for address in link.get("addr_info", ())
            if "local" in address
        ),
    )


def _parent(link: Mapping[str, Any]) -> str:
    """The interface below this one; a veth's peer, or an interface in another namespace, is no parent."""
    is_pair = link.get("linkinfo", {}).get("info_kind") == "veth"
    return "" if is_pair else str(link.get("link", ""))


def _routes(found: Sequence[Mapping[str, Any]], family: int) -> Iterator[Route]:
    for route in found:
        dst = str(route.get("dst", ""))
        if route.get("type") in _OWN_ROUTES or dst.startswith(("ff00:", "fe80:")) or route.get("dev") == "lo":
            continue
        yield Route(
            to=dst, via=str(route.get("gateway", "")), interface=str(route.get("dev", "")), family=family
        )


def _rules(text: str) -> Iterator[str]:
    """Policy rules, except the kernel's own three, which every namespace has."""
    for line in text.splitlines():
        if line.partition(":")[0] not in _OWN_RULES:
            yield " ".join(line.split())


def parse_ruleset(text: str) -> Iterator[str]:
    """The chains and rules of nft's listing, one line each; empty tables and base chains are left out."""
    table = chain = own = ""
    for raw in text.splitlines():
        word, _, rest = (line := raw.strip()).partition(" ")
        if word == "table":
            table = rest.removesuffix("{").strip()
        elif word in ("chain", "set", "map"):
            chain = rest.removesuffix("{").strip()
            own = f"{table}: {word} {chain}"
        elif word == "type" and " hook " in line:
            own = ""
        elif line == "}" and chain:
            if own:
                yield own
            chain = ""
        elif line and chain and not line.startswith("#"):
            yield f"{table} {chain}: {line}"


def appeared(before: View, after: View) -> list[tuple[str, str]]:
    """The items of `after` that are not in `before`, in the order of `after`."""
    known = set(before.items())
    return [item for item in after.items() if item not in known]
