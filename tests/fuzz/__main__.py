"""`python -m tests.fuzz`: bad input, by the hundred thousand (tests/fuzz/__init__.py says how).

--cases N     in all (120000)
--seed N      where the random numbers begin (0)
--target T    one of the targets alone
--renew       write what the files of the corpus answer now, and nothing else
--keep DIR    write the findings, and the smallest inputs that reach what no real input reaches, as files of the corpus
"""

import argparse
import json
import sys
from pathlib import Path

from tests.fuzz import cases, sandbox, targets

CORPUS = Path(__file__).parent / "corpus"
_ROW = "{:<12} {:>7} {:>8} {:>6} {:>6} {:>12} {:>9} {:>8} {:>8}"
_ALIKE = 3
_SLOW_SECONDS = 1.0
_HEAD = ("target", "cases", "cases/s", "real", "kept", "arcs", "slowest", "memory", "findings")


def main(argv=None):
    """The exit status: 0 if nothing was found."""
    known = targets.load()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=120_000, help="in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="where the random numbers begin (%(default)s)")
    parser.add_argument("--target", choices=known, help="this one alone")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="write what was found as files of the corpus"
    )
    parser.add_argument(
        "--renew", action="store_true", help="write what the corpus answers now, and nothing else"
    )
    options = parser.parse_args(argv)
    if options.renew:
        return _renew()
    shares = {name: target.share for name, target in known.items() if options.target in {None, name}}
    counts = {name: round(options.cases * share / sum(shares.values())) for name, share in shares.items()}
    print(_ROW.format(*_HEAD), flush=True)
    found = done = 0
    for report in fuzz(counts, options.seed, keep=options.keep is not None):
        found += _show(report)
        done += (report["figures"] or {}).get("cases", 0)
        if options.keep:
            _keep(report, options.keep)
    print(f"{done} cases, {found} findings")
    return bool(found) or done < sum(counts.values())


def replay(paths):
    """What the files of the corpus answer now: {"answers": [...], "problems": [...]} for each."""
    entries = [[path.parent.name, json.loads(path.read_text())["parts"]] for path in paths]
    return list(map(json.loads, sandbox.lines(json.dumps({"replay": entries}))))


def _renew():
    paths = sorted(CORPUS.rglob("*.json"))
    for path, replayed in zip(paths, replay(paths), strict=True):
        cases.save(path, cases.load(path)[0], replayed["answers"])
    return 0


def fuzz(counts, seed, *, keep=False):
    """The reports of the targets, {name: cases}, one after the other."""
    yield from map(json.loads, sandbox.lines(json.dumps({"targets": counts, "seed": seed, "keep": keep})))


def _show(report):
    figures = report["figures"]
    if figures:
        print(
            _ROW.format(
                report["target"],
                figures["cases"],
                f"{figures['cases'] / figures['seconds']:.0f}",
                figures["seeds"],
                figures["kept"],
                f"{figures['arcs_of_seeds']}+{figures['arcs'] - figures['arcs_of_seeds']}",
                f"{figures['slowest'] * 1000:.0f} ms",
                f"{figures['peak'] >> 10} MiB",
                figures["findings"],
            )
        )
        if figures["slowest"] > _SLOW_SECONDS:
            print(f"    slowest: {json.dumps(report['slowest'])[:1000]}")
    for finding in report["findings"]:
        print(f"    {finding['problem']}\n        {json.dumps(finding['parts'])[:2000]}")
    sys.stdout.flush()
    return len(report["findings"])


def _keep(report, folder):
    """Write the findings, and the first few of the kept cases that answer alike, under names that say what they are."""
    for prefix, entries in (("found-", report["findings"]), ("", report["kept"])):
        for entry in entries:
            answers = entry.get("answers", [])
            name = cases.slug(
                answers[1 if "before" in entry["parts"] else 0] if answers else entry["problem"]
            )
            if name.endswith("-ok") and "reaches" in entry:
                name = f"{name}-{cases.slug(entry['reaches'].partition('genie_core')[2].removesuffix('.py'))}"
            path = folder / report["target"] / f"{prefix}{name}.json"
            number = 1
            while path.exists() and number < _ALIKE:
                number += 1
                path = path.with_name(f"{prefix}{name}-{number}.json")
            if not path.exists():
                cases.save(path, cases.decode(entry["parts"]), answers)


if __name__ == "__main__":
    sys.exit(main())
