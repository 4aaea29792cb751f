"""What the kernel's tables of Genie have, by name, in this thread's network namespace (linux/netfilter/nf_tables.h)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from errno import ENOENT

from genie_core.edges.netlink import attribute, attributes
from genie_core.edges.routes import interface_exists
from genie_core.errors import KernelRefused
from genie_core.policy.delta import GUARD, Holding
from genie_core.policy.ruleset import TABLE
from genie_core.tasks.policy import netfilter

FAMILIES = {"inet": 1, "bridge": 7}
_GETTABLE, _GETCHAIN, _GETSET, _GETSETELEM = 1, 4, 10, 13
# each message begins with its table's name; the name of what it is about
_TABLE, _CHAIN_NAME, _SET_NAME = 1, 3, 2
_TABLE_FLAGS, _SET_FLAGS = 2, 3
_DORMANT, _ANONYMOUS, _MAP = 0x1, 0x1, 0x8
_ELEMENTS, _ITEM, _KEY, _VALUE = 3, 1, 1, 1


@dataclass(frozen=True, slots=True)
class Contents:
    """One table. `guards` are the interfaces that ADD has closed, `gone` those of them that are not there any more.

    `guard_chains` are the chains that close them. No rule of a dormant one is in force.
    """

    family: str
    is_dormant: bool
    holding: Holding
    has_guard_set: bool
    guards: frozenset[str]
    gone: frozenset[str]
    guard_chains: tuple[str, ...]

    def without(self, covered: Collection[str], *, is_wanted: bool) -> str:
        """The orders that open these interfaces, and those that are gone; what then is empty is removed."""
        table = f"{self.family} {TABLE}"
        going = sorted(self.guards & {*covered, *self.gone})
        if len(going) < len(self.guards):
            listed = ", ".join(f'"{name}"' for name in going)
            return f"delete element {table} {GUARD} {{ {listed} }}\n" if going else ""
        if not is_wanted:
            return f"delete table {table}\n"
        chains = [
            f"{verb} chain {table} {name}\n" for verb in ("flush", "delete") for name in self.guard_chains
        ]
        return "".join([*chains, f"delete set {table} {GUARD}\n" if self.has_guard_set else ""])


def contents_of(family: str, _netns: str = "") -> Contents | None:
    """Our table of a family; None where there is none. Raises KernelRefused."""
    try:
        tables = _named(_GETTABLE, family, _TABLE, _TABLE_FLAGS)
        if TABLE not in tables:
            return None
        chains = _named(_GETCHAIN, family, _CHAIN_NAME)
        sets = _named(_GETSET, family, _SET_NAME, _SET_FLAGS)
        guards = frozenset(_guards(family)) if GUARD in sets else frozenset()
    except OSError as error:
        raise KernelRefused(f"the kernel does not list its rules: {error!r}") from None
    ours = {name: flags for name, flags in sets.items() if not flags & _ANONYMOUS and name != GUARD}
    return Contents(
        family,
        bool(tables[TABLE] & _DORMANT),
        Holding(
            {name: None for name, flags in ours.items() if not flags & _MAP},
            {name: None for name, flags in ours.items() if flags & _MAP},
            {name: None for name in chains if not name.startswith(GUARD)},
        ),
        GUARD in sets,
        guards,
        frozenset(name for name in guards if not interface_exists(name)),
        tuple(name for name in chains if name.startswith(GUARD)),
    )


def _named(kind: int, family: str, name: int, flags: int = 0) -> dict[str, int]:
    """The names of our tables, chains or sets, with their flags; `name` and `flags` are the attributes' numbers."""
    found = {}
    for data in _dump(kind, family):
        one = attributes(data)
        if one.get(_TABLE) == TABLE.encode() + b"\0":
            found[_text(one[name])] = int.from_bytes(one.get(flags, b"")[:4], "big")
    return found


def _guards(family: str) -> Iterator[str]:
    asked = attribute(_TABLE, TABLE.encode() + b"\0") + attribute(_SET_NAME, GUARD.encode() + b"\0")
    for data in _dump(_GETSETELEM, family, asked):
        for _, item in netfilter.parts(attributes(data).get(_ELEMENTS, b"")):
            yield _text(attributes(attributes(item)[_KEY])[_VALUE])


def _dump(kind: int, family: str, asked: bytes = b"") -> Iterator[bytes]:
    with netfilter.opened() as kernel:
        flags = netfilter.REQUEST | netfilter.DUMP
        kernel.send(netfilter.message(netfilter.NF_TABLES, kind, flags, FAMILIES[family], asked))
        try:
            yield from netfilter.answers(kernel)
        except OSError as error:
            if error.errno != ENOENT:
                raise


def _text(value: bytes) -> str:
    return value.partition(b"\0")[0].decode("utf-8", "replace")
