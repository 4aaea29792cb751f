"""`python -m tests.fuzz.inside SCRATCH`: what happens in the sandbox. Reads a job, prints one JSON document a line.

{"replay": [[target, case], ...]}                         -> {"answers": [...], "problems": [...]} for each
{"targets": {name: cases}, "seed": 0, "keep": false}      -> for each {"target": ..., "figures": {...},
                                                              "findings": [...], "kept": [...]}
"""

import json
import os
import re
import sys
import traceback
from pathlib import Path

import yaml  # noqa: F401 (what a child imports first would count as its memory)

from tests.fuzz import answers, cases, targets
from tests.fuzz.arcs import Arcs
from tests.fuzz.guided import Campaign
from tests.fuzz.oracle import judge
from tests.fuzz.world import World

# Answers that another machine might not give: its paths, its resolver.
_OF_THE_MACHINE = re.compile(r"/var/lib/|/run/|emporary failure|unreachable")


def main():
    scratch, job = Path(sys.argv[1]), json.load(sys.stdin)
    known = targets.load()
    server = answers.start(scratch / "api")
    try:
        if "replay" in job:
            _replay(scratch, known, job["replay"])
        else:
            for name, count in job["targets"].items():
                _in_child(scratch, known[name], count, job)
    finally:
        os.kill(server, 9)
        os.waitpid(server, 0)


def _say(document):
    print(json.dumps(document), flush=True)


def _replay(scratch, known, entries):
    for name, document in entries:
        world = World(scratch, known[name].base, api_seconds=1, patient=True)  # for a busy machine
        case = cases.decode(document)
        came = world.play(case)
        problems = judge({**world.base, **case}, came, world)
        world.clear()
        _say({"answers": cases.as_shown(came, scratch), "problems": problems})


def _in_child(scratch, target, count, job):
    """Run a target in a process of its own: its memory is measured alone, and its end ends no other."""
    pid = os.fork()
    if pid == 0:
        try:
            _fuzz(scratch, target, count, job)
            os._exit(0)
        except BaseException:  # noqa: BLE001 (a child never comes back from here)
            traceback.print_exc()
            os._exit(70)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        last = json.loads((scratch / "current").read_text())
        problem = f"the process ended with {status}"
        _say(
            {
                "target": target.name,
                "figures": None,
                "findings": [{"problem": problem, "parts": last}],
                "kept": [],
            }
        )


def _fuzz(scratch, target, count, job):
    world = World(scratch, target.base)
    current = scratch / "current"
    campaign = Campaign(
        target,
        world,
        Arcs(),
        judge,
        seed=job["seed"],
        note=lambda case: current.write_text(json.dumps(cases.encode(case))),
    )
    figures = campaign.run(count)
    findings = [
        {"problem": problem, **_described(campaign, campaign.shrunk_finding(kind, case), scratch)}
        for kind, (problem, case) in figures.findings.items()
    ]
    kept = _rare(campaign, scratch) if job["keep"] else []
    _say(
        {
            "target": target.name,
            "figures": {**figures._asdict(), "findings": len(figures.findings)},
            "findings": findings,
            "slowest": cases.encode(campaign.slowest_case),
            "kept": kept,
        }
    )


def _described(campaign, case, scratch):
    _, came = campaign.outcome(case)
    return {"parts": cases.encode(case), "answers": cases.as_shown(came, scratch)}


def _rare(campaign, scratch):
    """The smallest cases that still reach what no real input reaches, each adding to those before it."""
    covered = set()
    for case in campaign.target.seeds:
        covered |= campaign.arcs.reached_by(lambda case=case: campaign.outcome(case))
    kept = []
    for case in campaign.pool[len(campaign.target.seeds) :]:
        wanted = campaign.arcs.reached_by(lambda case=case: campaign.outcome(case)) - covered
        if wanted:
            entry = _described(campaign, campaign.shrunk_reach(case, wanted), scratch)
            if not _OF_THE_MACHINE.search(json.dumps(entry["answers"])):
                covered |= wanted
                kept.append({**entry, "reaches": min(arc[0] for arc in wanted)})
    return kept


if __name__ == "__main__":
    main()
