"""Genie's tables in the kernel: changed by one transaction, and compared to find changes of other programs.

No change of rules takes a guard of ADD away, so that no ADD waits for one: a guard goes in a transaction of its own,
under the lock of ADD, when its interface has its rules (`release`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TypeVar

from genie_core.edges import nft, policy_dir
from genie_core.edges.netlink import attributes
from genie_core.edges.netns import inside, inside_each
from genie_core.errors import GenieError, InvalidNetns, KernelRefused
from genie_core.policy.delta import GUARD, Holding, change, holding
from genie_core.policy.ruleset import TABLE, Table
from genie_core.tasks.policy import netfilter
from genie_core.tasks.policy.contents import FAMILIES, Contents, contents_of

T = TypeVar("T")
# What older programs do not read: the table's comment came last, with 0.9.7.
_NEEDED = """
table inet genie_policy_needs {
  comment "genie"
  set ports { type ipv4_addr . inet_proto . inet_service; }
  map chains { type ifname . ipv4_addr : verdict; }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    meta sdifname . ip saddr vmap @chains
    ip daddr . meta l4proto . th dport @ports counter return comment "genie"
    tcp flags & (fin | syn | rst | ack) != syn fib saddr type local accept
  }
}
"""
_NOTHING = Holding({}, {}, {})
_GETGEN, _GEN_ID = 16, 1


@dataclass(slots=True)
class _Loaded:
    tables: tuple[Table, ...]
    generation: int
    identity: int  # of the namespace: another may come to the same path
    listing: str = ""


class Kernel:
    """Our tables in each network namespace, "" being this one. Raises what nft.load raises."""

    def __init__(self) -> None:
        self._loaded: dict[str, _Loaded] = {}

    def load(self, tables: Sequence[Table], netns: str = "") -> bool:
        """Make these the tables of a namespace; whether others were there.

        What this process has not loaded, or another has changed since, is removed by its names.
        """
        wanted, held = tuple(tables), self._loaded.get(netns)
        if held and self._is_ours(held, netns):
            if held.tables == wanted:
                return False
            try:
                text = _changes({one.family: holding(one) for one in held.tables}, wanted)
                self._change(text, wanted, netns, held.generation)
                return True
            except KernelRefused:  # a DEL has removed elements meanwhile
                self.forget(netns)
        if not (netns or held):
            require_nft()  # this node says so before there is a policy
        there = _there(netns)
        if waking := "".join(f"add table {one.family} {TABLE}\n" for one in there if one.is_dormant):
            nft.load(waking, netns)  # the kernel does not do it together with changes of the table's chains
        before = generation(netns)
        text = _changes({one.family: one.holding for one in there}, wanted)
        self._change(text, wanted, netns, before)
        return bool(text)

    def _change(self, text: str, tables: tuple[Table, ...], netns: str, before: int) -> None:
        """Load the text. Its number is the next one: by any other, another program has changed something meanwhile."""
        if text:
            nft.load(text, netns)
        self._loaded[netns] = _Loaded(tables, before + bool(text), _identity(netns))

    def release(
        self,
        covered: Collection[str],
        netns: str = "",
        still: Callable[[], Collection[str] | None] = lambda: None,
    ) -> None:
        """Take away the guards of interfaces that have their rules now, and tables in which nothing is left.

        `still` is asked under the lock: those that are covered then, None for no others.
        """
        if not self._opening(covered, netns):
            return
        with policy_dir.Held():
            now = still()
            text = self._opening(covered if now is None else now, netns)
            before = generation(netns)
            if text:
                nft.load(text, netns)
            held = self._loaded.get(netns)
            if held and held.generation == before and generation(netns) == before + 1:
                held.generation += 1  # this was the only change

    def _opening(self, covered: Collection[str], netns: str) -> str:
        held = self._loaded.get(netns)
        wanted = {table.family for table in held.tables} if held else set()
        return "".join(one.without(covered, is_wanted=one.family in wanted) for one in _there(netns))

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


def require_nft() -> None:
    """Raise KernelRefused where nft is too old, or made without JSON, which a DEL reads; else what nft.run raises."""
    try:
        nft.run(["--json", "--check", "--file", "-"], _NEEDED)
    except KernelRefused as error:
        raise error.replace(
            hint="policies need nftables 0.9.7 or newer, with JSON, and Linux 5.6 or newer"
        ) from None


def remove(netns: str = "") -> None:
    """Remove our tables, and ADD's guards with them."""
    nft.load(
        "".join(f"table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in FAMILIES), netns
    )


def _changes(old: Mapping[str, Holding], tables: Sequence[Table]) -> str:
    """The orders for all families; a table that is not wanted any more is emptied."""
    wanted = {table.family: table for table in tables}
    each = (wanted.get(family) or Table(family) for family in FAMILIES)
    return "".join(change(old.get(table.family, _NOTHING), table) for table in each)


def _there(netns: str) -> list[Contents]:
    found = (_in_namespace(partial(contents_of, family), netns) for family in FAMILIES)
    return [one for one in found if one]


def _in_namespace(work: Callable[[], T], netns: str) -> T:
    return inside(netns, work) if netns else work()


def _listing(netns: str) -> str:
    """A digest of what nft lists of our tables, counters left out."""
    found: list[str] = []
    for family in FAMILIES:
        try:
            listed = nft.run(["--stateless", "list", "table", family, TABLE], netns=netns)
        except KernelRefused:
            continue  # there is no such table
        found += _rules_in(listed)
    return sha256("\n".join(found).encode()).hexdigest()


def _rules_in(listed: str) -> Iterator[str]:
    """The lines of what nft lists of a table, without its comment and without ADD's guards."""
    is_guard = False
    for line in listed.splitlines():
        is_guard = line.startswith((f"\tset {GUARD} ", f"\tchain {GUARD}_")) or (is_guard and line != "\t}")
        if line.startswith("\t") and not is_guard and not line.startswith("\tcomment "):
            yield line


def _identity(netns: str) -> int:
    """The number of the namespace at a path, 0 for this one. Raises InvalidNetns where there is none."""
    try:
        return os.stat(netns).st_ino if netns else 0
    except OSError as error:
        raise InvalidNetns(f"{netns} is not a network namespace: {error.strerror}") from None


def generation(netns: str = "") -> int:
    """The number of the last change to any ruleset of a namespace (linux/netfilter/nf_tables.h). Raises GenieError."""
    return _in_namespace(_generation, netns)


def _generation(_netns: str = "") -> int:
    try:
        with netfilter.opened() as kernel:
            kernel.send(netfilter.message(netfilter.NF_TABLES, _GETGEN, netfilter.REQUEST))
            found = attributes(next(netfilter.answers(kernel)))
        return int.from_bytes(found[_GEN_ID], "big")
    except (OSError, KeyError, StopIteration) as error:
        raise KernelRefused(f"the kernel has no nf_tables: {error!r}") from None
