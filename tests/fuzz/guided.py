"""The loop: change a case, play it, judge it, and keep it if it reached code that nothing before it had reached."""

import random
import resource
import time
from typing import NamedTuple

_RECENT = 50  # half of the time one of the newest cases is changed: what is behind a rare branch is near it
_LARGE = 20_000  # bytes: a larger case is played, and not changed any further


class Figures(NamedTuple):
    """The result of a target's run. `slowest` is in seconds, `peak` in KiB."""

    cases: int
    seconds: float
    seeds: int
    kept: int
    arcs_of_seeds: int
    arcs: int
    slowest: float
    peak: int
    findings: dict


class Campaign:
    """One target's. `note` gets each case before it is played, in case it is the last."""

    def __init__(self, target, world, arcs, judge, *, seed, note=lambda case: None):
        self.target = target
        self.world = world
        self.arcs = arcs
        self._judge = judge
        self._note = note
        self._rng = random.Random(f"{target.name} {seed}")
        self._change = target.changer(self._rng)
        self.pool = list(target.seeds)
        self.findings = {}
        self.slowest = 0.0
        self.slowest_case = {}

    def run(self, cases):
        """Play so many cases, the seeds included."""
        self.arcs.forget()
        started = time.perf_counter()
        for case in self.target.seeds[:cases]:
            self.play(case)
        known = len(self.arcs.seen)
        for _ in range(cases - len(self.target.seeds)):
            case = self._change(self._pick(), self.pool)
            if self.play(case) and sum(map(len, case.values())) < _LARGE:
                self.pool.append(case)
        return Figures(
            cases,
            time.perf_counter() - started,
            len(self.target.seeds),
            len(self.pool) - len(self.target.seeds),
            known,
            len(self.arcs.seen),
            self.slowest,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            self.findings,
        )

    def play(self, case):
        """Play and judge one case. What it reached that was not reached before."""
        self._note(case)
        problems, answers = self.outcome(case)
        seconds = max(answer.seconds for answer in answers)
        if seconds > self.slowest:
            self.slowest, self.slowest_case = seconds, case
        new = self.arcs.take()
        for problem in problems:
            self.findings.setdefault(_kind(problem), (problem, case))
        return new

    def outcome(self, case):
        """The problems and the answers."""
        try:
            answers = self.world.play(case)
            return self._judge({**self.world.base, **case}, answers, self.world), answers
        finally:
            self.world.clear()

    def _pick(self):
        pool = self.pool[-_RECENT:] if self._rng.random() < 0.5 else self.pool
        return self._rng.choice(pool)

    # --- making cases small

    def shrunk_finding(self, kind, case):
        """A smaller case with a problem of the same kind."""
        return shrink(case, lambda smaller: kind in {_kind(problem) for problem in self.outcome(smaller)[0]})

    def shrunk_reach(self, case, wanted):
        """A smaller case that still reaches all of `wanted`."""
        return shrink(case, lambda smaller: wanted <= self.arcs.reached_by(lambda: self.outcome(smaller)))


def _kind(problem):
    """Problems that begin alike are one."""
    return problem[:60]


def shrink(case, is_as_good, tries=100):
    """Leave out parts of a case, and pieces of its parts, as long as it is as good without."""
    for name in sorted(case):
        smaller = {key: value for key, value in case.items() if key != name}
        if is_as_good(smaller):
            case = smaller
    for name in sorted(case):
        size = len(case[name])
        while (size := size // 2) and tries > 0:
            position = 0
            while position < len(case[name]) and tries > 0:
                data = case[name]
                smaller = case | {name: data[:position] + data[position + size :]}
                tries -= 1
                if is_as_good(smaller):
                    case = smaller
                else:
                    position += size
    return case
