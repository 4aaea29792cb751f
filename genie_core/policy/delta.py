"""What makes one table of another, as one transaction: what has not changed is not loaded again.

The guards that ADD puts into the same table (verbs/policy.py) are no part of it, and stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from genie_core.policy.ruleset import TABLE, Chain, Map, Set, Table

Part = Set | Map | Chain
GUARD = "fresh"  # ADD's set, and what the names of its chains begin with


@dataclass(frozen=True, slots=True)
class Holding:
    """What a table has, by name; None where only the name is known."""

    sets: Mapping[str, Part | None]
    maps: Mapping[str, Part | None]
    chains: Mapping[str, Part | None]


def holding(table: Table) -> Holding:
    """What a table has."""
    return Holding(*({one.name: one for one in parts} for parts in (table.sets, table.maps, table.chains)))


def change(old: Holding, new: Table) -> str:
    """The orders that make the new table of what is there."""
    wanted, order = holding(new), f"{new.family} {TABLE}"
    sets, maps, chains = (
        _Difference(had, has)
        for had, has in ((old.sets, wanted.sets), (old.maps, wanted.maps), (old.chains, wanted.chains))
    )
    lines = [
        *(f"flush chain {order} {name}" for name in [*chains.gone, *chains.other]),
        *(f"flush map {order} {name}" for name in maps.gone),
        *_elements("delete", order, maps),
        *(f"delete map {order} {name}" for name in maps.gone),
        *(f"delete chain {order} {name}" for name in chains.gone),
        *(f"delete set {order} {name}" for name in sets.gone),
        *_elements("delete", order, sets),
        *_added(new, {*sets.new, *maps.new, *chains.new, *chains.other}),
        *_elements("add", order, sets),
        *_elements("add", order, maps),
    ]
    return "".join(f"{line}\n" for line in lines)


class _Difference:
    """The names of what goes, what comes, and what stays with other rules or elements."""

    def __init__(self, old: Mapping[str, Part | None], new: Mapping[str, Part | None]) -> None:
        same = {name for name, part in new.items() if part and (had := old.get(name)) and _alike(had, part)}
        self.gone = sorted(set(old) - same)
        self.new = sorted(set(new) - same)
        self.other = sorted(name for name in same if old[name] != new[name])
        self.old, self.now = old, new


def _alike(old: Part, new: Part) -> bool:
    """Whether one can be made of the other without being declared again."""
    return _frame(old) == _frame(new)


def _frame(part: Part) -> object:
    if isinstance(part, Chain):
        return part.hook
    return part.type, isinstance(part, Set) and part.interval


def _added(new: Table, names: set[str]) -> list[str]:
    added = Table(
        new.family,
        tuple(one for one in new.sets if one.name in names),
        tuple(one for one in new.chains if one.name in names),
        tuple(one for one in new.maps if one.name in names),
    )
    return added.declaration(new.digest) if names else []


def _elements(verb: str, order: str, parts: _Difference) -> Iterator[str]:
    for name in parts.other:
        had, has = (_words(one[name]) for one in (parts.old, parts.now))
        words = sorted(had - has if verb == "delete" else has - had)
        if words:
            yield f"{verb} element {order} {name} {{ {', '.join(words)} }}"


def _words(part: Part | None) -> set[str]:
    elements: Iterable[str | tuple[str, str]] = part.elements if isinstance(part, Set | Map) else ()
    return {one if isinstance(one, str) else f"{one[0]} : {one[1]}" for one in elements}
