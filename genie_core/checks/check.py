"""A check: a function with a decorator that declares everything else about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from genie_core.checks.sources import unknown
from genie_core.findings import Code, Finding

Run = TypeVar("Run", bound=Callable[..., Iterable[Finding]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: a pure function from facts to findings, which have one of `codes`.

    `title` is what holds where it finds nothing. `needs` names the sources without which it is skipped; a check of
    a pod's network is given a `Case`, one of a node's files `Facts` (see `sources`). One that is `alone` can also judge
    files that are on no node, without the sources conf and bin.
    """

    id: str
    codes: tuple[Code, ...]
    title: str
    run: Callable[[Any], Iterable[Finding]]
    needs: tuple[str, ...] = ()
    alone: bool = False

    def look(self, facts: Any) -> Iterator[Finding]:
        """What it finds. Raises LookupError where the check reports a code that it does not declare."""
        for finding in self.run(facts):
            if finding.code not in self.codes:
                raise LookupError(f"{finding.code} is not a code of this check")
            yield finding


declared: list[Check] = []


def check(
    id_: str, *codes: Code, title: str, needs: tuple[str, ...] = (), alone: bool = False
) -> Callable[[Run], Run]:
    """Declare the function below as a check. It stays an ordinary function. Raises ValueError for an unknown source."""
    if wrong := unknown(needs):
        raise ValueError(f"check {id_} needs {', '.join(wrong)}: no such source")

    def declare(run: Run) -> Run:
        declared.append(Check(id=id_, codes=codes, title=title, run=run, needs=needs, alone=alone))
        return run

    return declare
