"""From a sync's report to the agent's action: whether to try again, what to count, what to log. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from genie_core.edges.kube_errors import NOT_WRITTEN, WRITE_FORBIDDEN
from genie_core.errors import EXIT_NOT_FOUND, EXIT_TIMEOUT
from genie_core.survey.cluster import json_object
from genie_core.tasks.agent.children import Ended
from genie_core.tasks.agent.queue import RunOutcome

_KEEP, _UNKNOWN_ACTION = "keep", "attach"  # a refusal before anything was planned is of what was asked for
_RESULTS = {"changed": "done", "refused": "refused", "failed": "failed", "partial": "partial"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """`counts` maps (action, result) to how many. `is_waiting`: something that is named does not exist (yet).

    `is_forbidden`: the account may not write the pod's status. `problem` says in one sentence what is wrong, "" where
    nothing is.
    """

    outcome: RunOutcome
    status: str
    counts: dict[tuple[str, str], int]
    moves: tuple[str, ...] = ()
    is_waiting: bool = False
    is_forbidden: bool = False
    problem: str = ""


def read(ended: Ended) -> Read:
    """The meaning of a child's exit code and report."""
    report = json_object(ended.out)
    status = str(report.get("status") or "")
    is_gone = status == "refused" and not report["target"]["containerID"]  # it ends: its state is removed
    if ended.code == EXIT_NOT_FOUND or is_gone:  # the runtime lists a sandbox a moment after its ADD
        return Read(outcome=RunOutcome.RETRY, status="absent", counts={})
    if status not in {*_RESULTS, "unchanged"}:
        return Read(outcome=RunOutcome.RETRY, status="failed", counts={}, problem=_words(ended, report))
    moves = [change for change in report.get("changes") or () if change.get("action") != _KEEP]
    problem = str((report.get("error") or {}).get("msg") or "")
    warnings = [str(text) for text in report.get("warnings") or ()]
    outcome = RunOutcome.RETRY
    if status in ("changed", "unchanged"):
        outcome = (
            RunOutcome.RETRY if any(text.startswith(NOT_WRITTEN) for text in warnings) else RunOutcome.DONE
        )
    elif status == "refused":
        outcome = RunOutcome.PARK
    return Read(
        outcome=outcome,
        status=status,
        counts=_counts(status, moves),
        moves=tuple(f"{move['action']} {move['network']}@{move['interface']}" for move in moves),
        is_waiting=status == "refused" and report.get("reason") == "Waiting",
        is_forbidden=status in ("changed", "unchanged")
        and any(text.startswith(WRITE_FORBIDDEN) for text in warnings),
        problem=problem or "; ".join(warnings),
    )


def _counts(status: str, moves: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    if status not in _RESULTS:
        return {}
    actions = [str(move["action"]) for move in moves] or [_UNKNOWN_ACTION]
    return dict(Counter((action, _RESULTS[status]) for action in actions))


def _words(ended: Ended, report: dict[str, Any]) -> str:
    """The problem of a child that gave no report of a sync."""
    if ended.code == EXIT_TIMEOUT:
        return "it was not done in time; its journal has what is attached"
    if ended.code < 0:
        return f"it was killed by signal {-ended.code}"
    last = ended.err.strip().splitlines()[-1:]
    return str(report.get("message") or "".join(last) or f"exit code {ended.code}")[:500]
