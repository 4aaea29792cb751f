"""`make diagnose-bench`: build the lab, inject each fault, see that it breaks what it should, diagnose, score.

Points as the specification gives them: 2 when the cause is the first finding and says what it must, 1 when it is
anywhere in the list, 0 when absent, -1 for every other error or fatal. Usage:
    python -m tests.diagnose.bench [--listed|--unlisted|--pairs|--healthy] [--no-probes] [ID ...]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.diagnose import healthy
from tests.diagnose.faults import LISTED, PROBES, Fault
from tests.diagnose.lab import Lab
from tests.diagnose.state import node_state
from tests.diagnose.unlisted import UNLISTED

BAD = ("error", "fatal")


@dataclass(slots=True)
class Score:
    """One row of the table."""

    id: str
    points: int = 0
    possible: int = 2
    milliseconds: float = 0
    first: str = ""
    notes: list[str] = field(default_factory=list)


def text_of(finding: dict[str, Any]) -> str:
    """All that a finding says."""
    return json.dumps(finding, ensure_ascii=False)


def answers(finding: dict[str, Any], fault: Fault) -> bool:
    """Whether a finding is the fault's cause."""
    return finding["code"] in fault.codes and all(word in text_of(finding) for word in fault.says)


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


def mend(lab: Lab, pod: str, report: dict[str, Any]) -> None:
    """Carry out the first finding's remedy."""
    remedy = report["findings"][0].get("remedy") if report["findings"] else None
    for command in (remedy or {}).get("commands", ()):
        place = lab.netns(pod) if command["netns"] == "pod" else lab.netns("node")
        argv = ["ip", "netns", "exec", place.rpartition("/")[2], *command["argv"]]
        subprocess.run(argv, capture_output=True, check=False)


def run_fault(fault: Fault, *extra: str) -> Score:
    """One fault in a lab of its own."""
    with tempfile.TemporaryDirectory(prefix="genie-lab-") as directory, Lab(Path(directory) / "lab") as lab:
        if fault.setup:
            lab.sh(fault.setup)
        expect_ipv6(lab, fault)
        notes = [f"{name} fails before the fault" for name in fault.breaks if not settle(lab, name, True)]
        lab.sh(fault.inject)
        notes += [f"{name} still works" for name in fault.breaks if not settle(lab, name, False)]
        before = node_state(lab)
        _, report, _ = lab.debug(
            fault.pod, *(a.replace("{D}", str(lab.directory)) for a in fault.args), *extra
        )
        row = score(fault, report)
        if node_state(lab) != before:
            notes.append("the node's state changed")
        if fault.mends and row.points == 2:
            mend(lab, fault.pod, report)
            notes += [f"remedy does not mend {name}" for name in fault.breaks if not settle(lab, name, True)]
        row.notes += notes
        return row


def expect_ipv6(lab: Lab, fault: Fault) -> None:
    """A dual-stack pod says so in its status."""
    if fault.also == "v6":
        pod = next(o for o in lab.objects if o["metadata"]["name"] == fault.pod)
        pod["status"] = {
            "phase": "Running",
            "podIP": "10.244.1.10",
            "podIPs": [{"ip": "10.244.1.10"}, {"ip": "fd00:1::10"}],
        }


def settle(lab: Lab, probe: str, wanted: bool) -> bool:
    """Whether a probe comes out as wanted, within a few tries (ARP, STP, routes settle)."""
    for _ in range(4):
        if PROBES[probe](lab) is wanted:
            return True
        time.sleep(0.5)  # duplicate address detection takes a second
    return False


def run_pair(one: Fault, other: Fault, *extra: str) -> Score:
    """Two faults at once: both must be there."""
    with tempfile.TemporaryDirectory(prefix="genie-lab-") as directory, Lab(Path(directory) / "lab") as lab:
        for fault in (one, other):
            lab.sh(fault.setup)
            expect_ipv6(lab, fault)
        for fault in (one, other):
            lab.sh(fault.inject, check=False)
        _, report, _ = lab.debug(one.pod, *extra)
    row = Score(id=f"{one.id}+{other.id}", milliseconds=report["metadata"]["durationMs"])
    for fault in (one, other):
        found = any(answers(f, fault) for f in report["findings"])
        row.points += found
        row.notes += [] if found else [f"{fault.id} is missing"]
    known = (*one.codes, *other.codes)
    for finding in report["findings"]:
        if finding["severity"] in BAD and not finding.get("consequenceOf") and finding["code"] not in known:
            row.points -= 1
            row.notes.append(f"wrong: {finding['code']} {finding['title'][:90]}")
    return row


PAIRS = (
    ("F01", "F31"), ("F01", "F36"), ("F04", "F62"), ("F05", "F34"), ("F02", "F56"), ("F08", "F33"), ("F13", "F60"), ("F14", "F38"),
    ("F17", "F31"), ("F19", "F36"), ("F20", "F57"), ("F21", "F69"), ("F27", "F31"), ("F29", "F56"), ("F36", "F62"), ("F48", "F33"),
    ("F49", "F36"), ("F43", "F60"), ("F69", "F34"), ("F86", "F31"), ("F84", "F20"), ("F09", "F18"), ("F40", "F57"), ("F74", "F36"),
    ("F42", "F56"), ("F33", "F36"), ("F31", "F68"), ("F94", "F01"),
)  # fmt: skip


def table(title: str, rows: list[Score]) -> str:
    """The rows and their total."""
    lines = [title] + [
        f"{r.id:34} {r.points:3}/{r.possible} {r.milliseconds:6.0f} ms  {'; '.join(r.notes) or 'ok'}"
        for r in rows
    ]
    points, possible = sum(r.points for r in rows), sum(r.possible for r in rows)
    return "\n".join(
        [*lines, f"{title}: {points} of {possible} points ({100 * points / max(1, possible):.1f} %)", ""]
    )


def main(argv: list[str]) -> int:
    """Run the wanted parts; 1 where less than 95 % of the points are had or a healthy pod is called ill."""
    extra = ["--no-probes"] if "--no-probes" in argv else []
    parts = [a for a in argv if a.startswith("--") and a != "--no-probes"]
    names = [a for a in argv if not a.startswith("--")]
    rows: list[Score] = []
    for part, faults in (("--listed", LISTED), ("--unlisted", UNLISTED)):
        if parts and part not in parts:
            continue
        mine = []
        for fault in (f for f in faults if not names or f.id.split()[0] in names):
            row = run_fault(fault, *extra)
            print(
                f"{row.id:34} {row.points}/2 {row.milliseconds:6.0f} ms  {'; '.join(row.notes) or 'ok'}",
                flush=True,
            )
            if row.points < 2:
                print(f"    first: {row.first}", flush=True)
            mine.append(row)
        print(table(part[2:], mine).splitlines()[-1], flush=True)
        rows += mine
    if not names and (not parts or "--pairs" in parts):
        by_id = {f.id: f for f in LISTED}
        pairs = [run_pair(by_id[a], by_id[b], *extra) for a, b in PAIRS]
        print(table("pairs", pairs), flush=True)
        rows += pairs
    ill = healthy.judge(names, extra) if not parts or "--healthy" in parts else 0
    points, possible = sum(r.points for r in rows), sum(r.possible for r in rows)
    return int(points < 0.95 * possible or bool(ill))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
