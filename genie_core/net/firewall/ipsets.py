"""`ipset save` -> what `-m set --match-set NAME src,dst` compares packets with (ipset(8)).

A set whose type, or one of whose entries, is not modelled has no rows: its rules are in doubt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from genie_core.net.firewall.rules import Match, Value, span

ADDRESSES, PORTS = {"ip", "net"}, {"port"}


@dataclass(frozen=True, slots=True)
class IPSet:
    """A set: the parts of its entries (`ip`, `port`, ...; `set` alone for a list of sets), and the entries."""

    parts: tuple[str, ...]
    entries: tuple[str, ...]
    exceptions: bool = False


IPSets = dict[str, IPSet]


def parse(text: str) -> IPSets:
    """The sets by their names."""
    found: IPSets = {}
    for words in (line.split() for line in text.splitlines()):
        if len(words) > 2 and words[0] == "create":
            found[words[1]] = IPSet(tuple(words[2].partition(":")[2].split(",")), ())
        elif len(words) > 2 and words[0] == "add" and words[1] in found:
            known = found[words[1]]
            exceptions = known.exceptions or "nomatch" in words[3:]
            found[words[1]] = IPSet(known.parts, (*known.entries, words[2]), exceptions)
    return found


def match(sets: IPSets, name: str, sides: str, invert: bool) -> Match:
    """The condition `--match-set NAME SIDES`."""
    directions = sides.split(",")
    found = sets.get(name)
    if found is None:
        return Match("unknown", (f"set {name}",))
    members = (
        [sets[entry] for entry in found.entries if entry in sets] if found.parts == ("set",) else [found]
    )
    keys = _keys(members[0].parts, directions) if members else ("source",)
    if not keys or any(m.exceptions or _keys(m.parts, directions) != keys for m in members):
        return Match("unknown", (f"set {name}",))
    try:
        rows = tuple(_row(member.parts, entry) for member in members for entry in member.entries)
    except ValueError:
        return Match("unknown", (f"set {name}",))
    return Match("tuple", invert=invert, keys=keys, rows=rows)


def _keys(parts: tuple[str, ...], directions: list[str]) -> tuple[str, ...]:
    """The packet's fields that an entry is compared with; () where one of its parts is not modelled."""
    keys: list[str] = []
    for part, direction in zip(parts, directions, strict=False):
        if part in ADDRESSES:
            keys.append("source" if direction == "src" else "target")
        elif part in PORTS:
            keys += ["protocol", "sport" if direction == "src" else "dport"]
        else:
            return ()
    return tuple(keys) if len(parts) <= len(directions) else ()


def _row(parts: tuple[str, ...], entry: str) -> tuple[Value, ...]:
    return tuple(
        value for part, text in zip(parts, entry.split(","), strict=True) for value in _values(part, text)
    )


def _values(part: str, text: str) -> Iterator[Value]:
    if part in ADDRESSES:
        yield span(text)
        return
    protocol, _, port = text.rpartition(":")
    low, _, high = port.partition("-")
    yield protocol or "*"
    yield (int(low), int(high or low))
