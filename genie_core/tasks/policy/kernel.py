"""Genie's tables in the kernel: loaded as one transaction, and compared to find changes of other programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from genie_core.edges import nft
from genie_core.edges.netlink import attributes
from genie_core.edges.netns import inside, inside_each
from genie_core.errors import GenieError, InvalidNetns, KernelRefused
from genie_core.policy.delta import LARGE, delta, size_of
from genie_core.policy.ruleset import TABLE, Table, text_of
from genie_core.tasks.policy import netfilter

FAMILIES = ("inet", "bridge")
_GETGEN, _GEN_ID = 16, 1


@dataclass(slots=True)
class _Loaded:
    tables: tuple[Table, ...]
    generation: int
    identity: int  # of the namespace: another may come to the same path
    listing: str = ""


class Kernel:
    """Our tables in each network namespace, "" being this one. Raises what nft.load raises.

    `replaced` takes the namespaces whose tables are loaded as a whole: their counters begin at 0 again.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, _Loaded] = {}
        self.replaced: set[str] = set()

    def load(self, tables: Sequence[Table], netns: str = "") -> bool:
        """Load these tables in a namespace where it has others; whether it had."""
        held = self._loaded.get(netns)
        if held and held.tables == tuple(tables) and self._is_ours(held, netns):
            return False
        text = self._changes(held, tables, netns) if held else None
        nft.load(_whole(tables) if text is None else text, netns)
        if text is None:
            self.replaced.add(netns)
        self._loaded[netns] = _Loaded(tuple(tables), generation(netns), _identity(netns))
        return True

    def remember(self, namespaces: Iterable[str]) -> None:
        """Note what nft lists of the tables that were just loaded: later, others may have changed theirs meanwhile."""
        for netns in namespaces:
            held = self._loaded.get(netns)
            with suppress(GenieError):  # it is looked at again
                if held and not held.listing:
                    self._is_ours(held, netns)

    def namespaces(self) -> list[str]:
        """The namespaces in which something was loaded, or removed, so far."""
        return list(self._loaded)

    def forget(self, netns: str) -> None:
        """Forget a namespace."""
        self._loaded.pop(netns, None)

    def foreign(self) -> list[str]:
        """The namespaces whose tables another program, or an ADD with its guard, has changed."""
        found = []
        now = inside_each([netns for netns in self._loaded if netns], _generation)
        for netns, held in list(self._loaded.items()):
            try:
                is_known = held.listing and held.identity == _identity(netns)
                if is_known and now.get(netns) == held.generation:
                    continue
                if not self._is_ours(held, netns):
                    found.append(netns)
            except InvalidNetns:
                self.forget(netns)
        return found

    def _is_ours(self, held: _Loaded, netns: str) -> bool:
        """Whether the tables are unchanged; decided by the number of the kernel's last change where that is enough."""
        if held.identity != _identity(netns):
            return False
        now = generation(netns)
        if now == held.generation:
            held.listing = held.listing or _listing(netns)
            if generation(netns) == now:
                return True
        if not held.listing or _listing(netns) != held.listing:
            return False
        held.generation = now
        return True

    def _changes(self, held: _Loaded, tables: Sequence[Table], netns: str) -> str | None:
        """The difference to the loaded tables, where these are large and unchanged in the kernel."""
        if (
            sum(map(size_of, tables)) <= LARGE
            or len(tables) != len(held.tables)
            or not self._is_ours(held, netns)
        ):
            return None
        parts = [delta(old, new) for old, new in zip(held.tables, tables, strict=True)]
        return None if None in parts else "".join(part for part in parts if part)


def _whole(tables: Sequence[Table]) -> str:
    others = set(FAMILIES) - {table.family for table in tables}
    gone = [f"table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in sorted(others)]
    return "".join(gone) + text_of(tables)


def _listing(netns: str) -> str:
    """A digest of what nft lists of our tables, counters left out."""
    found = []
    for family in FAMILIES:
        try:
            found.append(nft.run(["--stateless", "list", "table", family, TABLE], netns=netns))
        except KernelRefused:
            found.append("")  # there is no such table
    return sha256("".join(found).encode()).hexdigest()


def _identity(netns: str) -> int:
    """The number of the namespace at a path, 0 for this one. Raises InvalidNetns where there is none."""
    try:
        return os.stat(netns).st_ino if netns else 0
    except OSError as error:
        raise InvalidNetns(f"{netns} is not a network namespace: {error.strerror}") from None


def generation(netns: str = "") -> int:
    """The number of the last change to any ruleset of a namespace (linux/netfilter/nf_tables.h). Raises GenieError."""
    return inside(netns, _generation) if netns else _generation()


def _generation(_netns: str = "") -> int:
    try:
        with netfilter.opened() as kernel:
            kernel.send(netfilter.message(netfilter.NF_TABLES, _GETGEN, netfilter.REQUEST))
            found = attributes(next(netfilter.answers(kernel)))
        return int.from_bytes(found[_GEN_ID], "big")
    except (OSError, KeyError, StopIteration) as error:
        raise KernelRefused(f"the kernel has no nf_tables: {error!r}") from None
