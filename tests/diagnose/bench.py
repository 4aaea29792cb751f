"""`make diagnose-bench`: build the lab, inject each fault, see that it breaks what it should, diagnose, score.

Points as the specification gives them: 2 when the cause is the first finding and says what it must, 1 when it is
anywhere in the list, 0 when absent, -1 for every other error or fatal. Everything is diagnosed without and with
probes, and compared before and after. Then every command that the report prints is carried out, in the order printed:
none may fail or break what worked, and in the end everything works again. Usage:
    python -m tests.diagnose.bench [--listed|--unlisted|--pairs|--healthy] [--no-probes] [--keep] [ID ...]

--keep saves one finding of each code that a fault gives in docs/codes/examples.json, from which the codes' pages are made.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.diagnose import healthy
from tests.diagnose.faults import EDITS, LISTED, PROBES, Fault
from tests.diagnose.frequent import FREQUENT, FREQUENT_HEALTHY
from tests.diagnose.invented import INVENTED, INVENTED_HEALTHY
from tests.diagnose.lab import Lab
from tests.diagnose.state import examined
from tests.diagnose.unlisted import UNLISTED

BAD = ("error", "fatal")
EXAMPLES = Path(__file__).parents[2] / "docs" / "codes" / "examples.json"
Mode = tuple[str, ...]  # more arguments of the command
FACTS_ONLY: Mode = ("--no-probes",)
MODES: tuple[Mode, ...] = (FACTS_ONLY, ())


@dataclass(slots=True)
class Score:
    """One row of the table."""

    id: str
    points: int = 0
    possible: int = 2
    milliseconds: float = 0
    first: str = ""
    notes: list[str] = field(default_factory=list)
    example: dict[str, Any] | None = None


def text_of(finding: dict[str, Any]) -> str:
    """All texts of a finding."""
    return json.dumps(finding, ensure_ascii=False)


def answers(finding: dict[str, Any], fault: Fault) -> bool:
    """Whether a finding is the fault's cause."""
    said = all(word in text_of(finding) for word in fault.says)
    return finding["code"] in fault.codes and said and not any(w in finding["title"] for w in fault.unsaid)


def score(fault: Fault, report: dict[str, Any], expected: tuple[str, ...] = ()) -> Score:
    """The points of one report."""
    findings = report["findings"]
    row = Score(
        id=fault.id,
        milliseconds=report["metadata"]["durationMs"],
        first=findings[0]["title"] if findings else "",
    )
    if findings and answers(findings[0], fault):
        row.points = 2
    elif any(answers(f, fault) for f in findings):
        row.points = 1
        row.notes.append("not first")
    wrong = [
        f
        for f in findings
        if f["severity"] in BAD and not f.get("consequenceOf") and f["code"] not in (*fault.codes, *expected)
    ]
    for finding in wrong:
        row.points -= 1
        row.notes.append(f"wrong: {finding['code']} {finding['title'][:90]}")
    if any(c["status"] == "error" for c in report["checks"]):
        row.notes.append(f"broken checks: {[c for c in report['checks'] if c['status'] == 'error']}")
    return row


def lax(fault: Fault, findings: list[dict[str, Any]]) -> list[str]:
    """Findings with too low a severity, and repeated ones."""
    first, others = findings[:1], findings[1:]
    notes = [f"only {f['severity']}" for f in first if fault.firm and f["severity"] not in BAD]
    causes = [f["code"] for f in others if not f.get("consequenceOf") and f["severity"] != "info"]
    return notes + [f"another cause: {code}" for code in causes if fault.alone]


# Traffic that must not get worse by any command that is printed.
WATCHED = (
    "lo",
    "gateway",
    "peer",
    "node",
    "remote",
    "inet",
    "vip",
    "in-remote",
    "in-peer",
    "in-node",
    "c1-node",
)
# A lab has no cluster: tests/diagnose/test_asked.py carries out what kubectl is to do, against an API server.
ELSEWHERE = ("kubectl",)
# Genie's own commands find an empty node at the usual places, and the machine's own files are out of reach.
COVERED = """
for d in /etc/cni /opt /var/lib/cni; do mkdir -p $d; mount -t tmpfs none $d; done
PATH="$0:$PATH"; exec "$@"
"""


def mend(lab: Lab, pod: str, findings: list[dict[str, Any]]) -> list[str]:
    """Carry out all that the findings' remedies print, in that order: what fails, and what each remedy breaks."""
    works: tuple[str, ...] = WATCHED
    for _ in range(2):  # what works now and then only says nothing
        broken = settle(lab, works, True, "{}", tries=1)
        works = tuple(name for name in works if name not in broken)
    notes = []
    for finding in findings:
        commands = (finding.get("remedy") or {}).get("commands", ())
        notes += [f"{finding['code']}: {problem}" for c in commands if (problem := carry_out(lab, pod, c))]
        lost = settle(lab, works, True, "{}") if commands else []
        notes += [f"the remedy of {finding['code']} breaks {name}" for name in lost]
        works = tuple(name for name in works if name not in lost)
    return notes


def carry_out(lab: Lab, pod: str, command: dict[str, Any]) -> str:
    """Run one command where it is meant to be run; why it failed, "" where it did not."""
    if command["argv"][0] in ELSEWHERE:
        return ""
    place = lab.netns(pod if command["netns"] == "pod" else "node").rpartition("/")[2]
    inside = ["ip", "netns", "exec", place, "unshare", "--mount", "sh", "-c", COVERED]
    argv = [*inside, str(lab.program), *command["argv"]]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    said = (done.stderr or done.stdout).strip()[-90:]
    looks = "--check" in argv and done.returncode == 1  # it says what is still wrong
    return f"{shlex.join(command['argv'])} fails: {said}" if done.returncode and not looks else ""


def run_fault(fault: Fault, *modes: Mode) -> Score:
    """One fault in a lab of its own: diagnosed in each mode, and the worst of the answers counts."""
    with tempfile.TemporaryDirectory(prefix="genie-lab-") as directory, Lab(Path(directory) / "lab") as lab:
        lab.sh(fault.setup)
        expect_ipv6(lab, fault)
        notes = settle(lab, fault.breaks, True, "{} fails before the fault")
        lab.sh(fault.inject)
        EDITS[fault.edit](lab)
        notes += settle(lab, (*fault.breaks, *fault.fails), False, "{} still works")
        reports, changes = diagnosed(lab, fault.pod, args_of(lab, fault), modes, fault.probes)
        row = min((score(fault, report) for report in reports), key=lambda row: row.points)
        row.example = next((scrubbed(lab, f) for f in reports[0]["findings"] if answers(f, fault)), None)
        row.notes += notes + changes + lax(fault, reports[-1]["findings"])
        row.notes += mend(lab, fault.pod, reports[-1]["findings"])
        if fault.mends and row.points == 2:
            row.notes += settle(lab, fault.breaks, True, "remedy does not mend {}")
        return row


# Where a node has what a lab has in a directory of its own.
USUAL = {
    "net.d": "/etc/cni/net.d",
    "bin": "/opt/cni/bin",
    "networks": "/var/lib/cni/networks",
    "results": "/var/lib/cni/results",
    "state": "/var/lib/cni/genie",
    "genie.kubeconfig": "/etc/cni/genie/genie.kubeconfig",
    "config.toml": "/etc/containerd/config.toml",
}


def scrubbed(lab: Lab, finding: dict[str, Any]) -> dict[str, Any]:
    """A finding with the usual directories and namespaces of a node instead of a lab's."""
    text = json.dumps(finding).replace(f"{lab.prefix}-", "").replace(f"-{lab.prefix}", "")
    for name, usual in USUAL.items():
        text = re.sub(rf"{re.escape(str(lab.directory))}/{re.escape(name)}\b", usual, text)
    usual_finding: dict[str, Any] = json.loads(text.replace(str(lab.directory), ""))
    return usual_finding


def keep(rows: list[Score]) -> None:
    """Save the first finding of each code; those of other codes stay."""
    found = {row.example["code"]: row.example for row in reversed(rows) if row.example}
    kept = json.loads(EXAMPLES.read_text()) | found
    EXAMPLES.write_text(json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n")


def args_of(lab: Lab, *faults: Fault) -> list[str]:
    """The command line's additions that the faults need."""
    return [a.replace("{D}", str(lab.directory)) for fault in faults for a in fault.args]


def diagnosed(
    lab: Lab, pod: str, args: list[str], modes: tuple[Mode, ...], probes: bool = False
) -> tuple[list[dict[str, Any]], list[str]]:
    """The report of each mode (with `probes`, only of the one that makes them), and what any of them changed."""
    reports, changes = [], []
    for mode in ((),) if probes else modes:
        _, report, changed = examined(lab, pod, *args, *mode)
        reports.append(report)
        changes += changed
    return reports, changes


def expect_ipv6(lab: Lab, fault: Fault) -> None:
    """A dual-stack pod says so in its status."""
    if fault.also == "v6":
        pod = next(o for o in lab.objects if o["metadata"]["name"] == fault.pod)
        pod["status"] = {
            "phase": "Running",
            "podIP": "10.244.1.10",
            "podIPs": [{"ip": "10.244.1.10"}, {"ip": "fd00:1::10"}],
        }


def settle(lab: Lab, probes: tuple[str, ...], wanted: bool, otherwise: str, tries: int = 6) -> list[str]:
    """The probes that do not come out as wanted within a few tries (ARP, STP, duplicate detection settle)."""
    left = list(dict.fromkeys(probes))
    for attempt in range(tries):
        time.sleep(0.3 * bool(attempt))
        with ThreadPoolExecutor(max_workers=8) as pool:
            left = [
                name
                for name, works in zip(left, pool.map(lambda n: PROBES[n](lab), left), strict=True)
                if works is not wanted
            ]
        if not left:
            break
    return [otherwise.format(name) for name in left]


def run_pair(one: Fault, other: Fault, *modes: Mode) -> Score:
    """Two faults at once: both must be there, in every mode; the remedies of both bring the traffic back."""
    with tempfile.TemporaryDirectory(prefix="genie-lab-") as directory, Lab(Path(directory) / "lab") as lab:
        both = (one, other)
        for fault in both:
            lab.sh(fault.setup)
            expect_ipv6(lab, fault)
        for fault in both:
            lab.sh(fault.inject, check=False)
            EDITS[fault.edit](lab)
        broken = tuple(name for fault in both for name in (*fault.breaks, *fault.fails))
        notes = settle(lab, broken, False, "{} still works")
        reports, changes = diagnosed(lab, one.pod, args_of(lab, *both), modes, one.probes or other.probes)
        row = min((_pair_score(both, report) for report in reports), key=lambda row: row.points)
        row.notes += notes + changes
        row.notes += mend(lab, one.pod, reports[-1]["findings"])
        if one.mends and other.mends and row.points == 2:
            row.notes += again(lab, both, broken, modes)
    return row


def again(lab: Lab, both: tuple[Fault, Fault], broken: tuple[str, ...], modes: tuple[Mode, ...]) -> list[str]:
    """Of two faults one may hide the other's remedy as its consequence: the next diagnosis has it, then."""
    if not settle(lab, broken, True, "{}"):
        return []
    reports, notes = diagnosed(lab, both[0].pod, args_of(lab, *both), modes[-1:])
    notes += mend(lab, both[0].pod, reports[-1]["findings"])
    return [*notes, *settle(lab, broken, True, "remedies do not mend {}")]


def _pair_score(both: tuple[Fault, Fault], report: dict[str, Any]) -> Score:
    findings = report["findings"]
    row = Score(id="+".join(f.id for f in both), milliseconds=report["metadata"]["durationMs"])
    for fault in both:
        found = any(answers(f, fault) for f in findings)
        row.points += found
        row.notes += [] if found else [f"{fault.id} is missing"]
    if row.points == 2 and not any(answers(findings[0], fault) for fault in both):
        row.notes.append(f"first is {findings[0]['code']}")
    known = (*both[0].codes, *both[1].codes)
    wrong = [
        f for f in findings if f["severity"] in BAD and not f.get("consequenceOf") and f["code"] not in known
    ]
    row.points -= len(wrong)
    row.notes += [f"wrong: {f['code']} {f['title'][:90]}" for f in wrong]
    return row


PAIRS = (
    ("F01", "F31"), ("F01", "F36"), ("F04", "F62"), ("F05", "F34"), ("F02", "F56"), ("F08", "F33"), ("F13", "F60"), ("F14", "F38"),
    ("F17", "F31"), ("F19", "F36"), ("F20", "F57"), ("F21", "F69"), ("F27", "F31"), ("F29", "F56"), ("F36", "F62"), ("F48", "F33"),
    ("F49", "F36"), ("F43", "F60"), ("F69", "F34"), ("F86", "F31"), ("F84", "F20"), ("F09", "F18"), ("F40", "F57"), ("F74", "F56"),
    ("F42", "F56"), ("F33", "F36"), ("F31", "F68"), ("F94", "F01"), ("U48", "F60"), ("U52", "F57"), ("U46", "F36"),
    ("U67", "F62"), ("U84", "F43"), ("U95", "F62"), ("U47", "F56"), ("U68", "F19"), ("U58", "F60"), ("U82", "F36"), ("U119", "F56"), ("U121", "F62"),
    ("U124", "F36"), ("U130", "F31"), ("U133", "F60"), ("U115", "F33"), ("U73", "F36"),
    ("U260", "F36"), ("U262", "F60"), ("U272", "F60"), ("U275", "F31"), ("U257", "F62"),
)  # fmt: skip


def judge(title: str, runs: Iterable[Callable[[], Score]]) -> list[Score]:
    """Each row as it comes, and the total."""
    rows = []
    for run in runs:
        row = run()
        print(
            f"{row.id:34} {row.points:2}/2 {row.milliseconds:6.0f} ms  {'; '.join(row.notes) or 'ok'}",
            flush=True,
        )
        if row.points < 2 and row.first:
            print(f"    first: {row.first}", flush=True)
        rows.append(row)
    points, possible = sum(r.points for r in rows), sum(r.possible for r in rows)
    noted = sum(bool(r.notes) for r in rows)
    print(
        f"{title}: {points} of {possible} points ({100 * points / max(1, possible):.1f} %), {noted} with notes\n",
        flush=True,
    )
    return rows


def main(argv: list[str]) -> int:
    """Run the wanted parts; 1 where less than 95 % of the points are had or a healthy pod is called ill."""
    modes: tuple[Mode, ...] = (FACTS_ONLY,) if "--no-probes" in argv else MODES
    parts = [a for a in argv if a.startswith("--") and a not in ("--no-probes", "--keep")]
    names = [a for a in argv if not a.startswith("--")]
    rows: list[Score] = []
    for part, faults in (("--listed", LISTED), ("--unlisted", (*UNLISTED, *INVENTED, *FREQUENT))):
        if not parts or part in parts:
            chosen = [f for f in faults if not names or f.id.split()[0] in names]
            rows += judge(part[2:], [partial(run_fault, f, *modes) for f in chosen])
    if "--pairs" in parts or not (names or parts):
        by_id = {f.id.split()[0]: f for f in (*LISTED, *UNLISTED, *INVENTED, *FREQUENT)}
        chosen_pairs = [p for p in PAIRS if not names or set(p) & set(names)]
        rows += judge("pairs", [partial(run_pair, by_id[a], by_id[b], *modes) for a, b in chosen_pairs])
    if "--keep" in argv:
        keep(rows)
    ill = (
        healthy.judge(names, modes, (*INVENTED_HEALTHY, *FREQUENT_HEALTHY))
        if not parts or "--healthy" in parts
        else 0
    )
    points, possible = sum(r.points for r in rows), sum(r.possible for r in rows)
    return int(points < 0.95 * possible or bool(ill))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
