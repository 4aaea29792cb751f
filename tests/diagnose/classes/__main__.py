"""Score the classes: python -m tests.diagnose.classes [--faults|--healthy] [--no-mend] [NUMBER ...] [ID ...]."""

from __future__ import annotations

import sys
from functools import partial

from tests.diagnose import bench, healthy
from tests.diagnose.classes.kinds import KINDS


def main(argv: list[str]) -> int:
    """Print each fault and healthy node of the wanted classes, then a line for each class."""
    names = [a for a in argv if not a.startswith("--")]
    totals, bad = [], False
    for kind in KINDS:
        chosen = [f for f in kind.faults if not names or {str(kind.number), f.id.split()[0]} & set(names)]
        nodes = [c for c in kind.healthy if not names or str(kind.number) in names or c.id in names]
        if not chosen and not nodes:
            continue
        rows = []
        if "--healthy" not in argv:
            rows = bench.judge(
                f"class {kind.number}", [partial(bench.run_fault, f, *bench.MODES) for f in chosen]
            )
        ill = 0
        for control in nodes if "--faults" not in argv else ():
            wrong = healthy.run_control(control, *bench.MODES)
            ill += bool(wrong)
            print(f"{control.id:50} {'; '.join(wrong) or 'healthy'}", flush=True)
        noted = sum(bool(r.notes) for r in rows)
        points, possible = sum(r.points for r in rows), sum(r.possible for r in rows)
        bad |= points < possible * 0.98 or bool(ill)
        totals.append(
            f"{kind.number:3} {kind.title:42} {points:3} of {possible:3}, {noted} with notes; {ill} of {len(nodes)} healthy nodes accused"
        )
    print("\n".join(totals))
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
