"""`make diagnose-bench SEED=n MUTATIONS=n`: change healthy nodes at random, measure traffic, and judge the diagnosis.

A change that breaks traffic that passed before must be named by the first finding; one that breaks none must give no
error (a warning is allowed). A node is built, renamed and renumbered by the seed, for each kind, and used again after
each change is undone; where its state then is not what it was, it is rebuilt. Each miss is printed with what makes
it again:
    python -m tests.diagnose.mutations --seed N --only NUMBER
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.diagnose.bench import BAD
from tests.diagnose.mutations.changes import Change, change
from tests.diagnose.mutations.node import KINDS, Flow, Kind, Renamed, broken, lists, put_back
from tests.diagnose.state import node_state

USES = 40  # changes of one node before another is built
NAMED, SILENT, LATE, MISSED, ACCUSED = "named first", "silent", "not first", "missed", "accused"
RIGHT = (NAMED, SILENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One change and what the diagnosis made of it."""

    number: int
    kind: Kind
    change: Change
    lost: tuple[Flow, ...]
    word: str
    first: str = ""


def names(finding: dict[str, Any], made: Change, lab: Renamed) -> bool:
    """Whether a finding has one word of each group."""
    text = json.dumps(finding, ensure_ascii=False)
    return all(any(lab.said(word) in text for word in group) for group in made.names)


def judged(lab: Renamed, kind: Kind, made: Change, lost: tuple[Flow, ...], *more: str) -> tuple[str, str]:
    """(word of the outcome, the first finding) of one diagnosis."""
    _, report, _ = lab.debug(kind.pod, *more)
    found = [one for one in report["findings"] if one["severity"] != "info"]
    first = f"{found[0]['severity']} {found[0]['code']} {found[0]['title']}" if found else ""
    if not lost:
        return ACCUSED if any(one["severity"] in BAD for one in found) else SILENT, first
    if found and names(found[0], made, lab):
        return NAMED, first
    return LATE if any(names(one, made, lab) for one in found) else MISSED, first


def tried(lab: Renamed, kind: Kind, number: int, made: Change) -> Outcome:
    """Make the change, measure, and ask: first without probes, and where that is not right with them."""
    lab.sh(made.make, check=False)
    time.sleep(0.05)
    lost = broken(lab, kind)
    word, first = judged(lab, kind, made, lost, "--no-probes")
    if lost and word != NAMED:
        word, first = judged(lab, kind, made, lost)
    return Outcome(number=number, kind=kind, change=made, lost=lost, word=word, first=first)


def same(
    lab: Renamed, kind: Kind, before: list[str], held: dict[tuple[str, str], list[str]], made: Change
) -> bool:
    """Undo the change; whether the node is what it was, and all of its traffic passes."""
    lab.sh(made.undo, check=False)
    put_back(lab, held)
    for _ in range(5):
        if node_state(lab) == before and not broken(lab, kind):
            return True
        time.sleep(0.3)
        put_back(lab, held)
    return False


def of_kind(kind: Kind, seed: int, numbers: list[int]) -> Iterator[Outcome]:
    """The outcomes of some changes of one kind of node, which is built as often as it must be."""
    left = list(numbers)
    while left:
        chosen = random.Random(f"{seed} {kind.id} {left[0] // USES}")
        with (
            tempfile.TemporaryDirectory(prefix="genie-lab-") as directory,
            Renamed(Path(directory) / "lab", chosen) as lab,
        ):
            kind.change(lab)
            lab.sh(kind.inject)
            if ill := broken(lab, kind, tries=10):
                raise RuntimeError(f"{kind.id} is not healthy: {ill}")
            before, held = node_state(lab), lists(lab)
            for _ in range(min(USES, len(left))):
                number = left.pop(0)
                made = change(kind, random.Random(f"{seed} {number}"))
                yield tried(lab, kind, number, made)
                if not same(lab, kind, before, held, made):
                    print(f"    {number}: rebuilt after {made.make}", flush=True)
                    break


def run(
    seed: int, count: int, only: int | None = None, kinds: Sequence[str] = (), progress: bool = False
) -> list[Outcome]:
    """All outcomes, or those of some kinds of nodes; each that is not right is printed."""
    rows: list[Outcome] = []
    for place, kind in enumerate(KINDS):
        if kinds and kind.id not in kinds:
            continue
        numbers = [
            n
            for n in range(count if only is None else only + 1)
            if n % len(KINDS) == place and only in (None, n)
        ]
        for row in of_kind(kind, seed, numbers):
            rows.append(row)
            if progress:
                print(f"{row.number:5} {row.change.family:10} {row.word}, breaks {len(row.lost)}", flush=True)
            if row.word not in RIGHT:
                lost = ", ".join(" ".join(map(str, flow)) for flow in row.lost) or "nothing"
                print(
                    f"{row.word} --seed {seed} --only {row.number} [{row.kind.id}] {row.change.make}",
                    flush=True,
                )
                print(f"    breaks {lost}; first: {row.first or 'nothing'}", flush=True)
    return rows


def summary(rows: list[Outcome]) -> bool:
    """Print the counts by family and the score; whether it is 95 %, and no healthy node was accused."""
    for family in sorted({row.change.family for row in rows}):
        counts = Counter(row.word for row in rows if row.change.family == family)
        words = (f"{counts[word]} {word}" for word in (*RIGHT, LATE, MISSED, ACCUSED) if counts[word])
        print(f"{family:10} {', '.join(words)}")
    hit = [row for row in rows if row.lost]
    named = sum(row.word == NAMED for row in hit)
    accused = sum(row.word == ACCUSED for row in rows)
    share = 100 * named / max(1, len(hit))
    print(
        f"mutations: {len(rows)}; {len(hit)} break traffic, {named} of these are named first ({share:.1f} %)"
    )
    print(f"{accused} of the {len(rows) - len(hit)} that break nothing are accused")
    return share >= 95 and not accused


def main(argv: list[str]) -> int:
    """1 where the score is not reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.diagnose.mutations")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutations", type=int, default=504)
    parser.add_argument("--only", type=int)
    parser.add_argument("--kind", action="append", choices=[kind.id for kind in KINDS], default=[])
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for each change")
    asked = parser.parse_args(argv)
    return int(not summary(run(asked.seed, asked.mutations, asked.only, asked.kind, progress=asked.verbose)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
