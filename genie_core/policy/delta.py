"""The difference of two tables that differ only in elements of sets and maps: so a large table is not loaded again."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.policy.ruleset import TABLE, Map, Set, Table

LARGE = 1000  # elements, from which a difference is worth its while


def size_of(table: Table) -> int:
    """How many elements its sets and maps have."""
    return sum(len(one.elements) for one in _named(table).values())


def _named(table: Table) -> dict[str, Set | Map]:
    found: list[Set | Map] = [*table.sets, *table.maps]
    return {one.name: one for one in found}


def delta(old: Table, new: Table) -> str | None:
    """The orders that make the new table of the old one; None where chains, or the sets that there are, differ."""
    if _frame(old) != _frame(new):
        return None
    return "".join(line for before, after in _pairs(old, new) for line in _orders(old.family, before, after))


def _frame(table: Table) -> object:
    sets = sorted((one.name, one.type, one.interval) for one in table.sets)
    return (
        table.family,
        sorted(map(repr, table.chains)),
        sets,
        sorted((one.name, one.type) for one in table.maps),
    )


def _pairs(old: Table, new: Table) -> Iterator[tuple[Set | Map, Set | Map]]:
    before, after = _named(old), _named(new)
    for name in sorted(after):
        yield before[name], after[name]


def _orders(family: str, before: Set | Map, after: Set | Map) -> Iterator[str]:
    had, has = set(before.elements), set(after.elements)
    for verb, elements in (("delete", had - has), ("add", has - had)):
        words = sorted(one if isinstance(one, str) else f"{one[0]} : {one[1]}" for one in elements)
        if words:
            yield f"{verb} element {family} {TABLE} {after.name} {{ {', '.join(words)} }}\n"
